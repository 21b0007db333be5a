#include "attribute/attribution_work.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "records/t_cut.h"

namespace circuitdiff {
namespace {

// T_mean of the pairs' header (or the code's ref); of a plain sequences file, the mean length of its answers.
double reference_length(const AttributeOptions& o, const Pairs& pairs,
                        const std::vector<Sequence>& sequences) {
  if (!o.pairs.empty()) return o.t_cut_rule == TCutRule::code ? pairs.number("t_ref") : pairs.t_mean();
  double sum = 0;
  for (const Sequence& s : sequences)
    sum += static_cast<double>(static_cast<int64_t>(s.tokens.size()) - s.prompt_len);
  return sum / static_cast<double>(sequences.size());
}

}  // namespace

void check_files(const AttributeOptions& o) {
  if (o.model.empty()) usage_error("attribute: MODEL is missing");
  if (o.out.empty() && !o.dry_run) usage_error("attribute: --out is missing");
  if (o.pairs.empty() == o.sequences.empty())
    usage_error("attribute: exactly one of --pairs and --sequences is needed");
  if (!o.pairs.empty() && !o.side) usage_error("attribute: --pairs needs --side before or after");
  if (o.pairs.empty() && o.side) usage_error("attribute: --side goes with --pairs");
}

AttributionWork read_work(const AttributeOptions& o, int64_t vocab_size) {
  AttributionWork work;
  Pairs pairs;
  if (!o.pairs.empty()) {
    pairs = read_pairs(o.pairs);
    for (const Pair& p : pairs.pairs)
      work.sequences.push_back(*o.side == PairSide::before ? p.before : p.after);
    work.text = to_word(*o.side);
  } else {
    work.sequences = read_sequences(o.sequences);
    work.text = "sequences";
  }
  check_vocabulary(work.sequences, vocab_size, o.pairs.empty() ? o.sequences : o.pairs);
  if (o.t_cut) {
    work.cuts.push_back({fmt::format("tcut-{}", *o.t_cut), 0, *o.t_cut});
  } else {
    const double reference = reference_length(o, pairs, work.sequences);
    for (const double a : o.alpha)
      work.cuts.push_back({"alpha-" + detail::print_double(a), a, t_cut(a, reference)});
  }
  if (o.limit > 0 && o.limit < static_cast<int64_t>(work.sequences.size()))
    work.sequences.resize(static_cast<size_t>(o.limit));
  return work;
}

AttributionSample sample_of(const Sequence& s, const std::vector<Cut>& cuts) {
  AttributionSample out{s.id, s.tokens, s.prompt_len, {}};
  const int64_t answer = static_cast<int64_t>(s.tokens.size()) - s.prompt_len;
  for (const Cut& cut : cuts)
    out.t_cut.push_back(std::min(cut.tokens, answer));  // a shorter answer is used whole
  return out;
}

bool cuts_need_own_forward(const ModelConfig& config, const std::vector<AttributionSample>& samples) {
  if (!config.rope.by_length()) return false;
  for (const AttributionSample& s : samples)
    for (const int64_t t : s.t_cut)
      if (s.prompt_len + t - 1 > config.rope.original_max_positions) return true;
  return false;
}

std::vector<std::vector<AttributionSample>> all_chunks(const AttributeOptions& o,
                                                       const AttributionWork& work) {
  std::vector<std::vector<AttributionSample>> chunks;
  for (size_t i = 0; i < work.sequences.size(); ++i) {
    if (i % static_cast<size_t>(o.chunk) == 0) chunks.emplace_back();
    chunks.back().push_back(sample_of(work.sequences[i], work.cuts));
  }
  return chunks;
}

}  // namespace circuitdiff
