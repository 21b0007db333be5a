// The stage of `grade` (docs/spec.md#files): reads generations.jsonl, extracts and judges every answer,
// writes the rows back with extracted, verdict and correct (and the rule and reason that led there), and sums
// up.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/options.h"
#include "base/progress.h"
#include "grade/import_answers.h"
#include "io/json_fwd.h"
#include "records/generation.h"

namespace circuitdiff {

enum class GradeCompat { none, harness };
template <>
struct EnumWords<GradeCompat> {
  static constexpr std::array words{std::pair{GradeCompat::none, "none"},
                                    std::pair{GradeCompat::harness, "harness"}};
};

struct GradeOptions {
  std::filesystem::path in, out;
  GradeCompat compat = GradeCompat::none;
  std::optional<ImportFormat> import_format;
  std::optional<Side> side;    // with import_format pairs: whose answers
  std::filesystem::path data;  // with import_format: questions with their reference answers
  std::string dataset = "generic";
  bool list_disagreements = false;
};
template <class V>
void visit(V& v, GradeOptions& o) {
  v(o.in, "in", "answers: generations.jsonl");
  v(o.out, "out", "graded answers to write");
  v(o.compat, "compat", "none: our verdicts; harness: those of the Qwen2.5-Math harness");
  v(o.import_format, "import",
    "read the answers of another program: vllm, harness, lm-eval or pairs (of the published code)");
  v(o.side, "side", "with --import pairs: before (base) or after (rl)");
  v(o.data, "data", "with --import: question file with the reference answers");
  v(o.list_disagreements, "list_disagreements",
    "print the answers on which our verdict and the Qwen2.5-Math harness's part, and why");
  v(o.dataset, "dataset",
    "with --import: data set of the questions, for its gold rule and its way of grading");
}

// Fills extracted, verdict, correct and, in `extra`, extraction (the rule) and reason.
void grade_generation(Generation& generation, GradeCompat compat);

// An answer on which our verdict and the harness's part.
struct Disagreement {
  std::string id;
  int64_t sample = 0;
  std::string gold;
  std::optional<std::string> extracted;  // ours
  std::string verdict, reason;           // ours
  std::string harness_extracted, harness_verdict;
};
std::vector<Disagreement> list_disagreements(const std::vector<Generation>& generations);

json disagreements_json(const std::vector<Disagreement>& list);

// {"n", "correct", "undecided", "different", "accuracy", "wilson95": [low, high], "sampled": avg@k and pass@k
// or null, "by_finish_reason": {..},
//  "by_extraction": {..}, "by_dataset": {..}}; an undecided answer counts as not correct.
json accuracy_summary(const std::vector<Generation>& generations);

// The summary; with `list_disagreements` also "disagreements": [{"id", "sample", "gold", "extracted",
// "verdict", "reason", "harness_extracted", "harness_verdict"}]. Without `out` nothing is written.
json grade_file(const GradeOptions& options, Progress& progress);

// The summary as lines of text for the terminal.
std::string accuracy_text(const json& summary);

}  // namespace circuitdiff
