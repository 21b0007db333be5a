// The attributes and methods of plain values: str, list, tuple, dict, int, float. What would change a value,
// and names with a leading underscore, the sandbox refuses.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "jinja/value.h"

namespace circuitdiff::jinja {

// getattr(object, name): nullopt if there is no such attribute. A forbidden one is an Undefined that raises
// SecurityError.
std::optional<Value> find_attribute(Runtime& rt, const Value& object, std::string_view name);

using Method = Value (*)(Runtime& rt, const Value& self, const Arguments& arguments);
// The method of str by its name (text_methods.cpp), or null.
Method find_text_method(std::string_view name);

// Shared with filters and tests.
std::string replace_text(Runtime& rt, std::string_view text, std::string_view from, std::string_view to,
                         int64_t count);
bool is_lower_text(Runtime& rt, std::string_view text);  // str.islower
bool is_upper_text(Runtime& rt, std::string_view text);  // str.isupper

}  // namespace circuitdiff::jinja
