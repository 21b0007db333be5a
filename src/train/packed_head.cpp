#include "train/packed_head.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/log_softmax.h>

#include <algorithm>

#include "kernels/product.h"
#include "model/layer.h"
#include "train/in_parts.h"

namespace circuitdiff {
namespace {

constexpr int64_t kPieceBytes = int64_t{1} << 20;  // of logits worked on at once

int64_t row_bytes(const Tensor& logits) {
  return logits.size(1) * static_cast<int64_t>(c10::elementSize(logits.scalar_type()));
}

int64_t rows_of_piece(const Tensor& logits) { return std::max<int64_t>(1, kPieceBytes / row_bytes(logits)); }

std::vector<double> on_cpu(const Tensor& values) {
  const Tensor all = values.to(at::kCPU).contiguous();
  return {all.const_data_ptr<double>(), all.const_data_ptr<double>() + all.numel()};
}

}  // namespace

at::ScalarType stream_type(at::ScalarType compute) {
  return compute == at::kDouble ? at::kDouble : at::kFloat;
}

int64_t PackedHead::rows_at_once() const {
  const auto bytes =
      p_.config().d_vocab * static_cast<int64_t>(c10::elementSize(stream_type(p_.weights().dtype())));
  return std::max<int64_t>(1, kept_bytes_ / bytes);
}

TokenFigures PackedHead::forward(const Tensor& states, const Tensor& targets, double temperature,
                                 bool with_gradient, bool with_entropy) {
  temperature_ = temperature;
  states_ = states, targets_ = targets;
  log_p_ = Tensor();
  Tensor inverse;
  const Tensor h = final_norm(p_.weights(), states, inverse);
  const int64_t answers = h.size(0), most = rows_at_once();
  const Tensor logps = at::empty({answers}, h.options().dtype(at::kDouble));
  const Tensor entropies = at::empty({with_entropy ? answers : 0}, logps.options());
  for (int64_t first = 0; first < answers; first += most) {
    const int64_t rows = std::min(most, answers - first);
    const Tensor logits =
        linear_rows(h.narrow(0, first, rows), p_.weights().lm_head()).to(stream_type(h.scalar_type()));
    const bool keep = with_gradient && answers <= most;
    in_parts(logits.device(), rows, rows_of_piece(logits), [&](int64_t begin, int64_t n) {
      Tensor piece = logits.narrow(0, begin, n);
      if (temperature != 1) piece.mul_(1 / temperature);
      const Tensor log_p = at::log_softmax(piece, /*dim=*/-1), target = targets.narrow(0, first + begin, n);
      logps.narrow(0, first + begin, n).copy_(log_p.gather(1, target.unsqueeze(1)).squeeze(1));
      if (keep) piece.copy_(log_p);
      if (with_entropy) entropies.narrow(0, first + begin, n).copy_(log_p.exp().mul_(log_p).sum(-1).neg_());
    });
    if (keep) log_p_ = logits;
  }
  return {on_cpu(logps), on_cpu(entropies)};
}

// Of log p in place to the gradient at the logits: d log p(t) / d logits = (onehot - p) / temperature, times
// scale [rows, 1].
void PackedHead::differentiate(const Tensor& log_p, int64_t begin, const Tensor& scale) const {
  Tensor(log_p).exp_().mul_(-scale).scatter_add_(1, targets_.narrow(0, begin, log_p.size(0)).unsqueeze(1),
                                                 scale);
}

Tensor PackedHead::backward(const std::vector<double>& coefficients) {
  const int64_t answers = states_.size(0), most = rows_at_once();
  const Tensor scale = at::from_blob(const_cast<double*>(coefficients.data()), {answers}, at::kDouble)
                           .to(states_.scalar_type())
                           .to(states_.device())
                           .mul(1 / temperature_)
                           .unsqueeze(1);
  Tensor inverse;
  const Tensor h = final_norm(p_.weights(), states_, inverse);
  const Tensor dh = at::empty_like(h);
  for (int64_t first = 0; first < answers; first += most) {
    const int64_t rows = std::min(most, answers - first);
    const Tensor x = h.narrow(0, first, rows);
    const bool kept = log_p_.defined();
    const Tensor logits = kept ? log_p_ : linear_rows(x, p_.weights().lm_head()).to(states_.scalar_type());
    in_parts(logits.device(), rows, rows_of_piece(logits), [&](int64_t begin, int64_t n) {
      Tensor piece = logits.narrow(0, begin, n);
      if (!kept) piece.copy_(at::log_softmax(piece.mul_(1 / temperature_), /*dim=*/-1));
      differentiate(piece, first + begin, scale.narrow(0, first + begin, n));
    });
    const Tensor d_logits = logits.to(h.scalar_type());
    p_.head().add(x, d_logits);
    linear_backward_into(dh.narrow(0, first, rows), d_logits, p_.weights().lm_head());
  }
  log_p_ = Tensor();
  p_.norm().add(states_, inverse, dh);
  return final_norm_backward(p_.weights(), states_, inverse, dh);
}

}  // namespace circuitdiff
