// A model of single characters shows what a normaliser made of a text, and its offsets where that came from.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "small_tokenizers.h"

namespace circuitdiff {
namespace {

using nlohmann::json;

struct Normalized {
  std::string text;
  json offsets;
};

// Byte fallback keeps any text: every byte of it is a token.
Normalized normalize(const json& normalizer, const std::string& text) {
  std::vector<std::string> tokens{"<unk>"};
  for (int b = 0; b < 256; ++b) tokens.push_back(fmt::format("<0x{:02X}>", b));
  json model = tokenizer_json(tokens);
  model["normalizer"] = normalizer;
  model["model"]["byte_fallback"] = true;
  const Tokenizer tokenizer = load_json(model);
  const Encoding encoding = tokenizer.encode(text);
  Normalized out;
  for (const int64_t id : encoding.ids) out.text += static_cast<char>(id - 1);
  out.offsets = encoding.offsets;
  return out;
}

json replace(const json& pattern, const std::string& content) {
  return {{"type", "Replace"}, {"pattern", pattern}, {"content", content}};
}

TEST(Normalizer, NfcComposesAndKeepsPlaces) {
  const auto result = normalize({{"type", "NFC"}}, "e\u0301x");
  EXPECT_EQ(result.text, "éx");
  // The composed character stands where its first part stood: so the library counts.
  EXPECT_EQ(result.offsets, json::parse("[[0,1],[0,1],[2,3]]"));
}

TEST(Normalizer, NfdDecomposesAndSortsMarks) {
  EXPECT_EQ(normalize({{"type", "NFD"}}, "\u1ebf").text, "e\u0302\u0301");
  EXPECT_EQ(normalize({{"type", "NFD"}}, "a\u0301\u0323").text, "a\u0323\u0301");
  EXPECT_EQ(normalize({{"type", "NFD"}}, "각").text, "\u1100\u1161\u11a8");
}

TEST(Normalizer, CompatibilityFormsUnfoldLigatures) {
  EXPECT_EQ(normalize({{"type", "NFKC"}}, "ﬁ²").text, "fi2");
  EXPECT_EQ(normalize({{"type", "NFKD"}}, "ﬁé").text, "fie\u0301");
  EXPECT_EQ(normalize({{"type", "NFC"}}, "ﬁ²").text, "ﬁ²");
}

TEST(Normalizer, NfcKeepsToTheUnicodeOfTheLibrary) {
  // U+11935 U+11930 compose since Unicode 13; U+11A7 is no final consonant.
  EXPECT_EQ(normalize({{"type", "NFC"}}, "\U00011935\U00011930").text, "\U00011935\U00011930");
  EXPECT_EQ(normalize({{"type", "NFC"}}, "가\u11a7").text, "가\u11a7");
}

TEST(Normalizer, LowercaseOfDottedCapitalIIsTwoCharacters) {
  const auto result = normalize({{"type", "Lowercase"}}, "\u0130B");
  EXPECT_EQ(result.text, "i\u0307b");
  EXPECT_EQ(result.offsets, json::parse("[[0,1],[0,1],[0,1],[1,2]]"));
}

TEST(Normalizer, PrependStandsAtTheFirstCharacterAndNotInAnEmptyText) {
  const auto result = normalize({{"type", "Prepend"}, {"prepend", "_-"}}, "ab");
  EXPECT_EQ(result.text, "_-ab");
  EXPECT_EQ(result.offsets, json::parse("[[0,1],[0,1],[0,1],[1,2]]"));
  EXPECT_EQ(normalize({{"type", "Prepend"}, {"prepend", "_"}}, "").text, "");
}

TEST(Normalizer, ReplaceStandsAtTheLastReplacedCharacter) {
  const auto result = normalize(replace({{"String", "ab"}}, "xyz"), "1ab2");
  EXPECT_EQ(result.text, "1xyz2");
  EXPECT_EQ(result.offsets, json::parse("[[0,1],[2,3],[2,3],[2,3],[3,4]]"));
  EXPECT_EQ(normalize(replace({{"Regex", "\\s+"}}, " "), "a \t\n b").text, "a b");
  EXPECT_EQ(normalize(replace({{"String", "."}}, ""), "a.b.").text, "ab");
}

TEST(Normalizer, StripTakesUnicodeBlanks) {
  const json both{{"type", "Strip"}, {"strip_left", true}, {"strip_right", true}};
  const json left{{"type", "Strip"}, {"strip_left", true}, {"strip_right", false}};
  EXPECT_EQ(normalize(both, "\u3000 a b\n").text, "a b");
  EXPECT_EQ(normalize(left, " a ").text, "a ");
  EXPECT_EQ(normalize(both, "  ").text, "");
  EXPECT_EQ(normalize(both, "  a").offsets, json::parse("[[2,3]]"));
}

TEST(Normalizer, SequenceAppliesInOrder) {
  const json steps = json::array({json{{"type", "Lowercase"}}, replace({{"String", "a"}}, "B")});
  EXPECT_EQ(normalize({{"type", "Sequence"}, {"normalizers", steps}}, "Aa").text, "BB");
}

TEST(Normalizer, ByteLevelSpellsTheTextInItsAlphabet) {
  EXPECT_EQ(normalize({{"type", "ByteLevel"}}, "a é").text, "aĠÃ©");
}

}  // namespace
}  // namespace circuitdiff
