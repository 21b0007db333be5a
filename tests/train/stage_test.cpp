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
  EXPECT_THAT(message(AlgorithmName::sft, [](Request r) { r.resume = true; }),
              HasSubstr("holds no checkpoint"));
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

TEST(TrainStage, DivergenceNamesStepBatchAndTheLastGoodCheckpoint) {
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
  EXPECT_THAT(message, HasSubstr("the last good checkpoint is"));
  EXPECT_THAT(message, HasSubstr("checkpoint-1"));
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
