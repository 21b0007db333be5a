#include "kernels/gated.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/silu_backward.h>

#include <algorithm>

#include "base/error.h"
#include "kernels/fused.h"

namespace circuitdiff {
namespace {

Tensor activate(const std::string& name, const Tensor& gate) {
  if (name == "silu") return at::silu(gate);
  if (name == "gelu") return at::gelu(gate);
  if (name == "gelu_pytorch_tanh") return at::gelu(gate, "tanh");
  if (name == "relu") return at::relu(gate);
  fail("activation \"{}\" is not known", name);
}

Tensor activate_in_place(const std::string& name, Tensor gate) {
  if (name == "silu") return at::silu_(gate);
  if (name == "gelu") return at::gelu_(gate);
  if (name == "gelu_pytorch_tanh") return at::gelu_(gate, "tanh");
  if (name == "relu") return at::relu_(gate);
  fail("activation \"{}\" is not known", name);
}

Tensor activate_backward(const std::string& name, const Tensor& grad, const Tensor& gate) {
  if (name == "silu") return at::silu_backward(grad, gate);
  if (name == "gelu") return at::gelu_backward(grad, gate);
  if (name == "gelu_pytorch_tanh") return at::gelu_backward(grad, gate, "tanh");
  if (name == "relu") return grad * (gate > 0);
  fail("activation \"{}\" is not known", name);
}

}  // namespace

Tensor gated(const std::string& activation, const Tensor& gate, const Tensor& up) {
  Tensor out;
  if (activation == "silu" && fused_gated(gate, up, out)) return out;
  return activate(activation, gate).mul_(up);
}

Tensor gated_over_gate(const std::string& activation, const Tensor& gate, const Tensor& up) {
  Tensor out = gate.device().is_cpu() ? gate : Tensor();
  if (activation == "silu" && fused_gated(gate, up, out)) return out;
  return activate_in_place(activation, gate).mul_(up);
}

void gated_backward(const std::string& activation, const Tensor& gate, const Tensor& up, const Tensor& d,
                    Tensor d_gate, Tensor d_up) {
  if (activation == "silu" && fused_gated_backward(gate, up, d, d_gate, d_up)) return;
  // Plain operations hold two further tensors: a piece at a time.
  constexpr int64_t kPiece = int64_t{1} << 22;  // numbers
  const int64_t rows = gate.size(0), step = std::max<int64_t>(1, kPiece / gate.size(1));
  if (rows > step) {
    for (int64_t begin = 0; begin < rows; begin += step) {
      const auto part = [&](const Tensor& t) { return t.narrow(0, begin, std::min(step, rows - begin)); };
      gated_backward(activation, part(gate), part(up), part(d), part(d_gate), part(d_up));
    }
    return;
  }
  const Tensor of_gate = activate_backward(activation, d * up, gate);
  d_up.copy_(activate(activation, gate).mul_(d));
  d_gate.copy_(of_gate);
}

}  // namespace circuitdiff
