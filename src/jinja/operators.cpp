#include "jinja/operators.h"

#include <algorithm>
#include <limits>

#include "jinja/builtins.h"
#include "jinja/runtime.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {
namespace {

[[noreturn]] void refuse_types(const char* symbol, const Value& a, const Value& b) {
  raise("TypeError", "unsupported operand type(s) for {}: '{}' and '{}'", symbol, type_name(a), type_name(b));
}

// Whether both are numbers; an undefined operand is an error.
bool both_numbers(const Value& a, const Value& b) {
  refuse_undefined(a);
  refuse_undefined(b);
  return a.is_number() && b.is_number();
}

bool any_real(const Value& a, const Value& b) { return a.is_real() || b.is_real(); }

// The ints of a division that rounds down.
std::pair<int64_t, int64_t> divisible(const char* symbol, const Value& a, const Value& b) {
  if (!both_numbers(a, b)) refuse_types(symbol, a, b);
  if (any_real(a, b)) raise_unsupported("operator on floats", symbol);
  if (b.integer() == 0) raise("ZeroDivisionError", "integer division or modulo by zero");
  if (b.integer() == -1 && a.integer() == std::numeric_limits<int64_t>::min()) raise_too_large();
  return {a.integer(), b.integer()};
}

Value like(const Value& sequence, std::vector<Value> values) {
  return sequence.get<ListPtr>() ? Value::list(std::move(values)) : Value::tuple(std::move(values));
}

bool repeatable(const Value& value) { return value.is_text() || value.items(); }

Value repeat(Runtime& rt, const Value& sequence, int64_t times) {
  const size_t unit = sequence.is_text() ? sequence.bytes().size() : sequence.items()->values.size();
  const size_t count = unit == 0 || times < 0 ? 0 : static_cast<size_t>(times);
  const size_t most = sequence.is_text() ? kMaxTextBytes : kMaxItems;
  const size_t total = unit == 0 ? 0 : count > most / unit ? most + 1 : count * unit;
  if (sequence.is_text()) {
    rt.budget.text(total);
    std::string out;
    for (size_t i = 0; i < count; ++i) out += sequence.bytes();
    return Value(std::move(out), sequence.text().safe);
  }
  rt.budget.items(total);
  const auto& values = sequence.items()->values;
  std::vector<Value> out;
  for (size_t i = 0; i < count; ++i) out.insert(out.end(), values.begin(), values.end());
  return like(sequence, std::move(out));
}

// Markup escapes plain text that is added to it.
Value join_texts(Runtime& rt, const Text& a, const Text& b) {
  const bool safe = a.safe || b.safe;
  rt.budget.text(a.bytes.size() + b.bytes.size());
  const auto part = [safe](const Text& text) {
    return safe && !text.safe ? escape_html(text.bytes) : text.bytes;
  };
  return Value(part(a) + part(b), safe);
}

}  // namespace

Value add(Runtime& rt, const Value& a, const Value& b) {
  if (both_numbers(a, b)) {
    if (any_real(a, b)) return Value(a.real() + b.real());
    int64_t sum = 0;
    if (__builtin_add_overflow(a.integer(), b.integer(), &sum)) raise_too_large();
    return Value(sum);
  }
  if (a.is_text() && b.is_text()) return join_texts(rt, a.text(), b.text());
  if (a.items() && a.kind() == b.kind()) {
    std::vector<Value> out = a.items()->values;
    const auto& more = b.items()->values;
    rt.budget.items(out.size() + more.size());
    out.insert(out.end(), more.begin(), more.end());
    return like(a, std::move(out));
  }
  if (repeatable(a))
    raise("TypeError", "can only concatenate {0} (not \"{1}\") to {0}", type_name(a), type_name(b));
  refuse_types("+", a, b);
}

Value subtract(Runtime&, const Value& a, const Value& b) {
  if (!both_numbers(a, b)) refuse_types("-", a, b);
  if (any_real(a, b)) return Value(a.real() - b.real());
  int64_t difference = 0;
  if (__builtin_sub_overflow(a.integer(), b.integer(), &difference)) raise_too_large();
  return Value(difference);
}

