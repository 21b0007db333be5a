#include "attribute/objective.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/logaddexp.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "kernels/fused.h"
#include "kernels/gpu/pinned_copy.h"
#include "kernels/product.h"
#include "model/layer.h"

namespace circuitdiff {
namespace {

at::ScalarType wide_of(const Decoder& decoder) {
  return decoder.dtype() == at::kDouble ? at::kDouble : at::kFloat;
}

// Below every logit, yet finite. It stands in the target's place while the other
// tokens are summed: its exponential is 0.
constexpr double kBelowAll = -1e30;
constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();

// Some rows of the answer before lm_head, which comes in pieces of the vocabulary: tokens [v, v + n).
class AnswerRows {
 public:
  // h: behind the last norm, [rows, d_model], in the weights' dtype; targets: [rows].
  AnswerRows(const Decoder& decoder, const Tensor& h, const Tensor& targets)
      : decoder_(decoder), h_(h), targets_(targets.unsqueeze(1)) {
    if (lm_head().device().type() != decoder.device().type())  // in the file, where weights are streamed
      pinned_.emplace(c10::impl::VirtualGuardImpl(decoder.device().type()).getStream(decoder.device()));
  }

  struct Piece {
    int64_t v = 0;
    Tensor head;   // [n, d_model], in the weights' dtype
    Tensor z;      // logits, [rows, n], float32 at least
    Tensor slope;  // of the softcap at them; undefined without
  };

  // Calls work(piece) for each.
  template <class Work>
  void for_each_piece(const Work& work) const {
    const int64_t d_vocab = decoder_.config().d_vocab;
    const int64_t most = vocabulary_piece(decoder_.config(), decoder_.device());
    for (int64_t v = 0; v < d_vocab; v += most) {
      Piece p{v, head_of(v, std::min(most, d_vocab - v)), {}, {}};
      p.z = linear_rows(h_, p.head).to(wide_of(decoder_));
      if (const double cap = decoder_.config().final_softcap; cap > 0) {
        p.z.div_(cap).tanh_();
        p.slope = p.z.square().neg_().add_(1);
        p.z.mul_(cap);
      }
      work(p);
    }
  }

  // Where in a piece the targets are, [rows, 1], and whether they are in it.
  Tensor place_in(const Piece& p) const { return (targets_ - p.v).clamp_(0, p.z.size(1) - 1); }
  Tensor is_in(const Piece& p) const { return (targets_ >= p.v) & (targets_ < p.v + p.z.size(1)); }

  // The targets' own rows of lm_head, [rows, d_model], float32 at least.
  Tensor target_heads() const {
    const Tensor tokens = targets_.squeeze(1).to(lm_head().device());
    return lm_head().index_select(0, tokens).to(decoder_.device()).to(decoder_.dtype()).to(wide_of(decoder_));
  }

 private:
  const Tensor& lm_head() const { return decoder_.weights().lm_head(); }

  Tensor head_of(int64_t v, int64_t n) const {
    const Tensor part = lm_head().narrow(0, v, n);
    if (!pinned_) return part.to(decoder_.dtype());
    const Tensor there = at::empty(part.sizes(), part.options().device(decoder_.device()));
    pinned_->copy(part, there);
    return there.to(decoder_.dtype());
  }

  const Decoder& decoder_;
  Tensor h_, targets_;
  mutable std::optional<PinnedCopy> pinned_;
};

// What the losses need of a row's logits z, gathered a piece of the vocabulary at a time. The target stands
// apart from the others, so that 1 - p of a likely one is no difference of numbers near 1. [rows, 1] each.
class RowSums {
 public:
  RowSums(int64_t rows, const at::TensorOptions& options)
      : sums_(at::zeros({3, rows}, options)), target_(at::zeros({rows, 1}, options)) {
    sums_[0].fill_(kBelowAll);
  }

  // z becomes exp(z - largest()), no more than 2e-38 at the target.
  void add(const AnswerRows& rows, const AnswerRows::Piece& p, Objective objective) {
    if (objective == Objective::logit) add_to(total_, p.z.sum(/*dim=*/-1, /*keepdim=*/true));
    const Tensor place = rows.place_in(p), is_in = rows.is_in(p), there = p.z.gather(-1, place);
    target_.add_(at::where(is_in, there, 0.0));
    if (p.slope.defined()) add_to(target_slope_, at::where(is_in, p.slope.gather(-1, place), 0.0));
    p.z.scatter_(-1, place, at::where(is_in, kBelowAll, there));
    if (objective != Objective::entropy && fused_exponentials(p.z, sums_)) return;
    const Tensor before = largest().clone();
    largest().copy_(at::maximum(before, p.z.amax(/*dim=*/-1, /*keepdim=*/true)));
    shrink().copy_((before - largest()).exp_());
    p.z.sub_(largest());
    if (objective == Objective::entropy) {
      // sum of e^(z - m') (z - m') = e^(m - m') (weighted + (m - m') sum)
      if (weighted_.defined()) weighted_.add_((before - largest()).mul_(sum())).mul_(shrink());
      add_to(weighted_, (p.z.exp() * p.z).sum(/*dim=*/-1, /*keepdim=*/true));
    }
    p.z.exp_();
    sum().mul_(shrink()).add_(p.z.sum(/*dim=*/-1, /*keepdim=*/true));
  }

  Tensor largest() const { return sums_[0].unsqueeze(1); }  // m = max z of the others so far
  Tensor sum() const { return sums_[1].unsqueeze(1); }      // of exp(z - m) over the others
  // By what factor m's last move shrank the exponentials of earlier pieces.
  Tensor shrink() const { return sums_[2].unsqueeze(1); }
  const Tensor& target() const { return target_; }  // z of the target
  const Tensor& target_slope() const { return target_slope_; }
  const Tensor& total() const { return total_; }  // of z over all, for the mean logit

