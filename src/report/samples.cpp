#include "report/samples.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <unordered_map>

#include "base/error.h"
#include "records/generation.h"
#include "records/pair.h"
#include "records/scores.h"
#include "report/html.h"
#include "statistics/summary.h"

namespace circuitdiff {
namespace {

namespace fs = std::filesystem;

constexpr size_t kEdgesShown = 3;

double intensity_of(const Scores& s, int64_t k) {
  double sum = 0;
  int64_t edges = 0;
  for (int64_t i = 0; i < s.n_forward; ++i)
    for (int64_t j = 0; j < s.n_backward; ++j)
      if (s.edges[static_cast<size_t>(i * s.n_backward + j)]) sum += std::abs(s.at(k, i, j)), ++edges;
  return edges ? sum / static_cast<double>(edges) : 0;
}

std::vector<std::string> strongest_edges(const Scores& s, int64_t k) {
  std::vector<std::pair<double, std::string>> all;
  for (int64_t i = 0; i < s.n_forward; ++i)
    for (int64_t j = 0; j < s.n_backward; ++j)
      if (const double v = std::abs(s.at(k, i, j)); v > 0)
        all.emplace_back(v,
                         s.sources[static_cast<size_t>(i)] + " → " + s.destinations[static_cast<size_t>(j)]);
  const size_t shown = std::min(kEdgesShown, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(shown), all.end(),
                    [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<std::string> out;
  for (size_t i = 0; i < shown; ++i) out.push_back(all[i].second);
  return out;
}

// `count` indices at even steps of the sorted changes, first and last included.
std::vector<int64_t> even_choice(const Scores& before, const Scores& after, size_t count) {
  std::vector<std::pair<double, int64_t>> changes;
  for (int64_t k = 0; k < before.n; ++k) {
    const double b = intensity_of(before, k), a = intensity_of(after, k);
    changes.emplace_back(b > 0 && a > 0 ? std::log(a / b) : 0.0, k);
  }
  std::sort(changes.begin(), changes.end());
  std::vector<int64_t> out;
  count = std::min(count, changes.size());
  for (size_t i = 0; i < count; ++i)
    out.push_back(changes[count == 1 ? 0 : i * (changes.size() - 1) / (count - 1)].second);
  return out;
}

// Quantiles of abs(W) of every edge over the questions.
std::vector<EdgeTable::Spread> spread_of(const Scores& s) {
  const auto cells = static_cast<size_t>(s.n_forward * s.n_backward);
  std::vector<EdgeTable::Spread> out(cells);
  std::vector<double> values(static_cast<size_t>(s.n));
  for (size_t cell = 0; cell < cells; ++cell) {
    if (!s.edges[cell]) continue;
    for (size_t k = 0; k < values.size(); ++k) values[k] = std::abs(s.scores[k * cells + cell]);
    std::sort(values.begin(), values.end());
    for (size_t q = 0; q < 5; ++q)
      out[cell][q] = quantile_of_sorted(values, std::array{0.05, 0.25, 0.5, 0.75, 0.95}[q]);
  }
  return out;
}

// Ten numbers an edge: the page of a large run would grow without limit.
constexpr size_t kCellsWithSpread = 60000;

void add_spread(const Scores& before, const Scores& after, const ReportInput& input, PairOnData& result,
                const std::string& cut) {
  const auto it = result.cuts.find(cut);
  if (it == result.cuts.end() || before.n == 0 || after.n == 0) return;
  EdgeTable& table = it->second.edges;
  if (before.edges != table.edges || after.edges != table.edges) return;
  if (table.edges.size() * input.cuts.size() * input.pairs.size() * input.data.size() > kCellsWithSpread)
    return;
  table.spread_before = spread_of(before);
  table.spread_after = spread_of(after);
}

std::unordered_map<std::string, Generation> answers_of(const fs::path& run, const std::string& model,
                                                       const std::string& data) {
  std::unordered_map<std::string, Generation> out;
  std::error_code ignored;
  for (const char* stage : {"grade", "generate"}) {
    const fs::path file = run / stage / model / (data + ".jsonl");
    if (!fs::exists(file, ignored)) continue;
    for (Generation& row : read_generations(file))
      if (row.sample == 0) out.emplace(row.id, std::move(row));
    break;
  }
  return out;
}

SampleSide side_of(const Generation& row, const Scores& scores, int64_t k, const std::string& model,
                   const DecodeTokens& decode) {
  SampleSide out;
  const auto at = static_cast<size_t>(k);
  out.answer = row.answer;
  out.tokens = static_cast<int64_t>(row.answer_tokens.size());
  out.correct = row.correct;
  out.loss = scores.loss[at];
  out.intensity = intensity_of(scores, k);
  out.cut_tokens = std::min(scores.t_cut[at], out.tokens);
  out.edges = strongest_edges(scores, k);
  if (out.cut_tokens >= out.tokens) {
    out.cut_bytes = row.answer.size();
    out.cut_is_exact = true;
    return out;
  }
  if (decode) {
    try {
      const std::string text =
          decode(model, {row.answer_tokens.begin(), row.answer_tokens.begin() + out.cut_tokens});
      // A cut inside a character decodes to a replacement sign; the common beginning is what is certain.
      const auto [end, unused] =
          std::mismatch(text.begin(), text.end(), row.answer.begin(), row.answer.end());
      out.cut_bytes = utf8_prefix(row.answer, static_cast<size_t>(end - text.begin())).size();
      out.cut_is_exact = true;
      return out;
    } catch (const Error&) {
      // The tokenizer may no longer be where it was: the share of tokens has to do.
    }
  }
  const double share =
      static_cast<double>(out.cut_tokens) / static_cast<double>(std::max<int64_t>(out.tokens, 1));
  out.cut_bytes =
      utf8_prefix(row.answer, static_cast<size_t>(share * static_cast<double>(row.answer.size()))).size();
  return out;
}

}  // namespace

json read_pairs_header(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  const Row row(parse_json(line, path.string() + ":1"), path.string() + ":1");
  if (!row.value().is_object())
    fail("{}:1: an object expected, {} found", path.string(), json_kind(row.value()));
  const json header = row.at("header");
  if (!header.is_object()) row.bad("header", "an object");
  return header;
}

void read_samples(const fs::path& run, const fs::path& folder, ReportInput& input, PairOnData& result,
                  const DecodeTokens& decode) {
  const auto& pair = input.pairs[result.pair];
  const auto& data = input.data[result.data];
  const auto before_rows = answers_of(run, pair.before_name, data.name);
  const auto after_rows = answers_of(run, pair.after_name, data.name);
  std::error_code ignored;
  const auto scores_file = [&](const char* side, const std::string& cut) {
    return folder / "attribute" / side / ("scores." + cut + ".safetensors");
  };
  std::vector<std::string> chosen;
  for (size_t c = input.cuts.size(); c-- > 0;) {
    const fs::path before_file = scores_file("before", input.cuts[c]),
                   after_file = scores_file("after", input.cuts[c]);
    if (!fs::exists(before_file, ignored) || !fs::exists(after_file, ignored)) continue;
    const Scores before = read_scores(before_file), after = read_scores(after_file);
    add_spread(before, after, input, result, input.cuts[c]);
    if (before_rows.empty() || after_rows.empty()) continue;
    std::unordered_map<std::string, int64_t> place_after, place_before;
    for (size_t i = 0; i < after.ids.size(); ++i) place_after.emplace(after.ids[i], static_cast<int64_t>(i));
    for (size_t i = 0; i < before.ids.size(); ++i)
      place_before.emplace(before.ids[i], static_cast<int64_t>(i));
    if (chosen.empty() && before.ids == after.ids)
      for (const int64_t k : even_choice(before, after, kSamplesShown))
        chosen.push_back(before.ids[static_cast<size_t>(k)]);
    for (const std::string& id : chosen) {
      if (!place_before.contains(id) || !place_after.contains(id) || !before_rows.contains(id) ||
          !after_rows.contains(id))
        continue;
      Sample s;
      s.id = id;
      s.cut = c;
      s.prompt = before_rows.at(id).prompt;
      s.gold = before_rows.at(id).gold;
      s.before = side_of(before_rows.at(id), before, place_before.at(id), pair.before, decode);
      s.after = side_of(after_rows.at(id), after, place_after.at(id), pair.after, decode);
      result.samples.push_back(std::move(s));
    }
  }
  if (result.samples.empty() && !result.cuts.empty())
    input.notes.push_back(fmt::format("{} on {}: no samples to show (graded answers or scores are missing).",
                                      pair.name, data.name));
}

}  // namespace circuitdiff
