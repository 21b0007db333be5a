#include "report/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace circuitdiff {
namespace {

std::string with_minus(std::string text) {
  if (!text.empty() && text.front() == '-') text.replace(0, 1, kMinus);
  return text;
}

// Power of ten of the leading digit once rounded to `digits` significant ones.
int magnitude(double value, int digits) {
  if (value == 0) return 0;
  const std::string text = fmt::format("{:.{}e}", std::abs(value), digits - 1);
  return std::stoi(text.substr(text.find('e') + 1));
}

std::string fixed(double value, int decimals) {
  const std::string text = fmt::format("{:.{}f}", value, std::max(decimals, 0));
  return text.find_first_not_of("-0.") == std::string::npos && text.front() == '-' ? text.substr(1) : text;
}

bool in_fixed_range(int power) { return power >= -4 && power < 7; }

std::string scientific(double value, int digits) {
  const std::string text = fmt::format("{:.{}e}", value, digits - 1);
  const size_t e = text.find('e');
  return text.substr(0, e) + fmt::format("e{}", std::stoi(text.substr(e + 1)));
}

// Whole numbers are rounded to `digits` significant ones too: 12345 -> 12300.
std::string rounded_fixed(double value, int digits) {
  const int power = magnitude(value, digits);
  if (power < digits) return fixed(value, digits - 1 - power);
  const double unit = std::pow(10.0, power - digits + 1);
  return fixed(std::round(value / unit) * unit, 0);
}

bool looks_numeric(std::string_view text) {
  if (text.empty()) return false;
  if (text.substr(0, 3) == kMinus) text.remove_prefix(3);
  while (!text.empty() &&
         (text.front() == '+' || text.front() == '-' || text.front() == '<' || text.front() == ' '))
    text.remove_prefix(1);
  return !text.empty() && ((text.front() >= '0' && text.front() <= '9') || text.front() == '.');
}

// Columns to the left of the decimal point (or of where it would stand) of a number with whatever follows it.
int width_before_point(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    const char c = text[i];
    const bool leading = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '<' || c == ' ' || (c & 0x80);
    if (!leading || (c == ' ' && i > 0 && text[i - 1] != '<')) break;
    ++i;
  }
  return display_width(text.substr(0, i));
}

}  // namespace

std::string significant(double value, int digits) {
  if (value == 0) return "0";
  return with_minus(in_fixed_range(magnitude(value, digits)) ? rounded_fixed(value, digits)
                                                             : scientific(value, digits));
}

std::string significant(const std::optional<double>& value, int digits) {
  return value ? significant(*value, digits) : kAbsent;
}

std::string signed_significant(double value, int digits) {
  return (value > 0 ? "+" : "") + significant(value, digits);
}

std::string interval(double low, double high, int digits) {
  const int power = std::max(magnitude(low, digits), magnitude(high, digits));
  if (low == 0 && high == 0) return "[0, 0]";
  const double largest = std::max(std::abs(low), std::abs(high));
  const int top = magnitude(largest, digits);
  if (!in_fixed_range(power)) {
    const double unit = std::pow(10.0, top);
    return fmt::format("[{}, {}]e{}", with_minus(fixed(low / unit, digits - 1)),
                       with_minus(fixed(high / unit, digits - 1)), top);
  }
  // An interval that is narrow beside its place needs the digits in which its ends differ.
  int decimals = digits - 1 - top;
  const double width = high - low;
  if (width > 0) decimals = std::max(decimals, std::min(-magnitude(width, 1), decimals + 3));
  return fmt::format("[{}, {}]", with_minus(fixed(low, decimals)), with_minus(fixed(high, decimals)));
}

std::string percent(double share) {
  const double value = std::abs(100 * share);
  if (value != 0 && value < 0.1) return "< 0.1";
  std::string text;
  if (value < 9.95 || (value >= 99 && value < 100))  // 99.7 % is not all
    text = fixed(100 * share, 1);
  else
    text = rounded_fixed(100 * share, value < 99 ? 2 : 3);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return with_minus(text);
}

std::string fixed_decimals(double value, int decimals) {
  return value == 0 ? "0" : with_minus(fixed(value, decimals));
}

std::string p_value(double p) {
  if (p < 0.001) return "p < .001";
  if (p > 0.995) return "p = 1";
  std::string text = fixed(p, p < 0.1 ? (p < 0.01 ? 3 : 2) : 2);
  return "p = " + text.substr(1);
}

std::string count(int64_t value) {
  std::string digits = std::to_string(value < 0 ? -value : value);
  if (digits.size() > 4)
    for (int64_t at = static_cast<int64_t>(digits.size()) - 3; at > 0; at -= 3)
      digits.insert(static_cast<size_t>(at), "\u202f");
  return (value < 0 ? kMinus : "") + digits;
}

