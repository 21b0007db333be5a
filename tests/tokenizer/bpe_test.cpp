#include "tokenizer/bpe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "base/random.h"
#include "small_tokenizers.h"

namespace circuitdiff {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(Bpe, JoinsThePairThatStandsFirstInTheListAndOfThoseTheLeftmost) {
  const Tokenizer tokenizer =
      load_json(tokenizer_json({"a", "b", "ab", "ba", "aba"}, {"b a", "a b", "a ba"}));
  EXPECT_THAT(tokenizer.encode("aba").ids, ElementsAre(4));      // a|b|a -> a|ba -> aba
  EXPECT_THAT(tokenizer.encode("abab").ids, ElementsAre(4, 1));  // the b a inside goes first
  EXPECT_THAT(tokenizer.encode("bb").ids, ElementsAre(1, 1));
}

TEST(Bpe, BothSpellingsOfMerges) {
  json pairs = tokenizer_json({"a", " ", "a "});
  pairs["model"]["merges"] = json::array({json::array({"a", " "})});
  EXPECT_THAT(load_json(pairs).encode("a a").ids, ElementsAre(2, 0));
  EXPECT_THAT(load_json(tokenizer_json({"a", "b", "ab"}, {"#version: 0.2", "a b"})).encode("ab").ids,
              ElementsAre(2));
}

TEST(Bpe, APairListedTwiceHasItsLastRank) {
  const auto ids = [](const std::vector<std::string>& merges) {
    return load_json(tokenizer_json({"a", "b", "c", "ab", "bc"}, merges)).encode("abc").ids;
  };
  EXPECT_THAT(ids({"a b", "b c"}), ElementsAre(3, 2));
  EXPECT_THAT(ids({"a b", "b c", "a b"}), ElementsAre(0, 4));
}

TEST(Bpe, IgnoreMergesKeepsKnownWordsWhole) {
  json model = tokenizer_json({"a", "b", "ab"});
  EXPECT_THAT(load_json(model).encode("ab").ids, ElementsAre(0, 1));
  model["model"]["ignore_merges"] = true;
  EXPECT_THAT(load_json(model).encode("ab").ids, ElementsAre(2));
}

TEST(Bpe, UnknownCharactersFuseOnlyIfAsked) {
  json model = tokenizer_json({"<unk>", "a"});
  model["model"]["unk_token"] = "<unk>";
  const Encoding apart = load_json(model).encode("xéa");
  EXPECT_THAT(apart.ids, ElementsAre(0, 0, 1));
  EXPECT_EQ(json(apart.offsets), json::parse("[[0,1],[1,2],[2,3]]"));
  model["model"]["fuse_unk"] = true;
  const Encoding fused = load_json(model).encode("xéa");
  EXPECT_THAT(fused.ids, ElementsAre(0, 1));
  EXPECT_EQ(json(fused.offsets), json::parse("[[0,2],[2,3]]"));
}

TEST(Bpe, WithoutUnknownTokenACharacterVanishes) {
  EXPECT_THAT(load_json(tokenizer_json({"a"})).encode("xa").ids, ElementsAre(0));
}

TEST(Bpe, ByteFallbackNeedsAllBytesOfTheCharacter) {
  json model = tokenizer_json({"<unk>", "<0xC3>", "<0xA9>", "a"});
  model["model"]["unk_token"] = "<unk>";
  model["model"]["byte_fallback"] = true;
  const Encoding encoding = load_json(model).encode("éaê");
  EXPECT_THAT(encoding.ids, ElementsAre(1, 2, 3, 0));
  EXPECT_EQ(json(encoding.offsets), json::parse("[[0,1],[0,1],[1,2],[2,3]]"));
}

TEST(Bpe, AffixesMarkTheInsideAndTheEndOfAWord) {
  json model = tokenizer_json({"a", "##b", "##b</w>", "a</w>", "ab</w>"}, {"a ##b</w>"});
  model["model"]["continuing_subword_prefix"] = "##";
  model["model"]["end_of_word_suffix"] = "</w>";
  model["pre_tokenizer"] = {{"type", "WhitespaceSplit"}};
  EXPECT_THAT(load_json(model).encode("a abb ab").ids, ElementsAre(3, 0, 1, 2, 4));
}

TEST(Bpe, ShortAndLongWordsAreMergedAlike) {
  // The same letters as one long word (a queue) and cut into short ones
  // (scanned) at a letter that joins nothing.
  std::vector<std::string> tokens = ascii_tokens({"ab", "ba", "aa", "aab", "aba", "abab", "aaaa"});
  const std::vector<std::string> merges{"a a", "b a", "a b", "aa b", "ab a", "ab ab", "aa aa"};
  json whole = tokenizer_json(tokens, merges);
  json cut = whole;
  cut["pre_tokenizer"] = {
      {"type", "Split"}, {"pattern", {{"String", "x"}}}, {"behavior", "Isolated"}, {"invert", false}};
  Philox random(1);
  std::string text;
  for (int i = 0; i < 5000; ++i) {
    for (uint64_t n = random.below(30); n > 0; --n) text += random.below(3) ? 'a' : 'b';
    text += 'x';
  }
  EXPECT_EQ(load_json(whole).encode(text).ids, load_json(cut).encode(text).ids);
}

TEST(Bpe, SentencePieceWordsAreCutAtMarksOnlyWhereNoMergeJoinsThem) {
  json apart = tokenizer_json({"<unk>", "▁", "a", "▁a", "▁▁"}, {"▁ a", "▁ ▁"});
  apart["model"]["unk_token"] = "<unk>";
  EXPECT_THAT(load_json(apart).encode("a▁a▁▁a").ids, ElementsAre(2, 3, 1, 3));
  json joined = tokenizer_json({"<unk>", "▁", "a", "▁a", "a▁"}, {"a ▁", "▁ a"});
  joined["model"]["unk_token"] = "<unk>";
  EXPECT_THAT(load_json(joined).encode("a▁a").ids, ElementsAre(4, 2));
}

TEST(Bpe, AMegabyteWithoutABlankIsQuick) {
  const Tokenizer tokenizer = Tokenizer::load(CIRCUITDIFF_SOURCE_DIR "/tests/golden/tokenizer/small-qwen2.5");
  const Tokenizer marks = Tokenizer::load(CIRCUITDIFF_SOURCE_DIR "/tests/golden/tokenizer/small-mistral");
  std::string text;
  Philox random(2);
  while (text.size() < (1 << 20)) text += static_cast<char>('a' + random.below(26));
  const auto start = std::chrono::steady_clock::now();
  for (const Tokenizer* t : {&tokenizer, &marks}) {
    EXPECT_EQ(t->decode(t->encode(text, false).ids), text);
    EXPECT_GT(t->encode(std::string(1 << 20, 'a')).ids.size(), 0u);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

TEST(Tokenizer, ThreadsShareOne) {
  const Tokenizer tokenizer = Tokenizer::load(CIRCUITDIFF_SOURCE_DIR "/tests/golden/tokenizer/small-llama3");
  const auto expected = tokenizer.encode("How many apples does she have left?").ids;
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&, copy = tokenizer] {
      for (int k = 0; k < 300; ++k)
        wrong += copy.encode("How many apples does she have left?").ids != expected;
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Tokenizer, InvalidUtf8IsAnErrorWithItsPlace) {
  const Tokenizer tokenizer = load_json(tokenizer_json({"a"}));
  for (const std::string bad : {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe4\xb8"})
    EXPECT_EQ(error_of([&] { tokenizer.encode("aé" + bad); }), "the text is not valid UTF-8 at byte 3");
}

TEST(Tokenizer, EmptyTextHasNoTokens) {
  EXPECT_THAT(load_json(tokenizer_json({"a"})).encode("").ids, IsEmpty());
  EXPECT_EQ(load_json(tokenizer_json({"a"})).decode({}), "");
}

TEST(Tokenizer, VocabularyLooksBothWays) {
  json model = tokenizer_json({"a", "b"});
  model["added_tokens"] = json::array({json{{"id", 2}, {"content", "<s>"}, {"special", true}}});
  const Tokenizer tokenizer = load_json(model);
  EXPECT_EQ(tokenizer.vocab_size(), 3);
  EXPECT_EQ(tokenizer.token_to_id("<s>"), 2);
  EXPECT_EQ(tokenizer.token_to_id("b"), 1);
  EXPECT_EQ(tokenizer.token_to_id("c"), std::nullopt);
  EXPECT_EQ(tokenizer.id_to_token(2), "<s>");
  EXPECT_EQ(tokenizer.id_to_token(3), std::nullopt);
  EXPECT_EQ(tokenizer.id_to_token(-1), std::nullopt);
  EXPECT_TRUE(tokenizer.is_special(2));
  EXPECT_FALSE(tokenizer.is_special(1));
  EXPECT_FALSE(tokenizer.is_special(99));
}

}  // namespace
}  // namespace circuitdiff
