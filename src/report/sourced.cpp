#include "report/sourced.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "report/format.h"
#include "report/html.h"

namespace circuitdiff {
namespace {

constexpr std::array<std::pair<Form, std::string_view>, 15> kForms{{{Form::number, "number"},
                                                                    {Form::change, "change"},
                                                                    {Form::size, "size"},
                                                                    {Form::interval, "interval"},
                                                                    {Form::percent, "percent"},
                                                                    {Form::points, "points"},
                                                                    {Form::ends, "ends"},
                                                                    {Form::p, "p"},
                                                                    {Form::p_alone, "p-alone"},
                                                                    {Form::count, "count"},
                                                                    {Form::length, "length"},
                                                                    {Form::fold, "fold"},
                                                                    {Form::quotient, "quotient"},
                                                                    {Form::less, "less"},
                                                                    {Form::decimals, "decimals"}}};

// As in the fragment of a URI: a space stands between two sources, "#" before a pointer.
std::string encoded(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == ' ' ? "%20" : c == '#' ? "%23" : c == '%' ? "%25" : std::string(1, c);
  return out;
}

// A fall by 70 % is a change by -70 %: a negative scale turns the ends round.
std::string turned_interval(double low, double high) {
  return interval(std::min(low, high), std::max(low, high));
}

std::string points(double difference) {
  const std::string size = fmt::format("{:.1f}", std::abs(100 * difference));
  return (difference < 0 && size != "0.0" ? kMinus : "+") + size;
}

std::string fold(double log_ratio) {
  const double ratio = std::exp(std::abs(log_ratio));
  if (ratio >= 2) return fmt::format("{}-fold", significant(ratio, 2));
  return fmt::format("by {} %", percent(std::abs(std::exp(log_ratio) - 1)));
}

std::string element(const std::string& from, const Written& how, const std::string& text) {
  return fmt::format("<span class=\"num\" data-from=\"{}\" data-as=\"{}\">{}</span>", escape_html(from),
                     how.text(), unbroken(escape_html(text)));
}

}  // namespace

Source::Source(std::string_view file, int64_t line) : text_(encoded(file)) {
  text_ += line > 0 ? fmt::format("#{}", line) : "#";
}

Source Source::operator/(std::string_view name) const {
  Source out = *this;
  out.text_ += '/';
  for (const char c : encoded(name)) out.text_ += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return out;
}

Source Source::operator/(size_t index) const { return *this / std::string_view(std::to_string(index)); }

std::string Written::text() const {
  std::string out;
  for (const auto& [known, name] : kForms)
    if (known == form) out = name;
  if (scale != 1 || digits != 0) out += fmt::format(":{}", scale);
  if (digits != 0) out += fmt::format(":{}", digits);
  return out;
}

Written Written::of(std::string_view data_as) {
  Written out;
  const size_t colon = data_as.find(':');
  const auto it = std::find_if(kForms.begin(), kForms.end(),
                               [&](const auto& f) { return f.second == data_as.substr(0, colon); });
  if (it == kForms.end()) fail("data-as: \"{}\" is no form of a figure", data_as);
  out.form = it->first;
  if (colon == std::string_view::npos) return out;
  const std::string rest(data_as.substr(colon + 1));
  size_t end = 0;
  out.scale = std::stod(rest, &end);
  if (end < rest.size()) out.digits = std::stoi(rest.substr(end + 1));
  return out;
}

std::string write_figure(const Written& how, std::span<const double> values) {
  const auto scaled = [&](size_t i) { return values[i] * how.scale; };
  switch (how.form) {
    case Form::number:
      return significant(scaled(0));
    case Form::change:
      return signed_significant(scaled(0));
    case Form::size:
      return significant(std::abs(scaled(0)));
    case Form::interval:
      return turned_interval(scaled(0), scaled(1));
    case Form::percent:
      return percent(std::abs(scaled(0))) + " %";
    case Form::points:
      return points(scaled(0));
    case Form::ends:
      return fmt::format("[{}, {}]", percent(scaled(0)), percent(scaled(1)));
    case Form::p:
      return p_value(scaled(0));
    case Form::p_alone: {
      const std::string text = p_value(scaled(0));
      return text.substr(text.starts_with("p = ") ? 4 : 2);
    }
    case Form::count:
    case Form::length:
      return count(static_cast<int64_t>(scaled(0)));
    case Form::fold:
      return fold(scaled(0));
    case Form::quotient:
      return percent(values[0] / values[1]) + " %";
    case Form::less:
      return count(static_cast<int64_t>(values[0] - values[1]));
    case Form::decimals:
      return fixed_decimals(scaled(0), how.digits);
  }
  return {};
}

std::string sourced(std::optional<double> value, const Source& from, const Written& how) {
  return value ? element(from.text(), how, write_figure(how, {&*value, 1})) : kAbsent;
}

std::string sourced(double low, double high, const Source& from, const Written& how) {
  return element(from.text(), how, write_figure(how, std::array{low, high}));
}

std::string sourced(double first, const Source& from_first, double second, const Source& from_second,
                    Form form) {
  return element(from_first.text() + " " + from_second.text(), {form},
                 write_figure({form}, std::array{first, second}));
}

std::string plain_text(std::string_view html) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kCharacters{
      {{"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&#39;", "'"}, {"\u00a0", " "}}};
  std::string out;
  for (size_t i = 0; i < html.size();) {
    if (html[i] == '<') {
      i = html.find('>', i) + 1;
      continue;
    }
    const auto it = std::find_if(kCharacters.begin(), kCharacters.end(),
                                 [&](const auto& c) { return html.substr(i).starts_with(c.first); });
    if (it == kCharacters.end()) {
      out += html[i++];
    } else {
      out += it->second;
      i += it->first.size();
    }
  }
  return out;
}

}  // namespace circuitdiff