Value multiply(Runtime& rt, const Value& a, const Value& b) {
  if (both_numbers(a, b)) {
    if (any_real(a, b)) return Value(a.real() * b.real());
    int64_t product = 0;
    if (__builtin_mul_overflow(a.integer(), b.integer(), &product)) raise_too_large();
    return Value(product);
  }
  if (repeatable(a) && b.is_integer()) return repeat(rt, a, b.integer());
  if (repeatable(b) && a.is_integer()) return repeat(rt, b, a.integer());
  refuse_types("*", a, b);
}

Value true_divide(Runtime&, const Value& a, const Value& b) {
  if (!both_numbers(a, b)) refuse_types("/", a, b);
  if (b.real() == 0) raise("ZeroDivisionError", "division by zero");
  if (any_real(a, b)) return Value(a.real() / b.real());
  // The quotient of two ints is rounded once.
  return Value(
      static_cast<double>(static_cast<long double>(a.integer()) / static_cast<long double>(b.integer())));
}

Value floor_divide(Runtime&, const Value& a, const Value& b) {
  const auto [x, y] = divisible("//", a, b);
  return Value(x / y - (x % y != 0 && (x < 0) != (y < 0) ? 1 : 0));
}

Value modulo(Runtime&, const Value& a, const Value& b) {
  if (a.is_text()) raise_unsupported("operator on text", "%");
  const auto [x, y] = divisible("%", a, b);
  const int64_t rest = x % y;
  return Value(rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest);
}

Value concatenate(Runtime& rt, const Value& a, const Value& b) {
  std::string out = to_text(rt, a) + to_text(rt, b);
  rt.budget.text(out.size());
  return Value(std::move(out));
}

Value negate(const Value& a) {
  refuse_undefined(a);
  if (!a.is_number()) raise("TypeError", "bad operand type for unary -: '{}'", type_name(a));
  if (a.is_real()) return Value(-a.real());
  if (a.integer() == std::numeric_limits<int64_t>::min()) raise_too_large();
  return Value(-a.integer());
}

bool eq(Runtime& rt, const Value& a, const Value& b) { return equal(rt, a, b); }
bool ne(Runtime& rt, const Value& a, const Value& b) { return !equal(rt, a, b); }
bool lt(Runtime& rt, const Value& a, const Value& b) { return order(rt, a, b, "<") < 0; }
bool le(Runtime& rt, const Value& a, const Value& b) { return order(rt, a, b, "<=") <= 0; }
bool gt(Runtime& rt, const Value& a, const Value& b) { return order(rt, a, b, ">") > 0; }
bool ge(Runtime& rt, const Value& a, const Value& b) { return order(rt, a, b, ">=") >= 0; }

