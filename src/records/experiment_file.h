// experiment.json of `run` (docs/spec.md#files): the resolved experiment. Models and data are named as the
// experiment file names them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "io/json.h"

namespace circuitdiff {

struct ExperimentFile {
  struct Pair {
    std::string name, before, after;
    std::string before_adapter, after_adapter;  // empty for none
    std::string before_name, after_name;        // folders of the run that the models' answers lie in
    bool chat = false;
    std::string prompt;
    std::vector<std::string> data;  // names of the data sets it is asked; empty: all
  };
  struct Data {
    std::string name, file, dataset;
  };
  std::string name;
  std::vector<std::string> texts, controls;
  std::optional<int64_t> noise_copies;
  std::vector<Pair> pairs;
  std::vector<Data> data;
  std::vector<double> alphas;  // empty with a fixed t_cut
  json settings;               // options of every stage: {"generate": {"max_new_tokens": 64, ...}, ...}
};

json experiment_file_json(const ExperimentFile& file);
// Error naming file and field where something is missing or of another type, and where a pair is asked data
// that "data" does not have.
ExperimentFile read_experiment_file(const std::filesystem::path& path);
void write_experiment_file(const std::filesystem::path& path, const ExperimentFile& file);

}  // namespace circuitdiff
