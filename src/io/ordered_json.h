// JSON whose objects keep the order of their keys, for files that are to be written again as they were.
// Parsed as strictly as in json.h.
#pragma once

#include "io/json.h"

namespace circuitdiff {

using ordered_json = nlohmann::ordered_json;

ordered_json parse_ordered_json(std::string_view text, std::string_view where);
ordered_json read_ordered_json_file(const std::filesystem::path& path);
std::string json_kind(const ordered_json& value);

}  // namespace circuitdiff
