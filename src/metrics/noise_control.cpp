#include "metrics/noise_control.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "io/ordered_json.h"
#include "metrics/contrast.h"
#include "records/scores.h"

namespace circuitdiff {
namespace {

ScoreMatrices view_of(const Scores& s) {
  return {s.n, s.n_forward, s.n_backward, s.scores, s.edges, s.loss, s.error};
}

// The samples of `s` with these ids, in their order.
Scores with_samples(const Scores& s, const std::vector<std::string>& ids) {
  std::map<std::string, size_t> places;
  for (size_t k = 0; k < s.ids.size(); ++k) places.emplace(s.ids[k], k);
  Scores out = s;
  out.n = static_cast<int64_t>(ids.size());
  out.scores.clear(), out.loss.clear(), out.error.clear(), out.t_cut.clear();
  const auto cells = static_cast<ptrdiff_t>(s.n_forward * s.n_backward);
  for (const std::string& id : ids) {
    const size_t k = places.at(id);
    const auto begin = s.scores.begin() + static_cast<ptrdiff_t>(k) * cells;
    out.scores.insert(out.scores.end(), begin, begin + cells);
    out.loss.push_back(s.loss[k]);
    out.t_cut.push_back(s.t_cut[k]);
    if (!s.error.empty()) out.error.push_back(s.error[k]);
  }
  out.ids = ids;
  return out;
}

std::vector<Scores> read_common(const NoiseControlInput& input) {
  std::vector<Scores> files{read_scores(input.before), read_scores(input.after)};
  for (const auto& copy : input.copies) files.push_back(read_scores(copy));
  std::vector<std::string> ids;
  for (const std::string& id : files.front().ids)
    if (std::all_of(files.begin(), files.end(), [&](const Scores& s) {
          return std::find(s.ids.begin(), s.ids.end(), id) != s.ids.end();
        }))
      ids.push_back(id);
  if (ids.empty()) fail("{} and its noisy copies have no sample in common", input.before.string());
  for (Scores& s : files) s = with_samples(s, ids);
  return files;
}

ordered_json null_or(const std::optional<double>& x) { return x ? ordered_json(*x) : ordered_json(nullptr); }

ordered_json metric_json(const std::vector<std::array<Figure, kMetrics>>& values, size_t m) {
  ordered_json out{{"before", null_or(values[0][m].value)}};
  std::vector<double> differences;  // the effect, then the copies'
  std::string reason;
  for (size_t f = 0; f < values.size() && reason.empty(); ++f) {
    if (!values[f][m].value)
      reason = values[f][m].reason;
    else if (f > 0)
      differences.push_back(*values[f][m].value - *values[0][m].value);
  }
  ordered_json noise = ordered_json::array();
  std::optional<double> effect, mean, sd, p;
  if (reason.empty()) {
    effect = differences.front();
    const double tie = tie_tolerance(differences);
    const auto n = static_cast<double>(differences.size() - 1);
    double sum = 0, squares = 0, hits = 0;
    for (size_t i = 1; i < differences.size(); ++i) {
      noise.push_back(differences[i]);
      sum += differences[i];
      hits += std::abs(differences[i]) >= std::abs(*effect) - tie;
    }
    mean = sum / n;
    for (size_t i = 1; i < differences.size(); ++i) squares += std::pow(differences[i] - *mean, 2);
    if (n > 1) sd = std::sqrt(squares / (n - 1));
    p = (1 + hits) / (1 + n);
  }
  out["effect"] = null_or(effect);
  out["noise"] = noise;
  out["noise_mean"] = null_or(mean);
  out["noise_sd"] = null_or(sd);
  out["p"] = null_or(p);
  out["reason"] = reason;
  return out;
}

}  // namespace

ordered_json noise_control(const NoiseControlInput& input, const MetricOptions& options) {
  check_metric_options(options);
  if (input.copies.empty()) fail("{}: a noise control without noisy copies", input.before.string());
  const std::vector<Scores> files = read_common(input);
  std::vector<ScoreMatrices> views;
  std::vector<std::string> names;
  for (const Scores& s : files) views.push_back(view_of(s));
  names.push_back(input.before.string());
  names.push_back(input.after.string());
  for (const auto& copy : input.copies) names.push_back(copy.string());
  const std::vector<std::string_view> name_views(names.begin(), names.end());
  check_paired(views, name_views);
  double largest = 0;
  for (const ScoreMatrices& w : views) largest = std::max(largest, largest_on_edges(w));
  std::vector<std::array<Figure, kMetrics>> values;
  for (const ScoreMatrices& w : views) values.push_back(metrics_of(w, options, largest));
  ordered_json out{
      {"copies", input.copies.size()}, {"n", files.front().n}, {"metrics", ordered_json::object()}};
  for (size_t m = 0; m < kMetrics; ++m)
    out["metrics"][to_word(static_cast<Metric>(m))] = metric_json(values, m);
  return out;
}

}  // namespace circuitdiff
