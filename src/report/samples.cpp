#include "report/samples.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <unordered_map>

#include "base/error.h"
#include "records/generation.h"
#include "records/pair.h"
#include "records/scores.h"
#include "report/html.h"

namespace circuitdiff {
namespace {

namespace fs = std::filesystem;

constexpr size_t kEdgesShown = 3;

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

// `count` questions at even steps of the sorted changes of intensity, first and last included.
std::vector<std::string> even_choice(const Comparison& c, size_t count) {
  std::vector<std::pair<double, size_t>> changes;
  for (size_t k = 0; k < c.edge_intensity.before.size(); ++k) {
    const double b = c.edge_intensity.before[k].value_or(0), a = c.edge_intensity.after[k].value_or(0);
    changes.emplace_back(b > 0 && a > 0 ? std::log(a / b) : 0.0, k);
  }
  std::sort(changes.begin(), changes.end());
  std::vector<std::string> out;
  count = std::min(count, changes.size());
  for (size_t i = 0; i < count; ++i)
    out.push_back(c.ids[changes[count == 1 ? 0 : i * (changes.size() - 1) / (count - 1)].second]);
  return out;
}

struct Answer {
  Generation row;
  Source from;
};

// The first answer to each question.
std::unordered_map<std::string, Answer> answers_of(const fs::path& run, const std::string& model,
                                                   const std::string& data) {
  std::unordered_map<std::string, Answer> out;
  std::error_code ignored;
  for (const char* stage : {"grade", "generate"}) {
    const std::string file = std::string(stage) + "/" + model + "/" + data + ".jsonl";
    if (!fs::exists(run / file, ignored)) continue;
    int64_t line = 0;
    for (Generation& row : read_generations(run / file)) {
      ++line;
      if (row.sample != 0) continue;
      const std::string id = row.id;
      out.emplace(id, Answer{std::move(row), Source(file, line)});
    }
    break;
  }
  return out;
}

// One side of a comparison at one cut.
struct ScoredSide {
  const char* name;   // "before"
  std::string model;  // its folder, for the tokenizer
  std::unordered_map<std::string, Answer> answers;
  Scores scores;
  Source from_scores;
  std::unordered_map<std::string, int64_t> places;  // of questions in `scores`

  bool has(const std::string& id) const { return answers.contains(id) && places.contains(id); }
};

SampleSide side_of(const ScoredSide& side, const Comparison& c, size_t k, const DecodeTokens& decode) {
  SampleSide out;
  const auto& [row, from] = side.answers.at(c.ids[k]);
  const auto at = static_cast<size_t>(side.places.at(c.ids[k]));
  out.answer = row.answer;
  out.tokens = static_cast<int64_t>(row.answer_tokens.size());
  out.from_tokens = from / "answer_tokens";
  out.correct = row.correct;
  const bool before = std::string_view(side.name) == "before";
  const auto value = [&](const BothSides<std::vector<Number>>& values) {
    const auto& own = before ? values.before : values.after;
    return k < own.size() ? own[k] : Number{};
  };
  out.loss = value(c.loss);
  out.from_loss = c.from / "per_sample" / "mean_loss" / side.name / k;
  out.intensity = value(c.edge_intensity);
  out.from_intensity = c.from / "per_sample" / "edge_intensity" / side.name / k;
  out.cut_tokens = std::min(side.scores.t_cut[at], out.tokens);
  out.from_cut_tokens = side.from_scores / "t_cut" / at;
  out.edges = strongest_edges(side.scores, static_cast<int64_t>(at));
  if (out.cut_tokens >= out.tokens) {
    out.cut_bytes = row.answer.size();
    out.cut_is_exact = true;
    return out;
  }
  if (decode) {
    try {
      const std::string text =
          decode(side.model, {row.answer_tokens.begin(), row.answer_tokens.begin() + out.cut_tokens});
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

void read_samples(const fs::path& run, ReportInput& input, PairOnData& result, const DecodeTokens& decode) {
  const auto& pair = input.pairs[result.pair];
  const auto& data = input.data[result.data];
  ScoredSide before{"before", pair.before, answers_of(run, pair.before_name, data.name), {}, {}, {}};
  ScoredSide after{"after", pair.after, answers_of(run, pair.after_name, data.name), {}, {}, {}};
  std::error_code ignored;
  std::vector<std::string> chosen;
  for (size_t c = input.cuts.size(); c-- > 0;) {
    const auto found = result.cuts.find(input.cuts[c]);
    if (found == result.cuts.end()) continue;
    const Comparison& comparison = found->second;
    const auto file_of = [&](const ScoredSide& side) {
      return result.folder(input) + "/attribute/" + side.name + "/scores." + input.cuts[c] + ".safetensors";
    };
    if (!fs::exists(run / file_of(before), ignored) || !fs::exists(run / file_of(after), ignored)) continue;
    for (ScoredSide* side : {&before, &after}) {
      side->scores = read_scores(run / file_of(*side));
      side->from_scores = Source(file_of(*side));
      side->places.clear();
      for (size_t i = 0; i < side->scores.ids.size(); ++i)
        side->places.emplace(side->scores.ids[i], static_cast<int64_t>(i));
    }
    if (chosen.empty()) chosen = even_choice(comparison, kSamplesShown);
    for (const std::string& id : chosen) {
      const auto k = std::find(comparison.ids.begin(), comparison.ids.end(), id);
      if (k == comparison.ids.end() || !before.has(id) || !after.has(id)) continue;
      const auto place = static_cast<size_t>(k - comparison.ids.begin());
      Sample s;
      s.id = id;
      s.cut = c;
      s.prompt = before.answers.at(id).row.prompt;
      s.gold = before.answers.at(id).row.gold;
      s.before = side_of(before, comparison, place, decode);
      s.after = side_of(after, comparison, place, decode);
      result.samples.push_back(std::move(s));
    }
  }
  if (result.samples.empty() && !result.cuts.empty())
    input.notes.push_back(fmt::format("{} on {}: no samples to show (graded answers or scores are missing).",
                                      pair.name, data.name));
}

}  // namespace circuitdiff
