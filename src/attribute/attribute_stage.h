// The stage behind `circuitdiff attribute`: sequences in, one scores.safetensors a cut out. Work is kept
// chunk by chunk in a journal, so that a run killed at any moment goes on where it was and ends with the same
// bytes.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "attribute/options.h"
#include "base/progress.h"
#include "io/json.h"

namespace circuitdiff {

struct AttributeResult {
  int64_t n = 0;                               // samples attributed in every cut
  std::vector<std::string> failed;             // "ID at alpha 0.1: the score of a0->m1 is nan"
  std::vector<std::filesystem::path> outputs;  // one scores file a cut
  bool was_done = false;                       // everything was there already
  nlohmann::ordered_json summary;              // what --json prints
};

// UsageError on a value out of its range; files are looked at by attribute() alone.
void check_attribute(const AttributeOptions& options);

AttributeResult attribute(const AttributeOptions& options, Progress& progress);

}  // namespace circuitdiff
