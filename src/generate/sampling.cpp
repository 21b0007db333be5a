#include "generate/sampling.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/random.h"
#include "io/files.h"
#include "kernels/decoding.h"

namespace circuitdiff {
namespace {

struct Candidate {
  double weight;  // exp((logit - largest) / temperature)
  int64_t id;
};
bool likelier(const Candidate& a, const Candidate& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.id < b.id;
}

// Those of at least the first weight at which `enough(number, sum)` holds, likeliest first. Nearly always a
// few of a large vocabulary, which need not be sorted whole.
template <class Enough>
std::vector<Candidate> likeliest(std::span<const double> weights, Enough enough) {
  std::vector<Candidate> out;
  for (const double least : {1e-2, 1e-4, 1e-8, 0.0}) {
    out.clear();
    double sum = 0;
    for (size_t i = 0; i < weights.size(); ++i)
      if (weights[i] >= least) {
        out.push_back({weights[i], static_cast<int64_t>(i)});
        sum += weights[i];
      }
    if (enough(static_cast<int64_t>(out.size()), sum)) break;
  }
  std::sort(out.begin(), out.end(), likelier);
  return out;
}

// The first whose running sum exceeds uniform * total.
int64_t draw(std::span<const Candidate> candidates, double total, double uniform) {
  const double target = uniform * total;
  double sum = 0;
  int64_t last = -1;
  for (const Candidate& c : candidates) {
    sum += c.weight;
    if (c.weight > 0) last = c.id;
    if (sum > target) return c.id;
  }
  return last;
}

int64_t draw_among_all(std::span<const double> weights, double total, double uniform) {
  const double target = uniform * total;
  double sum = 0;
  int64_t last = -1;
  for (size_t i = 0; i < weights.size(); ++i) {
    sum += weights[i];
    if (weights[i] > 0) last = static_cast<int64_t>(i);
    if (sum > target) return last;
  }
  return last;
}

}  // namespace

uint64_t question_key(std::string_view id) { return std::stoull(sha256_hex(id).substr(0, 16), nullptr, 16); }

double token_uniform(uint64_t seed, uint64_t question, int64_t sample, int64_t token) {
  const auto word = philox4x32({static_cast<uint32_t>(token), static_cast<uint32_t>(sample),
                                static_cast<uint32_t>(question), static_cast<uint32_t>(question >> 32)},
                               {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  return static_cast<double>((uint64_t{word[1]} << 32 | word[0]) >> 11) * 0x1p-53;
}

template <class T>
int64_t choose_token(std::span<const T> logits, const Sampling& sampling, double uniform) {
  int64_t best = 0;
  bool is_number = !std::isnan(logits[0]);
  for (size_t i = 1; i < logits.size(); ++i) {
    is_number = is_number && logits[i] == logits[i];
    if (logits[i] > logits[static_cast<size_t>(best)]) best = static_cast<int64_t>(i);
  }
  const auto largest = static_cast<double>(logits[static_cast<size_t>(best)]);
  if (!is_number || !std::isfinite(largest)) return -1;
  if (sampling.temperature == 0) return best;

  std::vector<double> weights(logits.size());
  double total = 0;
  for (size_t i = 0; i < logits.size(); ++i)
    total += weights[i] = std::exp((static_cast<double>(logits[i]) - largest) / sampling.temperature);
  const bool cuts_k = sampling.top_k > 0 && sampling.top_k < static_cast<int64_t>(weights.size());
  if (!cuts_k && sampling.top_p >= 1) return draw_among_all(weights, total, uniform);

  std::vector<Candidate> kept;
  if (cuts_k) {
    kept = likeliest(weights, [&](int64_t n, double) { return n >= sampling.top_k; });
    const double least =
        kept[static_cast<size_t>(sampling.top_k - 1)].weight;  // all that tie with it are kept
    while (kept.back().weight < least) kept.pop_back();
    total = 0;
    for (const Candidate& c : kept) total += c.weight;
  } else {
    // A sum in another order may differ in its last digits.
    kept = likeliest(weights, [&](int64_t, double sum) { return sum > sampling.top_p * total * (1 + 1e-9); });
  }
  if (sampling.top_p < 1) {  // until what came before holds top_p
    size_t n = 0;
    double sum = 0;
    while (n < kept.size() && (n == 0 || sum < sampling.top_p * total)) sum += kept[n++].weight;
    kept.resize(n);
    total = sum;
  }
  return draw(kept, total, uniform);
}

template <class T>
double token_nll(std::span<const T> logits, int64_t token) {
  const T largest = *std::max_element(logits.begin(), logits.end());
  const double sum =
      decoding_kernels<T>().sum_exp(logits.data(), static_cast<int64_t>(logits.size()), largest);
  return std::log(sum) -
         (static_cast<double>(logits[static_cast<size_t>(token)]) - static_cast<double>(largest));
}

template double token_nll(std::span<const float>, int64_t);
template double token_nll(std::span<const double>, int64_t);

template int64_t choose_token(std::span<const float>, const Sampling&, double);
template int64_t choose_token(std::span<const double>, const Sampling&, double);

}  // namespace circuitdiff
