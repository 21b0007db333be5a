#include "jinja/operators.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "jinja/format.h"
#include "jinja/methods.h"
#include "jinja/objects.h"
#include "jinja/runtime.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {
namespace {

void refuse_undefined(const Value& a, const Value& b) {
  if (a.is_undefined()) raise_undefined(a);
  if (b.is_undefined()) raise_undefined(b);
}

[[noreturn]] void unsupported(const char* symbol, const Value& a, const Value& b) {
  raise("TypeError",
        fmt::format("unsupported operand type(s) for {}: '{}' and '{}'", symbol, type_name(a), type_name(b)));
}

bool is_real(const Value& v) { return v.get<double>() != nullptr; }

// Two ints as 64 bits, where both fit.
struct SmallPair {
  int64_t a, b;
};
std::optional<SmallPair> small_pair(const Value& a, const Value& b) {
  const auto i = to_index(a), j = to_index(b);
  if (i && j) return SmallPair{*i, *j};
  return std::nullopt;
}

void charge_big(Runtime& rt, const BigInt& a, const BigInt& b) {
  rt.budget.spend(1 + static_cast<int64_t>((a.bits() / 32 + 1) * (b.bits() / 32 + 1) / 8));
}

std::string text_of(const Value& value, bool escaped) {
  return escaped && !value.text().safe ? escape_html(value.bytes()) : value.bytes();
}

Value join_items(Runtime& rt, const Value& a, const Value& b) {
  const auto& x = a.items()->values;
  const auto& y = b.items()->values;
  rt.budget.items(x.size() + y.size());
  std::vector<Value> out;
  out.reserve(x.size() + y.size());
  out.insert(out.end(), x.begin(), x.end());
  out.insert(out.end(), y.begin(), y.end());
  return a.get<ListPtr>() ? Value::list(std::move(out)) : Value::tuple(std::move(out));
}

Value repeat(Runtime& rt, const Value& sequence, const Value& times) {
  const auto fits = to_index(times);
  if (!fits) raise("OverflowError", "cannot fit 'int' into an index-sized integer");
  int64_t n = *fits;
  if (n < 0) n = 0;
  const size_t unit = sequence.is_text() ? sequence.bytes().size() : sequence.items()->values.size();
  const size_t count = unit == 0 ? 0 : static_cast<size_t>(n);
  const size_t bound = sequence.is_text() ? kMaxTextBytes : kMaxItems;
  const size_t total = unit == 0 ? 0 : count > bound / unit ? bound + 1 : count * unit;
  if (sequence.is_text()) {
    rt.budget.text(total);
    std::string out;
    out.reserve(total);
    for (size_t i = 0; i < count; ++i) out += sequence.bytes();
    return Value(std::move(out), sequence.text().safe);
  }
  rt.budget.items(total);
  std::vector<Value> out;
  out.reserve(total);
  const auto& values = sequence.items()->values;
  for (size_t i = 0; i < count; ++i) out.insert(out.end(), values.begin(), values.end());
  return sequence.get<ListPtr>() ? Value::list(std::move(out)) : Value::tuple(std::move(out));
}

double finite_power(double base, double exponent) {
  if (base == 0 && exponent < 0) raise("ZeroDivisionError", "0.0 cannot be raised to a negative power");
  if (base < 0 && std::isfinite(base) && std::isfinite(exponent) && std::trunc(exponent) != exponent)
    raise("ValueError", "a negative number to a fractional power is not real");
  const double out = std::pow(base, exponent);
  if (std::isinf(out) && std::isfinite(base) && std::isfinite(exponent))
    raise("OverflowError", "(34, 'Numerical result out of range')");
  return out;
}

// Floor quotient and modulus of floats, as CPython's float_divmod.
struct FloatDivision {
  double quotient, remainder;
};
FloatDivision divide_floats(double a, double b) {
  double rest = std::fmod(a, b);
  double quotient = (a - rest) / b;
  if (rest != 0) {
    if ((b < 0) != (rest < 0)) {
      rest += b;
      quotient -= 1;
    }
  } else {
    rest = std::copysign(0.0, b);
  }
  if (quotient != 0) {
    double floored = std::floor(quotient);
    if (quotient - floored > 0.5) floored += 1;
    quotient = floored;
  } else {
    quotient = std::copysign(0.0, a / b);
  }
  return {quotient, rest};
}

bool both_numbers(const Value& a, const Value& b) { return a.is_number() && b.is_number(); }

}  // namespace

