// Whether two final answers are the same answer: equal, different or undecided, with a reason in a few words.
// Rationals are compared exactly; other values as balls, to 1500 bits behind the point (64 where
// an expression is long), those with symbols at several assignments; lists, tuples, intervals, sets,
// equations, matrices by their parts; what is no mathematics as text. What is left out: tolerance (0.33 is
// not 1/3) and the question (an answer is judged by itself).
#pragma once

#include <string_view>
#include <vector>

#include "formula/rule.h"

namespace circuitdiff {

// `prediction` as extracted, `gold` as the data set's rule takes it from its row.
Judgement judge(std::string_view prediction, std::string_view gold, std::string_view dataset);

// Every table by which it decides, in the order of docs/grading.md.
std::vector<RuleTable> judge_rules();

}  // namespace circuitdiff
