// Arithmetic word problems: a short story about a number of items, told in 2 to 4 steps, and a question with
// a whole number as its answer. One question follows from (seed, number) alone. What is left out: worked
// answers for training.
//
//   level  largest start  operands of + and -  multiplier and divisor  largest result  steps
//   0      9              2..5                 2                       15              2
//   1      12             2..9                 2..3                    30              2..3
//   2      30             2..20                2..5                    99              3..4
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"

namespace circuitdiff {

struct ArithmeticLimits {
  int64_t start, operand, multiplier, result;
  int64_t least_steps, most_steps;
};
inline constexpr int64_t kArithmeticLevels = 3;
const ArithmeticLimits& arithmetic_limits(int64_t level);

struct ArithmeticQuestion {
  std::string text;
  int64_t answer = 0;
  int64_t level = 0;
  int64_t steps = 0;
};

// Draws a level (.3/.4/.3), then a story; every result on the way lies in
// 1..limit and every division is exact.
ArithmeticQuestion draw_arithmetic_question(Philox& random);

// What a told story amounts to, read from its sentences alone; nullopt where a sentence is not of the
// generator's kind, a division is not exact or the question does not fit the story.
struct ToldStep {
  char operation =
      '+';  // + - * / change the number; p and t: another has so many more, so many times as many
  int64_t operand = 0;
};
struct ToldStory {
  int64_t answer = 0, steps = 0;
  int64_t start = 0;
  std::vector<ToldStep> told;
  int64_t largest = 0, smallest = 0;  // of all results on the way, the start left out
};
std::optional<ToldStory> read_arithmetic_story(std::string_view text);

}  // namespace circuitdiff
