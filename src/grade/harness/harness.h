// The verdict of the Qwen2.5-Math evaluation harness on an answer, its errors included: braces and brackets
// dropped before comparing, a tolerance of 1e-4, x/100 and 100x taken for x, pi a symbol, mixed numbers
// products. What is left out: its time limit. Where it calls a computer algebra system, our values at several
// points stand in for it.
#pragma once

#include <string>
#include <string_view>

#include "grade/judge.h"

namespace circuitdiff {

struct HarnessJudgement {
  std::string extracted;  // cleaned, as the harness compares it
  Judgement judgement;    // equal or different, never undecided
};

// `answer` is the whole text that the model wrote.
HarnessJudgement harness_judge(std::string_view answer, std::string_view gold, std::string_view dataset);

// Its comparison of two cleaned texts.
bool harness_equal(const std::string& prediction, const std::string& reference);

}  // namespace circuitdiff
