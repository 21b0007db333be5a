// `accuracy` (docs/spec.md#files): models x benchmarks from folders of graded answers, each accuracy with its
// 95% interval, and paired tests of after against before (the paper's Table 4 with error bars).
//
// A folder is a run's (grade/MODEL/DATA.jsonl, pairs from experiment.json), or one model's: DATA.jsonl files
// of graded answers, the model named by the folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/options.h"
#include "base/progress.h"
#include "grade/paired_accuracy.h"
#include "io/json_fwd.h"

namespace circuitdiff {

enum class TableFormat { text, markdown, latex, csv, json_text };
template <>
struct EnumWords<TableFormat> {
  static constexpr std::array words{
      std::pair{TableFormat::text, "text"}, std::pair{TableFormat::markdown, "markdown"},
      std::pair{TableFormat::latex, "latex"}, std::pair{TableFormat::csv, "csv"},
      std::pair{TableFormat::json_text, "json"}};
};

struct AccuracyOptions {
  std::vector<std::string> dirs;
  std::vector<std::string> pairs;  // BEFORE:AFTER
  TableFormat format = TableFormat::text;
  std::filesystem::path out;
};
template <class V>
void visit(V& v, AccuracyOptions& o) {
  v(o.dirs, "dirs", "folders of runs, or of one model's graded answers each");
  v(o.pairs, "pairs", "models to test against each other, as BEFORE:AFTER; unset: the pairs of the runs");
  v(o.format, "format", "text, markdown, latex, csv or json");
  v(o.out, "out", "file for the table; unset: printed");
}

// One model on one benchmark.
struct AccuracyCell {
  int64_t questions = 0, answers = 0, undecided = 0;
  double accuracy = 0;  // mean over questions of the share of right answers; undecided is not right
  double low = 0, high = 1;
  std::string interval;  // "Wilson" (one answer a question) or "bootstrap over questions"
  std::vector<std::pair<int64_t, double>> pass_at_k;  // where there are several answers a question
};

struct AccuracyPair {
  std::string before, after, data;
  PairedAccuracy result;
  double p_adjusted = 1;  // Benjamini-Hochberg over all pairs and benchmarks of the table
  bool carried() const { return p_adjusted <= 0.05 && result.difference != 0; }
};

struct AccuracyTable {
  std::vector<std::string> models, data;
  std::vector<std::optional<AccuracyCell>> cells;  // [models, data]
  std::vector<AccuracyPair> pairs;
  const std::optional<AccuracyCell>& at(size_t model, size_t set) const {
    return cells[model * data.size() + set];
  }
};

// Errors: a folder without graded answers, a row without `correct` and `verdict` (file and line named), two
// folders with the same model and data set, --pairs that names an unknown model.
AccuracyTable read_accuracy(const AccuracyOptions& options, Progress& progress);

nlohmann::ordered_json accuracy_json(const AccuracyTable& table);
// In any format; ends with a newline. Bold marks the better of a pair where the adjusted test carries it.
std::string accuracy_table_text(const AccuracyTable& table, TableFormat format);

}  // namespace circuitdiff
