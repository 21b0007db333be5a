#include "tokenizer/tokenize_stream.h"

#include <gtest/gtest.h>

#include <sstream>

#include "small_tokenizers.h"

namespace circuitdiff {
namespace {

using nlohmann::json;

Tokenizer tokenizer() {
  return Tokenizer::load(CIRCUITDIFF_SOURCE_DIR "/tests/golden/tokenizer/small-llama3");
}
std::string tokenize(const std::string& in, const TokenizeOptions& options = {}) {
  std::istringstream input(in);
  std::ostringstream output;
  tokenize_stream(tokenizer(), input, output, options);
  return output.str();
}
std::string detokenize(const std::string& in, const DetokenizeOptions& options = {}) {
  std::istringstream input(in);
  std::ostringstream output;
  detokenize_stream(tokenizer(), input, output, options);
  return output.str();
}

TEST(TokenizeStream, OneLineForEachText) {
  EXPECT_EQ(tokenize("{\"text\":\"\"}\n\n{\"text\":\"a\",\"id\":7}\r\n"),
            "{\"ids\":[1500]}\n{\"ids\":[1500,64]}\n");
  EXPECT_EQ(tokenize(R"({"text":"a"})", {.no_special = true}), "{\"ids\":[64]}\n");
  EXPECT_EQ(tokenize(R"({"text":"a"})", {.no_special = true, .offsets = true}),
            "{\"ids\":[64],\"offsets\":[[0,1]]}\n");
}

TEST(TokenizeStream, BackToTheText) {
  const std::string text = "Zoë has 3 中文 books.\n";
  const auto row = json::parse(tokenize(json{{"text", text}}.dump(), {.no_special = true}));
  EXPECT_EQ(json::parse(detokenize(row.dump()))["text"], text);
  EXPECT_EQ(detokenize(R"({"ids":[1500,64]})"), "{\"text\":\"<|begin_of_text|>a\"}\n");
  EXPECT_EQ(detokenize(R"({"ids":[1500,64,99999]})", {.skip_special = true}), "{\"text\":\"a\"}\n");
}

TEST(TokenizeStream, ErrorsNameLineAndField) {
  const auto wrong_text = [](const std::string& in) { return error_of([&] { tokenize(in); }); };
  const auto wrong_ids = [](const std::string& in) { return error_of([&] { detokenize(in); }); };
  EXPECT_EQ(wrong_text("{\"text\":\"a\"}\n{\"txt\":\"a\"}"), "stdin:2: field \"text\" is missing");
  EXPECT_EQ(wrong_text("{\"text\":5}"), "stdin:1: field \"text\": a string was expected, number found");
  EXPECT_EQ(wrong_text("[1]"), "stdin:1: an object was expected, array found");
  EXPECT_EQ(wrong_text("\n{\"text\":"), "stdin:2: not valid JSON at byte 9");
  EXPECT_EQ(wrong_text("{\"text\":\"\xff\"}"), "stdin:1: not valid JSON at byte 10");
  EXPECT_EQ(wrong_ids("{\"text\":\"a\"}"), "stdin:1: field \"ids\" is missing");
  EXPECT_EQ(wrong_ids("{\"ids\":5}"), "stdin:1: field \"ids\": an array was expected, number found");
  EXPECT_EQ(wrong_ids("{\"ids\":[1,2.5]}"), "stdin:1: field \"ids[1]\": an integer was expected, 2.5 found");
  EXPECT_EQ(wrong_ids("{\"ids\":[99999999999999999999]}"),
            "stdin:1: field \"ids[0]\": an integer was expected, 1e+20 found");
}

}  // namespace
}  // namespace circuitdiff
