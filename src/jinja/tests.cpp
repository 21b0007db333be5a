// jinja2's built-in tests: what may stand behind `is`, and what select and its kin call by name.
#include <fmt/format.h>

#include <unordered_map>

#include "jinja/arguments.h"
#include "jinja/ast.h"
#include "jinja/filters.h"
#include "jinja/methods.h"
#include "jinja/operators.h"
#include "jinja/runtime.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {
namespace {

using Test = bool (*)(Runtime& rt, const Value& value, const Value& other);

// How many arguments a test takes besides the value.
struct Entry {
  Test test;
  int arguments;
};

bool has_remainder(Runtime& rt, const Value& value, const Value& divisor, int64_t rest) {
  return equal(rt, modulo(rt, value, divisor), Value(rest));
}

template <class Decide>
bool ordered(Runtime& rt, const Value& a, const Value& b, const char* symbol, Decide decide) {
  bool unordered = false;
  const int order = compare(rt, a, b, symbol, unordered);
  return !unordered && decide(order);
}

bool eq(Runtime& rt, const Value& a, const Value& b) { return equal(rt, a, b); }
bool ne(Runtime& rt, const Value& a, const Value& b) { return !equal(rt, a, b); }
bool gt(Runtime& rt, const Value& a, const Value& b) {
  return ordered(rt, a, b, ">", [](int order) { return order > 0; });
}
bool ge(Runtime& rt, const Value& a, const Value& b) {
  return ordered(rt, a, b, ">=", [](int order) { return order >= 0; });
}
bool lt(Runtime& rt, const Value& a, const Value& b) {
  return ordered(rt, a, b, "<", [](int order) { return order < 0; });
}
bool le(Runtime& rt, const Value& a, const Value& b) {
  return ordered(rt, a, b, "<=", [](int order) { return order <= 0; });
}

bool is_sequence(Runtime& rt, const Value& v, const Value&) {
  if (const auto* p = v.get<ObjectPtr>()) return (*p)->sequence() && (*p)->length(rt);
  return v.is_text() || v.items() || v.dict() || v.is_undefined();
}

bool is_callable(Runtime&, const Value& v, const Value&) {
  if (const auto* p = v.get<ObjectPtr>()) return (*p)->callable();
  return v.is_undefined();
}

// A name among those of filters or tests; what cannot be hashed cannot be looked up.
bool named(Runtime& rt, const Value& v, bool (*known)(std::string_view)) {
  hash(rt, v);
  return v.is_text() && known(v.bytes());
}

const std::unordered_map<std::string_view, Entry>& table() {
  static const std::unordered_map<std::string_view, Entry> entries{
      {"odd",
       {[](Runtime& rt, const Value& v, const Value&) { return has_remainder(rt, v, Value(2), 1); }, 0}},
      {"even",
       {[](Runtime& rt, const Value& v, const Value&) { return has_remainder(rt, v, Value(2), 0); }, 0}},
      {"divisibleby",
       {[](Runtime& rt, const Value& v, const Value& by) { return has_remainder(rt, v, by, 0); }, 1}},
      {"defined", {[](Runtime&, const Value& v, const Value&) { return !v.is_undefined(); }, 0}},
      {"undefined", {[](Runtime&, const Value& v, const Value&) { return v.is_undefined(); }, 0}},
      {"none", {[](Runtime&, const Value& v, const Value&) { return v.is_none(); }, 0}},
      {"boolean", {[](Runtime&, const Value& v, const Value&) { return v.is_bool(); }, 0}},
      {"true", {[](Runtime&, const Value& v, const Value&) { return v.is_bool() && *v.get<bool>(); }, 0}},
      {"false", {[](Runtime&, const Value& v, const Value&) { return v.is_bool() && !*v.get<bool>(); }, 0}},
      {"integer", {[](Runtime&, const Value& v, const Value&) { return v.is_integer() && !v.is_bool(); }, 0}},
      {"float", {[](Runtime&, const Value& v, const Value&) { return v.get<double>() != nullptr; }, 0}},
      {"number", {[](Runtime&, const Value& v, const Value&) { return v.is_number(); }, 0}},
      {"string", {[](Runtime&, const Value& v, const Value&) { return v.is_text(); }, 0}},
      {"mapping", {[](Runtime&, const Value& v, const Value&) { return v.dict() != nullptr; }, 0}},
      {"sequence", {is_sequence, 0}},
      {"iterable", {[](Runtime& rt, const Value& v, const Value&) { return iterable(rt, v); }, 0}},
      {"callable", {is_callable, 0}},
      {"lower",
       {[](Runtime& rt, const Value& v, const Value&) { return is_lower_text(rt, to_text(rt, v)); }, 0}},
      {"upper",
       {[](Runtime& rt, const Value& v, const Value&) { return is_upper_text(rt, to_text(rt, v)); }, 0}},
      {"escaped", {[](Runtime&, const Value& v, const Value&) { return v.is_text() && v.text().safe; }, 0}},
      {"sameas", {[](Runtime&, const Value& v, const Value& other) { return identical(v, other); }, 1}},
      {"in", {[](Runtime& rt, const Value& v, const Value& in) { return contains(rt, in, v); }, 1}},
      {"filter", {[](Runtime& rt, const Value& v, const Value&) { return named(rt, v, is_filter); }, 0}},
      {"test", {[](Runtime& rt, const Value& v, const Value&) { return named(rt, v, is_test); }, 0}},
      {"==", {eq, 1}},
      {"eq", {eq, 1}},
      {"equalto", {eq, 1}},
      {"!=", {ne, 1}},
      {"ne", {ne, 1}},
      {">", {gt, 1}},
      {"gt", {gt, 1}},
      {"greaterthan", {gt, 1}},
      {">=", {ge, 1}},
      {"ge", {ge, 1}},
      {"<", {lt, 1}},
      {"lt", {lt, 1}},
      {"lessthan", {lt, 1}},
      {"<=", {le, 1}},
      {"le", {le, 1}},
  };
  return entries;
}

bool run(Runtime& rt, std::string_view name, const Entry& entry, const Value& value,
         const Arguments& arguments) {
  rt.budget.spend(1);
  if (entry.arguments == 0) {
    Bound(rt, arguments, name, {});
    return entry.test(rt, value, Value());
  }
  const char* parameter = name == "divisibleby" ? "num"
                          : name == "sameas"    ? "other"
                          : name == "in"        ? "seq"
                                                : "b";
  const Bound bound(rt, arguments, name, {parameter}, 1);
  return entry.test(rt, value, bound[0]);
}

}  // namespace

bool is_test(std::string_view name) { return table().contains(name); }

bool run_test(Runtime& rt, std::string_view name, const Value& value, const Arguments& arguments) {
  const auto at = table().find(name);
  if (at == table().end()) raise("TemplateRuntimeError", fmt::format("No test named {} found.", repr(name)));
  return run(rt, name, at->second, value, arguments);
}

bool call_test(Runtime& rt, const Value& name, const Value& value, const Arguments& arguments) {
  const auto at = name.is_text() ? table().find(name.bytes()) : table().end();
  if (at == table().end()) raise("TemplateRuntimeError", fmt::format("No test named {}.", to_repr(rt, name)));
  return run(rt, name.bytes(), at->second, value, arguments);
}

}  // namespace circuitdiff::jinja
