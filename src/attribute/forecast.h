// What attribution will take before it is begun: memory, which is the size of the tables that the engine
// takes its buffers from (attribute/chunk_table.h), and arithmetic, which follows from shapes. Seconds need a
// rate, measured on the device in a tenth of a second.
#pragma once

#include <cstdint>

#include "attribute/eap.h"
#include "io/json_fwd.h"

namespace circuitdiff {

// What is held in memory and what is fetched or computed again instead. The scores are the same.
struct MemoryChoice {
  bool keep = false;     // every layer's part of the graph, else one layer's at a time (first_kept_layer)
  bool resident = true;  // converted weights, else two layers' at a time
  bool spill = false;    // sources in a file
};

struct Forecast {
  int64_t rows = 0, gradient_rows = 0;  // of the part of a chunk that takes most
  int64_t weight_bytes = 0;             // converted copies; pages mapped from the file are not counted
  int64_t source_bytes = 0;             // O_s of that part; 0 where they are spilled
  int64_t spilled_bytes = 0;            // of the file that takes them instead
  int64_t buffer_bytes = 0;             // the table's other buffers
  int64_t operator_bytes = 0;           // what operators take for themselves
  int64_t peak_bytes = 0;               // the sum, without the spilled file
  double flops = 0;                     // of all chunks
  double seconds = 0;  // flops at `rate`, or what the bus takes for streamed weights if that is longer
};

// Bytes a second at which streamed weights come to a GPU: through pinned memory on PCIe 5, as measured.
constexpr double kBusRate = 25e9;

// `chunks`: the samples as they will be computed together. rate: floating-point operations a second.
Forecast forecast(const Checkpoint& checkpoint, at::Device device, at::ScalarType dtype,
                  const ScoringOptions& options, const std::vector<std::vector<AttributionSample>>& chunks,
                  const MemoryChoice& choice, double rate);

// The fastest choice whose forecast stays within `budget` bytes (on the device), the process's own
// kProcessBytes included. Error that names the smallest budget that works.
struct MemoryPlan {
  MemoryChoice choice;
  Forecast forecast;
  int64_t budget = 0;
};
constexpr int64_t kProcessBytes = int64_t{160} << 20;  // libtorch, threads, tokens: before any tensor
MemoryPlan plan_memory(const Checkpoint& checkpoint, at::Device device, at::ScalarType dtype,
                       const ScoringOptions& options,
                       const std::vector<std::vector<AttributionSample>>& chunks, int64_t budget,
                       double rate);
// What --memory 0 stands for: nine tenths of what is free now, and of what a limit on data allows a process.
int64_t free_bytes_of(at::Device device);
// {"graph": "kept", "weights": "resident", "sources": "in memory"}
nlohmann::ordered_json choice_in_words(const MemoryChoice& choice);

// Measured on a product of the model's own width.
double matmul_rate(at::Device device, at::ScalarType dtype, int64_t d_model);

// {"method": {"peak memory": "1.2 GiB", "time a sample": "3.1 s"}, ...} for `inspect`: one sample of `prompt`
// + `answer` tokens.
nlohmann::ordered_json method_estimates(const Checkpoint& checkpoint, int64_t prompt, int64_t answer);

}  // namespace circuitdiff
