#include <gtest/gtest.h>

#include "small_tokenizers.h"

namespace circuitdiff {
namespace {

using nlohmann::json;

std::string decode(const json& decoder, const std::vector<std::string>& tokens) {
  json model = tokenizer_json(tokens);
  model["decoder"] = decoder;
  const Tokenizer tokenizer = load_json(model);
  std::vector<int64_t> ids;
  for (const auto& token : tokens) ids.push_back(*tokenizer.token_to_id(token));
  return tokenizer.decode(ids);
}

TEST(TokenDecoder, WithoutOneTokensAreJoinedByBlanks) { EXPECT_EQ(decode(nullptr, {"a", "b"}), "a b"); }

TEST(TokenDecoder, ByteLevelPutsBytesTogether) {
  const json byte_level{{"type", "ByteLevel"}};
  EXPECT_EQ(decode(byte_level, {"Ġa", "Ã", "©"}), " aé");
  EXPECT_EQ(decode(byte_level, {"Ã", "a"}), "\uFFFDa");
  EXPECT_EQ(decode(byte_level, {"<｜x｜>", "Ġ"}), "<｜x｜> ");           // not in the alphabet: as it is
  EXPECT_EQ(decode(byte_level, {"ä¸", "<"}), "\uFFFD<");                 // one sign for a truncated character
  EXPECT_EQ(decode(byte_level, {"í", "ł", "Ģ"}), "\uFFFD\uFFFD\uFFFD");  // a surrogate is no character
}

TEST(TokenDecoder, ByteFallbackTakesWholeRuns) {
  const json fallback{{"type", "ByteFallback"}};
  EXPECT_EQ(decode(fallback, {"<0xC3>", "<0xA9>", "x"}), "éx");
  EXPECT_EQ(decode(fallback, {"<0xC3>", "x", "<0xA9>"}), "\uFFFDx\uFFFD");
  EXPECT_EQ(decode(fallback, {"<0xC3>", "<0xA9>", "<0xFF>"}),
            "\uFFFD\uFFFD\uFFFD");  // one sign for each byte
  EXPECT_EQ(decode(fallback, {"<0xZZ>"}), "<0xZZ>");
}

TEST(TokenDecoder, StripAndReplaceAndFuse) {
  const json chain{
      {"type", "Sequence"},
      {"decoders", json::array({json{{"type", "Replace"}, {"pattern", {{"String", "▁"}}}, {"content", " "}},
                                json{{"type", "Fuse"}},
                                json{{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}})}};
  EXPECT_EQ(decode(chain, {"▁▁a", "▁b"}), " a b");
  const json strip{{"type", "Strip"}, {"content", "."}, {"start", 0}, {"stop", 2}};
  EXPECT_EQ(decode(strip, {"a...", "."}), "a.");
}

TEST(TokenDecoder, MetaspaceDropsTheMarksOfTheFirstToken) {
  EXPECT_EQ(decode({{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "always"}}, {"▁a", "▁b"}),
            "a b");
  EXPECT_EQ(decode({{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "never"}}, {"▁a", "▁b"}),
            " a b");
}

TEST(TokenDecoder, WordEndsBecomeBlanks) {
  EXPECT_EQ(decode({{"type", "BPEDecoder"}, {"suffix", "</w>"}}, {"a", "b</w>", "c</w>"}), "ab c");
}

}  // namespace
}  // namespace circuitdiff