bool is_in(Runtime& rt, const Value& element, const Value& container) {
  if (container.is_text()) {
    if (!element.is_text())
      raise("TypeError", "'in <string>' requires string as left operand, not {}", type_name(element));
    rt.budget.copy(container.bytes().size());
    return container.bytes().find(element.bytes()) != std::string::npos;
  }
  if (const Dict* dict = container.dict()) {
    if (element.get<ListPtr>() || element.dict())
      raise("TypeError", "unhashable type: '{}'", type_name(element));
    return dict->find(element) != nullptr;
  }
  if (!iterable(container)) raise("TypeError", "argument of type '{}' is not iterable", type_name(container));
  Source source = source_of(rt, container);
  for (Value v; source.next(v);) {
    rt.budget.spend(1);
    if (equal(rt, v, element)) return true;
  }
  return false;
}
bool is_not_in(Runtime& rt, const Value& element, const Value& container) {
  return !is_in(rt, element, container);
}
namespace {

// jinja2's words for a value without the attribute or item: "dict object", "None".
Value absent(Runtime& rt, const Value& object, const Value& key) {
  const std::string what = object.is_none() ? "None" : type_name(object) + " object";
  if (key.is_text())
    return Value::undefined(fmt::format("{} has no attribute {}", repr(what), repr(key.bytes())));
  return Value::undefined(fmt::format("{} has no element {}", what, to_repr(rt, key)));
}

std::optional<Value> find_item(Runtime& rt, const Value& object, const Value& key) {
  if (const Dict* dict = object.dict()) {
    const Value* value = dict->find(key);
    return value ? std::optional(*value) : std::nullopt;
  }
  if (type_name(object) == "range") raise_unsupported("subscript of", "range");
  if (!key.is_integer() || !(object.items() || object.is_text())) return std::nullopt;
  const int64_t count = static_cast<int64_t>(*length(object));
  const int64_t index = key.integer() < 0 ? key.integer() + count : key.integer();
  if (index < 0 || index >= count) return std::nullopt;
  if (object.items()) return object.items()->values[static_cast<size_t>(index)];
  return get_slice(rt, object, Value(index), Value(index + 1), Value());
}

// Python's slice.indices: from where, by how much, how often.
struct SliceRange {
  int64_t start, step, count;
};
SliceRange resolve_slice(const Value& start, const Value& stop, const Value& step, int64_t length) {
  const auto bound = [](const Value& v) {
    if (!v.is_integer())
      raise("TypeError", "slice indices must be integers or None or have an __index__ method");
    return v.integer();
  };
  const int64_t by = step.is_none() ? 1 : std::max(bound(step), -std::numeric_limits<int64_t>::max());
  if (by == 0) raise("ValueError", "slice step cannot be zero");
  // A bound within the sequence, or just outside on the side that the steps lead to.
  const auto clip = [&](int64_t at) {
    if (at < 0) at += length;
    return by > 0 ? std::clamp<int64_t>(at, 0, length) : std::clamp<int64_t>(at, -1, length - 1);
  };
  const int64_t from = start.is_none() ? (by < 0 ? length - 1 : 0) : clip(bound(start));
  const int64_t to = stop.is_none() ? (by < 0 ? -1 : length) : clip(bound(stop));
  int64_t count = 0;
  if (by > 0 && from < to) count = (to - from - 1) / by + 1;
  if (by < 0 && to < from) count = (from - to - 1) / -by + 1;
  return {from, by, count};
}

}  // namespace

Value get_attribute(Runtime& rt, const Value& object, std::string_view name) {
  if (auto found = find_attribute(object, name)) return *found;
  if (const Dict* dict = object.dict())
    if (const Value* value = dict->find(name)) return *value;
  return absent(rt, object, Value(name));
}

Value get_item(Runtime& rt, const Value& object, const Value& key) {
  refuse_undefined(object);
  if (auto found = find_item(rt, object, key)) return *found;
  if (key.is_text())
    if (auto found = find_attribute(object, key.bytes())) return *found;
  return absent(rt, object, key);
}

Value get_slice(Runtime& rt, const Value& object, const Value& start, const Value& stop, const Value& step) {
  refuse_undefined(object);
  if (!object.items() && !object.is_text()) raise_unsupported("slice of", type_name(object));
  const SliceRange range = resolve_slice(start, stop, step, static_cast<int64_t>(*length(object)));
  const auto at = [&](int64_t i) { return static_cast<size_t>(range.start + i * range.step); };
  if (const Items* items = object.items()) {
    rt.budget.items(static_cast<size_t>(range.count));
    std::vector<Value> out;
    for (int64_t i = 0; i < range.count; ++i) out.push_back(items->values[at(i)]);
    return object.get<ListPtr>() ? Value::list(std::move(out)) : Value::tuple(std::move(out));
  }
  const auto& [bytes, characters, safe] = object.text();
  if (characters == bytes.size()) {  // ASCII
    rt.budget.copy(static_cast<size_t>(range.count));
    std::string out;
    for (int64_t i = 0; i < range.count; ++i) out += bytes[at(i)];
    return Value(std::move(out), safe);
  }
  rt.budget.copy(2 * bytes.size());
  const std::u32string points = decode(bytes);
  std::u32string out;
  for (int64_t i = 0; i < range.count; ++i) out += points[at(i)];
  return Value(encode(out), safe);
}

Value call_value(Runtime& rt, const Value& callee, Arguments arguments) {
  refuse_undefined(callee);
  if (const auto* p = callee.get<ObjectPtr>()) {
    const ObjectPtr alive = *p;
    return alive->call(rt, std::move(arguments));
  }
  raise("TypeError", "'{}' object is not callable", type_name(callee));
}

}  // namespace circuitdiff::jinja