  // log((1 - p) / p). Of a target that overflowed the limit would be a sure token,
  // and its loss 0: no number says so.
  Tensor odds_against() const {
    return (largest() - target_).add_(sum().log()).masked_fill_(target_.isposinf(), kNotANumber);
  }

  // H = -sum p log p = log sum - (sum e^(z - m) (z - m)) / sum, over all.
  Tensor entropy() const {
    const Tensor m = at::maximum(largest(), target_), moved = largest() - m, other = moved.exp(),
                 own = (target_ - m).exp();
    const Tensor all = sum() * other + own;
    return all.log() - ((weighted_ + moved * sum()) * other + own * (target_ - m)) / all;
  }

 private:
  static void add_to(Tensor& sum, const Tensor& added) { sum = sum.defined() ? sum.add_(added) : added; }

  Tensor sums_, target_, target_slope_, total_;
  Tensor weighted_;  // sum of exp(z - m) (z - m) over the others, for the entropy
};

}  // namespace

std::vector<double> host_values(const Tensor& t) {
  const Tensor v = t.to(at::kCPU, at::kDouble).contiguous();
  return {v.data_ptr<double>(), v.data_ptr<double>() + v.numel()};
}

int64_t vocabulary_piece(const ModelConfig& config, at::Device device) {
  const int64_t piece_bytes = int64_t{device.is_cpu() ? 16 : 256} << 20;  // of a piece of lm_head in float32
  return std::clamp<int64_t>(piece_bytes / (config.d_model * 4), 1, config.d_vocab);
}

int64_t logit_rows(const ModelConfig& config, at::ScalarType dtype, at::Device device) {
  // Of a piece of the logits. Every group of rows has lm_head read, and packed, once more.
  const int64_t logit_bytes = int64_t{device.is_cpu() ? 64 : 512} << 20,
                width = vocabulary_piece(config, device);
  return std::max<int64_t>(1, logit_bytes / (width * (dtype == at::kDouble ? 8 : 4)));
}

RowLosses row_losses(const Decoder& decoder, Objective objective, const Tensor& x, const Tensor& targets,
                     bool with_gradient) {
  const ModelConfig& config = decoder.config();
  const at::ScalarType wide = wide_of(decoder);
  const int64_t n_rows = x.size(0);
  Tensor inverse;
  const Tensor h = final_norm(decoder.weights(), x, inverse);
  const auto per_row = [&] { return at::zeros({n_rows}, h.options().dtype(at::kDouble)); };
  RowLosses out{per_row(), per_row(), per_row(), {}};
  Tensor d_h = with_gradient ? at::zeros({n_rows, config.d_model}, h.options().dtype(wide)) : Tensor();
  const int64_t step = logit_rows(config, decoder.dtype(), decoder.device());
  for (int64_t begin = 0; begin < n_rows; begin += step) {
    const int64_t count = std::min(step, n_rows - begin);
    const AnswerRows rows(decoder, h.narrow(0, begin, count), targets.narrow(0, begin, count));
    const Tensor d_rows = with_gradient ? d_h.narrow(0, begin, count) : Tensor();
    const auto add_back = [&](Tensor d_logits, const AnswerRows::Piece& p) {
      if (p.slope.defined()) d_logits.mul_(p.slope);
      d_rows.add_(linear_rows_backward(d_logits.to(decoder.dtype()), p.head));
    };
    RowSums sums(count, h.options().dtype(wide));
    rows.for_each_piece([&](const AnswerRows::Piece& p) {
      sums.add(rows, p, objective);
      if (!with_gradient || objective == Objective::entropy) return;
      // So far the gradient is the sum of e^(z - m) times lm_head's rows, m the largest so far.
      if (objective == Objective::nll) {
        d_rows.mul_(sums.shrink());
        add_back(p.z, p);
      } else {
        add_back(p.z.fill_(1.0 / static_cast<double>(config.d_vocab)), p);
      }
    });
    const Tensor against = sums.odds_against(), error = against.sigmoid();
    const Tensor nll = at::logaddexp(against, at::zeros_like(against));
    const auto put = [&](const Tensor& into, const Tensor& values) {
      into.narrow(0, begin, count).copy_(values.squeeze(1));
    };
    put(out.nll, nll);
    put(out.error, error);
    Tensor entropy;
    if (objective == Objective::nll) put(out.objective, nll);
    if (objective == Objective::logit)
      put(out.objective, sums.total() / static_cast<double>(config.d_vocab) - sums.target());
    if (objective == Objective::entropy) put(out.objective, entropy = sums.entropy());
    if (!with_gradient) continue;
    if (objective == Objective::entropy) {
      const Tensor log_sum = sums.target() + nll;
      rows.for_each_piece([&](const AnswerRows::Piece& p) {
        // dH/dz = -p (log p + H), in z's place
        Tensor probability = p.z.sub_(log_sum).exp();
        p.z.add_(entropy).mul_(probability).neg_();
        probability = Tensor();
        add_back(p.z, p);
      });
      continue;
    }
    Tensor at_target = rows.target_heads();
    if (sums.target_slope().defined()) at_target.mul_(sums.target_slope());
    // The objective's derivative at the others is p = (1 - p(target)) e^(z - m) / sum, at the target p - 1.
    if (objective == Objective::nll)
      d_rows.div_(sums.sum()).sub_(at_target).mul_(error);
    else
      d_rows.sub_(at_target);
  }
  if (with_gradient) out.gradient = final_norm_backward(decoder.weights(), x, inverse, d_h);
  return out;
}

}  // namespace circuitdiff
