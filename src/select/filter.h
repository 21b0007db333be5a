// Which of the selected questions have answers of comparable length (docs/spec.md#pairs): the
// three rules of --filter, from the two answers' token counts and the means over all questions
// of the outcome. Eqs. (10) and (11).
#pragma once

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/options.h"

namespace circuitdiff {

enum class Filter { both, paper, code };
template <>
struct EnumWords<Filter> {
  static constexpr std::array words{std::pair{Filter::both, "both"}, std::pair{Filter::paper, "paper"},
                                    std::pair{Filter::code, "code"}};
};

// Lengths in tokens; an answer's end token counts if it was generated.
struct Lengths {
  int64_t before = 0, after = 0;
  int64_t prompt_before = 0, prompt_after = 0;
};

struct LengthMeans {
  double t_mean = 0;  // (10): mean over questions of (T_before + T_after)/2
  double t_ref = 0;   // the published code's: min(mean T_before, mean T_after)
};

struct FilterBounds {
  double beta = 0.5, gamma = 1.5, delta = 0.5;
};

// Why a question was dropped; the first that applies in this order.
enum class Drop { none, prompt_lengths_differ, too_short, too_long, unbalanced };
template <>
struct EnumWords<Drop> {
  static constexpr std::array words{
      std::pair{Drop::none, "kept"}, std::pair{Drop::prompt_lengths_differ, "prompt_lengths_differ"},
      std::pair{Drop::too_short, "too_short"}, std::pair{Drop::too_long, "too_long"},
      std::pair{Drop::unbalanced, "unbalanced"}};
};

LengthMeans length_means(const std::vector<Lengths>& questions);  // at least one question

// (11): |T_before - T_after| / ((T_before + T_after)/2); 0 where both are empty.
double balance(const Lengths& lengths);

Drop filter_question(Filter filter, const FilterBounds& bounds, const LengthMeans& means,
                     const Lengths& lengths);

}  // namespace circuitdiff
