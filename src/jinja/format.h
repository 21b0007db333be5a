// Python's two ways of formatting text: "%s" % values and "{}".format(values).
#pragma once

#include <string>
#include <string_view>

#include "jinja/value.h"

namespace circuitdiff::jinja {

// format % values: `values` is a tuple, a dict (for %(name)s) or a single value. `escape`: the format is
// markup.
std::string format_percent(Runtime& rt, std::string_view format, const Value& values, bool escape);
// format.format(*positional, **keyword), with the sandbox's attribute access.
std::string format_braces(Runtime& rt, std::string_view format, const Arguments& arguments, bool escape);
// format(value, specification): [[fill]align][sign][#][0][width][,_][.precision][type].
std::string format_value(Runtime& rt, const Value& value, std::string_view specification);

}  // namespace circuitdiff::jinja
