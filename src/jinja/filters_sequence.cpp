#include <algorithm>
#include <charconv>

#include "jinja/builtins.h"
#include "jinja/objects.h"
#include "jinja/operators.h"
#include "jinja/runtime.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {
namespace {

// jinja2's make_attrgetter: "a.b.0" walks items and attributes; None gives the element itself.
Value attribute_of(Runtime& rt, Value value, const Value& attribute, const Value& otherwise = Value()) {
  if (attribute.is_none()) return value;
  if (!attribute.is_text()) raise_unsupported("attribute of type", type_name(attribute));
  for (const std::string_view part : cut_at(attribute.bytes(), ".", -1, /*from_right=*/false)) {
    int64_t index = -1;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool is_index = error == std::errc() && end == part.data() + part.size() && index >= 0;
    value = get_item(rt, value, is_index ? Value(index) : Value(part));
    if (value.is_undefined() && !otherwise.is_none()) value = otherwise;
  }
  return value;
}

// What values are ordered by, or compared by: text in lower case.
Value ignore_case(Runtime& rt, const Value& value) {
  if (!value.is_text()) return value;
  rt.budget.copy(2 * value.bytes().size());
  return Value(lower(value.bytes()));
}

Value length_filter(Runtime&, const Value& value, const Bound&) {
  const auto n = length(value);
  if (!n) raise("TypeError", "object of type '{}' has no len()", type_name(value));
  return Value(*n);
}

Value list(Runtime& rt, const Value& value, const Bound&) { return Value::list(collect(rt, value)); }

Value first(Runtime& rt, const Value& value, const Bound&) {
  Value out;
  return source_of(rt, value).next(out) ? out : Value::undefined("No first item, sequence was empty.");
}

Value last(Runtime& rt, const Value& value, const Bound&) {
  if (!length(value)) raise("TypeError", "'{}' object is not reversible", type_name(value));
  const std::vector<Value> values = collect(rt, value);
  return values.empty() ? Value::undefined("No last item, sequence was empty.") : values.back();
}

Value reverse(Runtime& rt, const Value& value, const Bound&) {
  if (value.is_text()) return get_slice(rt, value, Value(), Value(), Value(-1));
  std::vector<Value> values = collect(rt, value);
  std::reverse(values.begin(), values.end());
  return length(value) ? make_generator(std::move(values)) : Value::list(std::move(values));
}

Value join(Runtime& rt, const Value& value, const Bound& bound) {
  const std::string between = bound.text(0);
  std::string out;
  bool first = true;
  for (const Value& v : collect(rt, value)) {
    if (!first) out += between;
    first = false;
    out += to_text(rt, attribute_of(rt, v, bound[1]));
    rt.budget.copy(between.size());
    if (out.size() > kMaxTextBytes) break;
  }
  rt.budget.text(out.size());
  return Value(std::move(out));
}

using Keyed = std::vector<std::pair<Value, Value>>;  // what a value is ordered by, and the value

// Equal keys keep their order, also (`equal_first`) where they have none.
Value sorted(Runtime& rt, Keyed keyed, bool descending, bool equal_first) {
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    if (equal_first && equal(rt, a.first, b.first)) return false;
    return descending ? lt(rt, b.first, a.first) : lt(rt, a.first, b.first);
  });
  std::vector<Value> out;
  for (auto& [key, v] : keyed) out.push_back(std::move(v));
  return Value::list(std::move(out));
}

Value sort(Runtime& rt, const Value& value, const Bound& bound) {
  if (bound[2].is_text() && bound[2].bytes().find(',') != std::string::npos)
    raise_unsupported("attribute of the filter sort", bound[2].bytes());
  Keyed keyed;
  for (const Value& v : collect(rt, value)) {
    const Value key = attribute_of(rt, v, bound[2]);
    keyed.emplace_back(bound.flag(1) ? key : ignore_case(rt, key), v);
  }
  return sorted(rt, std::move(keyed), bound.flag(0), /*equal_first=*/true);
}

Value dictsort(Runtime& rt, const Value& value, const Bound& bound) {
  refuse_undefined(value);
  const std::string by = bound.text(1, "key");
  if (by != "key" && by != "value")
    raise("FilterArgumentError", "You can only sort by either \"key\" or \"value\"");
  if (!value.dict()) raise("AttributeError", "'{}' object has no attribute 'items'", type_name(value));
  Keyed keyed;
  for (const auto& [key, v] : value.dict()->entries()) {
    const Value& ordered = by == "key" ? key : v;
    keyed.emplace_back(bound.flag(0) ? ordered : ignore_case(rt, ordered), Value::tuple({key, v}));
  }
  return sorted(rt, std::move(keyed), bound.flag(2), /*equal_first=*/false);
}

