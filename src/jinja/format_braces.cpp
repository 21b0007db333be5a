// "{}".format(values) and format(value, specification).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "jinja/format.h"
#include "jinja/format_digits.h"
#include "jinja/operators.h"
#include "jinja/runtime.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {
namespace {

// Splits "a.b[c]" and walks it.
Value resolve_field(Runtime& rt, std::string_view field, const Arguments& arguments, int64_t& automatic) {
  const size_t end = std::min(field.find_first_of(".["), field.size());
  const std::string first(field.substr(0, end));
  Value value;
  const bool digits =
      !first.empty() && std::all_of(first.begin(), first.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (first.empty() || digits) {
    if (first.empty() && automatic < 0)
      bad_format("cannot switch from manual field specification to automatic field numbering");
    if (digits && automatic > 0)
      bad_format("cannot switch from automatic field numbering to manual field specification");
    if (first.size() > 9) bad_format("Too many decimal digits in format string");
    const size_t index =
        first.empty() ? static_cast<size_t>(automatic++) : static_cast<size_t>(std::stoll(first));
    if (digits) automatic = -1;
    if (index >= arguments.positional.size())
      raise("IndexError", fmt::format("Replacement index {} out of range for positional args tuple", index));
    value = arguments.positional[index];
  } else {
    const auto at = std::find_if(arguments.keyword.begin(), arguments.keyword.end(),
                                 [&](const auto& entry) { return entry.first == first; });
    if (at == arguments.keyword.end()) raise("KeyError", repr(first));
    value = at->second;
  }
  for (size_t i = end; i < field.size();) {
    if (field[i] == '.') {
      const size_t stop = std::min(field.find_first_of(".[", i + 1), field.size());
      if (stop == i + 1) bad_format("Empty attribute in format string");
      value = get_attribute(rt, value, field.substr(i + 1, stop - i - 1));
      i = stop;
    } else if (field[i] == '[') {
      const size_t close = field.find(']', i);
      if (close == field.npos) bad_format("Missing ']' in format string");
      const std::string_view key = field.substr(i + 1, close - i - 1);
      if (key.empty()) bad_format("Empty attribute in format string");
      const bool number =
          key.size() < 10 && std::all_of(key.begin(), key.end(), [](char c) { return c >= '0' && c <= '9'; });
      value = get_item(rt, value,
                       number ? Value(static_cast<int64_t>(std::stoll(std::string(key)))) : Value(key));
      i = close + 1;
      if (i < field.size() && field[i] != '.' && field[i] != '[')
        bad_format("Only '.' or '[' may follow ']' in format field specifier");
    }
  }
  return value;
}

std::string format_fields(Runtime& rt, std::string_view format, const Arguments& arguments, bool escape,
                          int64_t& automatic, int nesting) {
  if (nesting > 2) bad_format("Max string recursion exceeded");
  std::string out;
  for (size_t i = 0; i < format.size();) {
    const char c = format[i];
    if (c != '{' && c != '}') {
      out += c;
      ++i;
      continue;
    }
    if (i + 1 < format.size() && format[i + 1] == c) {
      out += c;
      i += 2;
      continue;
    }
    if (c == '}') bad_format("Single '}' encountered in format string");
    if (i + 1 >= format.size()) bad_format("Single '{' encountered in format string");
    int depth = 1;
    size_t end = i + 1, bracket = 0;
    for (; end < format.size() && depth > 0; ++end) {
      if (format[end] == '[' && depth == 1) bracket = 1;
      if (format[end] == ']') bracket = 0;
      if (bracket) continue;
      depth += format[end] == '{' ? 1 : format[end] == '}' ? -1 : 0;
    }
    if (depth > 0) bad_format("expected '}' before end of string");
    const std::string_view inner = format.substr(i + 1, end - i - 2);
    i = end;
    size_t split = 0, brackets = 0;
    while (split < inner.size() && ((inner[split] != ':' && inner[split] != '!') || brackets)) {
      brackets = inner[split] == '[' ? 1 : inner[split] == ']' ? 0 : brackets;
      ++split;
    }
    char conversion = 0;
    size_t rest = split;
    if (rest < inner.size() && inner[rest] == '!') {
      if (rest + 1 >= inner.size()) bad_format("unmatched '{' in format spec");
      conversion = inner[rest + 1];
      rest += 2;
      if (rest < inner.size() && inner[rest] != ':') bad_format("expected ':' after conversion specifier");
    }
    const std::string_view raw = rest < inner.size() ? inner.substr(rest + 1) : std::string_view();
    Value value = resolve_field(rt, inner.substr(0, split), arguments, automatic);
    if (conversion == 's') {
      value = Value(to_text(rt, value));
    } else if (conversion == 'r') {
      value = Value(to_repr(rt, value));
    } else if (conversion == 'a') {
      value = Value(ascii_only(to_repr(rt, value)));
    } else if (conversion) {
      bad_format(fmt::format("Unknown conversion specifier {}", conversion));
    }
    const std::string spec = raw.find_first_of("{}") == raw.npos
                                 ? std::string(raw)
                                 : format_fields(rt, raw, arguments, false, automatic, nesting + 1);
    const std::string text = format_value(rt, value, spec);
    out += escape && !(value.is_text() && value.text().safe) ? escape_html(text) : text;
    rt.budget.text(out.size());
  }
  return out;
}

std::string group_digits(const std::string& digits, char separator, size_t every, size_t minimum) {
  // Leading zeros that fill a width are grouped too: 0,000,042.
  std::string out;
  size_t written = 0;
  for (size_t i = 0; i < digits.size() || out.size() < minimum; ++i) {
    if (written && written % every == 0) {
      out += separator;
      if (i >= digits.size() && out.size() >= minimum) {
        out += '0';
        break;
      }
    }
    out += i < digits.size() ? digits[digits.size() - 1 - i] : '0';
    ++written;
  }
  std::reverse(out.begin(), out.end());
  return out;
}

}  // namespace

std::string format_braces(Runtime& rt, std::string_view format, const Arguments& arguments, bool escape) {
  int64_t automatic = 0;
  return format_fields(rt, format, arguments, escape, automatic, 1);
}

std::string format_value(Runtime& rt, const Value& value, std::string_view specification) {
  if (specification.empty()) return to_text(rt, value);
  const std::u32string spec = decode(specification);
  if (!value.is_text() && !value.is_number())
    raise("TypeError", fmt::format("unsupported format string passed to {}.__format__", type_name(value)));
  size_t i = 0;
  const auto is_align = [](char32_t c) { return c == '<' || c == '>' || c == '=' || c == '^'; };
  const auto at = [&](size_t k) { return k < spec.size() ? spec[k] : U'\0'; };
  char32_t fill = ' ', align = 0, sign = '-';
  if (is_align(at(1))) {
    fill = spec[0];
    align = spec[1];
    i = 2;
  } else if (is_align(at(0))) {
    align = spec[0];
    i = 1;
  }
  if (at(i) == '+' || at(i) == '-' || at(i) == ' ') sign = spec[i++];
  const bool no_negative_zero = at(i) == 'z';
  if (no_negative_zero) ++i;
  const bool alternate = at(i) == '#';
  if (alternate) ++i;
  if (at(i) == '0') {
    if (!align) {
      fill = '0';
      if (!value.is_text()) align = '=';
    }
    ++i;
  }
  const auto number = [&]() -> int64_t {
    int64_t n = 0;
    for (; at(i) >= '0' && at(i) <= '9'; ++i) {
      n = n * 10 + static_cast<int64_t>(at(i) - '0');
      if (n > kMaxWidth) bad_format("Too many decimal digits in format string");
    }
    return n;
  };
  const size_t width = static_cast<size_t>(number());
  char separator = 0;
  if (at(i) == ',' || at(i) == '_') separator = static_cast<char>(spec[i++]);
  int64_t precision = -1;
  if (at(i) == '.') {
    ++i;
    if (at(i) < '0' || at(i) > '9') bad_format("Format specifier missing precision");
    precision = number();
  }
  char32_t type = 0;
  if (i < spec.size()) type = spec[i++];
  if (i < spec.size()) bad_format("Invalid format specifier");
  const auto unknown = [&]() {
    bad_format(fmt::format("Unknown format code '{}' for object of type '{}'",
                           encode(std::u32string(1, type)), type_name(value)));
  };

  std::string prefix, body;
  if (value.is_text()) {
    if (type && type != 's') unknown();
    if (align == '=') bad_format("'=' alignment not allowed in string format specifier");
    if (sign != '-') bad_format("Sign not allowed in string format specifier");
    if (no_negative_zero) bad_format("Negative zero coercion (z) not allowed in string format specifier");
    if (separator) bad_format(fmt::format("Cannot specify '{}' with 's'.", separator));
    body = cut(value.bytes(), precision);
    if (!align) align = '<';
  } else {
    const bool whole = value.is_integer() && (!type || type == 'd' || type == 'b' || type == 'o' ||
                                              type == 'x' || type == 'X' || type == 'c' || type == 'n');
    if (!align) align = '>';
    if (whole) {
      if (precision >= 0) bad_format("Precision not allowed in integer format specifier");
      if (no_negative_zero) bad_format("Negative zero coercion (z) not allowed in integer format specifier");
      const BigInt n = to_big(value);
      if (type == 'c') {
        const auto small = n.small();
        if (!small || *small < 0 || *small > 0x10FFFF || (*small >= 0xD800 && *small < 0xE000))
          raise("OverflowError", "%c arg not in range(0x110000)");
        append_code_point(body, static_cast<char32_t>(*small));
      } else {
        body = integer_digits(n, static_cast<char>(type));
        prefix = sign_of(n.negative(), sign == '+', sign == ' ');
        if (alternate) prefix += digit_prefix(static_cast<char>(type));
      }
      if (separator) {
        const size_t every = type == 'x' || type == 'X' || type == 'b' || type == 'o' ? 4 : 3;
        const size_t minimum =
            fill == '0' && align == '=' && width > prefix.size() ? width - prefix.size() : 0;
        rt.budget.text(minimum);
        body = group_digits(body, separator, every, minimum);
      }
    } else {
      if (type && std::u32string_view(U"eEfFgG%n").find(type) == std::u32string_view::npos) unknown();
      if (precision > kMaxPrecision) bad_format("precision too big");
      const double d = to_double(value) * (type == '%' ? 100 : 1);
      prefix = sign_of(std::signbit(d) && !std::isnan(d), sign == '+', sign == ' ');
      if (!type && precision < 0) {
        body = repr(std::fabs(d));
      } else {
        const char kind = type == '%' ? 'f' : type ? (type == 'n' ? 'g' : static_cast<char>(type)) : 'g';
        const int p = precision < 0 ? 6 : static_cast<int>(precision);
        body = type ? real_digits(std::fabs(d), kind, p, alternate)
                    : untyped_digits(std::fabs(d), std::max(p, 1));
      }
      if (no_negative_zero && prefix == "-" && body.find_first_of("123456789in") == body.npos) prefix.clear();
      if (type == '%') body += '%';
      if (separator) {
        const size_t point = std::min(body.find_first_not_of("0123456789"), body.size());
        const std::string tail = body.substr(point);
        const size_t used = prefix.size() + tail.size();
        const size_t minimum = fill == '0' && align == '=' && width > used ? width - used : 0;
        rt.budget.text(minimum);
        body = group_digits(body.substr(0, point), separator, 3, minimum) + tail;
      }
    }
  }

  const size_t size = prefix.size() + count_code_points(body);
  if (size >= width) return prefix + body;
  const size_t missing = width - size;
  rt.budget.text(missing * 4 + body.size());
  std::string one;
  append_code_point(one, fill);
  const auto fills = [&](size_t n) {
    std::string out;
    for (size_t k = 0; k < n; ++k) out += one;
    return out;
  };
  if (align == '<') return prefix + body + fills(missing);
  if (align == '=') return prefix + fills(missing) + body;
  if (align == '^') return fills(missing / 2) + prefix + body + fills(missing - missing / 2);
  return fills(missing) + prefix + body;
}

}  // namespace circuitdiff::jinja
