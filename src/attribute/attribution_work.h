// What attribution has to do, read from its inputs: sequences, the cuts at which their answers end, and the
// samples that are computed together.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "attribute/eap.h"
#include "records/pair.h"

namespace circuitdiff {

// One output file: a cut of every sample.
struct Cut {
  std::string label;  // "alpha-0.1" or "tcut-5"
  double alpha = 0;   // 0 with --t-cut
  int64_t tokens = 0;
};

struct AttributionWork {
  std::vector<Sequence> sequences;
  std::vector<Cut> cuts;
  std::string text;  // whose answers these are
};

// UsageError where files are missing or contradict each other.
void check_files(const AttributeOptions& options);

AttributionWork read_work(const AttributeOptions& options, int64_t vocab_size);

// A shorter answer than a cut is used whole.
AttributionSample sample_of(const Sequence& sequence, const std::vector<Cut>& cuts);

std::vector<std::vector<AttributionSample>> all_chunks(const AttributeOptions& options,
                                                       const AttributionWork& work);

// Where angles hang on the length of the sequence, one forward cannot serve two cuts: each is a sample of its
// own.
bool cuts_need_own_forward(const ModelConfig& config, const std::vector<AttributionSample>& samples);

}  // namespace circuitdiff
