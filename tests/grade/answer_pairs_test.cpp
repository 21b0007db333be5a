// The pairs of answer_pairs.txt: verdicts known by hand, in forms of every kind that benchmarks ask for.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>

#include "grade/judge.h"

namespace circuitdiff {
namespace {

struct AnswerPair {
  std::string kind, dataset, prediction, gold;
  char sign = 0;
  int line = 0;
};

std::vector<AnswerPair> answer_pairs() {
  std::ifstream file(CIRCUITDIFF_SOURCE_DIR "/tests/grade/answer_pairs.txt");
  std::vector<AnswerPair> out;
  std::string text, kind, dataset;
  for (int line = 1; std::getline(file, text); ++line) {
    if (text.empty() || text[0] == '#') continue;
    if (text[0] == '[') {
      kind = text.substr(1, text.find(']') - 1);
      const size_t at = text.find('@');
      dataset = at == std::string::npos ? "math" : text.substr(at + 1);
      continue;
    }
    const size_t bar = text.find(" ||| ");
    if (std::string_view("=!~").find(text[0]) == std::string_view::npos || bar == std::string::npos) {
      ADD_FAILURE() << "answer_pairs.txt:" << line << ": = or ! or ~, prediction ||| gold expected: " << text;
      continue;
    }
    out.push_back({kind, dataset, text.substr(2, bar - 2), text.substr(bar + 5), text[0], line});
  }
  return out;
}

bool fits(char sign, Verdict verdict) {
  return sign == '~' ? verdict != Verdict::different : (verdict == Verdict::equal) == (sign == '=');
}

TEST(AnswerPairs, AreJudgedAsByHandFromEitherSide) {
  std::map<std::string, int> kinds;
  for (const AnswerPair& p : answer_pairs()) {
    ++kinds[p.kind];
    const Judgement forth = judge(p.prediction, p.gold, p.dataset);
    const std::string what = "answer_pairs.txt:" + std::to_string(p.line) + " [" + p.kind + "] " +
                             p.prediction + " ||| " + p.gold + ": " + forth.reason;
    EXPECT_TRUE(fits(p.sign, forth.verdict)) << p.sign << ' ' << what;
    EXPECT_EQ(judge(p.prediction, p.prediction, p.dataset).verdict, Verdict::equal) << what;
    if (p.kind == "choices") continue;  // a letter is looked for where the reference is one
    EXPECT_TRUE(fits(p.sign, judge(p.gold, p.prediction, p.dataset).verdict))
        << p.sign << ' ' << what << " (back)";
  }
  EXPECT_EQ(kinds.size(), 41u);
}

}  // namespace
}  // namespace circuitdiff
