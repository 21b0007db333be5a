// Optimisers against steps computed by hand, the rate's course at its corners, clipping, LoRA's merge.
#include "train/optimizer.h"

#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include "train_support.h"

namespace circuitdiff {
namespace {

std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(Adamw, TwoStepsByHand) {
  Tensor value = at::tensor({1.0}, at::kDouble), first = at::zeros({1}, at::kDouble), second = first.clone();
  // g = 0.5: m = 0.05, v = 0.0005 * 0.5; bias-corrected m = 0.5, v = 0.25; p = 1 (1 - 0.1 * 0.01) - 0.1 * 0.5
  // / 0.5
  adamw_update(value, at::tensor({0.5}, at::kDouble), first, second, 0.1, 0.9, 0.999, 0.0, 0.01, 1);
  EXPECT_NEAR(value.item<double>(), 0.999 - 0.1, 1e-12);
  // g = -0.5: m = 0.045 - 0.05 = -0.005, / (1 - 0.81) ; v = 0.00025 * 0.999 + 0.00025, / (1 - 0.999^2) = 0.25
  adamw_update(value, at::tensor({-0.5}, at::kDouble), first, second, 0.1, 0.9, 0.999, 0.0, 0.0, 2);
  EXPECT_NEAR(value.item<double>(), 0.899 + 0.1 * (0.005 / 0.19) / 0.5, 1e-12);
}

TEST(Muon, NewtonSchulzBringsSingularValuesNearOne) {
  Tensor u = at::zeros({1, 2, 3}, at::kDouble);
  u[0][0][0] = 3.0;
  u[0][1][1] = -0.5;
  const Tensor x = newton_schulz(u)[0];
  // Five steps with these coefficients end within [0.68, 1.27], signs and directions kept.
  EXPECT_NEAR(x[0][0].item<double>(), 1.0, 0.33);
  EXPECT_NEAR(x[1][1].item<double>(), -1.0, 0.33);
  EXPECT_NEAR(x[0][1].item<double>(), 0.0, 1e-12);
  const Tensor tall = newton_schulz(u.transpose(1, 2).contiguous())[0];
  EXPECT_LT((tall - x.t()).abs().max().item<double>(), 1e-12);
}

TEST(Schedule, WarmsUpHoldsAndDecays) {
  OptimizerOptions o;
  o.warmup = 4;
  EXPECT_DOUBLE_EQ(schedule_factor(o, 0, 100), 0.25);
  EXPECT_DOUBLE_EQ(schedule_factor(o, 3, 100), 1);
  EXPECT_DOUBLE_EQ(schedule_factor(o, 99, 100), 1);
  o.schedule = Schedule::linear;
  o.decay_steps = 10;
  o.lr_end = 0.05;
  EXPECT_DOUBLE_EQ(schedule_factor(o, 89, 100), 1);
  EXPECT_DOUBLE_EQ(schedule_factor(o, 95, 100), 0.05 + 0.95 * 0.5);
  OptimizerOptions c;
  c.schedule = Schedule::cosine;
  c.warmup_ratio = 0.1;
  EXPECT_DOUBLE_EQ(schedule_factor(c, 0, 400), 1.0 / 40);
  EXPECT_DOUBLE_EQ(schedule_factor(c, 40, 400), 1);
  EXPECT_NEAR(schedule_factor(c, 220, 400), 0.5, 1e-12);
}

struct TinyParameters {
  TemporaryFolder folder;
  std::unique_ptr<Parameters> p;
  explicit TinyParameters(int64_t lora_rank = 0, at::ScalarType compute = at::kDouble) {
    write_tiny_checkpoint(folder.path(), {});
    ParameterSettings settings;
    settings.compute = compute;
    settings.master = compute == at::kDouble ? at::kDouble : at::kFloat;
    if (lora_rank) settings.lora = {lora_rank, 8, {"q_proj", "v_proj", "down_proj"}};
    p = std::make_unique<Parameters>(Checkpoint::open(folder.path()), settings);
  }
};

TEST(Optimizer, ClipsToTheNormAndSaysHowLongTheGradientWas) {
  TinyParameters tiny;
  Tensor(tiny.p->grads()).fill_(1.0);
  OptimizerOptions o;
  o.clip_norm = 0.5;
  Optimizer optimizer(*tiny.p, o);
  const double length = std::sqrt(static_cast<double>(tiny.p->grads().numel()));
  EXPECT_NEAR(optimizer.clip(), length, 1e-9);
  EXPECT_NEAR(at::linalg_vector_norm(tiny.p->grads()).item<double>(), 0.5, 1e-6);
}

TEST(Optimizer, DecaysMatricesAndNotNorms) {
  TinyParameters tiny;
  OptimizerOptions o;
  o.lr = 0.1;
  o.weight_decay = 0.5;
  std::map<std::string, Tensor> before;
  for (const TrainedPiece& piece : tiny.p->pieces()) before[piece.name] = piece.value.clone();
  Optimizer(*tiny.p, o).step(1);  // the gradient is 0: decay alone
  for (const TrainedPiece& piece : tiny.p->pieces()) {
    const double factor = piece.value.dim() == 2 ? 0.95 : 1.0;
    EXPECT_LT((piece.value - before[piece.name] * factor).abs().max().item<double>(), 1e-12) << piece.name;
  }
}

TEST(Optimizer, MuonMovesLayerMatricesByOrthogonalSteps) {
  TinyParameters tiny;
  OptimizerOptions o;
  o.name = OptimizerName::muon;
  o.muon_lr = 0.1;
  Optimizer optimizer(*tiny.p, o);
  Tensor(tiny.p->grads()).copy_(at::randn(tiny.p->grads().sizes(), at::kDouble));
  std::map<std::string, Tensor> before;
  for (const TrainedPiece& piece : tiny.p->pieces()) before[piece.name] = piece.value.clone();
  optimizer.step(1);
  for (const TrainedPiece& piece : tiny.p->pieces()) {
    const Tensor moved = piece.value - before[piece.name];
    if (!piece.hidden_matrix) {
      EXPECT_LT(moved.abs().max().item<double>(), 1.1e-5) << piece.name;  // adamw at lr 1e-5
      continue;
    }
    const double rows = static_cast<double>(moved.size(0)), cols = static_cast<double>(moved.size(1));
    const double rank = std::min(rows, cols), scale = 0.1 * std::sqrt(std::max(1.0, rows / cols));
    const double length = at::linalg_vector_norm(moved).item<double>();
    EXPECT_GT(length, 0.6 * scale * std::sqrt(rank)) << piece.name;
    EXPECT_LT(length, 1.3 * scale * std::sqrt(rank)) << piece.name;
  }
}

TEST(Optimizer, RefusesOptionsOutOfRange) {
  OptimizerOptions o;
  o.lr = 0;
  EXPECT_EQ(message_of([&] { check_optimizer(o); }), "[optimizer] lr: above 0 expected, 0 found");
  o.lr = 1;
  o.beta2 = 1;
  EXPECT_EQ(message_of([&] { check_optimizer(o); }),
            "[optimizer] beta2: from 0 to below 1 expected, 1 found");
  o.beta2 = 0.9;
  o.warmup = 3;
  o.warmup_ratio = 0.1;
  EXPECT_THAT(message_of([&] { check_optimizer(o); }), testing::HasSubstr("said twice"));
}

TEST(Lora, ChangesNothingAtFirstAndItsGradientIsThatOfTheFactors) {
  TinyParameters whole, lora(3);
  const auto samples = random_answers(40, 6, 9);
  const PackedBatch batch = pack(whole.p->config(), samples);
  PackedModel a(*whole.p, false), b(*lora.p, false);
  const auto logps = a.forward(batch, 1, false, false).logps;
  EXPECT_EQ(logps, b.forward(batch, 1, false, false).logps);

  // B away from 0, then against finite differences of every tenth number.
  for (const TrainedPiece& piece : lora.p->pieces())
    if (piece.name.ends_with("lora_B.weight"))
      Tensor(piece.value).copy_(0.1 * at::randn(piece.value.sizes(), at::kDouble));
  lora.p->refresh();
  const auto loss = [&] {
    double sum = 0;
    for (const double l : PackedModel(*lora.p, false).forward(batch, 1, false, false).logps) sum -= l;
    return sum;
  };
  const auto now = b.forward(batch, 1, true, false);
  b.backward(batch, std::vector<double>(now.logps.size(), -1.0));
  auto* values = lora.p->values().data_ptr<double>();
  const auto* grads = lora.p->grads().const_data_ptr<double>();
  for (int64_t i = 0; i < lora.p->values().numel(); i += 10) {
    const double kept = values[i], h = 1e-5;
    values[i] = kept + h;
    lora.p->refresh();
    const double up = loss();
    values[i] = kept - h;
    lora.p->refresh();
    const double down = loss();
    values[i] = kept;
    EXPECT_NEAR(grads[i], (up - down) / (2 * h), 1e-6 * std::max(1.0, std::abs(grads[i]))) << i;
  }
}

TEST(Bfloat16, MastersKeepWhatTheCopyRoundsAway) {
  TinyParameters tiny(0, at::kBFloat16);
  EXPECT_EQ(tiny.p->weights().embed_tokens().scalar_type(), at::kBFloat16);
  EXPECT_EQ(tiny.p->values().scalar_type(), at::kFloat);
  // From numbers that bfloat16 holds exactly: one step is less than it can show, a thousand are not.
  Tensor(tiny.p->values()).copy_(tiny.p->values().to(at::kBFloat16));
  tiny.p->refresh();
  const Tensor before = tiny.p->weights().embed_tokens().clone();
  Tensor(tiny.p->values()).mul_(1 + 1e-5);
  tiny.p->refresh();
  EXPECT_TRUE(tiny.p->weights().embed_tokens().equal(before));
  for (int i = 0; i < 1000; ++i) Tensor(tiny.p->values()).mul_(1 + 1e-5);
  tiny.p->refresh();
  EXPECT_FALSE(tiny.p->weights().embed_tokens().equal(before));
}

// Not further from float32 than what autograd makes of the plain forward in bfloat16.
TEST(Bfloat16, GradientsAreAsGoodAsThoseOfThePlainForward) {
  TinyParameters tiny(0, at::kBFloat16), single(0, at::kFloat);
  const auto samples = random_answers(40, 8, 9);
  for (Parameters* p : {tiny.p.get(), single.p.get()}) {
    PackedModel model(*p, false);
    const PackedBatch batch = pack(p->config(), samples, p->settings().compute);
    const auto now = model.forward(batch, 1, true, false);
    model.backward(batch, std::vector<double>(now.logps.size(), -1.0));
  }
  std::map<std::string, Tensor> tensors;
  std::vector<Tensor> leaves;
  for (const TrainedPiece& piece : tiny.p->pieces()) {
    leaves.push_back(piece.value.clone().requires_grad_());
    tensors[piece.name] = leaves.back().to(at::kBFloat16);
  }
  const Decoder decoder(Weights(tiny.p->checkpoint(), tensors));
  Tensor loss = at::zeros({}, at::kFloat);
  for (const TrainSample& s : samples) {
    const std::vector<int64_t> input(s.tokens.begin(), s.tokens.end() - 1);
    const std::vector<int64_t> target(s.tokens.begin() + s.prompt_len, s.tokens.end());
    const Tensor logits = decoder.forward(decoder.tokens(input).unsqueeze(0)).squeeze(0);
    loss = loss - logits.narrow(0, s.prompt_len - 1, s.answer())
                      .log_softmax(-1)
                      .gather(-1, decoder.tokens(target).unsqueeze(1))
                      .sum();
  }
  const auto plain = torch::autograd::grad({loss}, leaves);
  double ours = 0, theirs = 0;
  for (size_t i = 0; i < leaves.size(); ++i) {
    const Tensor& exact = single.p->pieces()[i].grad;
    ours += (tiny.p->pieces()[i].grad - exact).square().sum().item<double>();
    theirs += (plain[i].to(at::kFloat) - exact).square().sum().item<double>();
  }
  EXPECT_GT(theirs, 0);
  EXPECT_LT(std::sqrt(ours), 1.5 * std::sqrt(theirs));
}

}  // namespace
}  // namespace circuitdiff
