#include "train/optimizer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/dot.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include "base/error.h"
#include "train/in_parts.h"

namespace circuitdiff {

using at::Tensor;

namespace {

constexpr int64_t kPart = int64_t{1} << 15;  // numbers

}  // namespace

void check_optimizer(const OptimizerOptions& o) {
  const auto positive = [](const char* key, double v) {
    if (!(v > 0) || !std::isfinite(v)) usage_error("[optimizer] {}: above 0 expected, {} found", key, v);
  };
  const auto not_negative = [](const char* key, double v) {
    if (!(v >= 0) || !std::isfinite(v)) usage_error("[optimizer] {}: 0 or more expected, {} found", key, v);
  };
  const auto below_one = [](const char* key, double v) {
    if (!(v >= 0 && v < 1)) usage_error("[optimizer] {}: from 0 to below 1 expected, {} found", key, v);
  };
  positive("lr", o.lr);
  positive("muon_lr", o.muon_lr);
  positive("eps", o.eps);
  positive("stop_norm", o.stop_norm);
  not_negative("weight_decay", o.weight_decay);
  not_negative("muon_weight_decay", o.muon_weight_decay);
  not_negative("clip_norm", o.clip_norm);
  not_negative("lr_end", o.lr_end);
  not_negative("warmup", static_cast<double>(o.warmup));
  not_negative("decay_steps", static_cast<double>(o.decay_steps));
  below_one("warmup_ratio", o.warmup_ratio);
  below_one("beta1", o.beta1);
  below_one("beta2", o.beta2);
  below_one("muon_momentum", o.muon_momentum);
  if (o.tokens_per_batch < 1)
    usage_error("[optimizer] tokens_per_batch: at least 1 expected, {} found", o.tokens_per_batch);
  if (o.warmup > 0 && o.warmup_ratio > 0)
    usage_error("[optimizer]: warmup and warmup_ratio are one thing said twice; keep one of them");
}

double schedule_factor(const OptimizerOptions& o, int64_t step, int64_t steps) {
  const int64_t warmup = o.warmup_ratio > 0
                             ? static_cast<int64_t>(std::ceil(o.warmup_ratio * static_cast<double>(steps)))
                             : o.warmup;
  if (step < warmup) return static_cast<double>(step + 1) / static_cast<double>(warmup);
  if (o.schedule == Schedule::constant) return 1;
  const int64_t begin = std::max(warmup, o.decay_steps > 0 ? steps - o.decay_steps : warmup);
  if (step < begin) return 1;
  const double done =
      static_cast<double>(step - begin) / static_cast<double>(std::max<int64_t>(1, steps - begin));
  const double left =
      o.schedule == Schedule::linear ? 1 - done : 0.5 * (1 + std::cos(std::numbers::pi * done));
  return o.lr_end + (1 - o.lr_end) * left;
}

void adamw_update(const Tensor& value, const Tensor& grad, const Tensor& first, const Tensor& second,
                  double lr, double beta1, double beta2, double eps, double weight_decay, int64_t t) {
  const double c1 = 1 - std::pow(beta1, static_cast<double>(t)),
               c2 = 1 - std::pow(beta2, static_cast<double>(t));
  in_parts(value.device(), value.numel(), kPart, [&](int64_t begin, int64_t n) {
    const auto part = [&](const Tensor& of) { return of.narrow(0, begin, n); };
    const Tensor g = part(grad), m = part(first), v = part(second);
    m.mul_(beta1).add_(g, 1 - beta1);
    v.mul_(beta2).addcmul_(g, g, 1 - beta2);
    const Tensor denominator = v.sqrt().mul_(1 / std::sqrt(c2)).add_(eps);
    if (weight_decay != 0) part(value).mul_(1 - lr * weight_decay);
    part(value).addcdiv_(m, denominator, -lr / c1);
  });
}

double length_of(const Tensor& flat) {
  const int64_t parts = flat.device().is_cpu() ? (flat.numel() + kPart - 1) / kPart : 1;
  const Tensor squares = at::zeros({parts}, flat.options().dtype(at::kDouble));
  in_parts(flat.device(), flat.numel(), kPart, [&](int64_t begin, int64_t n) {
    const Tensor part = flat.narrow(0, begin, n).to(at::kDouble);
    squares[begin / kPart].copy_(part.dot(part));
  });
  return std::sqrt(squares.sum().item<double>());
}

Tensor newton_schulz(const Tensor& u) {
  constexpr double a = 3.4445, b = -4.7750, c = 2.0315;
  const bool tall = u.size(1) > u.size(2);
  Tensor x = tall ? u.transpose(1, 2).contiguous() : u;
  x = x / (at::linalg_vector_norm(x, 2, {1, 2}, /*keepdim=*/true) + 1e-7);
  for (int i = 0; i < 5; ++i) {
    const Tensor s = x.bmm(x.transpose(1, 2));
    x = x * a + (s * b + s.bmm(s) * c).bmm(x);
  }
  return tall ? x.transpose(1, 2) : x;
}

Optimizer::Optimizer(const Parameters& parameters, const OptimizerOptions& options)
    : p_(parameters), o_(options), first_(at::zeros_like(p_.values())), second_(at::zeros_like(p_.values())) {
  if (o_.name != OptimizerName::muon) return;
  std::map<std::vector<int64_t>, ShapeGroup> by_shape;
  for (size_t i = 0; i < p_.pieces().size(); ++i) {
    const TrainedPiece& piece = p_.pieces()[i];
    if (!piece.hidden_matrix) continue;
    by_shape[piece.value.sizes().vec()].pieces.push_back(i);
    muon_end_ = std::max(muon_end_, piece.value.storage_offset() + piece.value.numel());
  }
  for (auto& [shape, group] : by_shape) groups_.push_back(group);
}

double Optimizer::clip() {
  const double norm = length_of(p_.grads());
  if (o_.clip_norm > 0 && norm > o_.clip_norm) Tensor(p_.grads()).mul_(o_.clip_norm / (norm + 1e-6));
  return norm;
}

void Optimizer::adamw(int64_t begin, int64_t end, double lr) {
  const auto range = [&](const Tensor& t, int64_t b, int64_t e) { return t.narrow(0, b, e - b); };
  const auto update = [&](int64_t b, int64_t e, double decay) {
    if (b >= e) return;
    adamw_update(range(p_.values(), b, e), range(p_.grads(), b, e), range(first_, b, e), range(second_, b, e),
                 lr, o_.beta1, o_.beta2, o_.eps, decay, steps);
  };
  update(begin, std::min(end, p_.decayed()), o_.weight_decay);
  update(std::max(begin, p_.decayed()), end, 0);
}

void Optimizer::muon(double factor) {
  const double lr = o_.muon_lr * factor;
  Tensor momentum = first_.narrow(0, 0, muon_end_);
  const Tensor grad = p_.grads().narrow(0, 0, muon_end_);
  momentum.mul_(o_.muon_momentum).add_(grad);
  const Tensor update = grad + momentum * o_.muon_momentum;
  for (const ShapeGroup& group : groups_) {
    std::vector<Tensor> parts;
    for (const size_t i : group.pieces) {
      const Tensor& value = p_.pieces()[i].value;
      parts.push_back(update.narrow(0, value.storage_offset(), value.numel()).view(value.sizes()));
    }
    const Tensor directions = newton_schulz(at::stack(parts));
    const double scale = std::sqrt(
        std::max(1.0, static_cast<double>(directions.size(1)) / static_cast<double>(directions.size(2))));
    for (size_t i = 0; i < group.pieces.size(); ++i) {
      Tensor value = p_.pieces()[group.pieces[i]].value;
      if (o_.muon_weight_decay != 0) value.mul_(1 - lr * o_.muon_weight_decay);
      value.add_(directions.select(0, static_cast<int64_t>(i)), -lr * scale);
    }
  }
}

void Optimizer::step(double factor) {
  ++steps;
  if (muon_end_ > 0) muon(factor);
  adamw(muon_end_, p_.values().numel(), o_.lr * factor);
  Tensor(p_.grads()).zero_();
}

std::vector<std::pair<std::string, Tensor>> Optimizer::state() const {
  return {{"optimizer.first", first_}, {"optimizer.second", second_}};
}

}  // namespace circuitdiff
