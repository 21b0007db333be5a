// What is wrong with a tokenizer's files is said in one line that names the file and the field.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "small_tokenizers.h"

namespace circuitdiff {
namespace {

using nlohmann::json;
using testing::EndsWith;
using testing::HasSubstr;

// The message for tokenizer.json with members replaced, without the folder's name.
std::string error_with(const json& patch) {
  json model = tokenizer_json({"a", "b"});
  model.merge_patch(patch);
  const std::string message = error_of([&] { load_json(model); });
  const size_t at = message.find("tokenizer.json");
  return at == std::string::npos ? message : message.substr(at);
}
std::string error_with_file(const std::string& text) {
  TokenizerFolder folder;
  folder.write("tokenizer.json", text);
  return error_of([&] { Tokenizer::load(folder.path()); });
}

TEST(TokenizerErrors, Files) {
  TokenizerFolder folder;
  EXPECT_THAT(error_of([&] { Tokenizer::load(folder.path()); }), EndsWith("tokenizer.json: no such file"));
  folder.write("vocab.json", "{}");
  EXPECT_THAT(error_of([&] { Tokenizer::load(folder.path()); }), HasSubstr("vocab.json alone is not read"));
  EXPECT_THAT(error_with_file("{\"model\":"), EndsWith("tokenizer.json: not valid JSON at byte 10"));
  EXPECT_THAT(error_with_file(""), HasSubstr("not valid JSON"));
  EXPECT_THAT(error_with_file("[]"), EndsWith("tokenizer.json: an object was expected, an array found"));
  EXPECT_THAT(error_with_file("{}"), EndsWith("tokenizer.json: field \"model\" is missing"));
  EXPECT_THAT(error_with_file(std::string(1 << 20, '[')), HasSubstr("not valid JSON"));
}

TEST(TokenizerErrors, Model) {
  EXPECT_EQ(error_with({{"model", {{"type", "WordPiece"}}}}),
            "tokenizer.json: model.type: model \"WordPiece\" is not supported: only BPE is");
  EXPECT_EQ(error_with({{"model", {{"type", "Unigram"}}}}),
            "tokenizer.json: model.type: model \"Unigram\" is not supported: only BPE is");
  EXPECT_EQ(error_with({{"model", {{"vocab", json::array()}}}}),
            "tokenizer.json: model.vocab: an object from tokens to ids was expected");
  for (const json& id : {json(-1), json(1.5), json("x"), json(1 << 24), json(99999999999ull)})
    EXPECT_EQ(error_with({{"model", {{"vocab", {{"a", id}}}}}}),
              "tokenizer.json: model.vocab: the id of \"a\" is not an integer from 0 to 16777215");
  EXPECT_EQ(error_with({{"model", {{"merges", {"a b"}}}}}),
            "tokenizer.json: model.merges: merge 1: \"ab\" is not in the vocabulary");
  EXPECT_EQ(error_with({{"model", {{"merges", {"a c"}}}}}),
            "tokenizer.json: model.merges: merge 1: \"c\" is not in the vocabulary");
  EXPECT_EQ(
      error_with({{"model", {{"merges", {"ab"}}}}}),
      "tokenizer.json: model.merges: merge 1: two tokens with one blank between were expected, \"ab\" found");
  EXPECT_EQ(error_with({{"model", {{"merges", {5}}}}}),
            "tokenizer.json: model.merges: merge 1: \"left right\" or [\"left\", \"right\"] was expected");
  EXPECT_EQ(error_with({{"model", {{"merges", "a b"}}}}),
            "tokenizer.json: model.merges: an array was expected");
  EXPECT_THAT(error_with({{"model", {{"dropout", 0.1}}}}),
              HasSubstr("model.dropout: BPE dropout is not supported"));
  EXPECT_EQ(error_with({{"model", {{"byte_fallback", 1}}}}),
            "tokenizer.json: model.byte_fallback: true or false was expected, a number found");
}

TEST(TokenizerErrors, AnUnknownTokenOutsideTheVocabularyIsNoticedWhenNeeded) {
  json model = tokenizer_json({"a"});
  model["model"]["unk_token"] = "<unk>";
  const Tokenizer tokenizer = load_json(model);
  EXPECT_EQ(tokenizer.encode("a").ids.size(), 1u);
  EXPECT_THAT(error_of([&] { tokenizer.encode("b"); }),
              EndsWith("model: the unk_token \"<unk>\" is not in the vocabulary"));
}

TEST(TokenizerErrors, Stages) {
  EXPECT_EQ(error_with({{"normalizer", {{"type", "Precompiled"}}}}),
            "tokenizer.json: normalizer: normalizer \"Precompiled\" is not supported");
  EXPECT_EQ(error_with({{"normalizer",
                         {{"type", "Sequence"}, {"normalizers", {{{"type", "Nmt"}}, {{"type", "NFC"}}}}}}}),
            "tokenizer.json: normalizer.normalizers[0]: normalizer \"Nmt\" is not supported");
  EXPECT_EQ(error_with({{"normalizer", {{"type", "Replace"}, {"pattern", "x"}, {"content", ""}}}}),
            "tokenizer.json: normalizer.pattern: {\"String\": ..} or {\"Regex\": ..} was expected");
  EXPECT_EQ(error_with({{"pre_tokenizer", {{"type", "UnicodeScripts"}}}}),
            "tokenizer.json: pre_tokenizer: pre-tokenizer \"UnicodeScripts\" is not supported");
  EXPECT_EQ(error_with({{"pre_tokenizer",
                         {{"type", "Split"},
                          {"pattern", {{"Regex", "(a"}}},
                          {"behavior", "Isolated"},
                          {"invert", false}}}}),
            "tokenizer.json: pre_tokenizer.pattern.Regex: the regular expression \"(a\" is not supported: a "
            "group is not closed");
  EXPECT_EQ(error_with({{"pre_tokenizer",
                         {{"type", "Split"},
                          {"pattern", {{"String", "a"}}},
                          {"behavior", "Isolate"},
                          {"invert", false}}}}),
            "tokenizer.json: pre_tokenizer.behavior: \"Isolate\" is not Removed, Isolated, "
            "MergedWithPrevious, MergedWithNext or Contiguous");
  EXPECT_EQ(error_with({{"pre_tokenizer", {{"type", "Metaspace"}, {"replacement", "ab"}}}}),
            "tokenizer.json: pre_tokenizer.replacement: one character was expected, \"ab\" found");
  EXPECT_EQ(error_with({{"pre_tokenizer",
                         {{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "last"}}}}),
            "tokenizer.json: pre_tokenizer.prepend_scheme: \"last\" is not always, first or never");
  EXPECT_EQ(error_with({{"pre_tokenizer", {{"kind", "Split"}}}}),
            "tokenizer.json: pre_tokenizer: field \"type\" is missing");
  EXPECT_EQ(error_with({{"decoder", {{"type", "CTC"}}}}),
            "tokenizer.json: decoder: decoder \"CTC\" is not supported");
  EXPECT_EQ(error_with({{"post_processor", {{"type", "BertProcessing"}}}}),
            "tokenizer.json: post_processor: post-processor \"BertProcessing\" is not supported");
  EXPECT_EQ(error_with({{"post_processor",
                         {{"type", "TemplateProcessing"},
                          {"special_tokens", json::object()},
                          {"single", json::array({json{{"SpecialToken", {{"id", "<s>"}}}}})}}}}),
            "tokenizer.json: post_processor.special_tokens: field \"<s>\" is missing");
  EXPECT_EQ(error_with({{"added_tokens", json::array({json{{"id", 1 << 24}, {"content", "x"}}})}}),
            "tokenizer.json: added_tokens[0].id: 16777216 is outside 0 to 16777215");
  EXPECT_EQ(error_with({{"added_tokens", json::array({json{{"id", 1}}})}}),
            "tokenizer.json: added_tokens[0]: field \"content\" is missing");
}

TEST(TokenizerErrors, SequencesCannotNestWithoutEnd) {
  json nested{{"type", "NFC"}};
  for (int i = 0; i < 100; ++i) nested = {{"type", "Sequence"}, {"normalizers", json::array({nested})}};
  EXPECT_THAT(error_with({{"normalizer", nested}}), EndsWith("sequences are nested too deeply"));
}

TEST(TokenizerErrors, Configuration) {
  const auto error = [](const std::string& config) {
    return error_of([&] { load_json(tokenizer_json({"a"}), config); });
  };
  EXPECT_THAT(error("{"), HasSubstr("tokenizer_config.json: not valid JSON"));
  EXPECT_THAT(
      error(R"({"bos_token": 5})"),
      EndsWith("tokenizer_config.json: bos_token: a string or an object with \"content\" was expected"));
  EXPECT_THAT(error(R"({"eos_token": {}})"),
              EndsWith("tokenizer_config.json: eos_token: field \"content\" is missing"));
  EXPECT_THAT(error(R"({"add_bos_token": "yes"})"),
              EndsWith("tokenizer_config.json: add_bos_token: true or false was expected, a string found"));
}

}  // namespace
}  // namespace circuitdiff
