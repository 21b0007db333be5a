// Elementwise operations of a layer on rows, each into a place that is there: by the CPU's or the GPU's
// kernels where they know the types, else by plain operations.
#pragma once

#include <ATen/core/Tensor.h>

#include "base/activation.h"

namespace circuitdiff {

using at::Tensor;

// 1 / sqrt(mean(x^2) + eps) of each row, [rows, 1].
Tensor inverse_rms(const Tensor& x, double eps);

// h = x / rms(x) * weight, rounded to the weight's dtype and then to h's, and inverse = 1 / rms(x) [rows, 1].
// x: [rows, d], float32 at least. Without a norm (weight undefined), h = x.
void rms_norm(const Tensor& x, const Tensor& weight, double eps, Tensor h, Tensor inverse);
// out = the input gradient of that norm, from grad [rows, d] at its output; total, if defined, += out.
// Without a norm, out = grad.
void rms_norm_backward(Tensor out, const Tensor& x, const Tensor& inverse, const Tensor& weight,
                       const Tensor& grad, Tensor total = {});
Tensor rms_norm_backward(const Tensor& x, const Tensor& inverse, const Tensor& weight, const Tensor& grad);

// Turns each pair (i, i + d_head / 2) of x [rows, heads, d_head] by the row's angle, in place; `backward`:
// back.
void rope_in_place(const Tensor& x, const Tensor& cos, const Tensor& sin, bool backward);

// out = activation(gate) * up, [rows, d_mlp]; out may be gate.
void swiglu(Activation activation, const Tensor& gate, const Tensor& up, Tensor out);
// Its gradients from d at the product. d_gate and d_up may be gate and up themselves.
void swiglu_backward(Activation activation, const Tensor& gate, const Tensor& up, const Tensor& d,
                     Tensor d_gate, Tensor d_up);

// stream += sign * source in float64, and x = the stream in x's dtype (x may be the stream). [rows, d_model]
void add_to_stream(const Tensor& source, const Tensor& stream, double sign, Tensor x);

}  // namespace circuitdiff
