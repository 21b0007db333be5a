// Presets against the prompts of the published runs, the chat template, and a template file.
#include "generate/prompts.h"

#include <gtest/gtest.h>

#include "generate/generate_support.h"
#include "io/json.h"
#include "support/temp_folder.h"

namespace circuitdiff {
namespace {

TEST(Prompts, PresetsAreThePublishedPrompts) {
  const std::string boxed = "Please reason step by step, and put your final answer within \\boxed{}.";
  const auto text = [](const char* name) { return Prompter({.preset = name}, "").text("1+1?"); };
  EXPECT_EQ(text("plain"), "1+1?");
  EXPECT_EQ(text("deepseek-math"), "User: 1+1?\n" + boxed + "\n\nAssistant:");
  EXPECT_EQ(text("mistral"), "[INST] 1+1?[/INST]");
  EXPECT_EQ(text("qwen"), "<|im_start|>system\n" + boxed +
                              "<|im_end|>\n<|im_start|>user\n1+1?<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(prompt_preset("nvidia-qwen").max_new_tokens, 32768);
}

TEST(Prompts, PresetsBuildWhatTheHarnessBuilt) {
  const auto file = source_folder() / "../shared/templates/harness_prompts.jsonl";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << file << " is not there";
  int64_t rows = 0;
  read_jsonl(file, [&](Row&& row) {
    EXPECT_EQ(Prompter({.preset = row.string("prompt_type")}, "").text(row.string("question")),
              row.string("prompt"))
        << row.where();
    ++rows;
  });
  EXPECT_GT(rows, 100);
}

TEST(Prompts, AnUnknownPresetIsAUsageErrorWithTheNearest) {
  const std::string message = test::error_of([] { prompt_preset("mistrel"); });
  EXPECT_EQ(message,
            "--prompt: no preset is named \"mistrel\"; did you mean \"mistral\"?; there are plain, "
            "deepseek-math, mistral, "
            "qwen25-math-cot, qwen-boxed, cot, deepseek, qwen, nvidia-qwen");
  EXPECT_THROW(prompt_preset("haiku"), UsageError);
}

TEST(Prompts, AChatIsEncodedAsItStands) {
  const Tokenizer tokenizer = Tokenizer::load(tiny_model());
  const Prompter prompter({}, tiny_model());
  EXPECT_EQ(prompter.name(), "chat");
  EXPECT_EQ(prompter.text("How many?"), "<bos>How many?<sep>");
  const auto tokens = prompter.tokens(prompter.text("How many?"), tokenizer);
  EXPECT_EQ(tokens.front(), 1);
  EXPECT_EQ(tokens.back(), 2);
  EXPECT_EQ(std::count(tokens.begin(), tokens.end(), 1), 1);
}

TEST(Prompts, AFileOfOnesOwnIsFilledOnce) {
  const test::TempFolder folder;
  const auto file = folder.write("p.txt", "Q: {question}\nA:");
  EXPECT_EQ(Prompter({.file = file}, "").text("is {question} a question?"),
            "Q: is {question} a question?\nA:");
  const auto without = folder.write("none.txt", "Q:");
  EXPECT_EQ(test::error_of([&] { Prompter({.file = without}, ""); }),
            without.string() + ": {question} expected once, found nowhere");
}

TEST(Prompts, ThePublishedPairsHaveTheirLengthsAndStops) {
  const auto file = source_folder() / "../shared/templates/model_pairs.json";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << file << " is not there";
  const json pairs = read_json_file(file);
  ASSERT_EQ(pairs.size(), 4u);
  for (const json& pair : pairs) {
    const PromptPreset& preset = prompt_preset(pair["pair"].get<std::string>());
    EXPECT_EQ(preset.max_new_tokens, pair["max_tokens"].get<int64_t>()) << preset.name;
    EXPECT_EQ(Prompter({.preset = preset.name}, "").text("QUESTION"),
              pair["prompt_for_QUESTION"].get<std::string>());
    for (const std::string& stop : preset.stop)
      EXPECT_NE(std::find(pair["stop_words"].begin(), pair["stop_words"].end(), stop),
                pair["stop_words"].end())
          << preset.name << " " << stop;
    EXPECT_EQ(preset.stop.size() + 1, pair["stop_words"].size());  // the tokenizer's end token is the last
  }
}

// The harness's three ways: answers right behind the prompt, in one turn, and a blank that is cut at the end.
TEST(Prompts, ExamplesStandBeforeTheQuestion) {
  const auto text = [](const char* name) {
    return Prompter({.preset = name, .shots = {{"a?", "b"}, {"d?", "e"}}}, "").text("c?");
  };
  EXPECT_EQ(text("mistral"), "[INST] a?[/INST]b\n\n[INST] d?[/INST]e\n\n[INST] c?[/INST]");
  EXPECT_EQ(text("qwen"), Prompter({.preset = "qwen"}, "").text("a?\nb\n\nd?\ne\n\nc?"));
  EXPECT_EQ(text("cot"), "Question: a?\nAnswer: b\n\n\nQuestion: d?\nAnswer: e\n\n\nQuestion: c?\nAnswer:");
  EXPECT_EQ(text("plain"), "a?\nb\n\nd?\ne\n\nc?");
  const test::TempFolder folder;
  const auto file = folder.write("p.txt", "Q: {question}\nA:");
  EXPECT_EQ(Prompter({.file = file, .shots = {{"a?", "b"}}}, "").text("c?"), "Q: a?\nA: b\n\nQ: c?\nA:");
}

TEST(Prompts, ExamplesAreTurnsOfAChat) {
  const test::TempFolder folder;
  folder.write(
      "tokenizer_config.json",
      R"({"chat_template": "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"})");
  const Prompter prompter({.chat = true, .system = "s", .shots = {{"a?", "b"}}}, folder.path());
  EXPECT_EQ(prompter.text("c?"), "<system>s<user>a?<assistant>b<user>c?<assistant>");
}

TEST(Prompts, AChatTemplateOfOnesOwnReplacesTheCheckpoints) {
  const test::TempFolder folder;
  const auto file = folder.write("own.jinja", "{{ bos_token }}{{ messages[0].content }}!");
  const Prompter prompter({.file = file}, tiny_model());
  EXPECT_EQ(prompter.text("c?"), "<bos>c?!");
  EXPECT_EQ(prompter.name(), "file");
  const auto broken = folder.write("broken.jinja", "{{ messages");
  const std::string message = test::error_of([&] { Prompter({.file = broken}, tiny_model()); });
  EXPECT_EQ(message.rfind(broken.string() + ":1: ", 0), 0u) << message;
}

TEST(Prompts, ATimeIsWrittenAndReadBack) {
  const LocalTime time = *time_of_text("2024-07-26 09:30:05.000125");
  EXPECT_EQ(time.date.tm_wday, 5);
  EXPECT_EQ(time.microsecond, 125);
  EXPECT_EQ(text_of_time(time), "2024-07-26 09:30:05.000125");
  EXPECT_FALSE(time_of_text("yesterday"));
  const test::TempFolder folder;
  const auto file = folder.write("dated.jinja", "{{ strftime_now('%d %b %Y') }} {{ messages[0].content }}");
  EXPECT_EQ(Prompter({.file = file, .time = time}, tiny_model()).text("c?"), "26 Jul 2024 c?");
}

TEST(Prompts, BadExamplesAreNamed) {
  const test::TempFolder folder;
  EXPECT_EQ(test::error_of([&] { read_shots(folder.write("s.jsonl", "{\"question\": \"a\"}\n")); }),
            (folder / "s.jsonl").string() + ":1: field \"answer\" is missing (a string expected)");
  EXPECT_EQ(test::error_of([&] { read_shots(folder.write("none.jsonl", "")); }),
            (folder / "none.jsonl").string() + ": no rows; at least one expected");
}

TEST(Prompts, ChoicesExcludeEachOther) {
  EXPECT_NE(
      test::error_of([] { Prompter({.chat = true, .preset = "plain"}, ""); }).find("exclude each other"),
      std::string::npos);
  EXPECT_NE(test::error_of([] { Prompter({.preset = "plain", .system = "x"}, ""); }).find("--system"),
            std::string::npos);
}

TEST(Prompts, ACheckpointWithoutATemplateNeedsAPreset) {
  const test::TempFolder folder;
  folder.write("tokenizer_config.json", "{}");
  EXPECT_NE(test::error_of([&] { Prompter({}, folder.path()); }).find("--prompt plain"), std::string::npos);
  EXPECT_NE(
      test::error_of([&] { Prompter({.chat = true}, folder.path()); }).find("there is no chat template"),
      std::string::npos);
}

}  // namespace
}  // namespace circuitdiff
