#include "jinja/methods.h"

#include <fmt/format.h>

#include <cmath>
#include <unordered_map>

#include "jinja/arguments.h"
#include "jinja/objects.h"
#include "jinja/operators.h"
#include "jinja/runtime.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {
namespace {

const DictPtr& dict_of(const Value& self) { return *self.get<DictPtr>(); }

Value view(const Value& self, DictView::Part part) {
  return Value(ObjectPtr(std::make_shared<DictView>(dict_of(self), part)));
}

Value dict_get(Runtime& rt, const Value& self, const Arguments& arguments) {
  const Bound bound(rt, arguments, "get", {"key", "default"}, 1);
  const Value* found = self.dict()->find(rt, bound[0]);
  return found ? *found : bound[1];
}
Value dict_items(Runtime& rt, const Value& self, const Arguments& arguments) {
  Bound(rt, arguments, "dict.items", {});
  return view(self, DictView::Part::items);
}
Value dict_keys(Runtime& rt, const Value& self, const Arguments& arguments) {
  Bound(rt, arguments, "dict.keys", {});
  return view(self, DictView::Part::keys);
}
Value dict_values(Runtime& rt, const Value& self, const Arguments& arguments) {
  Bound(rt, arguments, "dict.values", {});
  return view(self, DictView::Part::values);
}
Value copy(Runtime& rt, const Value& self, const Arguments& arguments) {
  Bound(rt, arguments, "copy", {});
  if (const Items* items = self.items()) rt.budget.items(items->values.size());
  return self.items() ? Value::list(self.items()->values) : self;
}

Value sequence_count(Runtime& rt, const Value& self, const Arguments& arguments) {
  const Bound bound(rt, arguments, "count", {"value"}, 1);
  int64_t count = 0;
  for (const Value& v : self.items()->values) count += identical(v, bound[0]) || equal(rt, v, bound[0]);
  return Value(count);
}

Value sequence_index(Runtime& rt, const Value& self, const Arguments& arguments) {
  const Bound bound(rt, arguments, "index", {"value", "start", "stop"}, 1);
  const auto& values = self.items()->values;
  const auto clip = [&](int64_t at) {
    const int64_t count = static_cast<int64_t>(values.size());
    return static_cast<size_t>(std::max<int64_t>(at < 0 ? at + count : at, 0));
  };
  const size_t stop = std::min(values.size(), clip(bound.integer(2, static_cast<int64_t>(values.size()))));
  for (size_t i = clip(bound.integer(1)); i < stop; ++i)
    if (identical(values[i], bound[0]) || equal(rt, values[i], bound[0])) return Value(i);
  raise("ValueError", self.get<ListPtr>() ? fmt::format("{} is not in list", to_repr(rt, bound[0]))
                                          : std::string("tuple.index(x): x not in tuple"));
}

Value bit_length(Runtime& rt, const Value& self, const Arguments& arguments) {
  Bound(rt, arguments, "int.bit_length", {});
  return Value(to_big(self).bits());
}
Value bit_count(Runtime& rt, const Value& self, const Arguments& arguments) {
  Bound(rt, arguments, "int.bit_count", {});
  const std::string bits = (to_big(self).negative() ? -to_big(self) : to_big(self)).to_text(2);
  return Value(static_cast<int64_t>(std::count(bits.begin(), bits.end(), '1')));
}
Value conjugate(Runtime& rt, const Value& self, const Arguments& arguments) {
  Bound(rt, arguments, "conjugate", {});
  return self.get<double>() ? self : Value(to_big(self));
}
Value is_whole(Runtime& rt, const Value& self, const Arguments& arguments) {
  Bound(rt, arguments, "float.is_integer", {});
  const double d = to_double(self);
  return Value(std::isfinite(d) && std::trunc(d) == d);
}

using Table = std::unordered_map<std::string_view, Method>;

const Table& table_of(const Value& object) {
  static const Table dict{
      {"get", dict_get}, {"items", dict_items}, {"keys", dict_keys}, {"values", dict_values}, {"copy", copy}};
  static const Table list{{"count", sequence_count}, {"index", sequence_index}, {"copy", copy}};
  static const Table tuple{{"count", sequence_count}, {"index", sequence_index}};
  static const Table integer{{"bit_length", bit_length}, {"bit_count", bit_count}, {"conjugate", conjugate}};
  static const Table real{{"is_integer", is_whole}, {"conjugate", conjugate}};
  static const Table none;
  if (object.dict()) return dict;
  if (object.get<ListPtr>()) return list;
  if (object.get<TuplePtr>()) return tuple;
  if (object.is_integer()) return integer;
  if (object.get<double>()) return real;
  return none;
}

// What every Python object has, so that asking for it meets the sandbox rather than an item of that name.
bool is_internal(std::string_view name) {
  for (const std::string_view known :
       {"__class__",        "__dict__",      "__doc__",     "__init__",         "__new__",
        "__module__",       "__str__",       "__repr__",    "__hash__",         "__eq__",
        "__ne__",           "__lt__",        "__le__",      "__gt__",           "__ge__",
        "__getattribute__", "__setattr__",   "__delattr__", "__dir__",          "__format__",
        "__reduce__",       "__reduce_ex__", "__sizeof__",  "__subclasshook__", "__init_subclass__"})
    if (name == known) return true;
  return false;
}

bool changes_list(std::string_view name) {
  for (const std::string_view known :
       {"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"})
    if (name == known) return true;
  return false;
}
bool changes_dict(std::string_view name) {
  for (const std::string_view known : {"clear", "pop", "popitem", "setdefault", "update"})
    if (name == known) return true;
  return false;
}

Value forbidden(const Value& object, std::string_view name) {
  return Value::undefined(
      fmt::format("access to attribute {} of {} object is unsafe.", repr(name), repr(type_name(object))),
      "SecurityError");
}

}  // namespace

