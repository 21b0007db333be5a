#include "generate/sampling.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/random.h"
#include "io/files.h"

namespace circuitdiff {
namespace {

struct Candidate {
  double weight;  // exp((logit - largest) / temperature)
  int64_t id;
};
bool likelier(const Candidate& a, const Candidate& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.id < b.id;
}
bool less_likely(const Candidate& a, const Candidate& b) { return likelier(b, a); }

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

  std::vector<Candidate> candidates(logits.size());
  double total = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    const double weight = std::exp((static_cast<double>(logits[i]) - largest) / sampling.temperature);
    candidates[i] = {weight, static_cast<int64_t>(i)};
    total += weight;
  }
  const auto n = static_cast<int64_t>(candidates.size());
  if (sampling.top_k > 0 && sampling.top_k < n) {
    const auto kth = candidates.begin() + sampling.top_k - 1;
    std::nth_element(candidates.begin(), kth, candidates.end(), likelier);
    const double least = kth->weight;  // all that tie with the k-th are kept
    std::erase_if(candidates, [&](const Candidate& c) { return c.weight < least; });
    std::sort(candidates.begin(), candidates.end(), likelier);
    total = 0;
    for (const Candidate& c : candidates) total += c.weight;
  }
  if (sampling.top_p >= 1) return draw(candidates, total, uniform);

  // The likeliest come off a heap until what came off before holds top_p.
  std::make_heap(candidates.begin(), candidates.end(), less_likely);
  auto end = candidates.end();
  std::vector<Candidate> kept;
  double sum = 0;
  while (end != candidates.begin() && (kept.empty() || sum < sampling.top_p * total)) {
    std::pop_heap(candidates.begin(), end, less_likely);
    kept.push_back(*--end);
    sum += kept.back().weight;
  }
  return draw(kept, sum, uniform);
}

template int64_t choose_token(std::span<const float>, const Sampling&, double);
template int64_t choose_token(std::span<const double>, const Sampling&, double);

}  // namespace circuitdiff
