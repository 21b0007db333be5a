#include "kernels/rows.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>

#include "kernels/fused.h"
#include "kernels/gated.h"

namespace circuitdiff {

Tensor inverse_rms(const Tensor& x, double eps) {
  return (x * x).mean(/*dim=*/-1, /*keepdim=*/true).add_(eps).rsqrt_();
}

void rms_norm_rows(const Tensor& x, const Tensor& weight, double eps, Tensor h, Tensor inverse) {
  if (!weight.defined()) {
    h.copy_(x);
    return;
  }
  if (h.scalar_type() == weight.scalar_type() && fused_norm(x, weight, eps, h, inverse)) return;
  inverse.copy_(inverse_rms(x, eps));
  h.copy_((x * inverse).to(weight.scalar_type()).mul_(weight));
}

void rms_norm_backward_into(Tensor out, const Tensor& x, const Tensor& inverse, const Tensor& weight,
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
  rms_norm_backward_into(out, x, inverse, weight, grad);
  return out;
}

void rope_rows(const Tensor& x, const Tensor& cos, const Tensor& sin, bool backward) {
  if (fused_rotate(x, cos, sin, backward)) return;
  const int64_t half = x.size(2) / 2;
  const Tensor c = cos.narrow(1, 0, half).unsqueeze(1), s = sin.narrow(1, 0, half).unsqueeze(1);
  Tensor a = x.narrow(2, 0, half), b = x.narrow(2, half, half);
  const double sign = backward ? 1 : -1;
  const Tensor a_before = a.clone();
  a.mul_(c).addcmul_(b, s, sign);
  b.mul_(c).addcmul_(a_before, s, -sign);
}

void swiglu(const std::string& activation, const Tensor& gate, const Tensor& up, Tensor out) {
  if (activation == "silu" && fused_gated(gate, up, out)) return;
  out.copy_(gated(activation, gate, up));
}

void swiglu_backward(const std::string& activation, const Tensor& gate, const Tensor& up, const Tensor& d,
                     const Tensor& d_gate, const Tensor& d_up) {
  gated_backward(activation, gate, up, d, d_gate, d_up);
}

void add_to_stream(const Tensor& source, const Tensor& stream, double sign, Tensor x) {
  if (!x.is_same(stream) && fused_add_to_stream(source, stream, sign, x)) return;
  Tensor(stream).add_(source, sign);
  if (!x.is_same(stream)) x.copy_(stream);
}

}  // namespace circuitdiff