std::optional<Value> find_attribute(Runtime& rt, const Value& object, std::string_view name) {
  if (object.is_undefined()) {
    for (const std::string_view known : {"__getitem__", "__call__", "__len__", "__iter__", "__bool__",
                                         "__int__", "__float__", "__add__", "__getattr__", "__slots__"})
      if (name == known) return forbidden(object, name);
    if (!is_internal(name)) raise_undefined(object);
  }
  if (const auto* p = object.get<ObjectPtr>()) {
    if (auto value = (*p)->attribute(rt, name)) return value;
    if (is_internal(name) && !object.object<Namespace>()) return forbidden(object, name);
    return std::nullopt;
  }
  if (is_internal(name)) return forbidden(object, name);
  if ((object.get<ListPtr>() && changes_list(name)) || (object.dict() && changes_dict(name)))
    return forbidden(object, name);
  Method method = nullptr;
  if (object.is_text()) {
    method = find_text_method(name);
  } else {
    const Table& table = table_of(object);
    if (const auto at = table.find(name); at != table.end()) method = at->second;
  }
  if (method)
    return Value(ObjectPtr(std::make_shared<Function>(
        std::string(name),
        [method, object](Runtime& run, const Arguments& arguments) { return method(run, object, arguments); },
        object.depth() + 1, "builtin_function_or_method")));
  if (object.is_integer() || object.get<double>()) {
    if (name == "real") return object.get<double>() ? object : Value(to_big(object));
    if (name == "imag") return object.get<double>() ? Value(0.0) : Value(0);
    if (name == "numerator" && object.is_integer()) return Value(to_big(object));
    if (name == "denominator" && object.is_integer()) return Value(1);
  }
  if (object.dict() && name == "fromkeys") {
    if (const auto maker = find_global("dict")) return find_attribute(rt, *maker, name);
  }
  if (const Items* items = object.items(); items && items->grouped) {
    if (name == "grouper") return items->values[0];
    if (name == "list") return items->values[1];
  }
  return std::nullopt;
}

}  // namespace circuitdiff::jinja
