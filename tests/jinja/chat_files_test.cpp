// Which template and which special tokens a folder gives, and the stage that renders rows.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "jinja/chat_stream.h"

namespace circuitdiff {
namespace {

namespace fs = std::filesystem;

class ChatFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("chat_folder_" + std::to_string(getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  void write(const std::string& name, const std::string& text) {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  std::string rendered(const nlohmann::ordered_json& variables = nlohmann::ordered_json::object()) {
    const auto chat = load_chat_template(folder_);
    return chat ? chat->render(variables) : "no template";
  }
  // Standard output, then the number of failed rows.
  std::string stream(const std::string& rows) {
    std::istringstream in(rows);
    std::ostringstream out;
    const int64_t failed = chat_stream(folder_, in, out);
    return out.str() + std::to_string(failed);
  }
  std::string failure(const std::string& rows) {
    try {
      return stream(rows);
    } catch (const Error& error) {
      std::string message = error.what();
      const size_t at = message.find(folder_.string());
      return at == message.npos ? message : message.replace(at, folder_.string().size(), "FOLDER");
    }
  }
  fs::path folder_;
};

TEST_F(ChatFolder, WithoutATemplateThereIsNone) {
  EXPECT_EQ(rendered(), "no template");
  write("tokenizer_config.json", R"({"chat_template": null})");
  EXPECT_EQ(rendered(), "no template");
  EXPECT_EQ(failure(""), "FOLDER: the model has no chat template");
}

TEST_F(ChatFolder, AFileOfItsOwnWinsOverTheConfig) {
  write("tokenizer_config.json", R"({"chat_template": "config"})");
  EXPECT_EQ(rendered(), "config");
  write("chat_template.json", R"({"chat_template": "json"})");
  EXPECT_EQ(rendered(), "json");
  write("chat_template.jinja", "jinja");
  EXPECT_EQ(rendered(), "jinja");
}

TEST_F(ChatFolder, ToolsChooseTheToolTemplate) {
  write(
      "tokenizer_config.json",
      R"({"chat_template": [{"name": "default", "template": "plain"}, {"name": "tool_use", "template": "with tools"}]})");
  EXPECT_EQ(rendered(), "plain");
  EXPECT_EQ(rendered({{"tools", nullptr}}), "plain");
  EXPECT_EQ(rendered({{"tools", nlohmann::ordered_json::array()}}), "with tools");
  write("chat_template.jinja", "file");
  EXPECT_EQ(rendered({{"tools", nlohmann::ordered_json::array()}}), "file");
  write("additional_chat_templates/tool_use.jinja", "file for tools");
  EXPECT_EQ(rendered({{"tools", nlohmann::ordered_json::array()}}), "file for tools");
}

TEST_F(ChatFolder, MalformedFilesAreNamed) {
  write("tokenizer_config.json", R"({"chat_template": "a\n{% if %}"})");
  EXPECT_EQ(
      failure(""),
      "FOLDER/tokenizer_config.json: chat_template:2: Expected an expression, got 'end of statement block'");
  write("tokenizer_config.json", R"({"chat_template": 5})");
  EXPECT_EQ(failure(""),
            "FOLDER/tokenizer_config.json: chat_template: text or a list expected, number found");
  write("tokenizer_config.json",
        R"({"chat_template": [{"name": "a", "template": "x"}, {"name": "b", "template": "y"}]})");
  EXPECT_EQ(failure(""), "FOLDER: several chat templates, none of them named \"default\"");
  write("tokenizer_config.json", "{");
  EXPECT_EQ(failure("").substr(0, 45), "FOLDER/tokenizer_config.json: not valid JSON:");
}

TEST_F(ChatFolder, SpecialTokensComeFromTheConfigAndTheMap) {
  write(
      "tokenizer_config.json",
      R"({"bos_token": "<s>", "eos_token": {"content": "</s>"}, "pad_token": null, "add_bos_token": true, "image_token": "<i>"})");
  EXPECT_EQ(template_variables(folder_).dump(),
            R"({"bos_token":"<s>","eos_token":"</s>","image_token":"<i>"})");
  write("special_tokens_map.json", R"({"bos_token": "<map>", "unk_token": {"content": "<unk>"}})");
  EXPECT_EQ(template_variables(folder_)["bos_token"], "<map>");
  EXPECT_EQ(template_variables(folder_)["unk_token"], "<unk>");
  write("tokenizer_config.json", R"({"bos_token": "<s>", "added_tokens_decoder": {}})");
  EXPECT_EQ(template_variables(folder_).dump(), R"({"bos_token":"<s>"})");
}

TEST_F(ChatFolder, RowsAreRenderedAndTheirErrorsStayOnTheirLine) {
  write("tokenizer_config.json", R"({"bos_token": "<s>", "eos_token": null})");
  write("chat_template.jinja",
        "{{ bos_token }}{% for m in messages %}{% if m.role != 'user' %}{{ raise_exception('only users') "
        "}}{% endif %}"
        "{{ m.content }}{% endfor %}{% if add_generation_prompt %}>{% endif %}{{ tools }}{{ extra }}{{ "
        "eos_token is defined }}");
  EXPECT_EQ(stream(R"({"messages": [{"role": "user", "content": "é\n"}], "add_generation_prompt": true})"
                   "\n\n"
                   R"({"messages": [{"role": "tool", "content": "x"}]})"
                   "\n"
                   R"({"messages": [], "tools": [1], "extra": "E", "bos_token": "B"})"),
            "{\"text\":\"<s>é\\n>NoneFalse\"}\n{\"error\":\"only users\"}\n{\"text\":\"B[1]EFalse\"}\n1");
  EXPECT_EQ(stream(""), "0");
}

TEST_F(ChatFolder, InputIsReadWholeBeforeAnythingIsWritten) {
  write("chat_template.jinja", "x");
  EXPECT_EQ(failure("{\"messages\": []}\n{\"messages\": [}\n").substr(0, 25), "stdin:2: not valid JSON: ");
  EXPECT_EQ(failure("[]"), "stdin:1: an object expected, array found");
  EXPECT_EQ(failure("{}"), "stdin:1: field \"messages\" is missing");
  EXPECT_EQ(failure("{\"messages\": 5}"),
            "stdin:1: field \"messages\": a list of messages expected, number found");
  EXPECT_EQ(failure("{\"messages\": [5]}"),
            "stdin:1: field \"messages\": each message must be an object, number found");
  EXPECT_EQ(failure("{\"messages\": [], \"tools\": \"x\"}"),
            "stdin:1: field \"tools\": a list or null expected, string found");
  EXPECT_EQ(failure("{\"messages\": " + std::string(100000, '[')), "stdin:1: nested deeper than 256");
}

}  // namespace
}  // namespace circuitdiff
