#include "attribute/objective.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

#include "model/packed.h"

namespace circuitdiff {
namespace {

void append(std::vector<double>& out, const Tensor& values) {
  const Tensor v = values.to(at::kCPU, at::kDouble).contiguous();
  out.insert(out.end(), v.data_ptr<double>(), v.data_ptr<double>() + v.numel());
}

// log of the sum of exp of each row, a piece of the vocabulary at a time, so that no second [rows, d_vocab]
// is held.
Tensor log_sum_exp(const Tensor& logits, int64_t piece) {
  const Tensor largest = logits.amax(/*dim=*/-1, /*keepdim=*/true);
  Tensor sum = at::zeros_like(largest);
  for (int64_t v = 0; v < logits.size(1); v += piece)
    sum.add_((logits.narrow(1, v, std::min(piece, logits.size(1) - v)) - largest)
                 .exp_()
                 .sum(/*dim=*/-1, /*keepdim=*/true));
  return sum.log_().add_(largest);
}

}  // namespace

int64_t vocabulary_piece(const ModelConfig& config) {
  constexpr int64_t kPieceBytes = int64_t{32} << 20;  // of a piece of lm_head in float32
  return std::clamp<int64_t>(kPieceBytes / (config.d_model * 4), 1, config.d_vocab);
}

int64_t logit_rows(const ModelConfig& config, at::ScalarType dtype) {
  constexpr int64_t kLogitBytes = int64_t{96} << 20;  // of the logits held at once
  return std::max<int64_t>(1, kLogitBytes / (config.d_vocab * (dtype == at::kDouble ? 8 : 4)));
}

RowLosses row_losses(const Decoder& decoder, Objective objective, const Tensor& x,
                     const std::vector<int64_t>& targets, bool with_gradient) {
  const ModelConfig& config = decoder.config();
  const Weights& weights = decoder.weights();
  const int64_t n_rows = x.size(0), d_vocab = config.d_vocab;
  const at::ScalarType wide = decoder.dtype() == at::kDouble ? at::kDouble : at::kFloat;
  const Tensor target = decoder.tokens(targets).unsqueeze(1);  // [rows, 1]
  const Tensor inverse = inverse_rms(x, config.norm_eps);
  const Tensor h = (x * inverse).to(decoder.dtype()) * weights.norm();
  RowLosses out;
  Tensor d_h = with_gradient ? at::zeros({n_rows, config.d_model}, h.options().dtype(wide)) : Tensor();
  const int64_t step = std::min(n_rows, logit_rows(config, decoder.dtype())),
                piece = vocabulary_piece(config);
  const auto for_each_piece = [&](const auto& work) {
    for (int64_t v = 0; v < d_vocab; v += piece) {
      const int64_t n = std::min(piece, d_vocab - v);
      // In the stored type where weights are streamed.
      work(v, n, weights.lm_head().narrow(0, v, n).to(decoder.device(), decoder.dtype()));
    }
  };
  const Tensor buffer = at::empty({step, d_vocab}, h.options().dtype(wide));
  for (int64_t begin = 0; begin < n_rows; begin += step) {
    const int64_t count = std::min(step, n_rows - begin);
    const Tensor t = target.narrow(0, begin, count), rows = h.narrow(0, begin, count).to(decoder.dtype());
    Tensor logits = buffer.narrow(0, 0, count);  // [count, d_vocab]
    for_each_piece([&](int64_t v, int64_t n, const Tensor& head) {
      Tensor place = logits.narrow(1, v, n);
      if (decoder.dtype() == wide)
        at::mm_out(place, rows, head.t());
      else
        place.copy_(at::linear(rows, head));
    });
    Tensor slope;  // of the softcap
    if (const double cap = config.final_softcap; cap > 0) {
      logits.div_(cap).tanh_();
      if (with_gradient) slope = (logits * logits).neg_().add_(1);
      logits.mul_(cap);
    }
    Tensor mean_logit;
    if (objective == Objective::logit)
      mean_logit = logits.mean(/*dim=*/-1, /*keepdim=*/true) - logits.gather(-1, t);
    logits.sub_(log_sum_exp(logits, piece));  // now log p
    const Tensor nll = logits.gather(-1, t).neg_();
    append(out.nll, nll);
    append(out.error, nll.neg().expm1_().neg_());  // 1 - p without cancellation where p is near 1
    if (objective == Objective::nll) {
      append(out.objective, nll);
      if (with_gradient) logits.exp_();
    } else if (objective == Objective::logit) {
      append(out.objective, mean_logit);
      if (with_gradient) logits.fill_(1.0 / static_cast<double>(d_vocab));
    } else {
      // H = -sum p log p;  dH/dz = -p (log p + H)
      const Tensor p = logits.exp();
      const Tensor entropy = (p * logits).sum(/*dim=*/-1, /*keepdim=*/true).neg_();
      append(out.objective, entropy);
      if (with_gradient) logits.add_(entropy).mul_(p).neg_();
    }
    if (!with_gradient) continue;
    // `logits` now holds the gradient of the objective at the logits.
    if (objective != Objective::entropy) logits.scatter_add_(-1, t, at::full_like(t, -1, logits.options()));
    if (slope.defined()) logits.mul_(slope);
    const Tensor d_rows = d_h.narrow(0, begin, count);
    for_each_piece([&](int64_t v, int64_t n, const Tensor& head) {
      const Tensor gradient = logits.narrow(1, v, n);
      if (decoder.dtype() == wide)
        d_rows.addmm_(gradient, head);
      else
        d_rows.add_(gradient.to(decoder.dtype()).matmul(head));
    });
  }
  if (with_gradient) out.gradient = rms_norm_backward(x, inverse, weights.norm(), d_h);
  return out;
}

}  // namespace circuitdiff
