#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "small_tokenizers.h"

namespace circuitdiff {
namespace {

using nlohmann::json;
using testing::ElementsAre;

// Ids of ASCII characters are their code minus 32; the added token is 95.
Encoding encode_with(const json& token, const std::string& text, const json& normalizer = nullptr) {
  json model = tokenizer_json(ascii_tokens());
  json entry{{"id", 95}, {"special", false}, {"normalized", false}};
  entry.update(token);
  model["added_tokens"] = json::array({entry});
  model["normalizer"] = normalizer;
  return load_json(model).encode(text);
}

TEST(AddedTokens, AreFoundInTheText) {
  const Encoding encoding = encode_with({{"content", "ab"}}, "!ab!");
  EXPECT_THAT(encoding.ids, ElementsAre(1, 95, 1));
  EXPECT_EQ(json(encoding.offsets), json::parse("[[0,1],[1,3],[3,4]]"));
}

TEST(AddedTokens, TheLongestAtTheLeftmostPlaceWins) {
  json model = tokenizer_json(ascii_tokens());
  model["added_tokens"] = json::array({json{{"id", 95}, {"content", "bc"}, {"normalized", false}},
                                       json{{"id", 96}, {"content", "ab"}, {"normalized", false}},
                                       json{{"id", 97}, {"content", "abcd"}, {"normalized", false}}});
  const Tokenizer tokenizer = load_json(model);
  EXPECT_THAT(tokenizer.encode("abcd").ids, ElementsAre(97));
  EXPECT_THAT(tokenizer.encode("abc").ids, ElementsAre(96, 'c' - 32));
  EXPECT_THAT(tokenizer.encode("bcd").ids, ElementsAre(95, 'd' - 32));
}

TEST(AddedTokens, SingleWordStandsAlone) {
  const json token{{"content", "ab"}, {"single_word", true}};
  EXPECT_THAT(encode_with(token, "ab!").ids, ElementsAre(95, 1));
  EXPECT_THAT(encode_with(token, "abc").ids, ElementsAre('a' - 32, 'b' - 32, 'c' - 32));
  EXPECT_THAT(encode_with(token, "_ab").ids, ElementsAre('_' - 32, 'a' - 32, 'b' - 32));
  EXPECT_THAT(encode_with(token, "éab").ids, ElementsAre('a' - 32, 'b' - 32));
}

TEST(AddedTokens, StripTakesInWhiteSpaceBesideThem) {
  const Encoding left = encode_with({{"content", "<m>"}, {"lstrip", true}}, "a \t<m> b");
  EXPECT_THAT(left.ids, ElementsAre('a' - 32, 95, 0, 'b' - 32));
  EXPECT_EQ(json(left.offsets), json::parse("[[0,1],[1,6],[6,7],[7,8]]"));
  const Encoding right = encode_with({{"content", "<m>"}, {"rstrip", true}}, "a <m>\n b");
  EXPECT_THAT(right.ids, ElementsAre('a' - 32, 0, 95, 'b' - 32));
  EXPECT_EQ(json(right.offsets), json::parse("[[0,1],[1,2],[2,7],[7,8]]"));
}

TEST(AddedTokens, OnesWithBothStripsShareTheBlanksBetween) {
  EXPECT_THAT(encode_with({{"content", "<m>"}, {"lstrip", true}, {"rstrip", true}}, "<m> <m>").ids,
              ElementsAre(95, 95));
}

TEST(AddedTokens, NormalizedOnesAreFoundInTheNormalizedText) {
  const json lower{{"type", "Lowercase"}};
  EXPECT_THAT(encode_with({{"content", "Yes"}, {"normalized", true}}, "YES!", lower).ids, ElementsAre(95, 1));
  EXPECT_THAT(encode_with({{"content", "Yes"}, {"normalized", false}}, "yES", lower).ids,
              ElementsAre('y' - 32, 'e' - 32, 's' - 32));
  EXPECT_THAT(encode_with({{"content", "Yes"}, {"normalized", false}}, "Yes", lower).ids, ElementsAre(95));
}

TEST(AddedTokens, APrependedMarkHidesNormalizedOnesInsideASegment) {
  // As with Llama 2: "<s>" is looked for as "_<s>".
  const json prepend{{"type", "Prepend"}, {"prepend", "_"}};
  EXPECT_THAT(encode_with({{"content", "<s>"}, {"normalized", true}}, "<s>", prepend).ids, ElementsAre(95));
  EXPECT_THAT(encode_with({{"content", "<s>"}, {"normalized", true}}, "a<s>", prepend).ids,
              ElementsAre('_' - 32, 'a' - 32, '<' - 32, 's' - 32, '>' - 32));
}

TEST(AddedTokens, OneOfTheVocabularyKeepsItsIdWhateverTheFileSays) {
  json model = tokenizer_json(ascii_tokens({"<pad>"}));
  model["added_tokens"] =
      json::array({json{{"id", 7}, {"content", "<pad>"}, {"special", true}, {"normalized", false}},
                   json{{"id", 500}, {"content", "<new>"}, {"special", true}, {"normalized", false}}});
  const Tokenizer tokenizer = load_json(model);
  EXPECT_EQ(tokenizer.token_to_id("<pad>"), 95);
  EXPECT_EQ(tokenizer.token_to_id("<new>"), 96);  // the next free one, as the library counts
}

TEST(AddedTokens, SpecialOnesAreSkippedWhenDecodingIfAsked) {
  json model = tokenizer_json(ascii_tokens());
  model["added_tokens"] =
      json::array({json{{"id", 95}, {"content", "<s>"}, {"special", true}, {"normalized", false}},
                   json{{"id", 96}, {"content", "<t>"}, {"special", false}, {"normalized", false}}});
  const Tokenizer tokenizer = load_json(model);
  const std::vector<int64_t> ids{95, 96, 'a' - 32, 4000, -3};
  EXPECT_EQ(tokenizer.decode(ids), "<s><t>a");
  EXPECT_EQ(tokenizer.decode(ids, /*skip_special_tokens=*/true), "<t>a");
}

}  // namespace
}  // namespace circuitdiff
