// Python's operators over values, and jinja2's ways into a value: x.name, x[key], x[a:b:c], x().
#pragma once

#include <string_view>

#include "jinja/value.h"

namespace circuitdiff::jinja {

// Whole numbers that do not fit into 64 bits are an OverflowError.
Value add(Runtime& rt, const Value& a, const Value& b);
Value subtract(Runtime& rt, const Value& a, const Value& b);
Value multiply(Runtime& rt, const Value& a, const Value& b);
Value true_divide(Runtime& rt, const Value& a, const Value& b);
Value floor_divide(Runtime& rt, const Value& a, const Value& b);
Value modulo(Runtime& rt, const Value& a, const Value& b);
Value concatenate(Runtime& rt, const Value& a, const Value& b);
Value negate(const Value& a);

bool eq(Runtime& rt, const Value& a, const Value& b);
bool ne(Runtime& rt, const Value& a, const Value& b);
bool lt(Runtime& rt, const Value& a, const Value& b);
bool le(Runtime& rt, const Value& a, const Value& b);
bool gt(Runtime& rt, const Value& a, const Value& b);
bool ge(Runtime& rt, const Value& a, const Value& b);
bool is_in(Runtime& rt, const Value& element, const Value& container);
bool is_not_in(Runtime& rt, const Value& element, const Value& container);

// x.name: the attribute, else the item, else an Undefined.
Value get_attribute(Runtime& rt, const Value& object, std::string_view name);
// x[key]: the item, else (for text keys) the attribute, else an Undefined.
Value get_item(Runtime& rt, const Value& object, const Value& key);
// x[start:stop:step]; None where absent. Errors are raised, as in Python.
Value get_slice(Runtime& rt, const Value& object, const Value& start, const Value& stop, const Value& step);
Value call_value(Runtime& rt, const Value& callee, Arguments arguments);

}  // namespace circuitdiff::jinja
