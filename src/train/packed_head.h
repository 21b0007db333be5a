// The final norm and lm_head of a packed batch, on the rows that predict answer tokens: log-probabilities,
// and from one number a token the gradient at the stream. Logits are many times wider than the stream: a
// bounded number of rows is computed at once, and what softmax needs is worked out piece by piece in place,
// while a piece lies in the cache.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "train/parameters.h"

namespace circuitdiff {

// What the stream, softmax and norms are in where products are in `compute`: float32 at least.
at::ScalarType stream_type(at::ScalarType compute);

// Of every answer token of a batch, float64 on the CPU.
struct TokenFigures {
  std::vector<double> logps;      // log p(token) at the temperature, nats
  std::vector<double> entropies;  // of that distribution, nats; empty where not asked for
};

class PackedHead {
 public:
  // kept_bytes: logits that forward may leave for backward; what is beyond is computed again, in parts of
  // this size at most.
  PackedHead(const Parameters& parameters, int64_t kept_bytes) : p_(parameters), kept_bytes_(kept_bytes) {}

  // states: [answers, d_model], the stream ahead of the norm; targets: [answers].
  TokenFigures forward(const Tensor& states, const Tensor& targets, double temperature, bool with_gradient,
                       bool with_entropy);
  // Adds the gradients of sum_t coefficients[t] * log p(t) to the parameters', of the last forward, and
  // returns the one at its states.
  Tensor backward(const std::vector<double>& coefficients);

 private:
  int64_t rows_at_once() const;
  void differentiate(const Tensor& log_p, int64_t begin, const Tensor& scale) const;

  const Parameters& p_;
  int64_t kept_bytes_;
  double temperature_ = 1;
  Tensor states_, targets_;
  Tensor log_p_;  // [answers, d_vocab] where it is small enough to keep
};

}  // namespace circuitdiff
