// Two expression trees: the same answer or not? The rules for numbers, equations, lists and the other shapes
// of answers.
#pragma once

#include "formula/expression.h"
#include "formula/rule.h"

namespace circuitdiff {

// The tables by which they decide, in the order of docs/grading.md.
std::vector<RuleTable> formula_rules();

Judgement compare_answers(const ExprPtr& prediction, const ExprPtr& gold);

// Two values: exactly where both are rational, else as balls at several assignments of the symbols.
Judgement compare_values(const Expr& a, const Expr& b);

}  // namespace circuitdiff