Value unique(Runtime& rt, const Value& value, const Bound& bound) {
  std::vector<Value> out, keys;
  for (Value& v : collect(rt, value)) {
    Value key = attribute_of(rt, v, bound[1]);
    if (!bound.flag(0)) key = ignore_case(rt, key);
    if (key.get<ListPtr>() || key.dict()) raise("TypeError", "unhashable type: '{}'", type_name(key));
    if (key.items()) raise_unsupported("values to the filter unique of type", "tuple");
    if (std::any_of(keys.begin(), keys.end(), [&](const Value& known) { return equal(rt, known, key); }))
      continue;
    keys.push_back(std::move(key));
    out.push_back(std::move(v));
  }
  return make_generator(std::move(out));
}

Value default_value(Runtime&, const Value& value, const Bound& bound) {
  if (!value.is_undefined() && (!bound.flag(1) || truth(value))) return value;
  return bound.given(0) ? bound[0] : Value("");
}

// The arguments of the filter or test whose name is the positional argument `at`.
Arguments arguments_behind(const Arguments& arguments, size_t at) {
  Arguments rest = arguments;
  rest.positional.erase(rest.positional.begin(),
                        rest.positional.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  return rest;
}

const std::string& name_of(const Value& name) {
  if (!name.is_text()) raise("TemplateRuntimeError", "a name expected, {} found", type_name(name));
  return name.bytes();
}

// map('filter', ...) or map(attribute='name', default=...).
Value map(Runtime& rt, const Value& value, const Bound& bound) {
  std::vector<Value> out;
  if (!truth(value)) return make_generator({});
  const bool by_attribute = bound.all.positional.empty();
  for (const Value& v : collect(rt, value)) {
    if (by_attribute) {
      const Bound named(rt, bound.all, "map", {"attribute", "default"}, 1);
      out.push_back(attribute_of(rt, v, named[0], named[1]));
    } else {
      out.push_back(call_filter(rt, name_of(bound.all.positional[0]), v, arguments_behind(bound.all, 0)));
    }
  }
  return make_generator(std::move(out));
}

// select, reject, selectattr, rejectattr: those that pass a test (by default, that are true), or do not.
template <bool keep, bool by_attribute>
Value select(Runtime& rt, const Value& value, const Bound& bound) {
  std::vector<Value> out;
  if (!truth(value)) return make_generator({});
  const auto& given = bound.all.positional;
  const size_t name = by_attribute ? 1 : 0;
  if (given.size() < name) raise("FilterArgumentError", "Missing parameter for attribute name");
  for (Value& v : collect(rt, value)) {
    rt.budget.spend(1);
    const Value tested = by_attribute ? attribute_of(rt, v, given[0]) : v;
    const bool passes = given.size() > name
                            ? call_test(rt, name_of(given[name]), tested, arguments_behind(bound.all, name))
                            : truth(tested);
    if (passes == keep) out.push_back(std::move(v));
  }
  return make_generator(std::move(out));
}

Value items(Runtime& rt, const Value& value, const Bound&) {
  if (value.is_undefined()) return make_generator({});
  if (!value.dict()) raise("TypeError", "Can only get item pairs from a mapping.");
  return make_generator(collect(rt, make_view(rt, *value.dict(), Part::items)));
}

}  // namespace

const Builtins& sequence_filters() {
  static const Builtins table{
      {"length", {length_filter}},
      {"count", {length_filter}},
      {"list", {list}},
      {"first", {first}},
      {"last", {last}},
      {"reverse", {reverse}},
      {"join", {join, {"d", "attribute"}}},
      {"sort", {sort, {"reverse", "case_sensitive", "attribute"}}},
      {"dictsort", {dictsort, {"case_sensitive", "by", "reverse"}}},
      {"unique", {unique, {"case_sensitive", "attribute"}}},
      {"default", {default_value, {"default_value", "boolean"}}},
      {"d", {default_value, {"default_value", "boolean"}}},
      {"map", {map, kAny}},
      {"select", {select<true, false>, kAny}},
      {"reject", {select<false, false>, kAny}},
      {"selectattr", {select<true, true>, kAny}},
      {"rejectattr", {select<false, true>, kAny}},
      {"items", {items}},
  };
  return table;
}

}  // namespace circuitdiff::jinja
