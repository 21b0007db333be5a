#include "model/rope.h"

#include <ATen/ops/empty.h>

#include <cmath>
#include <numbers>
#include <vector>

namespace circuitdiff {
namespace {

// Inverse frequencies of one head, d_head / 2 of them, in double.
std::vector<double> inverse_frequencies(const ModelConfig& config, int64_t sequence_length) {
  const Rope& rope = config.rope;
  const auto d = static_cast<double>(config.d_head);
  double theta = rope.theta;
  if (rope.type == RopeType::dynamic && sequence_length > rope.original_max_positions) {
    // NTK-aware: the base grows with the sequence, as transformers' _compute_dynamic_ntk_parameters.
    const double ratio =
        static_cast<double>(sequence_length) / static_cast<double>(rope.original_max_positions);
    theta *= std::pow(rope.factor * ratio - (rope.factor - 1.0), d / (d - 2.0));
  }
  std::vector<double> out;
  for (int64_t i = 0; i < config.d_head / 2; ++i) {
    double f = std::pow(theta, -2.0 * static_cast<double>(i) / d);
    if (rope.type == RopeType::longrope)
      f /= (sequence_length > rope.original_max_positions ? rope.long_factor
                                                          : rope.short_factor)[static_cast<size_t>(i)];
    if (rope.type == RopeType::linear) f /= rope.factor;
    if (rope.type == RopeType::llama3) {
      // Long wavelengths are stretched by `factor`, short ones kept, those between blended.
      const double length = static_cast<double>(rope.original_max_positions);
      const double wavelength = 2.0 * std::numbers::pi / f;
      if (wavelength > length / rope.low_freq_factor) {
        f /= rope.factor;
      } else if (wavelength >= length / rope.high_freq_factor) {
        const double smooth =
            (length / wavelength - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor);
        f = (1.0 - smooth) * f / rope.factor + smooth * f;
      }
    }
    out.push_back(f);
  }
  return out;
}

}  // namespace

RopeTable rope_table(const ModelConfig& config, int64_t first, int64_t n, int64_t sequence_length,
                     const at::TensorOptions& options) {
  const std::vector<double> f = inverse_frequencies(config, sequence_length);
  const int64_t half = config.d_head / 2;
  Tensor cos = at::empty({n, config.d_head}, at::kDouble);
  Tensor sin = at::empty({n, config.d_head}, at::kDouble);
  double* c = cos.data_ptr<double>();
  double* s = sin.data_ptr<double>();
  for (int64_t p = 0; p < n; ++p)
    for (int64_t i = 0; i < config.d_head; ++i) {
      const double angle = static_cast<double>(first + p) * f[static_cast<size_t>(i % half)];
      *c++ = std::cos(angle) * config.rope.attention_factor;
      *s++ = std::sin(angle) * config.rope.attention_factor;
    }
  return {cos.to(options), sin.to(options)};
}

}  // namespace circuitdiff
