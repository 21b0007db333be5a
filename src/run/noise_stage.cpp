#include "run/noise_stage.h"

#include <algorithm>

#include "attribute/attribute_stage.h"
#include "checkpoint/noisy_copy.h"
#include "io/files.h"
#include "io/json.h"
#include "metrics/noise_control.h"

namespace circuitdiff {
namespace {

namespace fs = std::filesystem;

fs::path copy_folder(const NoiseWork& work, int64_t copy) {
  return work.folder / ("copy-" + std::to_string(copy));
}

// "scores.alpha-0.1.safetensors" -> "alpha-0.1.json"
fs::path result_of(const NoiseWork& work, const fs::path& scores) {
  return work.folder / (scores.stem().string().substr(7) + ".json");
}

bool is_scored(const NoiseWork& work, int64_t copy) {
  return std::all_of(work.before.begin(), work.before.end(), [&](const fs::path& scores) {
    return fs::exists(copy_folder(work, copy) / scores.filename());
  });
}

bool is_done(const NoiseWork& work) {
  return std::all_of(work.before.begin(), work.before.end(),
                     [&](const fs::path& scores) { return fs::exists(result_of(work, scores)); });
}

}  // namespace

std::vector<std::string> run_noise_control(const Checkpoint& before, const Checkpoint& after,
                                           const fs::path& scratch, int64_t copies, uint64_t seed,
                                           const MetricOptions& options, const std::vector<NoiseWork>& work,
                                           Progress& progress) {
  std::vector<std::string> failed;
  if (std::all_of(work.begin(), work.end(), is_done)) return failed;
  for (int64_t copy = 0; copy < copies; ++copy) {
    const auto open = [&](const NoiseWork& w) { return !is_done(w) && !is_scored(w, copy); };
    if (std::none_of(work.begin(), work.end(), open)) continue;
    fs::remove_all(scratch);
    write_noisy_copy(before, after, seed, static_cast<uint32_t>(copy), scratch);
    for (const NoiseWork& w : work) {
      if (!open(w)) continue;
      AttributeOptions a = w.attribute;
      a.model = scratch;
      a.out = copy_folder(w, copy);
      const AttributeResult r = attribute(a, progress);
      for (const std::string& failure : r.failed) failed.push_back("noisy copy " + failure);
    }
  }
  fs::remove_all(scratch);
  for (const NoiseWork& w : work)
    for (size_t cut = 0; cut < w.before.size(); ++cut) {
      NoiseControlInput input{w.before[cut], w.after[cut], {}};
      for (int64_t copy = 0; copy < copies; ++copy)
        input.copies.push_back(copy_folder(w, copy) / w.before[cut].filename());
      auto result = noise_control(input, options);
      result["seed"] = seed;
      write_file_atomically(result_of(w, w.before[cut]), result.dump(1) + "\n");
    }
  return failed;
}

}  // namespace circuitdiff