Value add(Runtime& rt, const Value& a, const Value& b) {
  refuse_undefined(a, b);
  if (both_numbers(a, b)) {
    if (is_real(a) || is_real(b)) return Value(to_double(a) + to_double(b));
    int64_t sum = 0;
    if (const auto p = small_pair(a, b); p && !__builtin_add_overflow(p->a, p->b, &sum)) return Value(sum);
    return Value(to_big(a) + to_big(b));
  }
  if (a.is_text() && b.is_text()) {
    const bool safe = a.text().safe || b.text().safe;
    rt.budget.text(a.bytes().size() + b.bytes().size());
    return Value(text_of(a, safe) + text_of(b, safe), safe);
  }
  if ((a.get<ListPtr>() && b.get<ListPtr>()) || (a.get<TuplePtr>() && b.get<TuplePtr>()))
    return join_items(rt, a, b);
  if (a.is_text() || a.items())
    raise("TypeError",
          fmt::format("can only concatenate {0} (not \"{1}\") to {0}", type_name(a), type_name(b)));
  unsupported("+", a, b);
}

Value subtract(Runtime&, const Value& a, const Value& b) {
  refuse_undefined(a, b);
  if (!both_numbers(a, b)) unsupported("-", a, b);
  if (is_real(a) || is_real(b)) return Value(to_double(a) - to_double(b));
  int64_t difference = 0;
  if (const auto p = small_pair(a, b); p && !__builtin_sub_overflow(p->a, p->b, &difference))
    return Value(difference);
  return Value(to_big(a) - to_big(b));
}

Value multiply(Runtime& rt, const Value& a, const Value& b) {
  refuse_undefined(a, b);
  if (both_numbers(a, b)) {
    if (is_real(a) || is_real(b)) return Value(to_double(a) * to_double(b));
    int64_t product = 0;
    if (const auto p = small_pair(a, b); p && !__builtin_mul_overflow(p->a, p->b, &product))
      return Value(product);
    const BigInt x = to_big(a), y = to_big(b);
    charge_big(rt, x, y);
    return Value(x * y);
  }
  const bool a_sequence = a.is_text() || a.items(), b_sequence = b.is_text() || b.items();
  if (a_sequence && b.is_integer()) return repeat(rt, a, b);
  if (b_sequence && a.is_integer()) return repeat(rt, b, a);
  if (a_sequence || b_sequence)
    raise("TypeError",
          fmt::format("can't multiply sequence by non-int of type '{}'", type_name(a_sequence ? b : a)));
  unsupported("*", a, b);
}

Value true_divide(Runtime&, const Value& a, const Value& b) {
  refuse_undefined(a, b);
  if (!both_numbers(a, b)) unsupported("/", a, b);
  if (is_real(a) || is_real(b)) {
    if (to_double(b) == 0) raise("ZeroDivisionError", "float division by zero");
    return Value(to_double(a) / to_double(b));
  }
  if (const auto p = small_pair(a, b)) {
    if (p->b == 0) raise("ZeroDivisionError", "division by zero");
    return Value(static_cast<double>(static_cast<long double>(p->a) / static_cast<long double>(p->b)));
  }
  if (to_big(b).zero()) raise("ZeroDivisionError", "division by zero");
  return Value(to_double(a) / to_double(b));
}

Value floor_divide(Runtime& rt, const Value& a, const Value& b) {
  refuse_undefined(a, b);
  if (!both_numbers(a, b)) unsupported("//", a, b);
  if (is_real(a) || is_real(b)) {
    if (to_double(b) == 0) raise("ZeroDivisionError", "float floor division by zero");
    return Value(divide_floats(to_double(a), to_double(b)).quotient);
  }
  const BigInt y = to_big(b);
  if (y.zero()) raise("ZeroDivisionError", "integer division or modulo by zero");
  const BigInt x = to_big(a);
  charge_big(rt, x, y);
  BigInt quotient, remainder;
  BigInt::divide(x, y, quotient, remainder);
  return Value(quotient);
}

Value modulo(Runtime& rt, const Value& a, const Value& b) {
  if (a.is_text()) return Value(format_percent(rt, a.bytes(), b, a.text().safe), a.text().safe);
  refuse_undefined(a, b);
  if (!both_numbers(a, b)) unsupported("%", a, b);
  if (is_real(a) || is_real(b)) {
    if (to_double(b) == 0) raise("ZeroDivisionError", "float modulo");
    return Value(divide_floats(to_double(a), to_double(b)).remainder);
  }
  if (const auto p = small_pair(a, b); p && p->b > 0) {
    const int64_t rest = p->a % p->b;
    return Value(rest < 0 ? rest + p->b : rest);
  }
  const BigInt y = to_big(b);
  if (y.zero()) raise("ZeroDivisionError", "integer modulo by zero");
  const BigInt x = to_big(a);
  charge_big(rt, x, y);
  BigInt quotient, remainder;
  BigInt::divide(x, y, quotient, remainder);
  return Value(remainder);
}

