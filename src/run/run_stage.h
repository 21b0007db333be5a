// A whole experiment: generate, grade, select, attribute, compare for every pair x data set x alpha, then the
// report. Each stage keeps its own place in the run's folder and is passed over when it is done:
//   generate/MODEL/DATA.jsonl        answers
//   grade/MODEL/DATA.jsonl           the same, graded
//   pairs/PAIR/DATA/pairs.jsonl      selection
//   pairs/PAIR/DATA/attribute/{before,after,..}/scores.CUT.safetensors
//   pairs/PAIR/DATA/compare/CUT/     metrics.json and tables
//   pairs/PAIR/DATA/{null,noise}/    controls
//   experiment.json, accuracy.json, accuracy_pairs.json, manifest.json, report.html, table.{md,csv,tex}
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/progress.h"
#include "io/json.h"
#include "model/decoder.h"

namespace circuitdiff {

struct RunOptions {
  std::filesystem::path experiment;
  std::filesystem::path out;
  int64_t limit = 0;
  std::string preset;  // over the experiment's own
  std::string device = "auto";
  int64_t threads = 0;
  bool overwrite = false;
};
template <class V>
void visit(V& v, RunOptions& o) {
  v(o.experiment, "experiment", "experiment file (TOML)");
  v(o.out, "out", "folder of the run; unset: runs/NAME");
  v(o.limit, "limit", "ask only the first questions of every data set; 0: all");
  v(o.device, "device", "auto, cpu, cuda or cuda:INDEX");
  v(o.threads, "threads", "CPU threads; 0: one a core");
  v(o.overwrite, "overwrite", "begin anew where another experiment's results lie");
}

struct RunResult {
  std::filesystem::path folder, report, table;
  std::vector<std::string> sentences;  // the page's first lines as plain text
  std::vector<std::string> problems;   // cells of the table that could not be filled, and failed samples
  nlohmann::ordered_json summary;      // accuracies, selections and metrics, for the terminal and --json
};

RunResult run_experiment(const RunOptions& options, Progress& progress);

}  // namespace circuitdiff
