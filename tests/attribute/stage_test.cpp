// The attribute and score stages: resuming, refusing, and what the files hold.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attribute/attribute_stage.h"
#include "attribute/journal.h"
#include "attribute/score_stage.h"
#include "records/manifest.h"
#include "records/scores.h"
#include "support/tiny_checkpoint.h"

namespace circuitdiff {
namespace {

using testing::HasSubstr;

class Stage : public testing::Test {
 protected:
  Stage() {
    write_tiny_checkpoint(folder / "model", {});
    std::string lines;
    for (int i = 0; i < 9; ++i)
      lines += json({{"id", "q" + std::to_string(i)},
                     {"tokens", {1, 5 + i, 6, 7, 8 + i, 9, 10}},
                     {"prompt_len", 2}})
                   .dump() +
               "\n";
    write_file_atomically(folder / "sequences.jsonl", lines);
    options.model = folder / "model";
    options.sequences = folder / "sequences.jsonl";
    options.out = folder / "out";
    options.alpha = {0.2, 1.0};
    options.chunk = 2;
    options.device = "cpu";
    options.threads = 1;
  }
  std::string error_of(const AttributeOptions& o) {
    try {
      attribute(o, progress);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  }
  std::string bytes(const std::string& name) { return read_file(options.out / name); }

  TemporaryFolder folder;
  AttributeOptions options;
  SilentProgress progress;
};

TEST_F(Stage, WritesOneFileACutWithEverythingToReadItBy) {
  const AttributeResult result = attribute(options, progress);
  ASSERT_EQ(result.outputs.size(), 2u);
  const Scores s = read_scores(folder / "out/scores.alpha-0.2.safetensors");
  EXPECT_EQ(s.n, 9);
  EXPECT_EQ(s.n_forward, 5);
  EXPECT_EQ(s.n_backward, 9);
  EXPECT_EQ(s.ids.front(), "q0");
  EXPECT_EQ(s.sources.back(), "m1");
  EXPECT_EQ(s.destinations[1], "a0<k>");
  EXPECT_EQ(s.t_cut.front(), 1);  // floor(0.2 * 5)
  EXPECT_EQ(s.metadata.at("alpha"), "0.2");
  EXPECT_EQ(s.metadata.at("method"), "eap");
  EXPECT_EQ(read_scores(folder / "out/scores.alpha-1.safetensors").t_cut.front(), 5);
  EXPECT_TRUE(verify_manifest(folder / "out/manifest.json").empty());
  EXPECT_FALSE(std::filesystem::exists(folder / "out/attribute.journal"));
}

TEST_F(Stage, ContinuesFromAJournalCutAtAnyByteAndEndsWithTheSameBytes) {
  attribute(options, progress);
  const std::string expected = bytes("scores.alpha-1.safetensors");
  // A journal of three finished chunks, as a run killed there would have left it.
  const auto whole = read_scores(folder / "out/scores.alpha-1.safetensors");
  AttributeOptions again = options;
  again.out = folder / "again";
  again.limit = 0;
  {
    // Kill by an interrupt from inside: a progress that throws after the third chunk.
    struct Stop : SilentProgress {
      int chunks = 0;
      void advance(int64_t, std::string_view) override {
        if (++chunks == 3) throw Interrupted();
      }
    } stop;
    EXPECT_THROW(attribute(again, stop), Interrupted);
  }
  const std::string journal = read_file(again.out / "attribute.journal");
  ASSERT_GT(journal.size(), 100u);
  for (const size_t keep :
       {size_t{0}, size_t{5}, journal.size() / 3, journal.size() / 2, journal.size() - 1, journal.size()}) {
    std::filesystem::remove(again.out / "manifest.json");
    write_file_atomically(again.out / "attribute.journal", journal.substr(0, keep));
    Manifest state = read_manifest(options.out / "manifest.json");
    write_manifest(again.out / "attribute.state.json", state);
    for (const char* f : {"scores.alpha-0.2.safetensors", "scores.alpha-1.safetensors"})
      std::filesystem::remove(again.out / f);
    attribute(again, progress);
    EXPECT_EQ(read_file(again.out / "scores.alpha-1.safetensors"), expected) << "kept " << keep;
  }
  EXPECT_EQ(whole.n, 9);
}

TEST_F(Stage, ADamagedJournalRecordIsDoneAgain) {
  AttributeOptions other = options;
  other.out = folder / "other";
  struct Stop : SilentProgress {
    void advance(int64_t, std::string_view) override { throw Interrupted(); }
  } stop;
  EXPECT_THROW(attribute(other, stop), Interrupted);
  std::string journal = read_file(other.out / "attribute.journal");
  journal[journal.size() / 2] = static_cast<char>(journal[journal.size() / 2] ^ 1);
  write_file_atomically(other.out / "attribute.journal", journal);
  attribute(other, progress);
  attribute(options, progress);
  EXPECT_EQ(read_file(other.out / "scores.alpha-1.safetensors"), bytes("scores.alpha-1.safetensors"));
}

TEST_F(Stage, ShardsPutTogetherAreTheBytesOfTheWholeRun) {
  attribute(options, progress);
  AttributeOptions cut = options;
  cut.out = folder / "cut";
  for (const char* shard : {"3/3", "1/3"}) {  // the second never runs: the merge does its chunks
    cut.shard = shard;
    const AttributeResult r = attribute(cut, progress);
    EXPECT_EQ(r.n, std::string(shard) == "3/3" ? 2 : 4);
    EXPECT_FALSE(std::filesystem::exists(cut.out / "scores.alpha-1.safetensors"));
  }
  cut.shard.clear();
  struct Count : SilentProgress {
    int64_t done_before = 0;
    void begin(std::string_view, int64_t, std::string_view, int64_t done) override { done_before = done; }
  } count;
  attribute(cut, count);
  EXPECT_EQ(count.done_before, 6);
  for (const char* f : {"scores.alpha-0.2.safetensors", "scores.alpha-1.safetensors"})
    EXPECT_EQ(read_file(cut.out / f), bytes(f));
  EXPECT_FALSE(std::filesystem::exists(cut.out / "shard-1-of-3.journal"));
}

TEST_F(Stage, AShardOfAnotherRunIsRefused) {
  options.shard = "1/2";
  attribute(options, progress);
  options.shard.clear();
  options.scoring.objective = Objective::logit;
  EXPECT_THAT(error_of(options), HasSubstr("shard-1-of-2.journal: a shard of another run: option objective"));
  options.overwrite = true;
  EXPECT_EQ(error_of(options), "no error");
}

TEST_F(Stage, ABudgetTooSmallNamesTheLeastThatWorks) {
  options.memory = 0.01;
  EXPECT_THAT(error_of(options), HasSubstr("is the least that works"));
  options.memory = 1;
  attribute(options, progress);
  EXPECT_EQ(read_manifest(options.out / "manifest.json").details["memory"]["graph"], "kept");
}

TEST_F(Stage, DoneWorkIsNotDoneAgain) {
  attribute(options, progress);
  EXPECT_TRUE(attribute(options, progress).was_done);
  std::filesystem::remove(options.out / "scores.alpha-1.safetensors");
  EXPECT_FALSE(attribute(options, progress).was_done);
  EXPECT_TRUE(std::filesystem::exists(options.out / "scores.alpha-1.safetensors"));
}

TEST_F(Stage, AChangedOptionIsNamedAndRefused) {
  attribute(options, progress);
  options.scoring.objective = Objective::logit;
  EXPECT_THAT(error_of(options), HasSubstr("option objective was \"nll\", is now \"logit\""));
  options.overwrite = true;
  EXPECT_EQ(error_of(options), "no error");
}

TEST_F(Stage, AChangedInputIsNamedAndRefused) {
  attribute(options, progress);
  write_file_atomically(options.sequences, read_file(options.sequences) +
                                               R"({"id":"new","tokens":[1,2,3],"prompt_len":1})" + "\n");
  EXPECT_THAT(error_of(options), HasSubstr("input sequences"));
  EXPECT_THAT(error_of(options), HasSubstr("has changed"));
}

TEST_F(Stage, OverwritingLeavesNoOtherScoresBehind) {
  attribute(options, progress);
  options.alpha = {0.5};
  options.overwrite = true;
  attribute(options, progress);
  EXPECT_FALSE(std::filesystem::exists(options.out / "scores.alpha-1.safetensors"));
  EXPECT_TRUE(std::filesystem::exists(options.out / "scores.alpha-0.5.safetensors"));
}

TEST_F(Stage, ASecondProcessIsRefused) {
  std::filesystem::create_directories(options.out);
  const FileLock held(options.out / ".lock");
  EXPECT_THAT(error_of(options), HasSubstr("another circuitdiff process"));
}

TEST_F(Stage, AShortAnswerIsUsedWholeAndSaysSo) {
  options.alpha.clear();
  options.t_cut = 50;
  const AttributeResult result = attribute(options, progress);
  EXPECT_EQ(read_scores(result.outputs.front()).t_cut.front(), 5);
  EXPECT_EQ(result.summary["used_whole"].size(), 9u);
  EXPECT_EQ(result.outputs.front().filename(), "scores.tcut-50.safetensors");
}

TEST_F(Stage, OptionsThatContradictEachOtherAreUsageErrors) {
  const auto usage = [&](auto change) {
    AttributeOptions o = options;
    change(o);
    EXPECT_THROW(attribute(o, progress), UsageError);
  };
  usage([](AttributeOptions& o) { o.t_cut = 3; });
  usage([](AttributeOptions& o) { o.alpha.clear(); });
  usage([](AttributeOptions& o) { o.alpha = {0.1, 0.1}; });
  usage([](AttributeOptions& o) { o.alpha = {-0.1}; });
  usage([](AttributeOptions& o) { o.sequences.clear(); });
  usage([](AttributeOptions& o) { o.pairs = "pairs.jsonl"; });
  usage([](AttributeOptions& o) { o.side = PairSide::after; });
  usage([](AttributeOptions& o) { o.chunk = 0; });
  usage([](AttributeOptions& o) { o.memory = -1; });
  for (const char* shard : {"0/2", "3/2", "1", "a/b", "1/2/3", "-1/2"})
    usage([&](AttributeOptions& o) { o.shard = shard; });
  usage([](AttributeOptions& o) { o.device = "cuda:x"; });
  usage([](AttributeOptions& o) { o.device = "tpu"; });
  usage([](AttributeOptions& o) { o.scoring.ig_steps = 0; });
  usage([](AttributeOptions& o) { o.scoring.gradient = GradientKind::residual; });
}

TEST_F(Stage, ATokenOutsideTheVocabularyIsNamedBeforeWorkStarts) {
  write_file_atomically(options.sequences, R"({"id":"a","tokens":[1,2,40],"prompt_len":1})"
                                           "\n");
  EXPECT_THAT(error_of(options),
              HasSubstr("\"a\": token 40 at position 2 is outside the vocabulary (40 entries)"));
  EXPECT_FALSE(std::filesystem::exists(options.out));
}

TEST_F(Stage, ScoreWritesNllOfEveryPredictedToken) {
  ScoreOptions o;
  o.model = options.model;
  o.sequences = options.sequences;
  o.out = folder / "nll.safetensors";
  o.logits = true;
  o.device = "cpu";
  o.dtype = DtypeChoice::float64;
  const auto result = score(o, progress);
  EXPECT_EQ(result["tokens"], 54);
  const SafetensorsFile file(o.out);
  EXPECT_EQ(file.at("nll.8").shape, std::vector<int64_t>{6});
  EXPECT_EQ(file.at("logits.0").shape, (std::vector<int64_t>{7, 40}));
  EXPECT_EQ(file.at("logits.0").type, TensorType::f64);
}

}  // namespace
}  // namespace circuitdiff
