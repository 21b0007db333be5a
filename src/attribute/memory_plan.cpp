// Which way of computing fits a budget of bytes: the fastest whose forecast stays within it.
#include <ATen/DeviceAccelerator.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "attribute/forecast.h"
#include "attribute/layout.h"
#include "base/error.h"
#include "io/json.h"

namespace circuitdiff {
namespace {

// Rows of products that the choice costs a chunk more than keeping everything, for comparison only: computing
// a layer again repeats three fifths of its forward pass; converting a weight costs as much as a dozen rows
// of its product, twice a part of a chunk; spilled sources are read again for every layer. To a GPU a weight
// of two bytes comes at some 25 GB/s, in which time its products with fourteen thousand rows are made.
double cost_in_rows(const MemoryChoice& choice, at::Device device, int64_t rows) {
  const double streamed = device.is_cpu() ? 24.0 : 28000.0;
  return (choice.keep ? 0.0 : 0.6 * static_cast<double>(rows)) + (choice.resident ? 0.0 : streamed) +
         (choice.spill ? 2.0 * static_cast<double>(rows) : 0.0);
}

}  // namespace

MemoryPlan plan_memory(const Checkpoint& checkpoint, at::Device device, at::ScalarType dtype,
                       const ScoringOptions& options,
                       const std::vector<std::vector<AttributionSample>>& chunks, int64_t budget,
                       double rate) {
  MemoryPlan best;
  double best_cost = INFINITY;
  int64_t smallest = INT64_MAX;
  for (const bool keep : {true, false})
    for (const bool resident : {true, false})
      for (const bool spill : {false, true}) {
        const bool exact = options.method == Method::exact;
        if (exact && (keep || spill)) continue;  // it has neither a graph nor gradients to meet the sources
        if (spill && !device.is_cpu()) continue;
        // Taking sources off the stream again is exact but for float64 ones: there, what is kept would differ
        // in the last bit from what is computed again, and the bytes would hang on the budget.
        if (keep && dtype == at::kDouble) continue;
        const MemoryChoice choice{keep, resident, spill};
        const Forecast f = forecast(checkpoint, device, dtype, options, chunks, choice, rate);
        const int64_t needed = f.peak_bytes + (device.is_cpu() ? kProcessBytes : 0);
        smallest = std::min(smallest, needed);
        const double cost = cost_in_rows(choice, device, f.rows);
        if (needed > budget || cost >= best_cost) continue;
        best = {choice, f, budget};
        best_cost = cost;
      }
  if (std::isinf(best_cost)) {
    // Rounded up, so that what is named works.
    const double gib = std::ceil(static_cast<double>(smallest) / (1 << 30) * 100) / 100;
    const bool several = std::any_of(chunks.begin(), chunks.end(), [&](const auto& chunk) {
      const auto parts = parts_of(chunk, device);
      return std::any_of(parts.begin(), parts.end(), [](const auto& part) { return part.size() > 1; });
    });
    fail("--memory: {:.2f} GiB are too few for chunks of {} samples; {:.2f} is the least that works{}",
         static_cast<double>(budget) / (1 << 30), chunks.empty() ? 0 : chunks.front().size(), gib,
         several ? " (smaller with a smaller --chunk)" : "");
  }
  return best;
}

int64_t free_bytes_of(at::Device device) {
  if (!device.is_cpu())
    return static_cast<int64_t>(at::getDeviceAllocator(device.type())->getMemoryInfo(device.index()).first) /
           10 * 9;
  int64_t free = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE) / 2;
  std::ifstream file("/proc/meminfo");
  int64_t kib = 0;
  for (std::string word; file >> word;)
    if (word == "MemAvailable:" && file >> kib) free = kib * 1024;
  // What the process holds already is among the kProcessBytes that a plan counts.
  if (rlimit limit{}; getrlimit(RLIMIT_DATA, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    free = std::min(free, static_cast<int64_t>(std::min<rlim_t>(limit.rlim_cur, INT64_MAX)));
  return free / 10 * 9;
}

nlohmann::ordered_json choice_in_words(const MemoryChoice& choice) {
  return {{"graph", choice.keep ? "kept" : "recomputed"},
          {"weights", choice.resident ? "resident" : "streamed"},
          {"sources", choice.spill ? "spilled to disk" : "in memory"}};
}

}  // namespace circuitdiff
