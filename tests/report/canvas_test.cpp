// Drawings as SVG and PDF: shapes at their places, text that cannot break out, a
// PDF whose table of objects holds.
#include "report/canvas.h"

#include <gmock/gmock.h>

#include "report/figures.h"
#include "report/run_folder.h"

namespace circuitdiff {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

Canvas drawing(const std::string& text) {
  Canvas canvas(200, 100);
  canvas.rectangle(10, 20, 30, 40, "#ff0000");
  canvas.line(0, 0, 5, 5, "#00ff00", 1.5);
  canvas.disc(50, 50, 4, "#0000ff");
  canvas.text(100, 50, 10, Anchor::end, text, "#000000");
  canvas.text(100, 50, 10, Anchor::middle, "up", "#000000", /*upright=*/true);
  return canvas;
}

TEST(Canvas, SvgHasTheShapesAndEscapesText) {
  const std::string svg = drawing("a3<q> & \"x\"").svg();
  EXPECT_THAT(svg,
              HasSubstr("<rect x=\"10.00\" y=\"20.00\" width=\"30.00\" height=\"40.00\" fill=\"#ff0000\"/>"));
  EXPECT_THAT(svg, HasSubstr("stroke-width=\"1.50\""));
  EXPECT_THAT(svg, HasSubstr(">a3&lt;q&gt; &amp; &quot;x&quot;</text>"));
  EXPECT_THAT(svg, HasSubstr("transform=\"rotate(-90 100.00 50.00)\""));
}

TEST(Canvas, PdfMeasuresFromTheFootOfThePage) {
  const std::string pdf = drawing("12").pdf();
  EXPECT_THAT(pdf, StartsWith("%PDF-1.4\n"));
  EXPECT_THAT(pdf, HasSubstr("1 0 0 rg 10.00 40.00 30.00 40.00 re f"));
  // Two digits of 556 thousandths at size 10 end at 100.
  EXPECT_THAT(pdf, HasSubstr("1 0 0 1 88.88 50.00 Tm (12) Tj"));
}

TEST(Canvas, PdfTextIsEscapedAndOfItsAlphabet) {
  EXPECT_THAT(drawing("a(b)\\").pdf(), HasSubstr("(a\\(b\\)\\\\) Tj"));
  EXPECT_THAT(drawing("\u03b1 \u2192 \u4e2d").pdf(), HasSubstr("(alpha -> ?) Tj"));
  EXPECT_THAT(drawing("\u22125").pdf(), HasSubstr("(\x96"
                                                  "5) Tj"));
}

TEST(Canvas, PdfObjectsAreWhereItsTableSays) {
  const std::string pdf = drawing("x").pdf();
  const size_t start = std::stoul(pdf.substr(pdf.find("startxref\n") + 10));
  ASSERT_EQ(pdf.substr(start, 9), "xref\n0 6\n");
  for (size_t i = 1; i <= 5; ++i) {
    const size_t offset = std::stoul(pdf.substr(start + 9 + 20 * i, 10));
    EXPECT_EQ(pdf.substr(offset, 7), std::to_string(i) + " 0 obj");
  }
  const size_t begin = pdf.find("stream\n") + 7, length = std::stoul(pdf.substr(pdf.find("/Length ") + 8));
  EXPECT_EQ(pdf.substr(begin + length, 9), "endstream");
}

TEST(Figures, AMetricThatNoComparisonHasIsNotDrawn) {
  const RunFolder run;
  SilentProgress silent;
  const ReportInput input = read_report_input(run.path, silent);
  EXPECT_FALSE(draw_metric(input, "no_such_metric", "t").has_value());
  const auto canvas = draw_metric(input, "act_intensity", "Activation intensity");
  ASSERT_TRUE(canvas.has_value());
  EXPECT_THAT(canvas->svg(), HasSubstr("Activation intensity"));
  EXPECT_THAT(canvas->svg(), Not(HasSubstr("nan")));
}

TEST(Figures, LatexIncludesEachFileWithItsCaption) {
  const std::string tex = figures_latex({{"edges.a_b.x", "100 % of a_b"}});
  EXPECT_THAT(tex, HasSubstr("\\includegraphics[width=\\linewidth]{{edges.a_b.x}.pdf}"));
  EXPECT_THAT(tex, HasSubstr("100 \\% of a\\_b"));
}

}  // namespace
}  // namespace circuitdiff
