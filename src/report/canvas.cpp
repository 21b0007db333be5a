#include "report/canvas.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdint>

#include "report/html.h"

namespace circuitdiff {
namespace {

// Advance widths of ASCII 32 to 126 in Helvetica, thousandths of the size (Adobe's core font metrics).
constexpr std::array<int, 95> kWidths = {
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333,  278, 278, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667,
    611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667,  611, 722, 667, 944, 667,
    667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278,  556, 556, 222, 222, 500,
    222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500,  500, 334, 260, 334, 584};

std::vector<uint32_t> code_points(const std::string& utf8) {
  std::vector<uint32_t> out;
  for (size_t i = 0; i < utf8.size();) {
    const auto lead = static_cast<unsigned char>(utf8[i]);
    const size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    uint32_t c = length == 1 ? lead : lead & (0xffu >> (length + 1));
    for (size_t k = 1; k < length && i + k < utf8.size(); ++k)
      c = c << 6 | (static_cast<unsigned char>(utf8[i + k]) & 0x3fu);
    out.push_back(c);
    i += length;
  }
  return out;
}

// Windows-1252, as a PDF string's inside.
std::string pdf_text(const std::string& utf8) {
  std::string out;
  for (const uint32_t c : code_points(utf8)) {
    unsigned char byte = '?';
    if (c >= 32 && c < 127) byte = static_cast<unsigned char>(c);
    if (c >= 0xa0 && c <= 0xff) byte = static_cast<unsigned char>(c);
    if (c == 0x2212 || c == 0x2013) byte = 0x96;  // minus and dash: the en dash
    if (c == 0x2192) {                            // an arrow
      out += "->";
      continue;
    }
    if (c == 0x3b1) {  // alpha
      out += "alpha";
      continue;
    }
    if (byte == '(' || byte == ')' || byte == '\\') out += '\\';
    out += static_cast<char>(byte);
  }
  return out;
}

// "0.4 0.2 1": a PDF colour.
std::string pdf_colour(const std::string& hex) {
  const auto part = [&](size_t at) {
    return static_cast<double>(std::stoi(hex.substr(at, 2), nullptr, 16)) / 255;
  };
  return fmt::format("{:.3g} {:.3g} {:.3g}", part(1), part(3), part(5));
}

std::string number(double x) { return fmt::format("{:.2f}", std::abs(x) < 0.005 ? 0.0 : x); }

}  // namespace

double helvetica_width(const std::string& utf8) {
  double out = 0;
  for (const uint32_t c : code_points(utf8)) {
    if (c >= 32 && c < 127)
      out += kWidths[c - 32];
    else
      out += c == 0x3b1 ? 2391 : c == 0x2192 ? 917 : 556;  // written out in a PDF: "alpha", "->"
  }
  return out / 1000;
}

void Canvas::rectangle(double x, double y, double width, double height, const std::string& colour) {
  shapes_.push_back({Shape::Kind::rectangle, x, y, width, height, colour, {}});
}
void Canvas::line(double x1, double y1, double x2, double y2, const std::string& colour, double width) {
  shapes_.push_back({Shape::Kind::line, x1, y1, x2, y2, colour, number(width)});
}
void Canvas::disc(double x, double y, double radius, const std::string& colour) {
  shapes_.push_back({Shape::Kind::disc, x, y, radius, 0, colour, {}});
}
void Canvas::text(double x, double y, double size, Anchor anchor, const std::string& utf8,
                  const std::string& colour, bool upright) {
  shapes_.push_back({Shape::Kind::text, x, y, size, 0, colour, utf8, anchor, upright});
}

std::string Canvas::svg() const {
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
      "font-family=\"Helvetica, Arial, sans-serif\">\n<rect width=\"100%\" height=\"100%\" "
      "fill=\"#ffffff\"/>\n",
      number(width_), number(height_));
  for (const Shape& s : shapes_) switch (s.kind) {
      case Shape::Kind::rectangle:
        out += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"/>\n", number(s.a),
                           number(s.b), number(s.c), number(s.d), s.colour);
        break;
      case Shape::Kind::line:
        out +=
            fmt::format("<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" stroke=\"{}\" stroke-width=\"{}\"/>\n",
                        number(s.a), number(s.b), number(s.c), number(s.d), s.colour, s.text);
        break;
      case Shape::Kind::disc:
        out += fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"{}\" fill=\"{}\"/>\n", number(s.a), number(s.b),
                           number(s.c), s.colour);
        break;
      case Shape::Kind::text: {
        const char* anchor = s.anchor == Anchor::start    ? "start"
                             : s.anchor == Anchor::middle ? "middle"
                                                          : "end";
        const std::string turn =
            s.upright ? fmt::format(" transform=\"rotate(-90 {} {})\"", number(s.a), number(s.b)) : "";
        out += fmt::format(
            "<text x=\"{}\" y=\"{}\" font-size=\"{}\" text-anchor=\"{}\" fill=\"{}\"{}>{}</text>\n",
            number(s.a), number(s.b), number(s.c), anchor, s.colour, turn, escape_html(s.text));
        break;
      }
    }
  return out + "</svg>\n";
}

