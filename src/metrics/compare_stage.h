// The stage `compare` (docs/spec.md#metrics): two scores.safetensors files of the same questions, or four for
// the 2 x 2, to DIR/metrics.json and DIR/table.{md,csv,tex}. Samples are paired by id; those that some file
// lacks are left out, counted and warned of. Files without ids are paired by place.
//
// metrics.json, in full precision, null where undefined:
//   n, n_forward, n_backward, n_edges, sources, destinations, edges [n_forward][n_backward] (0 or 1), ids [n]
//   inputs       {before, after, before_on_after?, after_on_before?: {file, sha256, samples, metadata without
//   names and ids}} options      {cells, bins, bootstrap, permutations, seed}; version; warnings [] unpaired
//   {before, after, ...: samples left out of each file} metrics      {NAME: {before, after, difference,
//   relative, ci95 [low, high], interval, p, p_adjusted, effect_size, reason}} decomposition {log_ratio,
//   from_loss, beyond_loss, from_error, beyond_error, reason, error_reason} relative_change {before, after,
//   relative, ci_low, ci_high, p, p_adjusted, p_familywise: [n_forward][n_backward],
//                 permutations, bootstrap}
//   per_sample   {NAME: {before [n], after [n]}}: the metrics that are means over samples, and edge_intensity
//   node_entropy {before, after: [n_forward]}: per source
//   correlation  {before, after: {pairs, mean, sd, min, q25, median, q75, max, histogram [40 bins over
//   -1..1], reason}} two_by_two   {NAME: {before, after, before_on_after, after_on_before, model, text,
//   interaction: {value, ci95,
//                 interval, reason}}} or null
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
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
