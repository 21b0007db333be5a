// What training takes: an update little more than weights, gradients, moments and one layer's activations,
// and a whole run what was forecast.
#include "support/counting_allocator.h"
#include "support/native_bfloat.h"
#include "train/forecast.h"
#include "train_support.h"

namespace circuitdiff {
namespace {

TinyModel model_of(int64_t layers, int64_t d_vocab) {
  TinyModel m;
  m.n_layers = layers, m.d_model = 128, m.d_mlp = 352, m.n_heads = 4, m.n_kv_heads = 2, m.d_head = 32;
  m.d_vocab = d_vocab;
  return m;
}

// Answers to a prompt of `prompt` tokens.
std::vector<TrainSample> answers_of(int64_t count, int64_t prompt, int64_t answer, int64_t d_vocab) {
  std::vector<TrainSample> out;
  for (int64_t i = 0; i < count; ++i) {
    TrainSample s;
    s.id = std::to_string(i);
    s.prompt_len = prompt;
    for (int64_t t = 0; t < prompt + answer - i % 5; ++t) s.tokens.push_back((7 * t + i) % d_vocab);
    out.push_back(s);
  }
  return out;
}

TEST(UpdateMemory, IsWithinAFifthOfStateAndOneLayersActivations) {
  const TemporaryFolder folder;
  write_tiny_checkpoint(folder.path(), model_of(12, 512));
  const auto checkpoint = Checkpoint::open(folder.path());
  const auto samples = answers_of(6, 20, 40, 512);
  const CountingAllocator counting;
  const Parameters parameters(checkpoint, {});
  Optimizer optimizer(parameters, {});
  const int64_t before = counting.peak();
  const PackedBatch batch = pack(parameters.config(), samples, at::kFloat);
  PackedModel model(parameters, /*recompute=*/true);
  const auto now = model.forward(batch, 1, true, true);
  model.backward(batch, std::vector<double>(now.logps.size(), -1.0));
  optimizer.clip();
  optimizer.step(1);
  // Stream ahead of both branches, q, k and v, what attention mixed and its weights, gate and up.
  const ModelConfig& c = parameters.config();
  const int64_t width =
      2 * c.d_model + (2 * c.n_heads + 2 * c.n_kv_heads) * c.d_head + c.n_heads * 59 + 2 * c.d_mlp;
  const int64_t state = 4 * parameters.values().numel() * 4, layer = batch.packing.rows() * width * 4;
  EXPECT_GE(before, state);
  EXPECT_LT(static_cast<double>(counting.peak()), 1.2 * static_cast<double>(state + layer));
}

// In another type than the weights are kept in: no copy of them all.
TEST(SavingMemory, IsTheLargestTensorInTheFilesType) {
  const TemporaryFolder folder;
  const TinyModel model = model_of(12, 512);
  write_tiny_checkpoint(folder / "model", model);
  ParameterSettings settings;
  settings.master = settings.compute = at::kDouble;
  const Parameters parameters(Checkpoint::open(folder / "model"), settings);
  const CountingAllocator counting;
  std::filesystem::create_directories(folder / "out");
  parameters.save(folder / "out", /*merged=*/true);
  EXPECT_EQ(counting.peak(), model.d_vocab * model.d_model * 4);  // the embedding, float32
}

TEST(TrainForecast, MemoryIsWithinFifteenPercentOfWhatHappens) {
  struct Shape {
    const char* name;
    int64_t layers, prompt, answer, d_vocab, batch, tokens_per_batch;
  };
  for (const Shape& shape :
       {Shape{"little beside the weights", 4, 10, 20, 300, 2, 8192}, Shape{"long", 4, 60, 60, 300, 24, 8192},
        Shape{"wide vocabulary", 2, 20, 60, 6000, 16, 8192},
        Shape{"in micro-batches", 4, 40, 60, 300, 24, 600}}) {
    const TemporaryFolder folder;
    write_tiny_checkpoint(folder / "model", model_of(shape.layers, shape.d_vocab));
    // bfloat16 also as a processor without instructions for it computes it.
    for (const auto& [dtype, native] : {std::pair{at::kFloat, true}, std::pair{at::kDouble, true},
                                        std::pair{at::kBFloat16, true}, std::pair{at::kBFloat16, false}}) {
      const NativeBfloat bfloat(native);
      for (const bool recompute : {false, true})
        for (const int64_t rank : {0, 8}) {
          TrainInputs in;
          in.algorithm = AlgorithmName::sft;
          in.checkpoint = Checkpoint::open(folder / "model");
          in.compute = dtype;
          in.options.model = folder / "model";
          in.options.steps = 1;
          in.options.recompute = recompute;
          in.options.lora.rank = rank;
          in.options.data.batch = shape.batch;
          in.options.optimizer.tokens_per_batch = shape.tokens_per_batch;
          for (const TrainSample& s : answers_of(shape.batch, shape.prompt, shape.answer, shape.d_vocab))
            in.data.units.push_back({s});
          const auto f = forecast_training(in);
          SilentProgress silent;
          const CountingAllocator counting;
          Trainer(in, 0, folder / "out", silent).run();
          std::filesystem::remove_all(folder / "out");
          const auto seen = static_cast<double>(counting.peak());
          EXPECT_NEAR(f["peak_bytes"].get<double>() / seen, 1.0, 0.15)
              << shape.name << " " << dtype_name(dtype) << (native ? "" : " widened")
              << (recompute ? " recomputed" : " kept") << " rank " << rank << " seen " << seen << " forecast "
              << f.dump();
        }
    }
  }
}

}  // namespace
}  // namespace circuitdiff
