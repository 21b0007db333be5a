// An experiment file (docs/spec.md#experiment-files): pairs of models, data sets, and the
// options of every stage, read and checked whole before any work starts. Unknown keys are
// errors that name the nearest known one.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "attribute/options.h"
#include "generate/generate_stage.h"
#include "grade/grade_stage.h"
#include "io/json.h"
#include "metrics/compare_stage.h"
#include "select/select_stage.h"

namespace circuitdiff {

// A model as commands take it: MODEL, and a LoRA adapter to merge into it (--adapter), empty for none.
struct ModelSource {
  std::filesystem::path model, adapter;
  auto operator<=>(const ModelSource&) const = default;
};

struct DataSpec {
  std::string name;
  std::filesystem::path file;
  std::string dataset = "generic";
};

struct PairSpec {
  std::string name;
  ModelSource before, after;
  bool chat = false;
  std::string prompt;  // name of a preset; empty with chat, or where the model's own default is wanted
  std::vector<std::string> data;  // names of the data sets that it answers; empty: all

  bool answers(const DataSpec& set) const;
};

struct Experiment {
  std::string name;
  std::vector<std::string> texts{"own"};  // "cross" adds the 2 x 2
  // "null": the before-model against itself; "noise": against copies of it with noise of the change's size.
  std::vector<std::string> controls;
  int64_t noise_copies = 20;
  std::vector<PairSpec> pairs;
  std::vector<DataSpec> data;
  // Options of the stages, without their files.
  GenerateOptions generate;
  GradeOptions grade;
  SelectOptions select;
  AttributeOptions attribute;
  CompareOptions compare;

  bool cross() const;
  bool null_control() const;
  bool noise_control() const;
  json to_json() const;  // everything that the results depend on, models and data by path
};

// Relative paths are taken from the folder the command runs in; where nothing is there, from the file's own
// folder. `preset` is taken for the file's own where it is not empty.
Experiment read_experiment(const std::filesystem::path& path, const std::string& preset = "");

}  // namespace circuitdiff
