// Where an answer ends and what its text is.
#include "generate/stopping.h"

#include <gtest/gtest.h>

#include "generate/generate_support.h"

namespace circuitdiff {
namespace {

struct Ended {
  std::string text;
  std::string reason;  // "" while it goes on
  size_t tokens = 0;
};

Ended answer(const Tokenizer& tokenizer, const std::vector<int64_t>& ids, const StopRules& rules,
             int64_t most = 1000) {
  AnswerText text(rules, &tokenizer);
  std::vector<int64_t> tokens{0};  // a prompt of one token
  for (const int64_t id : ids) {
    tokens.push_back(id);
    if (const auto reason = text.push(id, tokens, 1, most))
      return {text.text(), finish_word(*reason), tokens.size() - 1};
  }
  return {text.text(), "", tokens.size() - 1};
}

Tokenizer bytes() { return Tokenizer::load(source_folder() / "tests/golden/tokenizer/small-llama3"); }

TEST(Stopping, TheEndTokenEndsAndIsNotInTheText) {
  const Tokenizer tokenizer = bytes();
  std::vector<int64_t> ids = tokenizer.encode("Hello there", false).ids;
  const size_t n = ids.size();
  ids.push_back(*tokenizer.eos_id());
  ids.push_back(ids.front());
  StopRules rules;
  rules.end_tokens = {*tokenizer.eos_id()};
  const Ended ended = answer(tokenizer, ids, rules);
  EXPECT_EQ(ended.text, "Hello there");
  EXPECT_EQ(ended.reason, "stop");
  EXPECT_EQ(ended.tokens, n + 1);
}

TEST(Stopping, AStopStringAcrossTokensIsCutOff) {
  const Tokenizer tokenizer = bytes();
  const std::vector<int64_t> ids = tokenizer.encode("The answer is 42.\n\nQuestion: and now?", false).ids;
  StopRules rules;
  rules.stop = {"\n\nQuestion:", "never"};
  const Ended ended = answer(tokenizer, ids, rules);
  EXPECT_EQ(ended.text, "The answer is 42.");
  EXPECT_EQ(ended.reason, "stop");
  EXPECT_LT(ended.tokens, ids.size());
}

TEST(Stopping, TheEarliestOfTwoStopStringsCuts) {
  const Tokenizer tokenizer = bytes();
  StopRules rules;
  rules.stop = {"c", "b"};
  EXPECT_EQ(answer(tokenizer, tokenizer.encode("a bc", false).ids, rules).text, "a ");
}

TEST(Stopping, NoHalfCharacterIsEverShown) {
  const Tokenizer tokenizer = bytes();
  const std::vector<int64_t> ids = tokenizer.encode("caf\xC3\xA9 \xF0\x9F\xA6\x86", false).ids;
  for (size_t most = 1; most <= ids.size(); ++most) {
    const Ended ended = answer(tokenizer, ids, {}, static_cast<int64_t>(most));
    EXPECT_EQ(ended.reason, "length");
    // Whole characters only; what was cut shows as U+FFFD, as the tokenizer decodes it.
    EXPECT_EQ(ended.text, tokenizer.decode(std::span(ids).first(most), true)) << most;
  }
}

TEST(Stopping, TheLastTokenAllowedCanStillStop) {
  const Tokenizer tokenizer = bytes();
  StopRules rules;
  rules.end_tokens = {*tokenizer.eos_id()};
  EXPECT_EQ(answer(tokenizer, {*tokenizer.eos_id()}, rules, 1).reason, "stop");
}

TEST(Stopping, ARepetitionIsABlockFourTimesOver) {
  EXPECT_TRUE(repeats({9, 1, 2, 1, 2, 1, 2, 1, 2}, 0, 8));
  EXPECT_TRUE(repeats({5, 5, 5, 5}, 0, 4));
  EXPECT_FALSE(repeats({9, 1, 2, 1, 2, 1, 3, 1, 2}, 0, 8));
  EXPECT_FALSE(repeats({1, 2, 3, 1, 2, 3, 1, 2}, 0, 8));  // a block of three, not four times
  EXPECT_FALSE(repeats({1, 2, 1, 2, 1, 2, 1, 2}, 1, 8));  // the prompt does not count
}

TEST(Stopping, ARepetitionEndsAnAnswerOnlyWhereAsked) {
  const Tokenizer tokenizer = bytes();
  const std::vector<int64_t> ids(50, tokenizer.encode("a", false).ids.front());
  StopRules rules;
  EXPECT_EQ(answer(tokenizer, ids, rules, 50).reason, "length");
  rules.repetition = 12;
  const Ended ended = answer(tokenizer, ids, rules, 50);
  EXPECT_EQ(ended.reason, "repetition");
  EXPECT_EQ(ended.tokens, 12u);
}

}  // namespace
}  // namespace circuitdiff
