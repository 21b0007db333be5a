// Python's operators over values, and jinja2's ways into a value: x.name, x[key], x[a:b:c].
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "jinja/value.h"

namespace circuitdiff::jinja {

Value add(Runtime& rt, const Value& a, const Value& b);
Value subtract(Runtime& rt, const Value& a, const Value& b);
Value multiply(Runtime& rt, const Value& a, const Value& b);
Value true_divide(Runtime& rt, const Value& a, const Value& b);
Value floor_divide(Runtime& rt, const Value& a, const Value& b);
Value modulo(Runtime& rt, const Value& a, const Value& b);  // also the printf of strings
Value power(Runtime& rt, const Value& a, const Value& b);
Value negate(const Value& a);
Value positive(const Value& a);
Value absolute(const Value& a);
bool contains(Runtime& rt, const Value& container, const Value& element);  // element in container

// x.name: the attribute, else the item, else an Undefined. What the sandbox forbids is an Undefined that
// raises SecurityError.
Value get_attribute(Runtime& rt, const Value& object, std::string_view name);
// x[key]: the item, else (for text keys) the attribute, else an Undefined.
Value get_item(Runtime& rt, const Value& object, const Value& key);
// x[start:stop:step]; None where absent. Errors are raised, as in Python.
Value get_slice(Runtime& rt, const Value& object, const Value& start, const Value& stop, const Value& step);
Value call_value(Runtime& rt, const Value& callee, Arguments arguments);

// Resolves start:stop:step over a sequence (Python's slice.indices). Throws if step is zero or a bound is not
// an int.
struct SliceRange {
  int64_t start, stop, step, count;  // stop is clipped, as slice.indices gives it
};
SliceRange resolve_slice(const Value& start, const Value& stop, const Value& step, int64_t length);

}  // namespace circuitdiff::jinja
