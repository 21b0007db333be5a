// Numbers as a reader wants them, on the terminal and on the page: at most three significant digits,
// intervals in brackets, p values without false precision, columns whose decimal points stand under each
// other. Text only: no markup.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace circuitdiff {

inline constexpr const char* kMinus = "\u2212";   // the sign, not the hyphen
inline constexpr const char* kAbsent = "\u2013";  // stands where a number is undefined

// 3 significant digits: "0.0123", "12.3", "1230", "1.23e-7"; fixed notation for 1e-4 <= |x| < 1e7. 0 is "0".
std::string significant(double value, int digits = 3);
std::string significant(const std::optional<double>& value, int digits = 3);  // kAbsent where null
// With the sign always written: "+0.12".
std::string signed_significant(double value, int digits = 3);
// "[0.9, 1.2]": both ends to the place where the wider one has its last significant digit.
std::string interval(double low, double high, int digits = 2);
// "12", "3.1", "0.4", "< 0.1": for percentages, without the sign %.
std::string percent(double share);
// With so many digits behind the point; 0 is "0".
std::string fixed_decimals(double value, int decimals);
// "p < .001", "p = .03"; the smallest value that `permutations` allow is what stands for less.
std::string p_value(double p);
// "12 345" with thin spaces; below 10 000 without.
std::string count(int64_t value);
std::string alpha_text(double alpha);  // shortest text that reads back

// Numbers of one column in one notation with as many decimals as the largest absolute value needs for
// `digits` significant ones, but for values 100 times smaller and less, which get their own. Padded with
// figure spaces on both sides so that decimal points align when set in tabular figures. Absent ones are
// kAbsent, padded.
std::vector<std::string> align_decimals(std::span<const std::optional<double>> values, int digits = 3);

// A power of ten (a multiple of 3) to divide a block of values by, so that the largest is in 0.1 .. 1000.
int common_exponent(std::span<const std::optional<double>> values);

int display_width(std::string_view utf8);  // code points, combining marks not counted

// An aligned table of text for the terminal. Numbers are set on the decimal point, words to the left.
struct TableOptions {
  bool colour = false;  // heads in the accent colour
  int gap = 2;          // blanks between columns
};
inline constexpr const char* kAccent = "\033[38;5;67m";  // the report's blue, as near as 256 colours come
inline constexpr const char* kDim = "\033[2m";
inline constexpr const char* kReset = "\033[0m";
std::string render_table(const std::vector<std::string>& headers,
                         const std::vector<std::vector<std::string>>& rows, const TableOptions& options = {});

}  // namespace circuitdiff
