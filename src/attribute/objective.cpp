#include "attribute/objective.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>

#include <algorithm>

#include "model/packed.h"

namespace circuitdiff {
namespace {

constexpr int64_t kLogitBytes = int64_t{96} << 20;  // of the logits held at once

void append(std::vector<double>& out, const Tensor& values) {
  const Tensor v = values.to(at::kCPU, at::kDouble).contiguous();
  out.insert(out.end(), v.data_ptr<double>(), v.data_ptr<double>() + v.numel());
}

}  // namespace

RowLosses row_losses(const Decoder& decoder, Objective objective, const Tensor& x,
                     const std::vector<int64_t>& targets, bool with_gradient) {
  const ModelConfig& config = decoder.config();
  const Tensor& lm_head = decoder.weights().lm_head();
  const Tensor& norm = decoder.weights().norm();
  const int64_t n_rows = x.size(0), d_vocab = config.d_vocab;
  const at::ScalarType wide = decoder.dtype() == at::kDouble ? at::kDouble : at::kFloat;
  const Tensor target = decoder.tokens(targets).unsqueeze(1);  // [rows, 1]
  const Tensor inverse = inverse_rms(x, config.norm_eps);
  const Tensor h = (x * inverse).to(decoder.dtype()) * norm;
  RowLosses out;
  Tensor d_h = with_gradient ? at::empty({n_rows, config.d_model}, h.options()) : Tensor();
  const int64_t step = std::max<int64_t>(1, kLogitBytes / (d_vocab * (wide == at::kDouble ? 8 : 4)));
  for (int64_t begin = 0; begin < n_rows; begin += step) {
    const int64_t count = std::min(step, n_rows - begin);
    const Tensor t = target.narrow(0, begin, count);
    Tensor logits =
        at::linear(h.narrow(0, begin, count).to(decoder.dtype()), lm_head).to(wide);  // [count, d_vocab]
    Tensor slope;                                                                     // of the softcap
    if (const double cap = config.final_softcap; cap > 0) {
      logits.div_(cap).tanh_();
      if (with_gradient) slope = (logits * logits).neg_().add_(1);
      logits.mul_(cap);
    }
    Tensor mean_logit;
    if (objective == Objective::logit)
      mean_logit = logits.mean(/*dim=*/-1, /*keepdim=*/true) - logits.gather(-1, t);
    logits.sub_(logits.logsumexp(/*dim=*/-1, /*keepdim=*/true));  // now log p
    const Tensor nll = logits.gather(-1, t).neg_();
    append(out.nll, nll);
    append(out.error, nll.neg().expm1_().neg_());  // 1 - p without cancellation where p is near 1
    Tensor gradient;                               // of the objective at the logits
    if (objective == Objective::nll) {
      append(out.objective, nll);
      if (with_gradient) gradient = logits.exp_();
    } else if (objective == Objective::logit) {
      append(out.objective, mean_logit);
      if (with_gradient) gradient = logits.fill_(1.0 / static_cast<double>(d_vocab));
    } else {
      // H = -sum p log p;  dH/dz = -p (log p + H)
      const Tensor p = logits.exp();
      const Tensor entropy = (p * logits).sum(/*dim=*/-1, /*keepdim=*/true).neg_();
      append(out.objective, entropy);
      if (with_gradient) gradient = logits.add_(entropy).mul_(p).neg_();
    }
    if (!with_gradient) continue;
    if (objective != Objective::entropy)
      gradient.scatter_add_(-1, t, at::full_like(t, -1, gradient.options()));
    if (slope.defined()) gradient.mul_(slope);
    d_h.narrow(0, begin, count).copy_(gradient.to(decoder.dtype()).matmul(lm_head));
  }
  if (with_gradient) out.gradient = rms_norm_backward(x, inverse, norm, d_h);
  return out;
}

}  // namespace circuitdiff
