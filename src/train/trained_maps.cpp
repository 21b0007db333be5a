// Forward and backward of the maps that have weights of their own: linear ones, with their LoRA factors, and
// norms. Gradients of weights are added to what is there; those of inputs are returned.
#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>

#include "kernels/fused.h"
#include "kernels/product.h"
#include "model/packed.h"
#include "train/parameters.h"

namespace circuitdiff {

Tensor TrainedLinear::forward(const Tensor& x) const { return linear_rows(x, weight, bias); }

void TrainedLinear::accumulate(const Tensor& x, const Tensor& dy) const {
  if (weight_grad.defined()) add_weight_gradient(weight_grad, dy, x);
  if (bias_grad.defined()) {
    Tensor into = bias_grad;
    into.add_(dy.sum(/*dim=*/0, /*keepdim=*/false, into.scalar_type()));
  }
  for (const LoraFactor& f : lora) {
    // y = s B A x: dB = s dY^T (X A^T), dA = s (dY B)^T X; the product B A itself never has a gradient.
    const Tensor d = dy.narrow(1, f.row, f.b.size(0));
    const at::ScalarType type = x.scalar_type();
    Tensor a_grad = f.a_grad, b_grad = f.b_grad;
    b_grad.add_(d.t().mm(x.mm(f.a.to(type).t())), f.scale);
    a_grad.add_(d.mm(f.b.to(type)).t().mm(x), f.scale);
  }
}

Tensor TrainedLinear::backward(const Tensor& x, const Tensor& dy) const {
  accumulate(x, dy);
  return linear_rows_backward(dy, weight);
}

Tensor TrainedNorm::forward(const Tensor& x, double eps, Tensor& inverse) const {
  const Tensor rows = x.reshape({-1, x.size(-1)});
  if (Tensor h; fused_norm(rows, weight, eps, h, inverse)) return h.view(x.sizes());
  inverse = inverse_rms(rows, eps);
  return (rows * inverse).to(weight.scalar_type()).mul_(weight).view(x.sizes());
}

Tensor TrainedNorm::backward(const Tensor& x, const Tensor& inverse, const Tensor& dy) const {
  const Tensor grad = dy.to(x.scalar_type());
  if (Tensor into = weight_grad; into.defined())
    into.add_((x * inverse).mul_(grad).sum(/*dim=*/0, /*keepdim=*/false, into.scalar_type()));
  return rms_norm_backward(x, inverse, weight, grad);
}

}  // namespace circuitdiff
