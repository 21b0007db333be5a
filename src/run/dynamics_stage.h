// A dynamics experiment (the paper's Appendix B): one training file at several temperatures and seeds, with
// the circuits of a fixed probe watched along the way, ending with a report. In the run's folder:
//   questions.jsonl                        where the file has them generated
//   temperature-T/seed-S/                  one training run: checkpoints, metrics.jsonl, final/
//   dynamics.json, dynamics.csv, manifest.json, report.html
// Killed at any moment, the same command goes on from the last checkpoint.
#pragma once

#include "run/run_stage.h"
#include "train/options.h"

namespace circuitdiff {

// The table [dynamics]; all else in the file is a training file.
struct DynamicsOptions {
  AlgorithmName algorithm = AlgorithmName::dapo;
  std::vector<double> temperatures{0.6, 1.0};
  int64_t smooth = 8;
  std::vector<std::string> windows;
  int64_t questions = 0;
  uint64_t questions_seed = 0;
  std::vector<std::filesystem::path> exclude;
};
template <class V>
void visit(V& v, DynamicsOptions& o) {
  v(o.algorithm, "algorithm", "sft, dpo, online-dpo, ppo, grpo, dapo, dr-grpo or rloo");
  v(o.temperatures, "temperatures", "of the answers drawn: one group of runs each");
  v(o.smooth, "smooth", "steps that the rewards' moving averages go over");
  v(o.windows, "windows", "FIRST-LAST for each temperature: the steps within which extrema are sought");
  v(o.questions, "questions", "train on so many generated arithmetic questions; 0: [data] file");
  v(o.questions_seed, "questions_seed", "of their generator");
  v(o.exclude, "exclude", "files of questions that must not be among them");
}

// Whether a file is one of these: it has a table [dynamics].
bool is_dynamics_file(const std::filesystem::path& path);

RunResult run_dynamics(const RunOptions& options, Progress& progress);

}  // namespace circuitdiff
