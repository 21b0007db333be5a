#include "model/flash_attention.h"

#include <ATen/Context.h>
#include <ATen/ops/_flash_attention_backward.h>
#include <ATen/ops/_flash_attention_forward.h>

#include <tuple>

#include "kernels/gpu/device_kernels.h"

namespace circuitdiff {
namespace {

// The kernel adds up gradients in an order of its own unless libtorch is told to be deterministic.
class Deterministic {
 public:
  Deterministic()
      : was_(at::globalContext().deterministicAlgorithms()),
        warned_(at::globalContext().deterministicAlgorithmsWarnOnly()),
        filled_(at::globalContext().deterministicFillUninitializedMemory()) {
    at::globalContext().setDeterministicFillUninitializedMemory(false);
    at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
  }
  ~Deterministic() {
    at::globalContext().setDeterministicAlgorithms(was_, warned_);
    at::globalContext().setDeterministicFillUninitializedMemory(filled_);
  }
  Deterministic(const Deterministic&) = delete;
  Deterministic& operator=(const Deterministic&) = delete;

 private:
  bool was_, warned_, filled_;
};

auto forward(const ModelConfig& config, const Tensor& q, const Tensor& k, const Tensor& v,
             const FlashRows& rows, int64_t window) {
  return at::_flash_attention_forward(q, k, v, rows.starts, rows.starts, rows.longest, rows.longest,
                                      /*dropout_p=*/0.0,
                                      /*is_causal=*/true, /*return_debug_mask=*/false, config.attention_scale,
                                      window > 0 ? std::optional<int64_t>(window - 1) : std::nullopt,
                                      window > 0 ? std::optional<int64_t>(0) : std::nullopt);
}

}  // namespace

bool flash_knows(const ModelConfig& config, at::ScalarType type) {
  return type == at::kBFloat16 && config.attention_softcap <= 0 && config.d_head <= 256 &&
         config.d_head % 8 == 0;
}

bool can_flash(const ModelConfig& config, const Tensor& q, const FlashRows& rows) {
  return rows.starts.defined() && rows.longest > 1 && q.device().is_cuda() &&
         flash_knows(config, q.scalar_type()) && compute_capability(q.device()) >= 80;
}

Tensor flash_attention(const ModelConfig& config, const Tensor& q, const Tensor& k, const Tensor& v,
                       const FlashRows& rows, int64_t window) {
  return std::get<0>(forward(config, q, k, v, rows, window));
}

std::array<Tensor, 3> flash_attention_backward(const ModelConfig& config, const Tensor& q, const Tensor& k,
                                               const Tensor& v, const Tensor& grad, const FlashRows& rows,
                                               int64_t window) {
  const auto [out, log_sums, seed, unused, debug] = forward(config, q, k, v, rows, window);
  const Deterministic deterministic;
  auto [dq, dk, dv] = at::_flash_attention_backward(
      grad, q, k, v, out, log_sums, rows.starts, rows.starts, rows.longest, rows.longest, /*dropout_p=*/0.0,
      /*is_causal=*/true, seed, unused, config.attention_scale,
      window > 0 ? std::optional<int64_t>(window - 1) : std::nullopt,
      window > 0 ? std::optional<int64_t>(0) : std::nullopt);
  return {dq, dk, dv};
}

}  // namespace circuitdiff
