// The value of an expression as a complex ball, its symbols replaced by given values. Odd roots of negative
// reals are real; otherwise powers and logarithms take their principal values. A ball that is not finite:
// undefined (1/0), too large, or a function that is not known (then `known` is false).
#pragma once

#include <map>
#include <string>

#include "formula/expression.h"

namespace circuitdiff {

using Assignment = std::map<std::string, Rational>;

struct Evaluation {
  Ball value;
  bool known = true;
};

Evaluation evaluate(const Expr& e, const Assignment& symbols, slong precision_bits);

}  // namespace circuitdiff