std::string alpha_text(double alpha) { return fmt::format("{}", alpha); }

int common_exponent(std::span<const std::optional<double>> values) {
  double largest = 0;
  for (const auto& v : values)
    if (v) largest = std::max(largest, std::abs(*v));
  if (largest == 0) return 0;
  const int power = magnitude(largest, 3);
  if (power >= -1 && power < 4) return 0;
  return 3 * static_cast<int>(std::floor(power / 3.0));
}

std::vector<std::string> align_decimals(std::span<const std::optional<double>> values, int digits) {
  double largest = 0;
  for (const auto& v : values)
    if (v) largest = std::max(largest, std::abs(*v));
  const int usual = std::max(0, digits - 1 - magnitude(largest, digits));
  std::vector<std::string> out;
  int before = 1, after = 0;
  const auto point = [](const std::string& text) { return std::min(text.find('.'), text.size()); };
  for (const auto& v : values) {
    std::string text = kAbsent;
    if (v) {
      const int own = *v == 0 ? usual : digits - 1 - magnitude(*v, digits);
      text = fixed_decimals(*v, own > usual + 1 ? std::min(own, usual + 3) : usual);
    }
    before = std::max(before, display_width(text.substr(0, point(text))));
    after = std::max(after, display_width(text.substr(point(text))));
    out.push_back(text);
  }
  for (std::string& text : out) {
    const int left = before - display_width(text.substr(0, point(text)));
    const int tail = display_width(text.substr(point(text)));
    // The point itself is narrower than a figure: a punctuation space stands for it.
    if (tail == 0 && after > 0) text += "\u2008";
    for (int i = std::max(tail, 1); i < after; ++i) text += "\u2007";
    for (int i = 0; i < left; ++i) text.insert(0, "\u2007");
  }
  return out;
}

int display_width(std::string_view utf8) {
  int width = 0;
  for (size_t i = 0; i < utf8.size(); ++i) {
    const auto c = static_cast<unsigned char>(utf8[i]);
    if ((c & 0xC0) == 0x80) continue;
    // U+0300 .. U+036F
    const bool combining =
        (c == 0xCC) || (c == 0xCD && i + 1 < utf8.size() && static_cast<unsigned char>(utf8[i + 1]) < 0xB0);
    width += combining ? 0 : 1;
  }
  return width;
}

std::string render_table(const std::vector<std::string>& headers,
                         const std::vector<std::vector<std::string>>& rows, const TableOptions& options) {
  const size_t columns = headers.size();
  std::vector<int> width(columns, 0), before(columns, 0), after(columns, 0);
  std::vector<bool> numeric(columns, true);
  for (size_t c = 0; c < columns; ++c) {
    bool any = false;
    for (const auto& row : rows) {
      if (c >= row.size() || row[c].empty() || row[c] == kAbsent) continue;
      any = true;
      numeric[c] = numeric[c] && looks_numeric(row[c]);
      before[c] = std::max(before[c], width_before_point(row[c]));
      after[c] = std::max(after[c], display_width(row[c]) - width_before_point(row[c]));
      width[c] = std::max(width[c], display_width(row[c]));
    }
    numeric[c] = numeric[c] && any;
    if (numeric[c]) width[c] = before[c] + after[c];
    width[c] = std::max(width[c], display_width(headers[c]));
  }
  const auto blanks = [](int n) { return std::string(static_cast<size_t>(std::max(n, 0)), ' '); };
  const auto rtrim = [](std::string text) {
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
  };
  std::string out, line;
  for (size_t c = 0; c < columns; ++c) {
    const std::string pad = blanks(width[c] - display_width(headers[c]));
    line += numeric[c] ? pad + headers[c] : headers[c] + pad;
    if (c + 1 < columns) line += blanks(options.gap);
  }
  line = rtrim(line);
  out += (options.colour ? kAccent + line + kReset : line) + "\n";
  for (const auto& row : rows) {
    line.clear();
    for (size_t c = 0; c < columns; ++c) {
      const std::string text = c < row.size() ? row[c] : "";
      std::string cell = text;
      if (numeric[c] && looks_numeric(text))
        cell = blanks(width[c] - before[c] - after[c] + before[c] - width_before_point(text)) + text;
      else if (numeric[c])
        cell = blanks(width[c] - after[c] - display_width(text)) + text;
      line += cell + blanks(width[c] - display_width(cell));
      if (c + 1 < columns) line += blanks(options.gap);
    }
    out += rtrim(line) + "\n";
  }
  return out;
}

}  // namespace circuitdiff
