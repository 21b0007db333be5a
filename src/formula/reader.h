// Reads an answer as mathematics: LaTeX or plain text to an expression tree. What is no mathematics ("east",
// "does not exist", a proof) gives no tree and a reason; then the texts are compared.
#pragma once

#include <string>
#include <string_view>

#include "formula/expression.h"

namespace circuitdiff {

struct ReadOptions {
  bool thousands = true;      // "1,000" is one number
  bool mixed = true;          // "1 1/2" and "1\frac12" are 3/2, not products
  bool letter_units = false;  // "12 h", "3 m/s": letters behind a number are its unit
  bool cross = true;          // "\times" between vectors is no product of numbers
};

struct ReadAnswer {
  ExprPtr expr;         // null: not read
  std::string problem;  // why
};

ReadAnswer read_answer(std::string_view text, const ReadOptions& options = {});

}  // namespace circuitdiff
