// The tables beside metrics.json: one row a metric. Markdown and LaTeX round to four significant digits, CSV
// is exact; an empty cell is a figure that does not exist, and the last column says why.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace circuitdiff {

// Each takes metrics.json (records/metrics_file.h).
std::string table_markdown(const nlohmann::ordered_json& comparison);
std::string table_csv(const nlohmann::ordered_json& comparison);
std::string table_latex(const nlohmann::ordered_json& comparison);  // a tabular for booktabs

}  // namespace circuitdiff
