// The next token from its logits. Greedy takes the largest, the lowest id among equals. Sampling takes
// temperature, top-k and top-p in this order, as transformers does, with probabilities in float64, and one
// uniform number that depends on (seed, question, sample, token) alone (docs/generation.md#answers): neither
// on the batch nor on the order.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace circuitdiff {

struct Sampling {
  double temperature = 0;  // 0: greedy
  double top_p = 1;        // keep the likeliest tokens until they hold this much
  int64_t top_k = 0;       // keep so many of the likeliest; 0: all
  uint64_t seed = 0;
};

// The first 64 bits of the SHA-256 of a question's id.
uint64_t question_key(std::string_view id);

// [0, 1) for one token of one sample of one question.
double token_uniform(uint64_t seed, uint64_t question, int64_t sample, int64_t token);

// Index into logits; -1 where a logit is NaN or none is finite. `uniform` counts only where temperature > 0.
template <class T>
int64_t choose_token(std::span<const T> logits, const Sampling& sampling, double uniform);

// -log p of a token (nats) under the model's own distribution, softmax(logits), whatever it was drawn from.
template <class T>
double token_nll(std::span<const T> logits, int64_t token);

}  // namespace circuitdiff
