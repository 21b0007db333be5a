// dynamics.json of `run` (docs/spec.md#files): training watched at several temperatures and seeds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace circuitdiff {

// One line of a run's metrics.jsonl, the figures that the page shows.
struct DynamicsStep {
  int64_t step = 0;
  // "reward", "eval/accuracy", "circuit/act_intensity", ...: those taken at this step; null where undefined.
  std::map<std::string, std::optional<double>> figures;
};

struct DynamicsRun {
  double temperature = 1;
  uint64_t seed = 0;
  std::vector<DynamicsStep> log;
};

using StepWindow = std::optional<std::pair<int64_t, int64_t>>;  // first and last step

struct Dynamics {
  std::string name, algorithm, model;
  int64_t steps = 0, smooth = 8;
  int64_t questions = 0, sequences = 0, t_cut = 0;  // of the accuracy; of the probe
  std::vector<double> temperatures;
  std::vector<StepWindow> windows;  // one a temperature
  std::vector<DynamicsRun> runs;
};

// Error naming file and field where something is missing, of another type or not as many as temperatures.
Dynamics read_dynamics(const std::filesystem::path& dynamics_json);
void write_dynamics(const std::filesystem::path& dynamics_json, const Dynamics& dynamics);

}  // namespace circuitdiff
