#include "tokenizer/special_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "small_tokenizers.h"

namespace circuitdiff {
namespace {

using nlohmann::json;
using testing::ElementsAre;

// "a" is 0, "<s>" 1, "</s>" 2.
json with_template(bool bos) {
  json model = tokenizer_json({"a"});
  model["added_tokens"] =
      json::array({json{{"id", 1}, {"content", "<s>"}, {"special", true}, {"normalized", false}},
                   json{{"id", 2}, {"content", "</s>"}, {"special", true}, {"normalized", false}}});
  json single = json::array({json{{"Sequence", {{"id", "A"}, {"type_id", 0}}}}});
  if (bos) single.insert(single.begin(), json{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}});
  model["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single", single},
      {"pair", json::array()},
      {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {1}}, {"tokens", {"<s>"}}}}}}};
  return model;
}

TEST(SpecialTokens, TheTemplatePutsThemAround) {
  const Tokenizer tokenizer = load_json(with_template(true));
  EXPECT_THAT(tokenizer.encode("a").ids, ElementsAre(1, 0));
  EXPECT_EQ(json(tokenizer.encode("a").offsets), json::parse("[[0,0],[0,1]]"));
  EXPECT_THAT(tokenizer.encode("a", /*add_special_tokens=*/false).ids, ElementsAre(0));
  EXPECT_FALSE(tokenizer.adds_bos());  // no configuration names a BOS token
}

TEST(SpecialTokens, ATokenIsAStringOrAnObject) {
  const Tokenizer tokenizer = load_json(
      with_template(true),
      R"({"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": false}, "pad_token": null})");
  EXPECT_EQ(tokenizer.bos_id(), 1);
  EXPECT_EQ(tokenizer.eos_id(), 2);
  EXPECT_EQ(tokenizer.eos_token(), "</s>");
  EXPECT_EQ(tokenizer.pad_token(), std::nullopt);
  EXPECT_TRUE(tokenizer.adds_bos());
  EXPECT_FALSE(tokenizer.adds_eos());
}

TEST(SpecialTokens, ATokenOutsideTheVocabularyHasANameButNoId) {
  const Tokenizer tokenizer = load_json(with_template(true), R"({"eos_token": "<|eot|>"})");
  EXPECT_EQ(tokenizer.eos_token(), "<|eot|>");
  EXPECT_EQ(tokenizer.eos_id(), std::nullopt);
}

TEST(SpecialTokens, LlamaClassesFollowTheConfigurationNotTheTemplate) {
  const auto ids = [](bool bos, const std::string& config) {
    return load_json(with_template(bos), config).encode("a").ids;
  };
  const std::string llama =
      R"("tokenizer_class": "LlamaTokenizerFast", "bos_token": "<s>", "eos_token": "</s>")";
  EXPECT_THAT(ids(false, "{" + llama + "}"), ElementsAre(1, 0));
  EXPECT_THAT(ids(true, "{" + llama + R"(, "add_bos_token": false, "add_eos_token": true})"),
              ElementsAre(0, 2));
}

TEST(SpecialTokens, ALlamaClassWithoutABosNameUsesItsOwn) {
  EXPECT_THAT(load_json(with_template(false), R"({"tokenizer_class": "LlamaTokenizer"})").encode("a").ids,
              ElementsAre(1, 0));
  EXPECT_THAT(load_json(tokenizer_json({"a"}), R"({"tokenizer_class": "GemmaTokenizer"})").encode("a").ids,
              ElementsAre(0));
}

TEST(SpecialTokens, OtherClassesKeepTheTemplateAndMayAddToIt) {
  const auto ids = [](bool bos, const std::string& config) {
    return load_json(with_template(bos), config).encode("a").ids;
  };
  EXPECT_THAT(ids(true, R"({"bos_token": "<s>", "add_bos_token": false})"), ElementsAre(1, 0));
  EXPECT_THAT(ids(false, R"({"bos_token": "<s>", "add_bos_token": true})"), ElementsAre(1, 0));
  EXPECT_THAT(ids(true, R"({"bos_token": "<s>", "add_bos_token": true})"), ElementsAre(1, 0));
}

TEST(SpecialTokens, SpecialTokensMapFillsWhatTheConfigurationLacks) {
  TokenizerFolder folder;
  folder.write("tokenizer_config.json", R"({"bos_token": "<s>"})");
  folder.write("special_tokens_map.json", R"({"bos_token": "<other>", "eos_token": "</s>"})");
  const SpecialTokens tokens = read_special_tokens(folder.path());
  EXPECT_EQ(tokens.bos, "<s>");
  EXPECT_EQ(tokens.eos, "</s>");
}

TEST(SpecialTokens, TheBosToAddHasToBeInTheVocabulary) {
  EXPECT_THAT(
      error_of([] { load_json(with_template(false), R"({"bos_token": "<x>", "add_bos_token": true})"); }),
      testing::EndsWith("tokenizer_config.json: bos_token: \"<x>\" is not in the vocabulary"));
}

TEST(PostProcessor, TrimsOffsetsOfByteLevelTokens) {
  json model = tokenizer_json({"Ġ", "a", "Ġa", "ĠĠ"}, {"Ġ a"});
  model["pre_tokenizer"] = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
  model["post_processor"] = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}};
  const Encoding encoding = load_json(model).encode("a a");
  EXPECT_THAT(encoding.ids, ElementsAre(1, 2));
  EXPECT_EQ(json(encoding.offsets), json::parse("[[0,1],[2,3]]"));
}

TEST(PostProcessor, SequenceAppliesAll) {
  json model = with_template(true);
  model["post_processor"] = {
      {"type", "Sequence"},
      {"processors",
       json::array({json{{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", false}},
                    model["post_processor"]})}};
  EXPECT_THAT(load_json(model).encode("a").ids, ElementsAre(1, 0));
}

}  // namespace
}  // namespace circuitdiff
