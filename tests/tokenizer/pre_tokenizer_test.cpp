// Expected words as the documentation of Hugging Face's tokenizers gives them, or found with it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "small_tokenizers.h"

namespace circuitdiff {
namespace {

using nlohmann::json;
using testing::ElementsAre;

json split(const std::string& text, const std::string& behavior, bool invert = false) {
  return {{"type", "Split"}, {"pattern", {{"String", text}}}, {"behavior", behavior}, {"invert", invert}};
}
json split_regex(const std::string& regex, const std::string& behavior, bool invert = false) {
  return {{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", behavior}, {"invert", invert}};
}

TEST(Split, FiveBehaviours) {
  const std::string text = "the-final--countdown";
  EXPECT_THAT(words_of(split("-", "Removed"), text), ElementsAre("the", "final", "countdown"));
  EXPECT_THAT(words_of(split("-", "Isolated"), text),
              ElementsAre("the", "-", "final", "-", "-", "countdown"));
  EXPECT_THAT(words_of(split("-", "MergedWithPrevious"), text),
              ElementsAre("the-", "final-", "-", "countdown"));
  EXPECT_THAT(words_of(split("-", "MergedWithNext"), text), ElementsAre("the", "-final", "-", "-countdown"));
  EXPECT_THAT(words_of(split("-", "Contiguous"), text), ElementsAre("the", "-", "final", "--", "countdown"));
}

TEST(Split, InvertedThePatternIsTheWord) {
  EXPECT_THAT(words_of(split_regex("[a-z]+", "Removed", true), "ab12cd"), ElementsAre("ab", "cd"));
  EXPECT_THAT(words_of(split_regex("[a-z]", "Contiguous", true), "ab12cd"), ElementsAre("ab", "12", "cd"));
  EXPECT_THAT(words_of(split_regex("[a-z]+", "MergedWithPrevious", true), "ab12cd"),
              ElementsAre("ab12", "cd"));
}

TEST(Split, SeesEachWordByItself) {
  const json sequence{
      {"type", "Sequence"},
      {"pretokenizers", json::array({split("x", "Isolated"), split_regex("^a", "Isolated")})}};
  EXPECT_THAT(words_of(sequence, "aaxaa"), ElementsAre("a", "a", "x", "a", "a"));
}

TEST(Digits, OneByOneOrTogether) {
  EXPECT_THAT(words_of({{"type", "Digits"}, {"individual_digits", true}}, "a12²b"),
              ElementsAre("a", "1", "2", "²", "b"));
  EXPECT_THAT(words_of({{"type", "Digits"}, {"individual_digits", false}}, "a12²b"),
              ElementsAre("a", "12²", "b"));
}

TEST(Punctuation, AsciiSymbolsCountOthersDoNot) {
  EXPECT_THAT(words_of({{"type", "Punctuation"}, {"behavior", "Isolated"}}, "a+b。c€"),
              ElementsAre("a", "+", "b", "。", "c€"));
  EXPECT_THAT(words_of({{"type", "Punctuation"}}, "?!"), ElementsAre("?", "!"));
}

TEST(Whitespace, WordsAndSigns) {
  EXPECT_THAT(words_of({{"type", "Whitespace"}}, "Hey man!? é_1"), ElementsAre("Hey", "man", "!?", "é_1"));
  EXPECT_THAT(words_of({{"type", "WhitespaceSplit"}}, "Hey man!?\u3000x"), ElementsAre("Hey", "man!?", "x"));
}

TEST(OtherPreTokenizers, DelimiterBertAndFixedLength) {
  EXPECT_THAT(words_of({{"type", "CharDelimiterSplit"}, {"delimiter", "é"}}, "aébéé"), ElementsAre("a", "b"));
  EXPECT_THAT(words_of({{"type", "BertPreTokenizer"}}, "Hey man!?"), ElementsAre("Hey", "man", "!", "?"));
  EXPECT_THAT(words_of({{"type", "FixedLength"}, {"length", 3}}, "aébcd"), ElementsAre("aéb", "cd"));
}

TEST(ByteLevel, SpellsBytesInItsAlphabet) {
  const json byte_level{{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", false}};
  json model = tokenizer_json({"Ġ", "a", "Ã", "©", "Ċ"});
  model["pre_tokenizer"] = byte_level;
  const Tokenizer tokenizer = load_json(model);
  const Encoding encoding = tokenizer.encode("aé\n");
  EXPECT_THAT(encoding.ids, ElementsAre(0, 1, 2, 3, 4));
  // Both bytes of é are the one character é; the prefix stands where the first character does.
  EXPECT_EQ(json(encoding.offsets), json::parse("[[0,1],[0,1],[1,2],[1,2],[2,3]]"));
}

TEST(ByteLevel, CutsAsGpt2Does) {
  const json byte_level{{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", false}};
  const json sequence{{"type", "Sequence"}, {"pretokenizers", json::array({byte_level})}};
  json model = tokenizer_json({"I", "'m", "Ġ", "Ġok", "!", "Ġ12"});
  model["model"]["ignore_merges"] = true;
  model["pre_tokenizer"] = sequence;
  EXPECT_THAT(load_json(model).encode("I'm  ok! 12").ids, ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST(Metaspace, PrependsAlwaysFirstOrNever) {
  const auto ids = [](const std::string& scheme, const std::string& text) {
    json model = tokenizer_json({"▁", "a", "b", "<s>"});
    model["pre_tokenizer"] = {
        {"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", scheme}, {"split", true}};
    model["added_tokens"] =
        json::array({json{{"id", 3}, {"content", "<s>"}, {"special", true}, {"normalized", false}}});
    return load_json(model).encode(text).ids;
  };
  EXPECT_THAT(ids("always", "a<s>b"), ElementsAre(0, 1, 3, 0, 2));
  EXPECT_THAT(ids("first", "a<s>b"), ElementsAre(0, 1, 3, 2));
  EXPECT_THAT(ids("first", "<s>a"), ElementsAre(3, 1));
  EXPECT_THAT(ids("never", "a b"), ElementsAre(1, 0, 2));
  EXPECT_THAT(ids("always", " a"), ElementsAre(0, 1));
}

TEST(Metaspace, AnOlderFileSaysAddPrefixSpace) {
  json model = tokenizer_json({"▁", "a"});
  model["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "▁"}, {"add_prefix_space", false}};
  EXPECT_THAT(load_json(model).encode("a").ids, ElementsAre(1));
}

}  // namespace
}  // namespace circuitdiff
