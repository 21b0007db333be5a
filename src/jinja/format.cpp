#include "jinja/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "jinja/operators.h"
#include "jinja/runtime.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {
namespace {

constexpr int64_t kMaxWidth = static_cast<int64_t>(kMaxTextBytes);
constexpr int kMaxPrecision = 10'000;

[[noreturn]] void bad_format(std::string message) { raise("ValueError", std::move(message)); }

// A float in one of the types e E f F g G %, without sign. `precision` is at least 0.
std::string real_digits(double magnitude, char type, int precision, bool alternate) {
  if (std::isnan(magnitude)) return type < 'a' && type != '%' ? "NAN" : "nan";
  if (std::isinf(magnitude)) return type < 'a' && type != '%' ? "INF" : "inf";
  // The C library rounds the exact binary value, as Python does.
  const std::string format = std::string(alternate ? "%#.*" : "%.*") + (type == '%' ? 'f' : type);
  std::string out(static_cast<size_t>(precision) + 400, '\0');
  const int size = std::snprintf(out.data(), out.size(), format.c_str(), precision, magnitude);
  out.resize(static_cast<size_t>(std::max(size, 0)));
  return out;
}

// Without a type a float shows that it is one: "g", but with ".0" added, and with an exponent one digit
// earlier.
std::string untyped_digits(double magnitude, int precision) {
  std::string out = real_digits(magnitude, 'g', precision, false);
  if (out.find_first_of(".en") != out.npos) return out;
  if (out.size() != static_cast<size_t>(precision)) return out + ".0";
  const std::string all = real_digits(magnitude, 'e', precision - 1, false);
  std::string mantissa = all.substr(0, all.find('e'));
  if (mantissa.find('.') != mantissa.npos) {
    while (mantissa.back() == '0') mantissa.pop_back();
    if (mantissa.back() == '.') mantissa.pop_back();
  }
  return mantissa + all.substr(all.find('e'));
}

std::string integer_digits(const BigInt& value, char type) {
  const BigInt magnitude = value.negative() ? -value : value;
  const unsigned base = type == 'x' || type == 'X' ? 16 : type == 'o' ? 8 : type == 'b' ? 2 : 10;
  if (base == 10 && value.bits() > kMaxIntegerDigits * 34 / 10)
    raise("ValueError", "Exceeds the limit (4300 digits) for integer string conversion");
  std::string out = magnitude.to_text(base);
  return type == 'X' ? upper(out) : out;
}

std::string digit_prefix(char type) {
  return type == 'x' ? "0x" : type == 'X' ? "0X" : type == 'o' ? "0o" : type == 'b' ? "0b" : "";
}

struct PercentSpec {
  bool left = false, plus = false, space = false, zero = false, alternate = false;
  int64_t width = 0;
  int64_t precision = -1;
};

std::string pad_percent(const PercentSpec& spec, const std::string& sign, std::string digits, bool numeric) {
  const size_t size = sign.size() + count_code_points(digits);
  const size_t width = static_cast<size_t>(spec.width);
  if (size >= width) return sign + digits;
  const size_t missing = width - size;
  if (spec.left) return sign + digits + std::string(missing, ' ');
  if (spec.zero && numeric) return sign + std::string(missing, '0') + digits;
  return std::string(missing, ' ') + sign + digits;
}

std::string sign_of(bool negative, bool plus, bool space) {
  return negative ? "-" : plus ? "+" : space ? " " : "";
}

std::string ascii_only(const std::string& text) {
  std::string out;
  for (size_t pos = 0; pos < text.size();) {
    const char32_t c = next_code_point(text, pos);
    if (c < 0x80) {
      out += static_cast<char>(c);
    } else if (c < 0x100) {
      out += fmt::format("\\x{:02x}", static_cast<uint32_t>(c));
    } else if (c < 0x10000) {
      out += fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
    } else {
      out += fmt::format("\\U{:08x}", static_cast<uint32_t>(c));
    }
  }
  return out;
}

std::string percent_number(const Value& value, char type, const PercentSpec& spec) {
  if (value.is_undefined()) raise_undefined(value);
  if (type == 'd' || type == 'i' || type == 'u' || type == 'x' || type == 'X' || type == 'o') {
    const bool decimal = type != 'x' && type != 'X' && type != 'o';
    if (!value.is_number() || (!decimal && !value.is_integer()))
      raise("TypeError",
            decimal ? fmt::format("%{} format: a real number is required, not {}", type, type_name(value))
                    : fmt::format("%{} format: an integer is required, not {}", type, type_name(value)));
    if (const double* d = value.get<double>()) {
      if (std::isnan(*d)) raise("ValueError", "cannot convert float NaN to integer");
      if (std::isinf(*d)) raise("OverflowError", "cannot convert float infinity to integer");
    }
    const BigInt whole = value.get<double>() ? BigInt::from_double(*value.get<double>()) : to_big(value);
    std::string digits = integer_digits(whole, type);
    if (spec.precision > static_cast<int64_t>(digits.size()))
      digits.insert(0, static_cast<size_t>(spec.precision) - digits.size(), '0');
    std::string sign = sign_of(whole.negative(), spec.plus, spec.space);
    if (spec.alternate) sign += digit_prefix(type);
    return pad_percent(spec, sign, digits, true);
  }
  if (!value.is_number()) raise("TypeError", "must be real number, not " + type_name(value));
  const double d = to_double(value);
  const int precision = static_cast<int>(spec.precision < 0 ? 6 : spec.precision);
  return pad_percent(spec, sign_of(std::signbit(d) && !std::isnan(d), spec.plus, spec.space),
                     real_digits(std::fabs(d), type, precision, spec.alternate), true);
}

std::string cut(const std::string& text, int64_t precision) {
  return precision < 0 ? text : text.substr(0, byte_offset(text, static_cast<size_t>(precision)));
}

}  // namespace

