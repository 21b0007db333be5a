#include "select/filter.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace circuitdiff {

LengthMeans length_means(const std::vector<Lengths>& questions) {
  int64_t before = 0, after = 0;
  for (const auto& q : questions) {
    before += q.before;
    after += q.after;
  }
  const auto n = static_cast<double>(questions.size());
  return {static_cast<double>(before + after) / 2.0 / n,
          std::min(static_cast<double>(before) / n, static_cast<double>(after) / n)};
}

double balance(const Lengths& l) {
  const double mean = static_cast<double>(l.before + l.after) / 2.0;
  return mean == 0 ? 0 : static_cast<double>(std::abs(l.before - l.after)) / mean;
}

Drop filter_question(Filter filter, const FilterBounds& bounds, const LengthMeans& means, const Lengths& l) {
  const auto before = static_cast<double>(l.before), after = static_cast<double>(l.after);
  if (filter == Filter::code) {
    // The published code cuts its bounds to whole numbers, judges the mean
    // length, and lets balance reach delta.
    const double mean = (before + after) / 2.0;
    if (l.prompt_before != l.prompt_after) return Drop::prompt_lengths_differ;
    if (mean < std::trunc(bounds.beta * means.t_ref)) return Drop::too_short;
    if (mean > std::trunc(bounds.gamma * means.t_ref)) return Drop::too_long;
    return balance(l) <= bounds.delta ? Drop::none : Drop::unbalanced;
  }
  const double lowest = bounds.beta * means.t_mean, highest = bounds.gamma * means.t_mean;
  // As printed, the paper bounds the answer before from below and the answer after from above.
  const double shortest = filter == Filter::both ? std::min(before, after) : before;
  const double longest = filter == Filter::both ? std::max(before, after) : after;
  if (shortest < lowest) return Drop::too_short;
  if (longest > highest) return Drop::too_long;
  return balance(l) < bounds.delta ? Drop::none : Drop::unbalanced;
}

}  // namespace circuitdiff
