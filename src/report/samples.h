// A few questions of a comparison for the reader's own eyes: both answers, where they were cut, loss, and the
// strongest edges. Those shown stand at even steps of the change of intensity at the last cut, from the
// largest fall to the largest rise, so that the choice flatters nobody.
#pragma once

#include <filesystem>

#include "report/report_input.h"

namespace circuitdiff {

inline constexpr size_t kSamplesShown = 6;

// Only the first line of pairs.jsonl: {"header": {...}}.
json read_pairs_header(const std::filesystem::path& path);

// Fills result.samples from the scores and the graded answers under `run`; leaves it empty, with a note,
// where one of them is absent.
void read_samples(const std::filesystem::path& run, ReportInput& input, PairOnData& result,
                  const DecodeTokens& decode);

}  // namespace circuitdiff
