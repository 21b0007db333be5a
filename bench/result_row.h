// A measured figure as one row of bench/results/*.jsonl, from which scripts/render_benchmarks.py makes
// docs/benchmarks.md. Machine, command and commit are found here, so that no figure stands without them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace circuitdiff {

struct ResultRow {
  std::string topic;  // "attribution-cpu", "attribution-gpu", "memory", "generation", "training"
  std::string what;
  std::string unit;            // of `values`: "s a sample", "MiB"
  std::vector<double> values;  // one a run; median, least and most are written
  // What it is held against, in the same unit: its median, and the ratios of ours to it, one a pair of runs.
  std::string peer;
  std::optional<double> peer_median;
  std::vector<double> ratios;
};

class ResultFile {
 public:
  // Takes `--json FILE` out of the arguments, wherever it stands. Without it nothing is written. Error where
  // FILE is missing.
  ResultFile(int& argc, char** argv);
  // Appends a row. `machine`: "" for this machine's processor, else the name of a device.
  void add(const ResultRow& row, const std::string& machine = "") const;

 private:
  std::filesystem::path path_;
  std::string command_;  // the arguments without --json; of absolute paths only the last part
};

// "Intel Xeon Processor 6/207, 2 processors": name, family and model as /proc/cpuinfo has them.
std::string processor_name();

}  // namespace circuitdiff
