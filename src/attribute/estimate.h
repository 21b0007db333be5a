// What attribution will take before it is begun: bytes of every part that is held at once, and the
// arithmetic. The numbers follow from shapes alone; seconds need a rate, measured on the device in a tenth of
// a second.
#pragma once

#include <cstdint>

#include "attribute/eap.h"
#include "io/json.h"

namespace circuitdiff {

struct Forecast {
  int64_t rows = 0, gradient_rows = 0;  // of the largest chunk
  int64_t weight_bytes = 0;             // converted copies; pages mapped from the file are not counted
  int64_t source_bytes = 0;             // O_s of the chunk
  int64_t graph_bytes = 0;              // one layer's part of the graph, or all of them where kept
  int64_t working_bytes = 0;            // gradients, logits, attention scores
  int64_t peak_bytes = 0;               // the sum
  double flops = 0;                     // of all chunks
  double seconds = 0;                   // flops at `rate`
};

// `chunks`: the samples as they will be computed together. rate: floating-point operations a second.
Forecast forecast(const Checkpoint& checkpoint, at::ScalarType dtype, const ScoringOptions& options,
                  const std::vector<std::vector<AttributionSample>>& chunks, bool keep, double rate);

// Measured on a product of the model's own width.
double matmul_rate(at::Device device, at::ScalarType dtype, int64_t d_model);

// {"method": {"peak memory": "1.2 GiB", "time a sample": "3.1 s"}, ...} for `inspect`: one sample of `prompt`
// + `answer` tokens.
nlohmann::ordered_json method_estimates(const Checkpoint& checkpoint, int64_t prompt, int64_t answer);

}  // namespace circuitdiff
