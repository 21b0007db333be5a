// Two expression trees: the same answer or not? The rules for numbers, equations, lists and the other shapes
// of answers.
#pragma once

#include "formula/expression.h"
#include "formula/verdict.h"

namespace circuitdiff {

Judgement compare_answers(const ExprPtr& prediction, const ExprPtr& gold);

// Two values: exactly where both are rational, else as balls at several assignments of the symbols.
Judgement compare_values(const Expr& a, const Expr& b);

}  // namespace circuitdiff
