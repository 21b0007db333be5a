// PPO's value head: v = w2 . tanh(W1 h + b1) + b2 over the model's final states, which it never changes; with
// its own AdamW. Loss: mean over tokens of (v - return)^2 / 2.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace circuitdiff {

class ValueHead {
 public:
  ValueHead(int64_t d_model, int64_t hidden, double lr, uint64_t seed, const at::TensorOptions& options);
  // states: [answers, d_model] -> one value an answer token.
  std::vector<double> values(const at::Tensor& states) const;
  // Adds the gradient of sum_t weight * (v_t - returns_t)^2 / 2 and returns that sum.
  double backward(const at::Tensor& states, const std::vector<double>& returns, double weight);
  void step();  // AdamW, clipped to norm 1, and the gradient back to 0
  const at::Tensor& flat() const { return values_; }
  // For the trainer's state: values, moments, and how many steps were made.
  std::vector<at::Tensor*> state() { return {&values_, &first_, &second_}; }
  int64_t steps = 0;

 private:
  struct Views {
    at::Tensor w1, b1, w2, b2;
  };
  Views views(const at::Tensor& flat) const;
  int64_t d_model_, hidden_;
  double lr_;
  at::Tensor values_, grads_, first_, second_;
};

}  // namespace circuitdiff
