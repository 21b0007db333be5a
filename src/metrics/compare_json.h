// The parts of metrics.json: figures in full precision, null where there is none. Its
// layout stands in compare_stage.h.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "metrics/comparison.h"
#include "metrics/edge_change.h"
#include "metrics/two_by_two.h"

namespace circuitdiff {

using ordered_json = nlohmann::ordered_json;

ordered_json nulls_json(const std::vector<std::optional<double>>& values);
// [n_forward][n_backward]
ordered_json grid_json(const std::vector<std::optional<double>>& values, int64_t n_backward);
ordered_json grid_json(const std::vector<uint8_t>& values, int64_t n_backward);

ordered_json metrics_json(const std::vector<MetricComparison>& metrics);
ordered_json decomposition_json(const IntensityDecomposition& d);
ordered_json two_by_two_json(const std::vector<TwoByTwoMetric>& metrics);
ordered_json edge_changes_json(const EdgeChanges& changes, int64_t n_backward);
ordered_json correlation_json(const CorrelationSummary& c);

}  // namespace circuitdiff
