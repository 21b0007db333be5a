// Pairs of answers to compare two models on (docs/spec.md#pairs): from two graded generations.jsonl to
// pairs.jsonl. A question falls into one of four outcomes; those of the outcome asked for are filtered by
// length and a sample of them is drawn. Every question that is dropped is counted by reason; the counts stand
// in the header of pairs.jsonl. T_cut belongs to attribution: the header carries t_mean and t_ref, from which
// it follows for every alpha.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>

#include "base/options.h"
#include "base/progress.h"
#include "records/pair.h"
#include "select/filter.h"

namespace circuitdiff {

enum class Outcome { both_right, both_wrong, gained, lost };
enum class Sampler { python, philox };

template <>
struct EnumWords<Outcome> {
  static constexpr std::array words{std::pair{Outcome::both_right, "both-right"},
                                    std::pair{Outcome::both_wrong, "both-wrong"},
                                    std::pair{Outcome::gained, "gained"}, std::pair{Outcome::lost, "lost"}};
};
template <>
struct EnumWords<Sampler> {
  static constexpr std::array words{std::pair{Sampler::python, "python"},
                                    std::pair{Sampler::philox, "philox"}};
};

struct SelectOptions {
  std::filesystem::path before, after, out;
  Outcome outcome = Outcome::both_right;
  Filter filter = Filter::both;
  double beta = 0.5, gamma = 1.5, delta = 0.5;
  int64_t n_pairs = 100;
  Sampler sampler = Sampler::python;
  uint64_t seed = 42;
};
template <class V>
void visit(V& v, SelectOptions& o) {
  v(o.before, "before", "graded answers of the model before post-training");
  v(o.after, "after", "graded answers of the model after it");
  v(o.out, "out", "pairs file to write");
  v(o.outcome, "outcome",
    "questions to take: both-right (the paper's), both-wrong, gained (only after), lost (only before)");
  v(o.filter, "filter",
    "length rule: both answers in bounds, the paper's as printed, or the published code's");
  v(o.beta, "beta", "shortest answer, as a share of the mean length");
  v(o.gamma, "gamma", "longest answer, as a share of the mean length");
  v(o.delta, "delta", "largest difference of the two lengths, as a share of their mean");
  v(o.n_pairs, "n_pairs", "pairs to draw without replacement");
  v(o.sampler, "sampler", "python draws what CPython's random.sample draws; philox is counter-based");
  v(o.seed, "seed", "of the sampler");
}

// Sets what docs/papers.md#presets says for "paper" or "code"; UsageError on another word.
void apply_preset(SelectOptions& options, std::string_view preset);

// UsageError where an option is out of range.
void check_select(const SelectOptions& options);

// Selects from two files already read; `before_name` and `after_name` are for
// messages. Warnings go to `progress`.
Pairs select_pairs(const std::vector<struct Generation>& before, const std::vector<struct Generation>& after,
                   const SelectOptions& options, Progress& progress);

// The stage: reads both files, writes options.out and returns its header.
json select_file(const SelectOptions& options, Progress& progress);

// The funnel as lines of text for the terminal.
std::string funnel_text(const json& header);

}  // namespace circuitdiff
