// p values corrected over all that a run compared: every metric of every pair, data set and cut together
// (Benjamini-Hochberg). One comparison cannot know the others, so this stands in a file of the run.
#pragma once

#include <filesystem>

namespace circuitdiff {

// Reads DIR/pairs/PAIR/DATA/compare/CUT/metrics.json of the pairs and data sets that DIR/experiment.json
// names, of all where there is none, and writes DIR/corrections.json: {method, tests, p_corrected: {PAIR:
// {DATA: {CUT: {METRIC: p or null}}}}}. False, and nothing is written, where nothing was compared. Error
// where a file is damaged.
bool correct_run(const std::filesystem::path& dir);

}  // namespace circuitdiff