std::string format_percent(Runtime& rt, std::string_view format, const Value& values, bool escape) {
  const Items* tuple = values.get<TuplePtr>() ? values.items() : nullptr;
  const Dict* dict = values.dict();
  size_t used = 0;
  const auto next_value = [&]() -> Value {
    if (!tuple && used == 0) {
      ++used;
      return values;
    }
    if (!tuple || used >= tuple->values.size()) raise("TypeError", "not enough arguments for format string");
    return tuple->values[used++];
  };
  const auto star = [&]() -> int64_t {
    const Value v = next_value();
    const auto index = to_index(v);
    if (!index) raise("TypeError", "* wants int");
    return *index;
  };
  std::string out;
  bool by_name = false;
  for (size_t i = 0; i < format.size();) {
    const size_t percent = std::min(format.find('%', i), format.size());
    out += format.substr(i, percent - i);
    i = percent;
    if (i >= format.size()) break;
    ++i;
    PercentSpec spec;
    Value named;
    bool has_name = false;
    const auto peek = [&]() -> char {
      if (i >= format.size()) bad_format("incomplete format");
      return format[i];
    };
    if (peek() == '(') {
      if (!dict) raise("TypeError", "format requires a mapping");
      int nesting = 1;
      const size_t start = ++i;
      for (; i < format.size() && nesting > 0; ++i)
        nesting += format[i] == '(' ? 1 : format[i] == ')' ? -1 : 0;
      if (nesting > 0) bad_format("incomplete format key");
      const std::string key(format.substr(start, i - start - 1));
      const Value* found = dict->find(key);
      if (!found) raise("KeyError", repr(key));
      named = *found;
      has_name = by_name = true;
    }
    for (;; ++i) {
      const char c = peek();
      if (c == '-') {
        spec.left = true;
      } else if (c == '+') {
        spec.plus = true;
      } else if (c == ' ') {
        spec.space = true;
      } else if (c == '0') {
        spec.zero = true;
      } else if (c == '#') {
        spec.alternate = true;
      } else {
        break;
      }
    }
    const auto number = [&](const char* what) -> int64_t {
      int64_t n = 0;
      if (peek() == '*') {
        ++i;
        return star();
      }
      while (i < format.size() && format[i] >= '0' && format[i] <= '9') {
        n = n * 10 + (format[i++] - '0');
        if (n > kMaxWidth) bad_format(what);
      }
      return n;
    };
    spec.width = number("width too big");
    if (spec.width < 0) {
      spec.left = true;
      spec.width = -std::max(spec.width, -kMaxWidth - 1);
    }
    if (peek() == '.') {
      ++i;
      spec.precision = std::max<int64_t>(number("precision too big"), 0);
    }
    while (peek() == 'l' || peek() == 'h' || peek() == 'L') ++i;
    const char type = peek();
    ++i;
    rt.budget.text(static_cast<size_t>(spec.width) + out.size());
    if (type == '%') {
      out += '%';
      continue;
    }
    const Value value = has_name ? named : next_value();
    switch (type) {
      case 's':
      case 'r':
      case 'a': {
        std::string text = type == 's' ? to_text(rt, value) : to_repr(rt, value);
        if (type == 'a') text = ascii_only(text);
        if (escape && !(value.is_text() && value.text().safe)) text = escape_html(text);
        out += pad_percent(spec, "", cut(text, spec.precision), false);
        break;
      }
      case 'c': {
        std::string text;
        if (const auto index = to_index(value)) {
          if (*index < 0 || *index > 0x10FFFF || (*index >= 0xD800 && *index < 0xE000))
            raise("OverflowError", "%c arg not in range(0x110000)");
          append_code_point(text, static_cast<char32_t>(*index));
        } else if (value.is_text() && length(rt, value) == size_t{1}) {
          text = value.bytes();
        } else {
          raise("TypeError", "%c requires int or char");
        }
        out += pad_percent(spec, "", text, false);
        break;
      }
      case 'd':
      case 'i':
      case 'u':
      case 'x':
      case 'X':
      case 'o':
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G':
        if (spec.precision > kMaxPrecision) bad_format("precision too big");
        out += percent_number(value, type, spec);
        break;
      default:
        bad_format(fmt::format("unsupported format character '{}' (0x{:x}) at index {}", type,
                               static_cast<unsigned>(static_cast<unsigned char>(type)), i - 1));
    }
  }
  rt.budget.text(out.size());
  // A mapping may be left unused, as may a lone value that has items; anything else is one argument too many.
  const bool has_items = values.get<ObjectPtr>() && (*values.get<ObjectPtr>())->sequence();
  const bool unused = tuple ? used < tuple->values.size() && !by_name
                            : used == 0 && !dict && !values.get<ListPtr>() && !has_items;
  if (unused) raise("TypeError", "not all arguments converted during string formatting");
  return out;
}

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
