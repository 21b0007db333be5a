#include "report/html.h"

namespace circuitdiff {
namespace {

// Length of the valid UTF-8 sequence that begins at `at`; 0 if there is none.
size_t sequence_length(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char c = byte(at);
  if (c < 0x80) return 1;
  const size_t length = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
  if (c < 0xC2 || c > 0xF4 || at + length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i)
    if ((byte(at + i) & 0xC0) != 0x80) return 0;
  const unsigned char second = byte(at + 1);
  if ((c == 0xE0 && second < 0xA0) || (c == 0xED && second > 0x9F) || (c == 0xF0 && second < 0x90) ||
      (c == 0xF4 && second > 0x8F))
    return 0;  // overlong, a surrogate, or past U+10FFFF
  return length;
}

constexpr const char* kReplacement = "\uFFFD";

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 16);
  for (size_t i = 0; i < text.size();) {
    const size_t length = sequence_length(text, i);
    if (length != 1) {
      out += length ? text.substr(i, length) : kReplacement;
      i += length ? length : 1;
      continue;
    }
    const char c = text[i++];
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        if ((static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' && c != '\r') || c == 0x7F)
          out += kReplacement;
        else
          out += c;
    }
  }
  return out;
}

std::string named(std::string_view text) { return "<span class=\"name\">" + escape_html(text) + "</span>"; }

std::string json_for_script(const nlohmann::ordered_json& value) {
  const std::string text = value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '<')
      out += "\\u003c";
    else if (c == '>')
      out += "\\u003e";
    else if (c == '&')
      out += "\\u0026";
    else if (c == '\xE2' && text.compare(i, 3, "\u2028") == 0)
      out += "\\u2028", i += 2;
    else if (c == '\xE2' && text.compare(i, 3, "\u2029") == 0)
      out += "\\u2029", i += 2;
    else
      out += c;
  }
  return out;
}

std::string escape_latex(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\textbackslash{}";
    else if (c == '~')
      out += "\\textasciitilde{}";
    else if (c == '^')
      out += "\\textasciicircum{}";
    else if (std::string_view("&%$#_{}").find(c) != std::string_view::npos)
      (out += '\\') += c;
    else if (static_cast<unsigned char>(c) < 0x20)
      out += ' ';
    else
      out += c;
  }
  return out;
}

std::string_view utf8_prefix(std::string_view text, size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) --bytes;
  return text.substr(0, bytes);
}

std::string unbroken(std::string html) {
  static constexpr const char* kHardSpace = "\u00a0";
  bool bracket = false;
  std::string out;
  for (size_t i = 0; i < html.size(); ++i) {
    bracket = html[i] == '[' || (bracket && html[i] != ']');
    const std::string_view rest = std::string_view(html).substr(i);
    const std::string_view before = std::string_view(html).substr(0, i);
    const bool in_p = before.ends_with("p") && (rest.starts_with(" &lt; .") || rest.starts_with(" = "));
    const bool after_p = before.ends_with("p &lt;") || before.ends_with("p =");
    if (html[i] == ' ' && (bracket || in_p || after_p || rest.starts_with(" %")))
      out += kHardSpace;
    else
      out += html[i];
  }
  return out;
}

}  // namespace circuitdiff
