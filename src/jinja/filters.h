// jinja2's built-in filters and tests, by name. Each family has its file: filters_text.cpp,
// filters_number.cpp, filters_sequence.cpp, tests.cpp. Missing on purpose: random over several items, urlize,
// wordwrap.
#pragma once

#include <string>
#include <string_view>

#include "jinja/value.h"

namespace circuitdiff::jinja {

using Filter = Value (*)(Runtime& rt, const Value& value, const Arguments& arguments);

Filter find_filter(std::string_view name);           // null if unknown
Filter find_text_filter(std::string_view name);      // of filters_text.cpp
Filter find_number_filter(std::string_view name);    // of filters_number.cpp
Filter find_sequence_filter(std::string_view name);  // of filters_sequence.cpp

// As the filters map, select, ... call by name; TemplateRuntimeError if unknown.
Value call_filter(Runtime& rt, const Value& name, const Value& value, const Arguments& arguments);
bool call_test(Runtime& rt, const Value& name, const Value& value, const Arguments& arguments);
// As `x is name(...)` does.
bool run_test(Runtime& rt, std::string_view name, const Value& value, const Arguments& arguments);

}  // namespace circuitdiff::jinja
