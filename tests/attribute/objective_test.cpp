// Losses and their gradient, in pieces of the vocabulary and groups of rows, against log-softmax written out
// and differentiated in float64 on the same numbers.
#include "attribute/objective.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/logaddexp.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/temp_folder.h"
#include "support/tiny_checkpoint.h"

namespace circuitdiff {
namespace {

constexpr int64_t kWidth = 1024, kVocab = 9001;  // three pieces, the last of them smaller

struct TextbookLosses {
  Tensor nll, error, objective, gradient;
};

TextbookLosses textbook_losses(const Decoder& decoder, Objective objective, const Tensor& x,
                               const Tensor& targets) {
  const ModelConfig& c = decoder.config();
  const auto exact = [](const Tensor& t) { return t.to(at::kDouble); };
  const at::AutoGradMode with_gradient(true);
  const Tensor stream = exact(x).detach().requires_grad_(true);
  const Tensor h =
      stream * (stream.square().mean(-1, true) + c.norm_eps).rsqrt() * exact(decoder.weights().norm());
  Tensor z = h.matmul(exact(decoder.weights().lm_head()).t());
  if (c.final_softcap > 0) z = (z / c.final_softcap).tanh() * c.final_softcap;
  const Tensor at_target = targets.unsqueeze(1), own = z.gather(-1, at_target);
  // log((1 - p) / p), without the difference of numbers near 1 that a likely target would make of it.
  const Tensor against = z.scatter(-1, at_target, -INFINITY).logsumexp(-1, /*keepdim=*/true) - own;
  const Tensor nll = at::logaddexp(against, at::zeros_like(against)), log_p = z - own - nll;
  TextbookLosses out{nll, against.sigmoid(), nll, {}};
  if (objective == Objective::logit) out.objective = z.mean(-1, true) - own;
  if (objective == Objective::entropy) out.objective = -(log_p.exp() * log_p).sum(-1);
  out.objective.sum().backward();
  out.gradient = stream.grad();
  return out;
}

struct Type {
  at::ScalarType dtype;
  double tolerance;
};

class RowLossesOf : public testing::TestWithParam<Type> {};

// Rows of every kind: any stream; one whose target is likely (1 - p below 1e-5), whose tiny gradient is
// as exact as any; one whose target is unlikely.
TEST_P(RowLossesOf, AreThoseOfTheFormulas) {
  const at::NoGradGuard no_grad;
  const TemporaryFolder folder;
  at::manual_seed(1);  // whatever other tests have drawn
  for (const bool capped : {false, true}) {
    TinyModel model;
    model.n_layers = 1, model.d_model = kWidth, model.d_vocab = kVocab, model.gemma2 = capped;
    model.edit = [](const std::string& name, std::vector<float>& values) {
      if (name == "lm_head.weight")
        for (float& v : values) v *= 0.1F;
    };
    write_tiny_checkpoint(folder.path(), model);
    const Decoder decoder(Checkpoint::open(folder.path()), at::kCPU, GetParam().dtype);
    const at::ScalarType wide = GetParam().dtype == at::kDouble ? at::kDouble : at::kFloat;
    const Tensor head = decoder.weights().lm_head().to(wide);
    for (const Objective objective : {Objective::nll, Objective::logit, Objective::entropy}) {
      // Once two groups of rows, each with some of those that are compared.
      const bool in_groups = objective == Objective::nll && !capped;
      const int64_t rows = 7 + (in_groups ? logit_rows(decoder.config(), GetParam().dtype, at::kCPU) : 5);
      Tensor x = at::randn({rows, kWidth}).to(wide);
      const Tensor targets = at::randint(kVocab, {rows}, at::kLong);
      const Tensor compared = at::cat({at::arange(6), at::arange(rows - 6, rows)});
      targets[0] = kVocab - 1, targets[1] = 0, targets[2] = 4096, targets[3] = 4095;
      for (const int64_t row : {int64_t{0}, int64_t{1}, int64_t{2}, rows - 1})
        x[row] = head[targets[row].item<int64_t>()] * 40;
      x[3] = head[7] * 40;
      const RowLosses found = row_losses(decoder, objective, x, targets, /*with_gradient=*/true);
      const TextbookLosses expected =
          textbook_losses(decoder, objective, x.index_select(0, compared), targets.index_select(0, compared));
      if (!capped) {
        EXPECT_LT(expected.error[0].item<double>(), 1e-5);
      }
      // Each number relative to itself, or to `least` where that is more.
      const auto compare = [&](const char* what, const Tensor& of_all, const Tensor& of_compared,
                               double least) {
        const Tensor values = of_all.index_select(0, compared).to(at::kDouble).view({12, -1}),
                     wanted = of_compared.detach().view({12, -1});
        for (int64_t i = 0; i < 12; ++i) {
          const double scale = std::max(least, wanted[i].abs().max().item<double>());
          EXPECT_LT((values[i] - wanted[i]).abs().max().item<double>() / scale, GetParam().tolerance)
              << what << " of row " << i << ", objective " << to_word(objective)
              << (capped ? ", capped" : "");
        }
      };
      compare("nll", found.nll, expected.nll, 1e-12);
      compare("error", found.error, expected.error, 1e-12);
      // A certain row's entropy is lost beside the 1 that its probabilities add up to; a logit may be near 0.
      const bool is_entropy = objective == Objective::entropy;
      const double least = objective == Objective::nll ? 1e-12 : is_entropy ? 1e-2 : 1.0;
      compare("objective", found.objective, expected.objective, least);
      compare("gradient", found.gradient, expected.gradient, is_entropy ? 1e-2 : 1e-12);
      const RowLosses alone = row_losses(decoder, objective, x, targets, /*with_gradient=*/false);
      EXPECT_TRUE(alone.objective.equal(found.objective) && alone.nll.equal(found.nll));
    }
  }
}

// Nor is a target whose logit overflowed a sure token with nothing to attribute.
TEST_P(RowLossesOf, AreNoNumbersWhereALogitIsInfinite) {
  const at::NoGradGuard no_grad;
  const TemporaryFolder folder;
  TinyModel model;
  model.n_layers = 1, model.d_model = 64, model.d_vocab = 20;
  model.edit = [](const std::string& name, std::vector<float>& values) {
    if (name == "lm_head.weight") values[5 * 64] = INFINITY;
  };
  write_tiny_checkpoint(folder.path(), model);
  const Decoder decoder(Checkpoint::open(folder.path()), at::kCPU, GetParam().dtype);
  const Tensor x = at::ones({2, 64}, GetParam().dtype == at::kDouble ? at::kDouble : at::kFloat);
  const Tensor targets = at::arange(5, 7);
  for (const Objective objective : {Objective::nll, Objective::logit, Objective::entropy}) {
    const RowLosses found = row_losses(decoder, objective, x, targets, /*with_gradient=*/true);
    for (const Tensor& t : {found.nll, found.objective, found.gradient}) {
      EXPECT_FALSE(t[0].isfinite().any().item<bool>()) << to_word(objective);
      EXPECT_FALSE(t[1].isfinite().any().item<bool>()) << to_word(objective);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, RowLossesOf,
                         testing::Values(Type{at::kDouble, 1e-12}, Type{at::kFloat, 3e-5},
                                         Type{at::kBFloat16, 0.1}),
                         [](const auto& test) { return dtype_name(test.param.dtype); });

}  // namespace
}  // namespace circuitdiff
