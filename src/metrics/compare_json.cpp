#include "metrics/compare_json.h"

namespace circuitdiff {
namespace {

ordered_json or_null(const std::optional<double>& value) {
  return value ? ordered_json(*value) : ordered_json();
}
ordered_json or_null(const std::string& text) { return text.empty() ? ordered_json() : ordered_json(text); }

ordered_json interval_json(const std::optional<double>& low, const std::optional<double>& high) {
  return low && high ? ordered_json{*low, *high} : ordered_json();
}

template <class T>
ordered_json rows_json(const std::vector<T>& values, int64_t n_backward) {
  ordered_json out = ordered_json::array();
  for (size_t i = 0; i < values.size(); ++i) {
    if (static_cast<int64_t>(i) % n_backward == 0) out.push_back(ordered_json::array());
    if constexpr (std::is_same_v<T, uint8_t>)
      out.back().push_back(values[i]);
    else
      out.back().push_back(or_null(values[i]));
  }
  return out;
}

ordered_json effect_json(const ContrastFigure& f) {
  return {{"value", or_null(f.value)},
          {"ci95", interval_json(f.ci_low, f.ci_high)},
          {"interval", or_null(f.interval)},
          {"reason", or_null(f.reason)}};
}

}  // namespace

ordered_json nulls_json(const std::vector<std::optional<double>>& values) {
  ordered_json out = ordered_json::array();
  for (const auto& v : values) out.push_back(or_null(v));
  return out;
}

ordered_json grid_json(const std::vector<std::optional<double>>& values, int64_t n_backward) {
  return rows_json(values, n_backward);
}
ordered_json grid_json(const std::vector<uint8_t>& values, int64_t n_backward) {
  return rows_json(values, n_backward);
}

ordered_json metrics_json(const std::vector<MetricComparison>& metrics) {
  ordered_json out = ordered_json::object();
  for (const MetricComparison& m : metrics)
    out[m.name] = {{"before", or_null(m.before)},
                   {"after", or_null(m.after)},
                   {"difference", or_null(m.difference)},
                   {"relative", or_null(m.relative)},
                   {"ci95", interval_json(m.ci_low, m.ci_high)},
                   {"interval", or_null(m.interval)},
                   {"p", or_null(m.p)},
                   {"p_adjusted", or_null(m.p_adjusted)},
                   {"effect_size", or_null(m.effect_size)},
                   {"reason", or_null(m.reason)}};
  return out;
}

ordered_json decomposition_json(const IntensityDecomposition& d) {
  return {{"log_ratio", or_null(d.log_ratio)},       {"from_loss", or_null(d.from_loss)},
          {"beyond_loss", or_null(d.beyond_loss)},   {"from_error", or_null(d.from_error)},
          {"beyond_error", or_null(d.beyond_error)}, {"reason", or_null(d.reason)},
          {"error_reason", or_null(d.error_reason)}};
}

ordered_json two_by_two_json(const std::vector<TwoByTwoMetric>& metrics) {
  ordered_json out = ordered_json::object();
  for (const TwoByTwoMetric& m : metrics)
    out[m.name] = {{"before", or_null(m.before.value)},
                   {"after", or_null(m.after.value)},
                   {"before_on_after", or_null(m.before_on_after.value)},
                   {"after_on_before", or_null(m.after_on_before.value)},
                   {"model", effect_json(m.model)},
                   {"text", effect_json(m.text)},
                   {"interaction", effect_json(m.interaction)}};
  return out;
}

ordered_json edge_changes_json(const EdgeChanges& c, int64_t n_backward) {
  ordered_json out;
  out["permutations"] = c.permutations;
  out["bootstrap"] = c.bootstrap;
  const auto add = [&](const char* name, const std::vector<std::optional<double>>& values) {
    out[name] = grid_json(values, n_backward);
  };
  add("before", c.before);
  add("after", c.after);
  add("relative", c.relative);
  add("ci_low", c.ci_low);
  add("ci_high", c.ci_high);
  add("p", c.p);
  add("p_adjusted", c.p_adjusted);
  add("p_familywise", c.p_familywise);
  return out;
}

ordered_json correlation_json(const CorrelationSummary& c) {
  return {{"pairs", c.pairs},           {"mean", or_null(c.mean)},   {"sd", or_null(c.sd)},
          {"min", or_null(c.minimum)},  {"q25", or_null(c.q25)},     {"median", or_null(c.median)},
          {"q75", or_null(c.q75)},      {"max", or_null(c.maximum)}, {"histogram", c.histogram},
          {"reason", or_null(c.reason)}};
}

}  // namespace circuitdiff
