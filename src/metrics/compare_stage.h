// The stage `compare` (docs/spec.md#metrics): two scores.safetensors files of the same questions, or four for
// the 2 x 2, to DIR/metrics.json (records/metrics_file.h) and DIR/table.{md,csv,tex}. Samples are paired by
// id; those that some file lacks are left out, counted and warned of. Files without ids are paired by place.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/options.h"
#include "base/progress.h"
#include "metrics/metrics.h"

namespace circuitdiff {

struct CompareOptions : MetricOptions {
  std::filesystem::path before, after, out;
  std::filesystem::path before_on_after, after_on_before;  // both or neither
};
template <class V>
void visit(V& v, CompareOptions& o) {
  v(o.before, "before", "scores of the model before post-training");
  v(o.after, "after", "scores of the model after it");
  v(o.out, "out", "folder for metrics.json and table.md, table.csv, table.tex");
  v(o.before_on_after, "before_on_after",
    "scores of the before-model on the after-model's answers, for the 2 x 2");
  v(o.after_on_before, "after_on_before",
    "scores of the after-model on the before-model's answers, for the 2 x 2");
  visit_metric_options(v, o);
}

// UsageError where an option is missing or out of range.
void check_compare(const CompareOptions& options);

// Writes the four files, metrics.json last, and returns {"n", "metrics": {NAME: {"before", "after",
// "difference", "relative", "ci95", "interval", "p", "p_adjusted", "effect_size", "reason"}}, "two_by_two"}.
nlohmann::ordered_json compare_files(const CompareOptions& options, Progress& progress);

// The same as an aligned table of text for the terminal.
std::string comparison_text(const nlohmann::ordered_json& result);

}  // namespace circuitdiff
