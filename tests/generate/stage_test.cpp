// The stage as a whole: greedy accuracies of the shipped models, resuming, refusing.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "generate/generate_stage.h"
#include "generate/generate_support.h"
#include "io/files.h"
#include "records/generation.h"
#include "support/temp_folder.h"

namespace circuitdiff {
namespace {

using test::error_of;
using test::slurp;

GenerateOptions tiny(const std::filesystem::path& out, int64_t limit = 12) {
  GenerateOptions o;
  o.model = tiny_model();
  o.data = test_questions();
  o.out = out;
  o.max_new_tokens = 46;
  o.limit = limit;
  return o;
}

std::string run(const GenerateOptions& o) {
  SilentProgress progress;
  return error_of([&] { generate(o, progress); });
}

class Accuracy : public testing::TestWithParam<std::pair<const char*, int>> {};

TEST_P(Accuracy, GreedyAnswersAreRightAsOftenAsTheReferences) {
  const test::TempFolder folder;
  GenerateOptions o = tiny(folder / "g.jsonl", 0);
  o.model = tiny_model(GetParam().first);
  ASSERT_EQ(run(o), "(no error)");
  int right = 0;
  const auto answers = read_generations(o.out);
  EXPECT_EQ(answers.size(), 500u);
  for (const Generation& g : answers) {
    std::string boxed;
    right += last_boxed(g.answer, boxed) && boxed == g.gold;
  }
  EXPECT_EQ(right, GetParam().second);
}

INSTANTIATE_TEST_SUITE_P(Shipped, Accuracy,
                         testing::Values(std::pair("arith-sft", 243), std::pair("arith-grpo", 352)),
                         [](const auto& row) { return std::string(row.param.first).substr(6); });

TEST(GenerateStage, WritesTheRowsOfTheQuestionsInOrder) {
  const test::TempFolder folder;
  GenerateOptions o = tiny(folder / "deep/er/g.jsonl");
  o.n = 2;
  o.temperature = 1;
  o.seed = 5;
  SilentProgress progress;
  const auto summary = generate(o, progress);
  EXPECT_EQ(summary["answers"], 24);
  const auto rows = read_generations(o.out);
  ASSERT_EQ(rows.size(), 24u);
  const Generation& second = rows[1];
  EXPECT_EQ(second.id, "test-0");
  EXPECT_EQ(second.sample, 1);
  EXPECT_EQ(second.gold, "18");
  EXPECT_EQ(second.dataset, "generic");
  EXPECT_EQ(second.seed, 5u);
  EXPECT_EQ(second.prompt.substr(0, 8), "<bos>Zoe");
  EXPECT_EQ(second.prompt_tokens.front(), 1);
  EXPECT_EQ(second.finish_reason, "stop");
  EXPECT_EQ(second.answer_tokens.back(), 3);
  EXPECT_EQ(second.answer.find("<eos>"), std::string::npos);
  // What is left beside it is the manifest and the lock.
  for (const char* gone : {".state.json", ".early"})
    EXPECT_FALSE(std::filesystem::exists(o.out.string() + gone));
  EXPECT_TRUE(std::filesystem::exists(o.out.string() + ".manifest.json"));
}

TEST(GenerateStage, FinishedWorkIsNotDoneAgain) {
  const test::TempFolder folder;
  const GenerateOptions o = tiny(folder / "g.jsonl");
  SilentProgress progress;
  EXPECT_EQ(generate(o, progress)["was_done"], false);
  EXPECT_EQ(generate(o, progress)["was_done"], true);
}

// Any beginning of the file, a torn line and early answers included, is continued
// to the bytes of an undisturbed run.
TEST(GenerateStage, ContinuesFromWhateverAKilledRunLeft) {
  const test::TempFolder folder;
  GenerateOptions o = tiny(folder / "g.jsonl");
  o.temperature = 1;
  ASSERT_EQ(run(o), "(no error)");
  const std::string whole = slurp(o.out);
  const std::string state = slurp(o.out.string() + ".manifest.json");
  std::vector<std::string> lines;
  for (size_t at = 0; at < whole.size(); at = whole.find('\n', at) + 1)
    lines.push_back(whole.substr(at, whole.find('\n', at) + 1 - at));
  ASSERT_EQ(lines.size(), 12u);
  const auto left = [&](const std::string& file, const std::string& early) {
    std::filesystem::remove(o.out.string() + ".manifest.json");
    folder.write("g.jsonl.state.json", state);
    folder.write("g.jsonl", file);
    folder.write("g.jsonl.early", early);
    EXPECT_EQ(run(o), "(no error)");
    EXPECT_EQ(slurp(o.out), whole);
  };
  left("", "");
  left(lines[0] + lines[1], "");
  left(lines[0] + lines[1].substr(0, 30), lines[4] + lines[2]);
  left(lines[0], lines[1] + lines[2] + lines[9].substr(0, lines[9].size() - 1));
  left(whole, lines[3]);
  left(whole.substr(0, whole.size() - 5), "");
}

TEST(GenerateStage, BatchThreadsAndMemoryDoNotChangeTheFile) {
  const test::TempFolder folder;
  GenerateOptions o = tiny(folder / "a.jsonl", 40);
  o.temperature = 0.8;
  o.batch_size = "1";
  o.threads = 1;
  ASSERT_EQ(run(o), "(no error)");
  const std::string wanted = slurp(o.out);
  o.out = folder / "b.jsonl";
  o.batch_size = "7";
  o.threads = 2;
  o.memory = 0.5;
  ASSERT_EQ(run(o), "(no error)");
  EXPECT_EQ(slurp(o.out), wanted);
}

TEST(GenerateStage, AChangedOptionOrInputIsRefusedByName) {
  const test::TempFolder folder;
  GenerateOptions o = tiny(folder / "g.jsonl");
  ASSERT_EQ(run(o), "(no error)");
  const std::string before = slurp(o.out);
  GenerateOptions changed = o;
  changed.max_new_tokens = 45;
  EXPECT_NE(run(changed).find("option max_new_tokens was 46, is now 45"), std::string::npos) << run(changed);
  changed = o;
  changed.seed = 9;
  EXPECT_NE(run(changed).find("option seed was 0, is now 9"), std::string::npos);
  changed = o;
  changed.model = tiny_model("arith-grpo");
  EXPECT_NE(run(changed).find("input model"), std::string::npos) << run(changed);
  EXPECT_EQ(slurp(o.out), before);
  changed.overwrite = true;
  EXPECT_EQ(run(changed), "(no error)");
  EXPECT_NE(slurp(o.out), before);
}

TEST(GenerateStage, AFileOfUnknownOriginIsLeftAlone) {
  const test::TempFolder folder;
  const GenerateOptions o = tiny(folder.write("g.jsonl", "mine\n"));
  EXPECT_NE(run(o).find("nothing beside it says how it was made"), std::string::npos);
  EXPECT_EQ(slurp(o.out), "mine\n");
}

TEST(GenerateStage, AFileChangedAfterwardsIsLeftAlone) {
  const test::TempFolder folder;
  const GenerateOptions o = tiny(folder / "g.jsonl");
  ASSERT_EQ(run(o), "(no error)");
  folder.write("g.jsonl", "mine\n");
  EXPECT_NE(run(o).find("was changed after it was written"), std::string::npos);
  EXPECT_EQ(slurp(o.out), "mine\n");
}

TEST(GenerateStage, ASecondProcessIsRefused) {
  const test::TempFolder folder;
  const GenerateOptions o = tiny(folder / "g.jsonl");
  const FileLock lock(o.out.string() + ".lock");
  EXPECT_NE(run(o).find("g.jsonl.lock"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(o.out));
}

struct BadOption {
  const char* name;
  void (*change)(GenerateOptions&);
  const char* part;
};
class BadOptions : public testing::TestWithParam<BadOption> {};

TEST_P(BadOptions, AreUsageErrorsThatNameTheFlag) {
  const test::TempFolder folder;
  GenerateOptions o = tiny(folder / "g.jsonl");
  GetParam().change(o);
  SilentProgress progress;
  try {
    generate(o, progress);
    FAIL() << "no error";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find(GetParam().part), std::string::npos) << error.what();
    EXPECT_TRUE(test::is_one_line(error.what()));
  }
  EXPECT_FALSE(std::filesystem::exists(o.out));
}

INSTANTIATE_TEST_SUITE_P(
    All, BadOptions,
    testing::Values(BadOption{"NoModel", [](GenerateOptions& o) { o.model.clear(); }, "MODEL is missing"},
                    BadOption{"NoData", [](GenerateOptions& o) { o.data.clear(); }, "--data is missing"},
                    BadOption{"NoOut", [](GenerateOptions& o) { o.out.clear(); }, "--out is missing"},
                    BadOption{"Dataset", [](GenerateOptions& o) { o.dataset = "gsm9k"; }, "gsm9k"},
                    BadOption{"Prompt", [](GenerateOptions& o) { o.prompt = "haiku"; }, "haiku"},
                    BadOption{"Temperature", [](GenerateOptions& o) { o.temperature = -1; },
                              "--temperature: 0 or more expected, -1 found"},
                    BadOption{"TopPAbove", [](GenerateOptions& o) { o.top_p = 1.5; }, "--top-p"},
                    BadOption{"TopPZero", [](GenerateOptions& o) { o.top_p = 0; }, "--top-p"},
                    BadOption{"TopK", [](GenerateOptions& o) { o.top_k = -2; }, "--top-k"},
                    BadOption{"N", [](GenerateOptions& o) { o.n = 0; }, "--n"},
                    BadOption{"NewTokens", [](GenerateOptions& o) { o.max_new_tokens = 0; },
                              "--max-new-tokens"},
                    BadOption{"Batch", [](GenerateOptions& o) { o.batch_size = "0"; }, "--batch-size"},
                    BadOption{"BatchWord", [](GenerateOptions& o) { o.batch_size = "many"; }, "many"},
                    BadOption{"Memory", [](GenerateOptions& o) { o.memory = -1; }, "--memory"},
                    BadOption{"Repetition", [](GenerateOptions& o) { o.repetition = 2; }, "--repetition"},
                    BadOption{"Stop", [](GenerateOptions& o) { o.stop = {""}; }, "--stop"},
                    BadOption{"ChatAndPrompt", [](GenerateOptions& o) { o.chat = true, o.prompt = "plain"; },
                              "exclude each other"}),
    test::kByName);

// A template that tells the date: work begun yesterday goes on today with yesterday's prompts.
TEST(GenerateStage, WorkGoesOnTheNextDay) {
  const test::TempFolder folder;
  GenerateOptions o = tiny(folder / "g.jsonl");
  o.prompt_file =
      folder.write("dated.jinja", "<bos>{{ strftime_now('%d%f') }}{{ messages[0].content }}<sep>");
  ASSERT_EQ(run(o), "(no error)");
  const std::string manifest = o.out.string() + ".manifest.json", whole = slurp(o.out);
  SilentProgress progress;
  EXPECT_EQ(generate(o, progress)["was_done"], true);
  std::filesystem::rename(manifest, o.out.string() + ".state.json");
  folder.write("g.jsonl", whole.substr(0, whole.size() / 2));
  EXPECT_EQ(run(o), "(no error)");
  EXPECT_EQ(slurp(o.out), whole);
}

TEST(GenerateStage, AQuestionLongerThanTheModelReachesIsNamed) {
  const test::TempFolder folder;
  std::string question;
  for (int i = 0; i < 300; ++i) question += "1";
  GenerateOptions o = tiny(folder / "g.jsonl", 0);
  o.data = folder.write("q.jsonl", R"({"id": "short", "question": "1", "answer": "1"})"
                                   "\n"
                                   R"({"id": "long", "question": ")" +
                                       question +
                                       R"(", "answer": "1"})"
                                       "\n");
  EXPECT_NE(run(o).find("question \"long\": its prompt has 302 tokens and the model 256 positions"),
            std::string::npos)
      << run(o);
  EXPECT_FALSE(std::filesystem::exists(o.out));
}

TEST(GenerateStage, AnAnswerEndsAtTheLastPosition) {
  const test::TempFolder folder;
  std::string question;
  for (int i = 0; i < 250; ++i) question += "1";
  GenerateOptions o = tiny(folder / "g.jsonl", 0);
  o.data = folder.write("q.jsonl", R"({"id": "long", "question": ")" + question +
                                       R"(", "answer": "1"})"
                                       "\n");
  ASSERT_EQ(run(o), "(no error)");
  EXPECT_LE(read_generations(o.out).front().answer_tokens.size(), 4u);
}

}  // namespace
}  // namespace circuitdiff
