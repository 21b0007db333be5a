#include "kernels/rows.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/silu_backward.h>

#include <algorithm>

#include "kernels/fused.h"

namespace circuitdiff {
namespace {

Tensor activate(Activation activation, const Tensor& gate) {
  switch (activation) {
    case Activation::silu:
      return at::silu(gate);
    case Activation::gelu:
      return at::gelu(gate);
    case Activation::gelu_pytorch_tanh:
      return at::gelu(gate, "tanh");
    case Activation::relu:
      return at::relu(gate);
  }
  return {};
}

Tensor activate_backward(Activation activation, const Tensor& grad, const Tensor& gate) {
  switch (activation) {
    case Activation::silu:
      return at::silu_backward(grad, gate);
    case Activation::gelu:
      return at::gelu_backward(grad, gate);
    case Activation::gelu_pytorch_tanh:
      return at::gelu_backward(grad, gate, "tanh");
    case Activation::relu:
      return grad * (gate > 0);
  }
  return {};
}

}  // namespace

Tensor inverse_rms(const Tensor& x, double eps) {
  return (x * x).mean(/*dim=*/-1, /*keepdim=*/true).add_(eps).rsqrt_();
}

void rms_norm(const Tensor& x, const Tensor& weight, double eps, Tensor h, Tensor inverse) {
  if (!weight.defined()) {
    h.copy_(x);
    return;
  }
  if (h.scalar_type() == weight.scalar_type() && fused_norm(x, weight, eps, h, inverse)) return;
  inverse.copy_(inverse_rms(x, eps));
  h.copy_((x * inverse).to(weight.scalar_type()).mul_(weight));
}

void rms_norm_backward(Tensor out, const Tensor& x, const Tensor& inverse, const Tensor& weight,
                       const Tensor& grad, Tensor total) {
  if (weight.defined() && fused_norm_backward(x, inverse, weight, grad, out, total)) return;
  out.copy_(grad);
  if (weight.defined()) {
    // y = x r w, r = (mean x^2 + eps)^-1/2:  dx = r (w dy) - x r^3 mean(x w dy)
    out.mul_(weight);
    const Tensor along = (out * x).mean(/*dim=*/-1, /*keepdim=*/true).mul_(inverse).mul_(inverse);
    out.sub_(x * along).mul_(inverse);
  }
  if (total.defined()) total.add_(out);
}

Tensor rms_norm_backward(const Tensor& x, const Tensor& inverse, const Tensor& weight, const Tensor& grad) {
  const Tensor out = at::empty_like(x);
  rms_norm_backward(out, x, inverse, weight, grad);
  return out;
}

void rope_in_place(const Tensor& x, const Tensor& cos, const Tensor& sin, bool backward) {
  if (fused_rotate(x, cos, sin, backward)) return;
  const int64_t half = x.size(2) / 2;
  const Tensor c = cos.narrow(1, 0, half).unsqueeze(1), s = sin.narrow(1, 0, half).unsqueeze(1);
  Tensor a = x.narrow(2, 0, half), b = x.narrow(2, half, half);
  const double sign = backward ? 1 : -1;
  const Tensor a_before = a.clone();
  a.mul_(c).addcmul_(b, s, sign);
  b.mul_(c).addcmul_(a_before, s, -sign);
}

void swiglu(Activation activation, const Tensor& gate, const Tensor& up, Tensor out) {
  if (activation == Activation::silu && fused_gated(gate, up, out)) return;
  out.copy_(activate(activation, gate).mul_(up));
}

void swiglu_backward(Activation activation, const Tensor& gate, const Tensor& up, const Tensor& d,
                     Tensor d_gate, Tensor d_up) {
  if (activation == Activation::silu && fused_gated_backward(gate, up, d, d_gate, d_up)) return;
  // Plain operations hold two further tensors: a piece at a time.
  constexpr int64_t kPiece = int64_t{1} << 22;  // numbers
  const int64_t rows = gate.size(0), step = std::max<int64_t>(1, kPiece / gate.size(1));
  if (rows > step) {
    for (int64_t begin = 0; begin < rows; begin += step) {
      const auto part = [&](const Tensor& t) { return t.narrow(0, begin, std::min(step, rows - begin)); };
      swiglu_backward(activation, part(gate), part(up), part(d), part(d_gate), part(d_up));
    }
    return;
  }
  const Tensor of_gate = activate_backward(activation, d * up, gate);
  d_up.copy_(activate(activation, gate).mul_(d));
  d_gate.copy_(of_gate);
}

void add_to_stream(const Tensor& source, const Tensor& stream, double sign, Tensor x) {
  if (!x.is_same(stream) && fused_add_to_stream(source, stream, sign, x)) return;
  Tensor(stream).add_(source, sign);
  if (!x.is_same(stream)) x.copy_(stream);
}

}  // namespace circuitdiff
