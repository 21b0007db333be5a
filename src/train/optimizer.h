// AdamW and Muon over the flat buffers of Parameters, the learning rate's course, and clipping by the
// global norm.
//   AdamW: m = b1 m + (1-b1) g, v = b2 v + (1-b2) g^2,
//          p -= lr (m / (1-b1^t)) / (sqrt(v / (1-b2^t)) + eps) + lr wd p
//   Muon (matrices of the layers; the rest AdamW): b = mu b + g, u = g + mu b (Nesterov),
//          five Newton-Schulz steps towards the orthogonal factor of u,
//          p -= muon_lr (sqrt(max(1, rows/cols)) u + muon_decay p)
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "base/options.h"
#include "train/parameters.h"

namespace circuitdiff {

enum class OptimizerName { adamw, muon };
template <>
struct EnumWords<OptimizerName> {
  static constexpr std::array words{std::pair{OptimizerName::adamw, "adamw"},
                                    std::pair{OptimizerName::muon, "muon"}};
};
enum class Schedule { constant, linear, cosine };
template <>
struct EnumWords<Schedule> {
  static constexpr std::array words{std::pair{Schedule::constant, "constant"},
                                    std::pair{Schedule::linear, "linear"},
                                    std::pair{Schedule::cosine, "cosine"}};
};

struct OptimizerOptions {
  OptimizerName name = OptimizerName::adamw;
  double lr = 1e-5;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double weight_decay = 0;
  double muon_lr = 0.02, muon_momentum = 0.95, muon_weight_decay = 0;
  Schedule schedule = Schedule::constant;
  int64_t warmup = 0;
  double warmup_ratio = 0;
  int64_t decay_steps = 0;
  double lr_end = 0;
  double clip_norm = 1;
  int64_t tokens_per_batch = 8192;
  double stop_norm = 1e4;
};
template <class V>
void visit(V& v, OptimizerOptions& o) {
  v(o.name, "name", "adamw, or muon for the layers' matrices and adamw for the rest");
  v(o.lr, "lr", "largest learning rate of adamw");
  v(o.beta1, "beta1", "of adamw's first moment");
  v(o.beta2, "beta2", "of adamw's second moment");
  v(o.eps, "eps", "of adamw's denominator");
  v(o.weight_decay, "weight_decay", "of adamw, on matrices");
  v(o.muon_lr, "muon_lr", "largest learning rate of muon");
  v(o.muon_momentum, "muon_momentum", "of muon");
  v(o.muon_weight_decay, "muon_weight_decay", "of muon");
  v(o.schedule, "schedule", "constant, linear or cosine decay after the warm-up");
  v(o.warmup, "warmup", "steps over which the rate rises from 0");
  v(o.warmup_ratio, "warmup_ratio", "the same as a part of all steps");
  v(o.decay_steps, "decay_steps", "the last so many steps decay; 0: all after the warm-up");
  v(o.lr_end, "lr_end", "what the rate ends at, as a part of the largest");
  v(o.clip_norm, "clip_norm", "longest gradient; 0: any");
  v(o.tokens_per_batch, "tokens_per_batch", "tokens computed together; gradients of one update add up");
  v(o.stop_norm, "stop_norm", "a gradient longer than this ends the run");
}
void check_optimizer(const OptimizerOptions& options);  // UsageError

// The rate of step 0 .. steps - 1 as a part of the largest.
double schedule_factor(const OptimizerOptions& options, int64_t step, int64_t steps);

class Optimizer {
 public:
  Optimizer(const Parameters& parameters, const OptimizerOptions& options);
  // Length of the whole gradient; shortens it to clip_norm where it is longer.
  double clip();
  // One update at `factor` of the largest rates; the gradient is back at 0 afterwards.
  void step(double factor);
  int64_t steps = 0;
  // For the trainer's state.
  std::vector<std::pair<std::string, at::Tensor>> state() const;

 private:
  void adamw(int64_t begin, int64_t end, double lr);
  void muon(double factor);

  const Parameters& p_;
  OptimizerOptions o_;
  int64_t muon_end_ = 0;       // flat values before this one are muon's
  at::Tensor first_, second_;  // adamw's moments; muon's momentum lies in first_
  struct ShapeGroup {
    std::vector<size_t> pieces;
  };
  std::vector<ShapeGroup> groups_;
};

// U V^T of u = U S V^T, approximately: [n, rows, cols].
at::Tensor newton_schulz(const at::Tensor& u);
// One AdamW update of flat buffers in place; t counts from 1.
void adamw_update(const at::Tensor& value, const at::Tensor& grad, const at::Tensor& first,
                  const at::Tensor& second, double lr, double beta1, double beta2, double eps,
                  double weight_decay, int64_t t);
// The 2-norm of a flat buffer, summed in float64.
double length_of(const at::Tensor& flat);

}  // namespace circuitdiff
