// Numbers of the page with where they stand in the run's files (docs/spec.md#figures-of-the-page):
// <span class="num" data-from="FILE#POINTER" data-as="FORM">TEXT</span>. FORM says how the text is made of
// the value; the page and the test that follows every data-from make it by the same function, write_figure().
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace circuitdiff {

// Where a value stands: FILE, relative to the run's folder, and a JSON pointer in it. In JSON Lines the
// pointer follows the number of the line, counted from 1: "pairs.jsonl#1/header/t_mean". A space, "#" and "%"
// in names stand as "%20", "%23" and "%25".
class Source {
 public:
  Source() = default;
  explicit Source(std::string_view file, int64_t line = 0);
  Source operator/(std::string_view name) const;  // a member of an object
  Source operator/(size_t index) const;           // an element of an array
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// How a figure is written. Its name stands in data-as, followed by ":SCALE" or ":SCALE:DIGITS" where those
// are not 1 and 0.
enum class Form {
  number,    // three significant digits
  change,    // the same with its sign
  size,      // the same without
  interval,  // [low, high], of an array of two; the lower end first
  percent,   // a share without its sign: "12 %"
  points,    // a difference of shares in percentage points: "+24.3"
  ends,      // [12, 15]: both ends in percent without the sign %
  p,         // "p = .03"
  p_alone,   // ".03"
  count,     // a whole number
  length,    // of an array
  fold,      // of a ratio's logarithm: "2.3-fold", "by 12 %"
  quotient,  // of two values, in percent: "80 %"
  less,      // the first count less the second
  decimals,  // DIGITS digits behind the point
};
struct Written {
  Form form = Form::number;
  double scale = 1;  // the value is multiplied by it first
  int digits = 0;
  std::string text() const;
  static Written of(std::string_view data_as);  // Error where it is none
};

// Plain text of one value, or of the two that `interval`, `ends`, `quotient` and `less` take.
std::string write_figure(const Written& how, std::span<const double> values);

// The element; kAbsent alone where the value is null.
std::string sourced(std::optional<double> value, const Source& from, const Written& how = {});
// Of an array of two numbers at `from`.
std::string sourced(double low, double high, const Source& from, const Written& how = {Form::interval});
// Of two places.
std::string sourced(double first, const Source& from_first, double second, const Source& from_second,
                    Form form);

// What a reader of the page sees of such HTML: tags are left out, entities and hard spaces are characters.
std::string plain_text(std::string_view html);

}  // namespace circuitdiff
