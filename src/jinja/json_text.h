// json.dumps as transformers' tojson filter calls it.
#pragma once

#include <optional>
#include <string>

#include "jinja/value.h"

namespace circuitdiff::jinja {

struct JsonStyle {
  bool ensure_ascii = false;
  std::optional<std::string> indent;  // of one level; absent: everything on one line
  std::string between = ", ";         // items; "," where there is an indent
  std::string after_key = ": ";
  bool sort_keys = false;
};

std::string to_json(Runtime& rt, const Value& value, const JsonStyle& style);
Value tojson_filter(Runtime& rt, const Value& value, const Arguments& arguments);

}  // namespace circuitdiff::jinja
