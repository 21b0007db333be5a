#include "tokenizer/decode_stream.h"

#include <gtest/gtest.h>

#include "small_tokenizers.h"

namespace circuitdiff {
namespace {

using nlohmann::json;

// <0x00>..<0xFF> are 0..255, "▁a" 256, "b" 257, the special token "<s>" 258;
// decoded as SentencePiece models are.
Tokenizer byte_fallback_tokenizer() {
  std::vector<std::string> tokens;
  for (int b = 0; b < 256; ++b) tokens.push_back(fmt::format("<0x{:02X}>", b));
  tokens.insert(tokens.end(), {"▁a", "b"});
  json model = tokenizer_json(tokens);
  model["added_tokens"] =
      json::array({json{{"id", 258}, {"content", "<s>"}, {"special", true}, {"normalized", false}}});
  model["decoder"] = {
      {"type", "Sequence"},
      {"decoders", json::array({json{{"type", "Replace"}, {"pattern", {{"String", "▁"}}}, {"content", " "}},
                                json{{"type", "ByteFallback"}}, json{{"type", "Fuse"}},
                                json{{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}})}};
  return load_json(model);
}

TEST(DecodeStream, HoldsACharacterBackUntilItIsWhole) {
  const Tokenizer tokenizer = byte_fallback_tokenizer();
  DecodeStream stream(tokenizer);
  EXPECT_EQ(stream.push(0xE4), "");
  EXPECT_EQ(stream.push(0xB8), "");
  EXPECT_EQ(stream.push(0xAD), "中");
  EXPECT_EQ(stream.finish(), "");
}

TEST(DecodeStream, OnlyTheFirstBlankOfATextIsStripped) {
  const Tokenizer tokenizer = byte_fallback_tokenizer();
  DecodeStream stream(tokenizer);
  EXPECT_EQ(stream.push(256), "a");
  EXPECT_EQ(stream.push(256), " a");
  EXPECT_EQ(stream.push(257), "b");
}

TEST(DecodeStream, FinishGivesWhatNeverBecameACharacter) {
  const Tokenizer tokenizer = byte_fallback_tokenizer();
  DecodeStream stream(tokenizer);
  EXPECT_EQ(stream.push(257), "b");
  EXPECT_EQ(stream.push(0xE4), "");
  EXPECT_EQ(stream.finish(), "\uFFFD");
  EXPECT_EQ(stream.push(256), "a");  // empty again
}

TEST(DecodeStream, SpecialAndUnknownTokensShowNothing) {
  const Tokenizer tokenizer = byte_fallback_tokenizer();
  DecodeStream skipping(tokenizer, /*skip_special_tokens=*/true);
  EXPECT_EQ(skipping.push(258), "");
  EXPECT_EQ(skipping.push(256), "a");
  EXPECT_EQ(skipping.push(100000), "");
  EXPECT_EQ(skipping.push(258), "");
  EXPECT_EQ(skipping.push(256), " a");
  DecodeStream showing(tokenizer);
  EXPECT_EQ(showing.push(258), "<s>");
}

TEST(DecodeStream, ALateByteThatSpoilsWhatWasShownIsNoError) {
  // C3 A9 is é; one more lone byte makes the library decode all three as U+FFFD. What was shown stays shown.
  const Tokenizer tokenizer = byte_fallback_tokenizer();
  DecodeStream stream(tokenizer);
  EXPECT_EQ(stream.push(0xC3), "");
  EXPECT_EQ(stream.push(0xA9), "é");
  EXPECT_EQ(stream.push(0xC3), "");
  EXPECT_EQ(stream.push(257), "\uFFFDb");
  EXPECT_EQ(stream.push(257), "b");
  EXPECT_EQ(stream.finish(), "");
}

}  // namespace
}  // namespace circuitdiff
