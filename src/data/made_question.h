// What all generators of questions have in common.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace circuitdiff {

// Whom questions tell of.
inline constexpr std::array<std::string_view, 12> kNames = {"Tom", "Mia", "Sam", "Ana", "Ben", "Eva",
                                                            "Leo", "Zoe", "Max", "Ida", "Gus", "Kim"};

struct MadeQuestion {
  std::string text;
  std::string answer;
  int64_t level = 0;
  int64_t steps = 0;
};

// How worked answers are written, for training.
struct AnswerStyle {
  double merge = 0.3;  // how often two steps are written as one
  double wrong = 0.1;  // share of answers with a wrong result
};

}  // namespace circuitdiff
