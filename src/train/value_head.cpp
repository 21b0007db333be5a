#include "train/value_head.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>

#include "base/random.h"
#include "train/optimizer.h"

namespace circuitdiff {

using at::Tensor;

ValueHead::ValueHead(int64_t d_model, int64_t hidden, double lr, uint64_t seed,
                     const at::TensorOptions& options)
    : d_model_(d_model), hidden_(hidden), lr_(lr) {
  values_ = at::zeros({hidden * d_model + 2 * hidden + 1}, options);
  Tensor drawn = at::zeros(values_.sizes(), at::kDouble);
  Philox random(seed, 0, /*b=*/0x56414c55);
  for (int64_t i = 0; i < hidden * d_model; ++i)
    drawn.data_ptr<double>()[i] = random.normal() / std::sqrt(static_cast<double>(d_model));
  values_.copy_(drawn);  // w2 is 0: the first values are too
  grads_ = at::zeros_like(values_);
  first_ = at::zeros_like(values_);
  second_ = at::zeros_like(values_);
}

ValueHead::Views ValueHead::views(const Tensor& flat) const {
  const int64_t n = hidden_ * d_model_;
  return {flat.narrow(0, 0, n).view({hidden_, d_model_}), flat.narrow(0, n, hidden_),
          flat.narrow(0, n + hidden_, hidden_), flat.narrow(0, n + 2 * hidden_, 1)};
}

std::vector<double> ValueHead::values(const Tensor& states) const {
  const Views w = views(values_);
  const Tensor h = states.to(values_.scalar_type()).mm(w.w1.t()).add_(w.b1).tanh_();
  const Tensor v = (h.mv(w.w2) + w.b2).to(at::kCPU, at::kDouble).contiguous();
  return {v.const_data_ptr<double>(), v.const_data_ptr<double>() + v.numel()};
}

double ValueHead::backward(const Tensor& states, const std::vector<double>& returns, double weight) {
  const Views w = views(values_), g = views(grads_);
  const Tensor x = states.to(values_.scalar_type());
  const Tensor h = x.mm(w.w1.t()).add_(w.b1).tanh_();  // [answers, hidden]
  const Tensor target = at::from_blob(const_cast<double*>(returns.data()), {x.size(0)}, at::kDouble)
                            .to(values_.device(), values_.scalar_type());
  const Tensor error = h.mv(w.w2) + w.b2 - target;
  const Tensor dv = error * weight;
  const Tensor dh = dv.unsqueeze(1) * w.w2 * (1 - h * h);
  Tensor(g.w1).add_(dh.t().mm(x));
  Tensor(g.b1).add_(dh.sum(0));
  Tensor(g.w2).add_(h.t().mv(dv));
  Tensor(g.b2).add_(dv.sum());
  return 0.5 * weight * (error * error).sum().item<double>();
}

void ValueHead::step() {
  const double norm = length_of(grads_);
  if (norm > 1) grads_.mul_(1 / (norm + 1e-6));
  adamw_update(values_, grads_, first_, second_, lr_, 0.9, 0.99, 1e-8, 0, ++steps);
  grads_.zero_();
}

}  // namespace circuitdiff
