// What an answer is worth. exact: `correct` where the judge says equal, else `wrong`; an answer the judge
// gives up on is counted and is `wrong`. graded (Appendix B, as in the published script): 3 the same text, 1
// the same number, 0.5 within 1%, 0.1 within 5%, -0.5 wrong, 0 nothing to read. format: `correct` where the
// answer is boxed, right or not. random: a coin a (seed, step, question, sample). inverted: correct and wrong
// change places; graded: the sign turns.
#pragma once

#include <string>
#include <string_view>

#include "train/options.h"

namespace circuitdiff {

struct RewardedAnswer {
  double reward = 0;
  bool correct = false;    // by the judge, whatever the reward
  bool undecided = false;  // the judge gave up
};

// coin: [0, 1), for `random` only.
RewardedAnswer reward_answer(const RewardOptions& options, std::string_view answer, std::string_view gold,
                             std::string_view dataset, double coin);

}  // namespace circuitdiff
