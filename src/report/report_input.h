// What a report is made from: the folder of a run, read into plain structs. What is absent stays empty and
// the page says so; what is there but damaged is an Error that names file and field.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "io/json.h"
#include "records/metrics_file.h"
#include "report/report_stage.h"
#include "report/sourced.h"

namespace circuitdiff {

using Number = std::optional<double>;

// One metric of one comparison, with the p value corrected over all of the run.
struct MetricCell : MetricComparison {
  Number p_table;  // Benjamini-Hochberg over every p of the run's table
  Source from = {}, from_p_table = {};
  // The difference is beyond chance at a false discovery rate of 5 %.
  bool survives() const { return p_table && *p_table <= 0.05 && difference && *difference != 0; }
};

// Over all cells [n_forward * n_backward]; null where there is no edge.
struct EdgeTable : EdgeChanges {
  std::vector<std::string> sources, destinations;
  std::vector<uint8_t> edges;
  size_t at(size_t source, size_t destination) const { return source * destinations.size() + destination; }
  bool empty() const { return edges.empty(); }
};

// One pair of models on one data set at one cut.
struct Comparison {
  std::string label;  // "alpha-0.1", "tcut-5"
  int64_t n = 0;      // questions
  std::map<std::string, MetricCell> metrics;
  EdgeTable edges;
  IntensityDecomposition parts;
  std::vector<TwoByTwoMetric> two_by_two;
  std::vector<std::string> ids;                         // of the questions, [n]
  BothSides<std::vector<Number>> loss, edge_intensity;  // of each; empty where they are not recorded
  json noise;                                           // the noise control, or null
  Source from, from_noise, from_null;  // its file, that of the noise control, the null control's difference
  // Largest absolute difference over the metrics of the model against itself; null where that was not run.
  Number null_difference;
};

struct ReportInput;

// One side of a question, to be read by a person.
struct SampleSide {
  std::string answer;
  int64_t tokens = 0;
  Number loss, intensity;  // at the comparison's cut
  Source from_loss, from_intensity, from_tokens, from_cut_tokens;
  std::optional<bool> correct;
  size_t cut_bytes = 0;       // of `answer`; what the loss was taken over
  bool cut_is_exact = false;  // else from the share of tokens
  int64_t cut_tokens = 0;
  std::vector<std::string> edges;  // names of the strongest, "a3 -> m7"
};
struct Sample {
  std::string id, prompt, gold;
  size_t cut = 0;  // index into ReportInput::cuts
  SampleSide before, after;
};

// One pair of models on one data set.
struct PairOnData {
  size_t pair = 0, data = 0;
  json header;  // of pairs.jsonl; null where there is none
  Source from_header;
  std::map<std::string, Comparison> cuts;  // by label
  std::vector<Sample> samples;

  std::string folder(const ReportInput& input) const;  // "pairs/grpo/gsm8k"
};

// Both models' answers to the questions of one data set, and the paired test of their difference.
struct AccuracyTest {
  std::string before, after, data;  // names of folders
  int64_t questions = 0, only_before = 0, only_after = 0;
  Number difference, p, p_adjusted;  // of shares of right answers; adjusted over all pairs of the run
  std::string test;
  Source from;
  bool survives() const { return p_adjusted && *p_adjusted <= 0.05 && difference && *difference != 0; }
};

struct ReportInput {
  std::string name;
  struct PairName {
    std::string name, before, after;  // before, after: the models' folders as given
    std::string before_name, after_name;
    std::vector<std::string> data;  // names of the data sets it was asked; empty: all
  };
  struct DataName {
    std::string name, file, dataset;
  };
  std::vector<PairName> pairs;
  std::vector<DataName> data;
  std::vector<std::string> cuts;  // labels, in the order of the table's columns
  json settings = json::object();
  json experiment, accuracy, manifest;  // null where absent
  std::vector<AccuracyTest> accuracy_tests;
  std::vector<PairOnData> results;  // pair-major, one for each data set that a pair was asked
  std::vector<std::string> notes;   // what is missing, one sentence each

  // Null where the pair was not asked this data set.
  const PairOnData* result(size_t pair, size_t data_set) const;
  // "grpo, gsm8k"; without the data set where every pair was asked one only.
  std::string title(const PairOnData& result) const;
  const Comparison* find(size_t pair, size_t data_set, size_t cut) const;
};

// "alpha-0.1" -> "α = 0.1"; "tcut-5" -> "T_cut = 5". And the number alone.
std::string cut_text(const std::string& label);
double cut_number(const std::string& label);

ReportInput read_report_input(const std::filesystem::path& dir, Progress& progress,
                              const DecodeTokens& decode = nullptr);

// Out of metrics.json of `compare`, which stands at `from`.
Comparison read_comparison(const std::filesystem::path& metrics_json, const Source& from);

}  // namespace circuitdiff