Value power(Runtime& rt, const Value& a, const Value& b) {
  refuse_undefined(a, b);
  if (!both_numbers(a, b)) unsupported("** or pow()", a, b);
  const BigInt exponent = is_real(b) ? BigInt() : to_big(b);
  if (is_real(a) || is_real(b) || exponent.negative()) return Value(finite_power(to_double(a), to_double(b)));
  BigInt base = to_big(a), out(1);
  if (base.bits() > 1 &&
      (exponent.bits() > 32 || base.bits() * static_cast<size_t>(*exponent.small()) > 2 * kMaxIntegerBits))
    raise("OverflowError", "a whole number of the template is too large");
  // A base of -1, 0 or 1 needs only the exponent's parity and whether it is zero.
  if (base.bits() <= 1) {
    if (exponent.zero()) return Value(1);
    const bool odd = !(exponent - exponent.shifted_right(1) * BigInt(2)).zero();
    return Value(base.negative() && !odd ? -base : base);
  }
  for (int64_t n = *exponent.small(); n > 0; n >>= 1) {
    charge_big(rt, out, base);
    if (n & 1) out = out * base;
    if (n > 1) base = base * base;
  }
  return Value(out);
}

Value negate(const Value& a) {
  if (a.is_undefined()) raise_undefined(a);
  if (const double* d = a.get<double>()) return Value(-*d);
  if (a.is_integer()) return Value(-to_big(a));
  raise("TypeError", fmt::format("bad operand type for unary -: '{}'", type_name(a)));
}

Value positive(const Value& a) {
  if (a.is_undefined()) raise_undefined(a);
  if (a.get<double>()) return a;
  if (a.is_integer()) return Value(to_big(a));
  raise("TypeError", fmt::format("bad operand type for unary +: '{}'", type_name(a)));
}

Value absolute(const Value& a) {
  if (const double* d = a.get<double>()) return Value(std::fabs(*d));
  if (a.is_integer()) return Value(to_big(a).negative() ? -to_big(a) : to_big(a));
  raise("TypeError", fmt::format("bad operand type for abs(): '{}'", type_name(a)));
}

bool contains(Runtime& rt, const Value& container, const Value& element) {
  if (container.is_text()) {
    if (!element.is_text())
      raise("TypeError",
            fmt::format("'in <string>' requires string as left operand, not {}", type_name(element)));
    rt.budget.copy(container.bytes().size());
    return container.bytes().find(element.bytes()) != std::string::npos;
  }
  if (const Dict* dict = container.dict()) return dict->find(rt, element) != nullptr;
  if (const DictView* view = container.object<DictView>()) {
    // Views look up keys, which must be hashable; the items view first wants a pair.
    if (view->part() == DictView::Part::keys) hash(rt, element);
    if (view->part() == DictView::Part::items) {
      if (!element.get<TuplePtr>() || element.items()->values.size() != 2) return false;
      hash(rt, element.items()->values[0]);
    }
  }
  if (!iterable(rt, container))
    raise("TypeError", fmt::format("argument of type '{}' is not iterable", type_name(container)));
  const IteratorPtr it = iterate(rt, container);
  Value v;
  while (it->next(rt, v)) {
    rt.budget.spend(1);
    if (identical(v, element) || equal(rt, v, element)) return true;
  }
  return false;
}

Value get_attribute(Runtime& rt, const Value& object, std::string_view name) {
  if (auto found = find_attribute(rt, object, name)) return *found;
  if (const Dict* dict = object.dict())
    if (const Value* value = dict->find(name)) return *value;
  if (const auto* p = object.get<ObjectPtr>())
    if (auto value = (*p)->item(rt, Value(name))) return *value;
  return Value::undefined(fmt::format("{} has no attribute {}", repr(object_type_repr(object)), repr(name)));
}

