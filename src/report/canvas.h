// A drawing of a few shapes that is written as SVG or as PDF: what figures for papers need, without a
// display. Text is Helvetica in both; in a PDF only characters of Windows-1252 can be shown, others become
// "?".
#pragma once

#include <string>
#include <vector>

namespace circuitdiff {

enum class Anchor { start, middle, end };

class Canvas {
 public:
  // Units are points, y downwards. Colours are "#rrggbb".
  Canvas(double width, double height) : width_(width), height_(height) {}
  void rectangle(double x, double y, double width, double height, const std::string& colour);
  void line(double x1, double y1, double x2, double y2, const std::string& colour, double width);
  void disc(double x, double y, double radius, const std::string& colour);
  // x, y: the baseline's anchor. `upright`: turned by 90 degrees to the left.
  void text(double x, double y, double size, Anchor anchor, const std::string& utf8,
            const std::string& colour, bool upright = false);
  std::string svg() const;
  std::string pdf() const;  // one page; the same drawing gives the same bytes

 private:
  struct Shape {
    enum class Kind { rectangle, line, disc, text } kind;
    double a, b, c, d;
    std::string colour, text;
    Anchor anchor = Anchor::start;
    bool upright = false;
  };
  double width_, height_;
  std::vector<Shape> shapes_;
};

// Width of a text in Helvetica at size 1, from the font's published metrics.
double helvetica_width(const std::string& utf8);

}  // namespace circuitdiff
