// PPO's value head: its gradient is autograd's, in one part or in several, and a step is AdamW's, clipped.
#include "train/value_head.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>

#include "train/optimizer.h"
#include "train_support.h"

namespace circuitdiff {
namespace {

constexpr int64_t kModel = 6, kHidden = 5, kAnswers = 9;

Tensor drawn(std::vector<int64_t> shape, uint64_t seed) {
  Tensor t = at::empty(shape, at::kDouble);
  Philox random(seed);
  for (int64_t i = 0; i < t.numel(); ++i) t.data_ptr<double>()[i] = random.normal();
  return t;
}

TEST(ValueHead, LearnsByTheGradientOfHalfTheSquaredError) {
  ValueHead head(kModel, kHidden, 1e-2, 3, at::TensorOptions().dtype(at::kDouble));
  Tensor(head.flat()).copy_(drawn({head.flat().numel()}, 1));
  const Tensor states = drawn({kAnswers, kModel}, 2), returns = drawn({kAnswers}, 5) * 3;
  std::vector<double> wanted(returns.data_ptr<double>(), returns.data_ptr<double>() + kAnswers);

  const Tensor leaf = head.flat().clone().requires_grad_();
  const int64_t n = kHidden * kModel;
  const Tensor hidden =
      (states.matmul(leaf.narrow(0, 0, n).view({kHidden, kModel}).t()) + leaf.narrow(0, n, kHidden)).tanh();
  const Tensor values =
      hidden.matmul(leaf.narrow(0, n + kHidden, kHidden)) + leaf.narrow(0, n + 2 * kHidden, 1);
  const Tensor loss = 0.5 * (values - returns).square().mean();
  const Tensor grad = torch::autograd::grad({loss}, {leaf})[0];

  const auto found = head.values(states);
  for (int64_t i = 0; i < kAnswers; ++i)
    EXPECT_NEAR(found[static_cast<size_t>(i)], values[i].item<double>(), 1e-12);

  // In two parts, as micro-batches come.
  double sum = 0;
  for (const int64_t begin : {0, 4}) {
    const int64_t count = begin == 0 ? 4 : kAnswers - 4;
    sum += head.backward(states.narrow(0, begin, count),
                         {wanted.begin() + begin, wanted.begin() + begin + count}, 1.0 / kAnswers);
  }
  EXPECT_NEAR(sum, loss.item<double>(), 1e-12);

  // The step: clipped to length 1, then AdamW.
  Tensor expected = head.flat().clone(), first = at::zeros_like(expected), second = at::zeros_like(expected);
  const double length = grad.norm().item<double>();
  ASSERT_GT(length, 1);
  adamw_update(expected, grad / (length + 1e-6), first, second, 1e-2, 0.9, 0.99, 1e-8, 0, 1);
  head.step();
  EXPECT_LT((head.flat() - expected).abs().max().item<double>(), 1e-10);
}

}  // namespace
}  // namespace circuitdiff
