// Names of JSON values for headers that only declare functions of them: the whole of json.h takes a compiler
// two seconds a file.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace circuitdiff {

using json = nlohmann::json;
class Row;  // json.h

}  // namespace circuitdiff
