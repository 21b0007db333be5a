// Gradients of what has weights of its own: linear maps, with their LoRA factors, and norms. They are added
// to what is there.
#include <ATen/TensorOperators.h>

#include "base/error.h"
#include "kernels/product.h"
#include "train/parameters.h"

namespace circuitdiff {

void TrainedLinear::add(const Tensor& x, const Tensor& dy) const {
  if (weight_grad.defined()) add_weight_gradient(weight_grad, dy, x);
  if (bias_grad.defined()) {
    Tensor into = bias_grad;
    into.add_(dy.sum(/*dim=*/0, /*keepdim=*/false, into.scalar_type()));
  }
  if (!lora) return;
  // y = s B A x: dB = s dY' (X A'), dA = s (dY B)' X; the product B A itself never has a gradient.
  const at::ScalarType type = x.scalar_type();
  Tensor a_grad = lora->a_grad, b_grad = lora->b_grad;
  b_grad.add_(dy.t().mm(x.mm(lora->a.to(type).t())), lora->scale);
  a_grad.add_(dy.mm(lora->b.to(type)).t().mm(x), lora->scale);
}

void TrainedNorm::add(const Tensor& x, const Tensor& inverse, const Tensor& dy) const {
  if (Tensor into = weight_grad; into.defined())
    into.add_((x * inverse).mul_(dy).sum(/*dim=*/0, /*keepdim=*/false, into.scalar_type()));
}

void TrainedLayer::norm(Member weight, const Tensor& x, const Tensor& inverse, const Tensor& dy) {
  for (const auto& [member, norm] : norms)
    if (member == weight) return norm.add(x, inverse, dy);
  fail("a norm without gradients of its own is trained");
}

TrainedLinear& TrainedLayer::map(Member weight) {
  for (auto& [member, map] : maps)
    if (member == weight) return map;
  fail("a map without gradients of its own is trained");
}

}  // namespace circuitdiff
