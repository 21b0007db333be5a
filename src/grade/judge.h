// Whether two final answers are the same answer: equal, different or undecided, with a reason in a few words.
#pragma once

#include <string>
#include <string_view>

namespace circuitdiff {

enum class Verdict { equal, different, undecided };
const char* verdict_name(Verdict verdict);

struct Judgement {
  Verdict verdict = Verdict::undecided;
  std::string reason;
};

// `prediction` as extracted, `gold` as the data set's rule takes it from its row.
Judgement judge(std::string_view prediction, std::string_view gold, std::string_view dataset);

}  // namespace circuitdiff
