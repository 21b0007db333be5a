// The filters of text and numbers. Those that are methods of str are found by that name.
#include <utf8proc.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "jinja/builtins.h"
#include "jinja/operators.h"
#include "jinja/runtime.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {
namespace {

// markupsafe.soft_str: text as it is, anything else as str() prints it.
Value soft(Runtime& rt, const Value& value) { return value.is_text() ? value : Value(to_text(rt, value)); }

Value like(const Value& original, std::string text) {
  return Value(std::move(text), original.is_text() && original.text().safe);
}

// A method of str on what soft() makes of the value.
Value as_method(Runtime& rt, std::string_view name, const Value& value, const Bound& bound) {
  return run_builtin(rt, *text_methods().find(name), soft(rt, value), bound.all);
}
Value upper_filter(Runtime& rt, const Value& v, const Bound& bound) {
  return as_method(rt, "upper", v, bound);
}
Value lower_filter(Runtime& rt, const Value& v, const Bound& bound) {
  return as_method(rt, "lower", v, bound);
}
Value trim(Runtime& rt, const Value& v, const Bound& bound) { return as_method(rt, "strip", v, bound); }
Value capitalize_filter(Runtime& rt, const Value& v, const Bound& bound) {
  return as_method(rt, "capitalize", v, bound);
}

// Unlike the method title: a word begins after white space, "-", "(", "{", "[" or "<".
Value title_filter(Runtime& rt, const Value& value, const Bound&) {
  const Value text = soft(rt, value);
  rt.budget.copy(8 * text.bytes().size());
  const std::u32string points = decode(text.bytes());
  const auto separates = [](char32_t c) {
    return is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
  };
  std::string out;
  for (size_t i = 0; i < points.size();) {
    size_t end = i + 1;
    while (end < points.size() && separates(points[end]) == separates(points[i])) ++end;
    out += upper(encode(points.substr(i, 1))) + lower(encode(points.substr(i + 1, end - i - 1)));
    i = end;
  }
  return like(value, std::move(out));
}

Value replace(Runtime& rt, const Value& value, const Bound& bound) {
  const int64_t most = bound[2].is_none() ? -1 : bound.integer(2);
  std::string out = replace_text(to_text(rt, value), bound.text(0), bound.text(1), most, kMaxTextBytes);
  rt.budget.text(out.size());
  return Value(std::move(out));
}

Value indent(Runtime& rt, const Value& value, const Bound& bound) {
  refuse_undefined(value);
  if (!value.is_text()) raise("TypeError", "indent: text expected, {} found", type_name(value));
  const bool by_text = bound[0].is_text();
  const int64_t width = by_text ? 0 : std::max<int64_t>(bound.integer(0, 4), 0);
  rt.budget.text(static_cast<size_t>(width));
  const std::string indention = by_text ? bound[0].bytes() : std::string(static_cast<size_t>(width), ' ');
  const std::string text = value.bytes() + "\n";
  std::string out = bound.flag(1) ? indention : "";
  bool first = true;
  for (const std::string_view line : cut_at_lines(text)) {
    if (!first) out += '\n';
    if (!first && (bound.flag(2) || !line.empty())) out += indention;
    first = false;
    out += line;
    if (out.size() > kMaxTextBytes) break;
  }
  rt.budget.text(out.size());
  return like(value, std::move(out));
}

Value string(Runtime& rt, const Value& value, const Bound&) { return soft(rt, value); }
Value safe(Runtime& rt, const Value& value, const Bound&) { return Value(to_text(rt, value), /*safe=*/true); }
// text % arguments, of the conversion %s alone.
Value format(Runtime& rt, const Value& value, const Bound& bound) {
  const std::string text = to_text(rt, value);
  const auto pieces = cut_at(text, "%s", -1, /*from_right=*/false);
  const auto& given = bound.all.positional;
  std::string out;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (i > 0 && i <= given.size()) out += to_text(rt, given[i - 1]);
    if (const size_t other = pieces[i].find('%'); other != pieces[i].npos)
      raise_unsupported("conversion", pieces[i].substr(other, 2));
    out += pieces[i];
    rt.budget.text(out.size());
  }
  if (!bound.all.keyword.empty() || given.size() + 1 != pieces.size())
    raise("TypeError", "format: {} arguments for {} conversions", given.size(), pieces.size() - 1);
  return Value(std::move(out));
}

// The text of a number without white space around it and a plus in front; what else Python reads as a number
// (1_000, digits of other scripts) is refused.
std::string_view number_text(std::string_view text) {
  text = strip(text);
  bool digits = false;
  for (size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, at);
    const bool foreign =
        c >= 0x80 && utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_ND;
    if (foreign || (c == '_' && digits)) raise_unsupported("number", text);
    digits = c >= '0' && c <= '9';
  }
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  return text;
}

template <class Number>
std::optional<Number> parse(std::string_view text) {
  text = number_text(text);
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.ends_with(')') || end != text.data() + text.size() || error == std::errc::invalid_argument)
    return std::nullopt;
  if (error != std::errc()) raise_too_large();
  return value;
}

Value to_int(Runtime& rt, const Value& value, const Bound& bound) {
  refuse_undefined(value);
  std::optional<double> real;
  if (value.is_integer()) return Value(value.integer());
  if (value.is_real()) real = value.real();
  if (value.is_text()) {
    rt.budget.copy(value.bytes().size() * 4);
    if (const auto whole = parse<int64_t>(value.bytes())) return Value(*whole);
    real = parse<double>(value.bytes());
    if (real && std::isinf(*real)) real.reset();
  }
  if (!real || std::isnan(*real)) return bound.given(0) ? bound[0] : Value(0);
  if (std::fabs(*real) >= 0x1p63) raise_too_large();
  return Value(static_cast<int64_t>(*real));
}

Value to_float(Runtime& rt, const Value& value, const Bound& bound) {
  refuse_undefined(value);
  if (value.is_number()) return Value(value.real());
  rt.budget.copy(value.is_text() ? value.bytes().size() * 4 : 0);
  const auto real = value.is_text() ? parse<double>(value.bytes()) : std::nullopt;
  return real ? Value(*real) : bound.given(0) ? bound[0] : Value(0.0);
}

}  // namespace

const Builtins& text_filters() {
  static const Builtins table{
      {"upper", {upper_filter, kAny}},
      {"lower", {lower_filter, kAny}},
      {"capitalize", {capitalize_filter, kAny}},
      {"title", {title_filter}},
      {"trim", {trim, kAny}},
      {"replace", {replace, {"old", "new", "count"}, 2}},
      {"indent", {indent, {"width", "first", "blank"}}},
      {"string", {string}},
      {"safe", {safe}},
      {"format", {format, kAny}},
      {"tojson", {tojson, {"ensure_ascii", "indent", "separators", "sort_keys"}}},
      {"int", {to_int, {"default"}}},
      {"float", {to_float, {"default"}}},
  };
  return table;
}

}  // namespace circuitdiff::jinja