Value get_item(Runtime& rt, const Value& object, const Value& key) {
  if (object.is_undefined()) raise_undefined(object);
  const auto absent = [&] {
    if (key.is_text())
      return Value::undefined(
          fmt::format("{} has no attribute {}", repr(object_type_repr(object)), repr(key.bytes())));
    return Value::undefined(fmt::format("{} has no element {}", object_type_repr(object), to_repr(rt, key)));
  };
  if (const Dict* dict = object.dict()) {
    if (key.get<ListPtr>() || key.dict()) return absent();
    if (key.get<TuplePtr>()) {
      try {
        if (const Value* value = dict->find(rt, key)) return *value;
      } catch (const Raised& error) {
        if (error.kind != "TypeError") throw;
      }
    } else if (const Value* value = dict->find(rt, key)) {
      return *value;
    }
  } else if (object.items() || object.is_text()) {
    if (auto index = to_index(key)) {
      const int64_t count = static_cast<int64_t>(*length(rt, object));
      if (*index < 0) *index += count;
      if (*index >= 0 && *index < count) {
        if (object.items()) return object.items()->values[static_cast<size_t>(*index)];
        const std::string& bytes = object.bytes();
        size_t from = static_cast<size_t>(*index);
        if (!object.text().ascii) {
          rt.budget.copy(bytes.size());
          from = byte_offset(bytes, from);
        }
        size_t to = from;
        next_code_point(bytes, to);
        return Value(bytes.substr(from, to - from), object.text().safe);
      }
    }
  } else if (const auto* p = object.get<ObjectPtr>()) {
    if (auto value = (*p)->item(rt, key)) return *value;
  }
  if (key.is_text())
    if (auto found = find_attribute(rt, object, key.bytes())) return *found;
  return absent();
}

SliceRange resolve_slice(const Value& start, const Value& stop, const Value& step, int64_t length) {
  const auto bound = [](const Value& v, int64_t otherwise) {
    if (v.is_none()) return otherwise;
    if (const auto index = to_index(v)) return *index;
    if (v.is_integer())
      return to_big(v).negative() ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
    raise("TypeError", "slice indices must be integers or None or have an __index__ method");
  };
  const int64_t by = std::max(bound(step, 1), -std::numeric_limits<int64_t>::max());
  if (by == 0) raise("ValueError", "slice step cannot be zero");
  const auto clip = [&](int64_t at) {
    if (at < 0) {
      at += length;
      return at < 0 ? (by < 0 ? int64_t{-1} : int64_t{0}) : at;
    }
    return at >= length ? (by < 0 ? length - 1 : length) : at;
  };
  const int64_t from = start.is_none() ? (by < 0 ? length - 1 : 0) : clip(bound(start, 0));
  const int64_t to = stop.is_none() ? (by < 0 ? -1 : length) : clip(bound(stop, 0));
  int64_t count = 0;
  if (by > 0 && from < to) count = (to - from - 1) / by + 1;
  if (by < 0 && to < from) count = (from - to - 1) / -by + 1;
  return {from, to, by, count};
}

Value get_slice(Runtime& rt, const Value& object, const Value& start, const Value& stop, const Value& step) {
  if (object.is_undefined()) raise_undefined(object);
  if (const RangeObject* range = object.object<RangeObject>())
    return range->slice(resolve_slice(start, stop, step, range->count()));
  if (object.dict()) raise("TypeError", "unhashable type: 'slice'");
  if (!object.items() && !object.is_text())
    raise("TypeError", fmt::format("'{}' object is not subscriptable", type_name(object)));
  const SliceRange range = resolve_slice(start, stop, step, static_cast<int64_t>(*length(rt, object)));
  const size_t count = static_cast<size_t>(range.count);
  if (const Items* items = object.items()) {
    rt.budget.items(count);
    std::vector<Value> out;
    out.reserve(count);
    for (int64_t i = 0; i < range.count; ++i)
      out.push_back(items->values[static_cast<size_t>(range.start + i * range.step)]);
    return object.get<ListPtr>() ? Value::list(std::move(out)) : Value::tuple(std::move(out));
  }
  const std::string& bytes = object.bytes();
  rt.budget.copy(bytes.size());
  if (range.step == 1) {
    const size_t first = static_cast<size_t>(range.start);
    if (object.text().ascii) return Value(bytes.substr(count ? first : 0, count), object.text().safe);
    if (count == 0) return Value(std::string(), object.text().safe);
    const size_t from = byte_offset(bytes, first);
    const size_t size = byte_offset(std::string_view(bytes).substr(from), count);
    return Value(bytes.substr(from, size), object.text().safe);
  }
  const std::u32string points = decode(bytes);
  std::string out;
  for (int64_t i = 0; i < range.count; ++i)
    append_code_point(out, points[static_cast<size_t>(range.start + i * range.step)]);
  return Value(std::move(out), object.text().safe);
}

Value call_value(Runtime& rt, const Value& callee, Arguments arguments) {
  if (callee.is_undefined()) raise_undefined(callee);
  if (const auto* p = callee.get<ObjectPtr>()) {
    const ObjectPtr alive = *p;
    return alive->call(rt, std::move(arguments));
  }
  raise("TypeError", fmt::format("'{}' object is not callable", type_name(callee)));
}

}  // namespace circuitdiff::jinja