std::string Canvas::pdf() const {
  std::string content;
  for (const Shape& s : shapes_) switch (s.kind) {
      case Shape::Kind::rectangle:
        content += fmt::format("{} rg {} {} {} {} re f\n", pdf_colour(s.colour), number(s.a),
                               number(height_ - s.b - s.d), number(s.c), number(s.d));
        break;
      case Shape::Kind::line:
        content += fmt::format("{} RG {} w {} {} m {} {} l S\n", pdf_colour(s.colour), s.text, number(s.a),
                               number(height_ - s.b), number(s.c), number(height_ - s.d));
        break;
      case Shape::Kind::disc: {
        // Four Bezier arcs; 0.5523 puts their middles on the circle.
        const double x = s.a, y = height_ - s.b, r = s.c, k = 0.5523 * r;
        content += fmt::format(
            "{} rg {} {} m {} {} {} {} {} {} c {} {} {} {} {} {} c {} {} {} {} {} {} c {} {} {} {} {} {} c "
            "f\n",
            pdf_colour(s.colour), number(x + r), number(y), number(x + r), number(y + k), number(x + k),
            number(y + r), number(x), number(y + r), number(x - k), number(y + r), number(x - r),
            number(y + k), number(x - r), number(y), number(x - r), number(y - k), number(x - k),
            number(y - r), number(x), number(y - r), number(x + k), number(y - r), number(x + r),
            number(y - k), number(x + r), number(y));
        break;
      }
      case Shape::Kind::text: {
        const double width = helvetica_width(s.text) * s.c;
        const double shift = s.anchor == Anchor::start ? 0 : s.anchor == Anchor::middle ? width / 2 : width;
        const double x = s.upright ? s.a : s.a - shift, y = s.upright ? height_ - s.b - shift : height_ - s.b;
        content +=
            fmt::format("{} rg BT /F1 {} Tf {} {} {} Tm ({}) Tj ET\n", pdf_colour(s.colour), number(s.c),
                        s.upright ? "0 1 -1 0" : "1 0 0 1", number(x), number(y), pdf_text(s.text));
        break;
      }
    }
  const std::vector<std::string> objects = {
      "<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
      fmt::format("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {} {}] /Contents 4 0 R /Resources << /Font << "
                  "/F1 5 0 R >> "
                  ">> >>",
                  number(width_), number(height_)),
      fmt::format("<< /Length {} >>\nstream\n{}endstream", content.size(), content),
      "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"};
  std::string out = "%PDF-1.4\n";
  std::string table = fmt::format("xref\n0 {}\n0000000000 65535 f \n", objects.size() + 1);
  for (size_t i = 0; i < objects.size(); ++i) {
    table += fmt::format("{:010} 00000 n \n", out.size());
    out += fmt::format("{} 0 obj\n{}\nendobj\n", i + 1, objects[i]);
  }
  const size_t start = out.size();
  return out + table +
         fmt::format("trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{}\n%%EOF\n", objects.size() + 1,
                     start);
}

}  // namespace circuitdiff
