// The middle of an MLP, activation(gate) * up, and its gradient: one pass over memory where the CPU's row
// jobs can do it, plain operations elsewhere.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace circuitdiff {

using at::Tensor;

// gate, up: [rows, d_mlp], also as columns of a wider tensor -> [rows, d_mlp]
Tensor gated(const std::string& activation, const Tensor& gate, const Tensor& up);
// The same for the last reader of gate, whose place the product may take. Returns the product.
Tensor gated_over_gate(const std::string& activation, const Tensor& gate, const Tensor& up);

// d: gradient of that product. d_gate and d_up may be gate and up themselves, or d_gate may be d.
void gated_backward(const std::string& activation, const Tensor& gate, const Tensor& up, const Tensor& d,
                    Tensor d_gate, Tensor d_up);

}  // namespace circuitdiff
