// The stage as a whole on a tiny model: resume to the same bits, refusals ahead of the first step, and how a
// run that diverges ends.
#include <gmock/gmock.h>

#include <fstream>

#include "train/train_stage.h"
#include "train_support.h"

namespace circuitdiff {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

fs::path shipped(const std::string& name) { return fs::path(CIRCUITDIFF_SOURCE_DIR) / name; }

std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

void write(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }

// The shipped model on a few of its questions.
TrainRequest request_in(const TemporaryFolder& folder, AlgorithmName algorithm) {
  std::string rows;
  Philox random(5);
  for (int i = 0; i < 12; ++i) {
    const auto a = random.below(9) + 1, b = random.below(9) + 1;
    rows +=
        fmt::format(
            R"({{"id":"q{0}","question":"Tom has {1} apples. Tom buys {2} more. How many apples now?","answer":"{3}",)"
            R"("completion":"{1}+{2}={3}. \\boxed{{{3}}}","chosen":"{1}+{2}={3}. \\boxed{{{3}}}","rejected":"\\boxed{{1}}"}})",
            i, a, b, a + b) +
        "\n";
  }
  write(folder / "rows.jsonl", rows);
  TrainRequest r;
  r.algorithm = algorithm;
  r.options.model = shipped("models/arith-sft");
  r.options.out = folder / "out";
  r.options.steps = 4;
  r.options.threads = 1;
  r.options.data.file = folder / "rows.jsonl";
  r.options.data.batch = 4;
  r.options.rollout.max_new_tokens = 20;
  r.options.optimizer.lr = 1e-3;
  r.options.algorithm.minibatches = 2;
  r.options.checkpoint.every = 2;
  return r;
}

std::string bytes_of_file(const fs::path& path) { return read_file(path); }

class EveryAlgorithm : public testing::TestWithParam<AlgorithmName> {};

TEST_P(EveryAlgorithm, StopsAnywhereAndGoesOnToTheSameBits) {
  const TemporaryFolder a, b;
  SilentProgress silent;
  TrainRequest whole = request_in(a, GetParam());
  train(whole, silent);
  // The same in two parts: what a killed run leaves is a checkpoint and lines beyond it.
  TrainRequest part = request_in(b, GetParam());
  part.options.optimizer.schedule = whole.options.optimizer.schedule;
  train(part, silent);
  fs::remove_all(b / "out/checkpoint-4");
  fs::remove_all(b / "out/final");
  write(b / "out/checkpoint-9.tmp-1", "half");
  part.resume = true;
  train(part, silent);
  for (const char* name : {"final/model.safetensors", "checkpoint-4/trainer_state.safetensors"})
    EXPECT_EQ(bytes_of_file(a / ("out/" + std::string(name))),
              bytes_of_file(b / ("out/" + std::string(name))))
        << name;
  EXPECT_NE(bytes_of_file(a / "out/final/model.safetensors"),
            bytes_of_file(shipped("models/arith-sft/model.safetensors")));
  // One line a step, each once.
  std::vector<int64_t> steps;
  read_jsonl(b / "out/metrics.jsonl", [&](Row&& row) { steps.push_back(row.integer("step")); });
  EXPECT_EQ(steps, (std::vector<int64_t>{1, 2, 3, 4}));
  // What was written is a checkpoint like any other.
  EXPECT_EQ(Checkpoint::open(a / "out/final")->n_parameters(),
            Checkpoint::open(whole.options.model)->n_parameters());
}

INSTANTIATE_TEST_SUITE_P(All, EveryAlgorithm,
                         testing::Values(AlgorithmName::sft, AlgorithmName::dpo, AlgorithmName::online_dpo,
                                         AlgorithmName::ppo, AlgorithmName::grpo, AlgorithmName::dapo,
                                         AlgorithmName::dr_grpo, AlgorithmName::rloo),
                         [](const auto& param_info) {
                           std::string name = to_word(param_info.param);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(TrainStage, LoraLeavesAnAdapterAndTheMergedModel) {
  const TemporaryFolder folder;
  SilentProgress silent;
  TrainRequest r = request_in(folder, AlgorithmName::sft);
  r.options.lora.rank = 2;
  r.options.lora.targets = {"q_proj", "down_proj"};
  train(r, silent);
  const SafetensorsFile adapter(folder / "out/final/adapter_model.safetensors");
  EXPECT_EQ(adapter.tensors().size(), 4u * 2 * 2);
  EXPECT_EQ(adapter.at("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight").shape,
            (std::vector<int64_t>{2, 64}));
  const json config = read_json_file(folder / "out/final/adapter_config.json");
  EXPECT_EQ(config["r"], 2);
  EXPECT_EQ(config["peft_type"], "LORA");
  // Tensors that no adapter touches are the start's, to the bit.
  const SafetensorsFile merged(folder / "out/final/model.safetensors"),
      start(shipped("models/arith-sft/model.safetensors"));
  EXPECT_EQ(merged.doubles("model.layers.0.mlp.up_proj.weight"),
            start.doubles("model.layers.0.mlp.up_proj.weight"));
  EXPECT_NE(merged.doubles("model.layers.0.mlp.down_proj.weight"),
            start.doubles("model.layers.0.mlp.down_proj.weight"));
}

TEST(TrainStage, RefusesBadInputAheadOfTheFirstStep) {
  const TemporaryFolder folder;
  SilentProgress silent;
  const auto message = [&](AlgorithmName algorithm, const std::function<void(TrainRequest&)>& spoil) {
    TrainRequest r = request_in(folder, algorithm);
    spoil(r);
    const std::string out = message_of([&] { train(r, silent); });
    EXPECT_FALSE(fs::exists(folder / "out/metrics.jsonl")) << out;
    return out;
  };
  using Request = TrainRequest&;
  EXPECT_THAT(message(AlgorithmName::grpo, [&](Request r) { r.options.data.file = folder / "none.jsonl"; }),
              HasSubstr("none.jsonl"));
  EXPECT_THAT(message(AlgorithmName::sft, [](Request r) { r.options.data.completion_field = "solution"; }),
              HasSubstr("row \"q0\": field \"solution\" is missing"));
  EXPECT_THAT(message(AlgorithmName::grpo, [](Request r) { r.options.rollout.top_p = 0.9; }),
              HasSubstr("[rollout] top_p"));
  EXPECT_THAT(message(AlgorithmName::grpo, [](Request r) { r.options.algorithm.group = 1; }),
              HasSubstr("[algorithm] group: grpo compares"));
  EXPECT_THAT(message(AlgorithmName::grpo, [](Request r) { r.options.reward.wrong = 1; }),
              HasSubstr("nothing could be learnt"));
  EXPECT_THAT(message(AlgorithmName::grpo, [](Request r) { r.options.rollout.max_new_tokens = 250; }),
              HasSubstr("more than the model's 256 positions"));
  EXPECT_THAT(message(AlgorithmName::grpo, [](Request r) { r.options.probe.every = 5; }),
              HasSubstr("[probe] sequences is missing"));
  write_tiny_checkpoint(folder / "other", {});
  EXPECT_THAT(message(AlgorithmName::dpo, [&](Request r) { r.options.reference = folder / "other"; }),
              HasSubstr("the reference's vocabulary is 40, the model's"));
  EXPECT_THAT(message(AlgorithmName::sft, [&](Request r) { r.options.reference = folder / "other"; }),
              HasSubstr("makes no use of one"));
  EXPECT_THAT(message(AlgorithmName::sft, [&](Request r) { r.options.out = folder / "rows.jsonl"; }),
              HasSubstr("rows.jsonl: cannot make the folder"));
  EXPECT_THAT(message(AlgorithmName::sft, [](Request r) { r.resume = true; }),
              HasSubstr("holds no run to go on with"));
}

TEST(TrainStage, ChangedSettingsAreRefusedByName) {
  const TemporaryFolder folder;
  SilentProgress silent;
  TrainRequest r = request_in(folder, AlgorithmName::sft);
  train(r, silent);
  r.options.optimizer.lr = 2e-3;
  EXPECT_THAT(message_of([&] { train(r, silent); }), HasSubstr("optimizer.lr"));
  r.overwrite = true;
  EXPECT_EQ(message_of([&] { train(r, silent); }), "");
}

// The weights of the latest checkpoint are what a step diverges on: they are not called good.
TEST(TrainStage, DivergenceNamesStepBatchAndTheWeightsThatLedThere) {
  const TemporaryFolder folder;
  SilentProgress silent;
  TrainRequest r = request_in(folder, AlgorithmName::sft);
  r.options.steps = 50;
  r.options.checkpoint.every = 1;
  r.options.optimizer.lr = 1e30;
  r.options.algorithm.minibatches = 1;
  const std::string message = message_of([&] { train(r, silent); });
  EXPECT_THAT(message, HasSubstr("seed 0, step 2: the gradient's length is"));
  EXPECT_THAT(message, HasSubstr("batch: \"q"));
  EXPECT_THAT(message, HasSubstr("there is no good checkpoint; the start is " + r.options.model.string()));
  EXPECT_THAT(message, HasSubstr("checkpoint-1 holds the weights that led here"));
  EXPECT_FALSE(fs::exists(folder / "out/checkpoint-2"));
}

TEST(TrainStage, AnExplodingGradientIsStoppedByItsLength) {
  const TemporaryFolder folder;
  SilentProgress silent;
  TrainRequest r = request_in(folder, AlgorithmName::sft);
  r.options.optimizer.stop_norm = 1e-6;
  EXPECT_THAT(
      message_of([&] { train(r, silent); }),
      testing::AllOf(HasSubstr("more than stop_norm = 1e-06"), HasSubstr("no checkpoint was written yet")));
}

// The first step behind the second whose gradient is longer than all ahead of it, from 0; 0 where there is
// none.
size_t step_of_a_longer_gradient(const std::vector<double>& norms) {
  for (size_t i = 2; i < norms.size(); ++i)
    if (norms[i] > *std::max_element(norms.begin(), norms.begin() + static_cast<int64_t>(i))) return i;
  return 0;
}

TEST(TrainStage, DivergenceNamesTheLastCheckpointThatAWholeStepFollowed) {
  const TemporaryFolder folder;
  SilentProgress silent;
  TrainRequest r = request_in(folder, AlgorithmName::sft);
  r.options.steps = 8;
  r.options.checkpoint = {.every = 1, .keep = 1};
  r.options.algorithm.minibatches = 1;
  r.options.optimizer.lr = 0.3;  // gradients grow
  r.overwrite = true;
  // Rounding decides which of such gradients is the longest: a seed and a step where it shows are looked for.
  std::vector<double> norms;
  size_t step = 0;
  for (uint64_t seed = 0; step == 0 && seed < 10; ++seed) {
    r.options.seeds = {seed};
    train(r, silent);
    norms.clear();
    read_jsonl(folder / "out/metrics.jsonl",
               [&](Row&& row) { norms.push_back(row.value().at("grad_norm").get<double>()); });
    step = step_of_a_longer_gradient(norms);
  }
  ASSERT_GE(step, 2U);
  // Again, with that gradient too long: all ahead of that step are shorter.
  r.options.optimizer.stop_norm =
      (norms[step] + *std::max_element(norms.begin(), norms.begin() + static_cast<int64_t>(step))) / 2;
  const std::string message = message_of([&] { train(r, silent); }), out = (folder / "out").string();
  EXPECT_THAT(message, HasSubstr(fmt::format("seed {}, step {}: the gradient's length is",
                                             r.options.seeds.front(), step + 1)));
  EXPECT_THAT(message,
              HasSubstr(fmt::format("the last good checkpoint is {}/checkpoint-{}; {}/checkpoint-{} holds",
                                    out, step - 1, out, step)));
  EXPECT_TRUE(fs::exists(folder / fmt::format("out/checkpoint-{}/model.safetensors", step - 1)));
  EXPECT_FALSE(fs::exists(folder / fmt::format("out/checkpoint-{}", step - 2)));
}

// A step's tokens computed together or apart: the same update, in every algorithm.
TEST_P(EveryAlgorithm, TheTokenBudgetChangesNothing) {
  std::vector<std::vector<double>> trained;
  for (const int64_t tokens : {8192, 1}) {
    const TemporaryFolder folder;
    SilentProgress silent;
    TrainRequest r = request_in(folder, GetParam());
    r.options.steps = 2;
    r.options.dtype = DtypeChoice::float64;
    r.options.optimizer.tokens_per_batch = tokens;
    r.options.recompute = tokens == 1;
    train(r, silent);
    const SafetensorsFile state(folder / "out/checkpoint-2/trainer_state.safetensors");
    trained.push_back(state.doubles("values"));
  }
  ASSERT_EQ(trained[0].size(), trained[1].size());
  double off = 0;
  for (size_t i = 0; i < trained[0].size(); ++i) off = std::max(off, std::abs(trained[0][i] - trained[1][i]));
  EXPECT_LT(off,
            1e-7);  // Adam's first steps are lr in length whatever the gradient: a sign may hang on 1e-15
}

TEST(TrainStage, ResumesSeveralSeedsWhereverTheyStopped) {
  const TemporaryFolder folder;
  SilentProgress silent;
  TrainRequest r = request_in(folder, AlgorithmName::sft);
  r.options.seeds = {1, 2, 3};
  train(r, silent);
  const std::string wanted = bytes_of_file(folder / "out/seed-3/final/model.safetensors");
  // Killed in the second seed, ahead of its first checkpoint: the third was not begun.
  fs::remove_all(folder / "out/seed-3");
  for (const char* name : {"final", "manifest.json", "checkpoint-2", "checkpoint-4"})
    fs::remove_all(folder / "out/seed-2" / name);
  r.resume = true;
  EXPECT_EQ(message_of([&] { train(r, silent); }), "");
  EXPECT_EQ(bytes_of_file(folder / "out/seed-3/final/model.safetensors"), wanted);
}

TEST(TrainStage, DamagedCheckpointsNameTheOlderOneToGoOnFrom) {
  const TemporaryFolder folder;
  SilentProgress silent;
  TrainRequest r = request_in(folder, AlgorithmName::sft);
  r.options.checkpoint.every = 1;
  train(r, silent);  // checkpoint-1 .. checkpoint-4
  const std::string wanted = bytes_of_file(folder / "out/final/model.safetensors");
  fs::remove_all(folder / "out/final");
  fs::remove(folder / "out/manifest.json");
  const auto checkpoint = [&](int step) {
    return (folder / fmt::format("out/checkpoint-{}", step)).string();
  };
  const auto damage = [&](int step) {
    fs::resize_file(checkpoint(step) + "/trainer_state.safetensors", 100);
  };
  const auto message_with = [&](const testing::Matcher<std::string>& advice) {
    EXPECT_THAT(message_of([&] { train(r, silent); }),
                testing::AllOf(HasSubstr("checkpoint-4/trainer_state.safetensors"), advice));
  };
  r.resume = true;
  damage(4);
  message_with(
      HasSubstr(fmt::format("; with {} removed, --resume goes on from {}", checkpoint(4), checkpoint(3))));
  damage(3);
  message_with(HasSubstr(fmt::format("; with {} and {} removed, --resume goes on from {}", checkpoint(4),
                                     checkpoint(3), checkpoint(2))));
  // What is advised works.
  const TemporaryFolder aside;
  fs::copy(folder / "out", aside / "out", fs::copy_options::recursive);
  fs::remove_all(checkpoint(4));
  fs::remove_all(checkpoint(3));
  EXPECT_EQ(message_of([&] { train(r, silent); }), "");
  EXPECT_EQ(bytes_of_file(folder / "out/final/model.safetensors"), wanted);
  // Where all are damaged there is no such advice.
  fs::remove_all(folder / "out");
  fs::copy(aside / "out", folder / "out", fs::copy_options::recursive);
  damage(2);
  damage(1);
  message_with(Not(HasSubstr("removed")));
}

TEST(TrainStage, GoingOnBehindTheLastStepTellsItsFigures) {
  const TemporaryFolder a;
  SilentProgress silent;
  TrainRequest r = request_in(a, AlgorithmName::sft);
  const auto whole = train(r, silent)["runs"][0]["metrics"];
  EXPECT_EQ(whole["step"], 4);
  fs::remove_all(a / "out/final");  // killed while it was written
  fs::remove(a / "out/manifest.json");
  EXPECT_EQ(train(r, silent)["runs"][0]["metrics"], whole);
}

TEST(TrainStage, PpoDrawsAsManyAnswersAsItIsTold) {
  const TemporaryFolder folder;
  SilentProgress silent;
  const auto figures = [&](std::optional<int64_t> group) {
    TrainRequest r = request_in(folder, AlgorithmName::ppo);
    r.options.steps = 1;
    r.options.algorithm.group = group;
    r.overwrite = true;
    return train(r, silent)["runs"][0]["metrics"];
  };
  const auto one = figures({}), three = figures(3);
  EXPECT_FALSE(one.contains("frac_reward_zero_std"));  // one answer has no spread; reward_std is of all
  EXPECT_TRUE(three.contains("frac_reward_zero_std"));
  EXPECT_GT(three["tokens"].get<int64_t>(), 2 * one["tokens"].get<int64_t>());
}

TEST(TrainStage, PairsAreMadeOfDecidedAnswersThatFit) {
  const TemporaryFolder folder;
  SilentProgress silent;
  TrainRequest r = request_in(folder, AlgorithmName::dpo);
  r.options.data.file = folder / "generations.jsonl";
  const auto row = [](const std::string& id, int sample, const std::string& verdict,
                      const std::string& correct, int answer) {
    std::string tokens = "5";
    for (int i = 1; i < answer; ++i) tokens += ",6";
    return fmt::format(
               R"({{"id":"{}","sample":{},"prompt":"p","prompt_tokens":[3,4],"answer":"a","answer_tokens":[{}],)"
               R"("finish_reason":"stop","gold":"1","dataset":"generic","seed":0,"extracted":"1","verdict":"{}","correct":{}}})",
               id, sample, tokens, verdict, correct) +
           "\n";
  };
  write(folder / "generations.jsonl", row("a", 0, "equal", "true", 3) + row("a", 1, "undecided", "null", 3));
  EXPECT_THAT(message_of([&] { train(r, silent); }),
              HasSubstr("no question has both a right and a wrong answer"));
  write(folder / "generations.jsonl",
        row("a", 0, "equal", "true", 3) + row("a", 1, "different", "false", 300));
  EXPECT_THAT(message_of([&] { train(r, silent); }), HasSubstr("302 tokens, the model 256 positions"));
  write(folder / "generations.jsonl", row("a", 0, "equal", "true", 3) +
                                          row("a", 1, "undecided", "null", 300) +
                                          row("a", 2, "different", "false", 4));
  EXPECT_EQ(message_of([&] { train(r, silent); }), "");
}

TEST(TrainStage, EachSeedHasAFolderAndAnswersOfItsOwn) {
  const TemporaryFolder folder;
  SilentProgress silent;
  TrainRequest r = request_in(folder, AlgorithmName::dr_grpo);
  r.options.seeds = {1, 2};
  r.options.steps = 2;
  train(r, silent);
  EXPECT_NE(bytes_of_file(folder / "out/seed-1/final/model.safetensors"),
            bytes_of_file(folder / "out/seed-2/final/model.safetensors"));
}

TEST(ShuffledOrder, EachEpochHasEveryIndexOnceInAnotherOrder) {
  ShuffledOrder order(10, 3, true);
  std::vector<size_t> first, second;
  for (int64_t i = 0; i < 10; ++i) first.push_back(order.at(i));
  for (int64_t i = 10; i < 20; ++i) second.push_back(order.at(i));
  EXPECT_NE(first, second);
  EXPECT_THAT(first, testing::UnorderedElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
  EXPECT_THAT(second, testing::UnorderedElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
  EXPECT_EQ(order.at(4), first[4]);  // and back
}

}  // namespace
}  // namespace circuitdiff
