// What Python does with a value of any type: its name, truth, printing, equality and order.
#include <algorithm>
#include <cmath>

#include "jinja/runtime.h"
#include "jinja/text.h"
#include "jinja/value.h"

namespace circuitdiff::jinja {
namespace {

// An int beside a float, exactly.
std::partial_ordering order_mixed(int64_t integer, double real) {
  if (std::isnan(real)) return std::partial_ordering::unordered;
  if (std::fabs(real) >= 0x1p63) return 0.0 <=> real;
  const double whole = std::trunc(real);
  const auto first = integer <=> static_cast<int64_t>(whole);
  return first != 0 ? first : whole <=> real;
}

std::partial_ordering order_numbers(const Value& a, const Value& b) {
  if (a.is_real() && b.is_real()) return a.real() <=> b.real();
  if (a.is_real()) return 0 <=> order_mixed(b.integer(), a.real());
  if (b.is_real()) return order_mixed(a.integer(), b.real());
  return a.integer() <=> b.integer();
}

std::string join_reprs(Runtime& rt, const std::vector<Value>& values) {
  std::string out;
  for (const Value& value : values) {
    if (!out.empty()) out += ", ";
    out += to_repr(rt, value);
    if (out.size() > kMaxTextBytes) rt.budget.text(out.size());
  }
  return out;
}

bool equal_dicts(Runtime& rt, const Dict& a, const Dict& b) {
  if (a.size() != b.size()) return false;
  return std::all_of(a.entries().begin(), a.entries().end(), [&](const Dict::Entry& entry) {
    const Value* other = b.find(entry.first);
    return other && equal(rt, entry.second, *other);
  });
}

}  // namespace

std::string type_name(const Value& value) {
  if (value.is_none()) return "NoneType";
  if (value.is_bool()) return "bool";
  if (value.is_integer()) return "int";
  if (value.is_real()) return "float";
  if (value.is_text()) return value.text().safe ? "Markup" : "str";
  if (value.get<ListPtr>()) return "list";
  if (value.get<TuplePtr>()) return "tuple";
  if (value.dict()) return "dict";
  if (value.is_undefined()) return "Undefined";
  return (*value.get<ObjectPtr>())->type_name();
}

void refuse_undefined(const Value& value) {
  if (const auto* undefined = value.get<UndefinedPtr>()) raise("UndefinedError", "{}", (*undefined)->message);
}

bool truth(const Value& value) {
  if (value.is_none()) return false;
  if (value.is_number()) return value.real() != 0;
  return length(value).value_or(1) != 0;
}

std::string to_text(Runtime& rt, const Value& value) {
  if (!value.is_text()) return value.is_undefined() ? "" : to_repr(rt, value);
  rt.budget.copy(value.bytes().size());
  return value.bytes();
}

std::string to_repr(Runtime& rt, const Value& value) {
  rt.check_stack();
  rt.budget.spend(1);
  if (value.is_none()) return "None";
  if (value.is_bool()) return truth(value) ? "True" : "False";
  if (value.is_integer()) return std::to_string(value.integer());
  if (value.is_real()) return repr(value.real());
  if (value.is_text()) {
    rt.budget.text(value.bytes().size());
    return value.text().safe ? "Markup(" + repr(value.bytes()) + ")" : repr(value.bytes());
  }
  rt.budget.spend(6);  // strings are made, and copied into what holds them
  if (value.get<ListPtr>()) return "[" + join_reprs(rt, value.items()->values) + "]";
  if (const auto* tuple = value.get<TuplePtr>())
    return "(" + join_reprs(rt, (*tuple)->values) + ((*tuple)->values.size() == 1 ? ",)" : ")");
  if (const Dict* dict = value.dict()) {
    std::string out = "{";
    for (const auto& [key, element] : dict->entries()) {
      if (out.size() > 1) out += ", ";
      out += to_repr(rt, key) + ": " + to_repr(rt, element);
      if (out.size() > kMaxTextBytes) rt.budget.text(out.size());
    }
    return out + "}";
  }
  return value.is_undefined() ? "Undefined" : (*value.get<ObjectPtr>())->repr(rt);
}

bool equal(Runtime& rt, const Value& a, const Value& b) {
  rt.budget.spend(1);
  if (a.is_number() && b.is_number()) return order_numbers(a, b) == 0;
  if (a.kind() != b.kind()) return false;
  if (a.is_text()) {
    rt.budget.copy(std::min(a.bytes().size(), b.bytes().size()));
    return a.bytes() == b.bytes();
  }
  rt.check_stack();
  if (const Items* x = a.items()) {
    const auto& left = x->values;
    const auto& right = b.items()->values;
    return x == b.items() || std::equal(left.begin(), left.end(), right.begin(), right.end(),
                                        [&](const Value& p, const Value& q) { return equal(rt, p, q); });
  }
  if (const Dict* x = a.dict()) return x == b.dict() || equal_dicts(rt, *x, *b.dict());
  if (!a.get<ObjectPtr>() || *a.get<ObjectPtr>() == *b.get<ObjectPtr>()) return true;
  // Python compares ranges and views of mappings by what is in them.
  if (length(a) && length(b)) raise_unsupported("comparison of values of type", type_name(a));
  return false;
}

std::partial_ordering order(Runtime& rt, const Value& a, const Value& b, const char* symbol) {
  rt.budget.spend(1);
  refuse_undefined(a);
  refuse_undefined(b);
  if (a.is_number() && b.is_number()) return order_numbers(a, b);
  if (a.is_text() && b.is_text()) {
    rt.budget.copy(std::min(a.bytes().size(), b.bytes().size()));
    return a.bytes() <=> b.bytes();  // the order of UTF-8 is that of code points
  }
  if (a.items() && a.kind() == b.kind()) raise_unsupported("order of values of type", type_name(a));
  raise("TypeError", "'{}' not supported between instances of '{}' and '{}'", symbol, type_name(a),
        type_name(b));
}

}  // namespace circuitdiff::jinja
