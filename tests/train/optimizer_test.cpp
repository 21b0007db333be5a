// Optimisers against steps computed by hand, the rate's course at its corners, clipping, LoRA's merge.
#include "train/optimizer.h"

#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include "support/temp_folder.h"
#include "train_support.h"

namespace circuitdiff {
namespace {

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

// libtorch's own fused AdamW, over more numbers than are worked on at once.
TEST(Adamw, StepsAreThoseOfLibtorchsOwn) {
  const int64_t n = 600'000;
  Philox random(8);
  const auto drawn = [&] {
    Tensor t = at::empty({n}, at::kDouble);
    for (int64_t i = 0; i < n; ++i) t.data_ptr<double>()[i] = random.normal();
    return t;
  };
  Tensor value = drawn(), first = at::zeros({n}, at::kDouble), second = first.clone();
  const Tensor their_value = value.clone(), their_first = first.clone(), their_second = second.clone();
  for (int64_t t = 1; t <= 5; ++t) {
    const Tensor grad = drawn();
    adamw_update(value, grad, first, second, 1e-2, 0.9, 0.99, 1e-8, 0.1, t);
    at::_fused_adamw_({their_value}, {grad}, {their_first}, {their_second}, {},
                      {at::full({}, static_cast<double>(t), at::kFloat)}, 1e-2, 0.9, 0.99, 0.1, 1e-8,
                      /*amsgrad=*/false,
                      /*maximize=*/false);
  }
  EXPECT_LT((value - their_value).abs().max().item<double>(), 1e-7);  // their bias correction is float32
  EXPECT_LT((first - their_first).abs().max().item<double>(), 1e-12);
  EXPECT_LT((second - their_second).abs().max().item<double>(), 1e-12);
}

// Muon as its author wrote it, in loops over one matrix.
using Rows = std::vector<std::vector<double>>;
Rows times(const Rows& a, const Rows& b) {
  Rows out(a.size(), std::vector<double>(b[0].size(), 0.0));
  for (size_t i = 0; i < a.size(); ++i)
    for (size_t k = 0; k < b.size(); ++k)
      for (size_t j = 0; j < b[0].size(); ++j) out[i][j] += a[i][k] * b[k][j];
  return out;
}
Rows turned(const Rows& a) {
  Rows out(a[0].size(), std::vector<double>(a.size()));
  for (size_t i = 0; i < a.size(); ++i)
    for (size_t j = 0; j < a[0].size(); ++j) out[j][i] = a[i][j];
  return out;
}
Rows orthogonalised(Rows x) {
  const bool tall = x.size() > x[0].size();
  if (tall) x = turned(x);
  double squares = 0;
  for (const auto& row : x)
    for (const double v : row) squares += v * v;
  for (auto& row : x)
    for (double& v : row) v /= std::sqrt(squares) + 1e-7;
  for (int step = 0; step < 5; ++step) {
    const Rows a = times(x, turned(x)), aa = times(a, a);
    Rows b = a;
    for (size_t i = 0; i < a.size(); ++i)
      for (size_t j = 0; j < a.size(); ++j) b[i][j] = -4.7750 * a[i][j] + 2.0315 * aa[i][j];
    const Rows bx = times(b, x);
    for (size_t i = 0; i < x.size(); ++i)
      for (size_t j = 0; j < x[0].size(); ++j) x[i][j] = 3.4445 * x[i][j] + bx[i][j];
  }
  return tall ? turned(x) : x;
}
Rows rows_of(const Tensor& t) {
  Rows out(static_cast<size_t>(t.size(0)));
  for (int64_t i = 0; i < t.size(0); ++i)
    for (int64_t j = 0; j < t.size(1); ++j) out[static_cast<size_t>(i)].push_back(t[i][j].item<double>());
  return out;
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

TEST(Optimizer, MuonsStepsAreThoseWrittenOutInLoops) {
  TinyParameters tiny;
  OptimizerOptions o;
  o.name = OptimizerName::muon;
  o.muon_lr = 0.1;
  o.muon_weight_decay = 0.2;
  Optimizer optimizer(*tiny.p, o);
  std::map<std::string, Rows> value, momentum;
  for (const TrainedPiece& piece : tiny.p->pieces())
    if (piece.hidden_matrix) value[piece.name] = rows_of(piece.value);
  Philox random(6);
  for (const double factor : {1.0, 0.5, 0.25}) {
    auto* grads = tiny.p->grads().data_ptr<double>();
    for (int64_t i = 0; i < tiny.p->grads().numel(); ++i) grads[i] = random.normal();
    for (const TrainedPiece& piece : tiny.p->pieces()) {
      if (!piece.hidden_matrix) continue;
      const Rows g = rows_of(piece.grad);
      Rows& v = value[piece.name];
      Rows& m =
          momentum.try_emplace(piece.name, g.size(), std::vector<double>(g[0].size(), 0.0)).first->second;
      Rows u = g;
      for (size_t i = 0; i < g.size(); ++i)
        for (size_t j = 0; j < g[0].size(); ++j) {
          m[i][j] = 0.95 * m[i][j] + g[i][j];
          u[i][j] = g[i][j] + 0.95 * m[i][j];
        }
      u = orthogonalised(u);
      const double scale =
          std::sqrt(std::max(1.0, static_cast<double>(g.size()) / static_cast<double>(g[0].size())));
      for (size_t i = 0; i < g.size(); ++i)
        for (size_t j = 0; j < g[0].size(); ++j) v[i][j] -= 0.1 * factor * (scale * u[i][j] + 0.2 * v[i][j]);
    }
    optimizer.step(factor);
    for (const TrainedPiece& piece : tiny.p->pieces()) {
      if (!piece.hidden_matrix) continue;
      const Rows found = rows_of(piece.value), &wanted = value[piece.name];
      for (size_t i = 0; i < wanted.size(); ++i)
        for (size_t j = 0; j < wanted[0].size(); ++j)
          ASSERT_NEAR(found[i][j], wanted[i][j], 1e-10) << piece.name;
    }
  }
}

TEST(Optimizer, RefusesOptionsOutOfRange) {
  OptimizerOptions o;
  o.lr = 0;
  EXPECT_EQ(test::error_of([&] { check_optimizer(o); }), "[optimizer] lr: above 0 expected, 0 found");
  o.lr = 1;
  o.beta2 = 1;
  EXPECT_EQ(test::error_of([&] { check_optimizer(o); }),
            "[optimizer] beta2: from 0 to below 1 expected, 1 found");
  o.beta2 = 0.9;
  o.warmup = 3;
  o.warmup_ratio = 0.1;
  EXPECT_THAT(test::error_of([&] { check_optimizer(o); }), testing::HasSubstr("said twice"));
}

TEST(Lora, ChangesNothingAtFirst) {
  TinyParameters whole, lora(3);
  const auto samples = random_answers(40, 6, 9);
  const PackedBatch batch = pack(whole.p->config(), samples);
  PackedModel a(*whole.p, false), b(*lora.p, false);
  EXPECT_EQ(a.forward(batch, 1, false, false).logps, b.forward(batch, 1, false, false).logps);
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
    const Tensor logits = plain_logits(decoder, decoder.tokens(input).unsqueeze(0)).squeeze(0);
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
