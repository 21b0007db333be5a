// The functions of fused.h, and those that only a GPU has, on a CUDA device: each says whether it could do
// the work (tensors on one GPU, float32 or bfloat16 where the job allows it, laid out in whole rows of a
// multiple of eight numbers); where it could not, the caller goes on with plain operations, which are the
// oracle. Results go into the places that are given; places that are not defined are made.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace circuitdiff {

using at::Tensor;

bool device_norm(const Tensor& x, const Tensor& weight, double eps, Tensor& h, Tensor& inverse);
// total [rows, d] += out, where defined.
bool device_norm_backward(const Tensor& x, const Tensor& inverse, const Tensor& weight, const Tensor& grad,
                          const Tensor& out, const Tensor& total = {});
bool device_gated(const Tensor& gate, const Tensor& up, Tensor& out);
bool device_gated_backward(const Tensor& gate, const Tensor& up, const Tensor& d, const Tensor& d_gate,
                           const Tensor& d_up);
bool device_rotate(const Tensor& x, const Tensor& cos, const Tensor& sin, bool backwards);
// stream += sign * source in float64, and x = the stream in float32. All [rows, d_model].
bool device_add_to_stream(const Tensor& source, const Tensor& stream, double sign, Tensor& x);

// Up to four destinations' gradients meet the sources ahead of them in one reading of the sources.
struct DeviceContraction {
  Tensor sources;    // [n, rows, d_model], float32 or bfloat16
  Tensor stretches;  // int64 [k, 3]: where in a source's rows, where in a gradient's rows, how many numbers
  Tensor first_stretch;  // int64 [prefixes + 1]
  Tensor totals;         // float32 [prefixes, n_forward, n_backward]
  int64_t from = 0;      // row of `totals` of the first source
  int64_t first = 0;     // column of the first destination
  double weight = 1;
};
// gradients: [gradient_rows, d_model] each, float32; before[j]: how many of `sources` destination first + j
// sees.
bool device_contract(const DeviceContraction& c, const std::vector<Tensor>& gradients,
                     const std::vector<int64_t>& before);

// A copy of a small CPU tensor on `device`. To a GPU through pinned memory of its own, so that the host does
// not wait for what the GPU has yet to do.
Tensor upload(const Tensor& host, at::Device device);

}  // namespace circuitdiff
