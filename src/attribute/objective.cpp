#include "attribute/objective.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "model/fused.h"
#include "model/packed.h"
#include "model/pinned_copy.h"
#include "model/product.h"

namespace circuitdiff {
namespace {

// What the losses need of a row's logits z, gathered a piece of the vocabulary at a time. [rows, 1] each.
struct RowSums {
  Tensor largest;   // m = max z so far
  Tensor sum;       // of exp(z - m)
  Tensor weighted;  // of exp(z - m) (z - m), for the entropy
  Tensor total;     // of z, for the mean logit
  Tensor target;    // z of the target

  void add(const Tensor& z, Objective objective) {
    if (objective == Objective::logit) {
      const Tensor added = z.sum(/*dim=*/-1, /*keepdim=*/true);
      total = total.defined() ? total.add_(added) : added;
    }
    Tensor piece_largest, piece_sum;
    if (objective != Objective::entropy && fused_log_sum(z, piece_largest, piece_sum)) {
      const Tensor before =
          std::exchange(largest, largest.defined() ? at::maximum(largest, piece_largest) : piece_largest);
      sum = before.defined()
                ? sum.mul_((before - largest).exp_()).add_(piece_sum.mul_((piece_largest - largest).exp_()))
                : piece_sum;
      return;
    }
    const Tensor before = largest;
    piece_largest = z.amax(/*dim=*/-1, /*keepdim=*/true);
    largest = before.defined() ? at::maximum(before, piece_largest) : piece_largest;
    const Tensor shifted = z - largest;
    if (objective == Objective::entropy) {
      const Tensor e = shifted.exp();
      const Tensor added = (e * shifted).sum(/*dim=*/-1, /*keepdim=*/true);
      if (before.defined()) {
        // sum of e^(z - m') (z - m') = e^(m - m') (weighted + (m - m') sum)
        const Tensor moved = before - largest;
        weighted.add_(moved * sum).mul_(moved.exp()).add_(added);
        sum.mul_(moved.exp()).add_(e.sum(/*dim=*/-1, /*keepdim=*/true));
      } else {
        weighted = added;
        sum = e.sum(/*dim=*/-1, /*keepdim=*/true);
      }
    } else {
      const Tensor added = shifted.exp_().sum(/*dim=*/-1, /*keepdim=*/true);
      sum = before.defined() ? sum.mul_((before - largest).exp_()).add_(added) : added;
    }
  }
};

}  // namespace

std::vector<double> host_values(const Tensor& t) {
  const Tensor v = t.to(at::kCPU, at::kDouble).contiguous();
  return {v.data_ptr<double>(), v.data_ptr<double>() + v.numel()};
}

int64_t vocabulary_piece(const ModelConfig& config, at::Device device) {
  const int64_t piece_bytes = int64_t{device.is_cpu() ? 32 : 256} << 20;  // of a piece of lm_head in float32
  return std::clamp<int64_t>(piece_bytes / (config.d_model * 4), 1, config.d_vocab);
}

int64_t logit_rows(const ModelConfig& config, at::ScalarType dtype, at::Device device) {
  // Of the logits held at once: every group of rows has lm_head read, and packed, once more.
  const int64_t logit_bytes = int64_t{device.is_cpu() ? 384 : 512} << 20;
  return std::max<int64_t>(1, logit_bytes / (config.d_vocab * (dtype == at::kDouble ? 8 : 4)));
}

RowLosses row_losses(const Decoder& decoder, Objective objective, const Tensor& x, const Tensor& targets,
                     LogitUse use) {
  const ModelConfig& config = decoder.config();
  const Weights& weights = decoder.weights();
  const int64_t n_rows = x.size(0), d_vocab = config.d_vocab;
  const at::ScalarType wide = decoder.dtype() == at::kDouble ? at::kDouble : at::kFloat;
  const Tensor target = targets.unsqueeze(1);  // [rows, 1]
  const Tensor inverse = inverse_rms(x, config.norm_eps);
  const Tensor h = (x * inverse).to(decoder.dtype()) * weights.norm();
  const auto per_row = [&] { return at::zeros({n_rows}, h.options().dtype(at::kDouble)); };
  RowLosses out{per_row(), per_row(), per_row(), {}};
  const bool with_gradient = use != LogitUse::losses_only;
  Tensor d_h = with_gradient ? at::zeros({n_rows, config.d_model}, h.options().dtype(wide)) : Tensor();
  const int64_t piece = vocabulary_piece(config, decoder.device());
  const int64_t step = std::min(n_rows, logit_rows(config, decoder.dtype(), decoder.device()));
  const double cap = config.final_softcap;
  std::optional<PinnedCopy> pinned;  // where lm_head lies in the file and the device is a GPU
  if (weights.lm_head().device().type() != decoder.device().type())
    pinned.emplace(c10::impl::VirtualGuardImpl(decoder.device().type()).getStream(decoder.device()));
  for (int64_t begin = 0; begin < n_rows; begin += step) {
    const int64_t count = std::min(step, n_rows - begin);
    const Tensor t = target.narrow(0, begin, count), rows = h.narrow(0, begin, count).to(decoder.dtype());
    // Of the piece from token v: where in it the targets are, and 1 for those that are in it.
    const auto place_of = [&](int64_t v, int64_t n) { return (t - v).clamp_(0, n - 1); };
    const auto inside = [&](int64_t v, int64_t n) { return ((t >= v) & (t < v + n)).to(wide); };
    const auto head_of = [&](int64_t v, int64_t n) {
      // In the file, in the stored type, where weights are streamed.
      const Tensor part = weights.lm_head().narrow(0, v, n);
      if (!pinned) return part.to(decoder.dtype());
      const Tensor there = at::empty(part.sizes(), part.options().device(decoder.device()));
      pinned->copy(part, there);
      return there.to(decoder.dtype());
    };
    const auto logits_of = [&](const Tensor& head) {
      Tensor z = linear_rows(rows, head).to(wide);  // [count, n]
      return cap > 0 ? z.div_(cap).tanh_().mul_(cap) : z;
    };
    RowSums sums;
    sums.target = at::zeros({count, 1}, h.options().dtype(wide));
    std::vector<Tensor> kept;
    for (int64_t v = 0; v < d_vocab; v += piece) {
      const int64_t n = std::min(piece, d_vocab - v);
      const Tensor z = logits_of(head_of(v, n));
      sums.add(z, objective);
      sums.target.add_(at::where(inside(v, n) > 0, z.gather(-1, place_of(v, n)), 0.0));
      if (use == LogitUse::kept) kept.push_back(z);
    }
    const Tensor log_sum = sums.sum.log().add_(sums.largest);
    const Tensor nll = log_sum - sums.target;
    const auto put = [&](const Tensor& into, const Tensor& values) {
      into.narrow(0, begin, count).copy_(values.squeeze(1));
    };
    put(out.nll, nll);
    put(out.error, nll.neg().expm1_().neg_());  // 1 - p without cancellation where p is near 1
    Tensor entropy;
    if (objective == Objective::nll) put(out.objective, nll);
    if (objective == Objective::logit)
      put(out.objective, sums.total / static_cast<double>(d_vocab) - sums.target);
    if (objective == Objective::entropy) {
      // H = -sum p log p = log sum - (sum e^(z - m) (z - m)) / sum
      entropy = sums.sum.log() - sums.weighted / sums.sum;
      put(out.objective, entropy);
    }
    if (!with_gradient) continue;
    const Tensor d_rows = d_h.narrow(0, begin, count);
    for (int64_t v = 0; v < d_vocab; v += piece) {
      const int64_t n = std::min(piece, d_vocab - v);
      const Tensor head = head_of(v, n);
      // z becomes the gradient of the objective at the logits.
      Tensor z = kept.empty() ? logits_of(head) : std::exchange(kept[static_cast<size_t>(v / piece)], {});
      Tensor slope;  // of the softcap
      if (cap > 0) slope = (z / cap).square_().neg_().add_(1);
      if (objective == Objective::nll) z.sub_(log_sum).exp_();
      if (objective == Objective::logit) z.fill_(1.0 / static_cast<double>(d_vocab));
      if (objective == Objective::entropy) {
        z.sub_(log_sum);  // dH/dz = -p (log p + H)
        z = z.exp().mul_(z.add_(entropy)).neg_();
      } else {
        z.scatter_add_(-1, place_of(v, n), inside(v, n).neg_());
      }
      if (slope.defined()) z.mul_(slope);
      d_rows.add_(linear_rows_backward(z.to(decoder.dtype()), head));
    }
  }
  if (with_gradient) out.gradient = rms_norm_backward(x, inverse, weights.norm(), d_h);
  return out;
}

}  // namespace circuitdiff
