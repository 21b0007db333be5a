// "%s" % values.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "jinja/format.h"
#include "jinja/format_digits.h"
#include "jinja/runtime.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {
namespace {

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
  const bool has_items =
      values.is_undefined() || (values.get<ObjectPtr>() && (*values.get<ObjectPtr>())->sequence());
  const bool unused = tuple ? used < tuple->values.size() && !by_name
                            : used == 0 && !dict && !values.get<ListPtr>() && !has_items;
  if (unused) raise("TypeError", "not all arguments converted during string formatting");
  return out;
}

}  // namespace circuitdiff::jinja
