#include "report/dynamics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "report/format.h"

namespace circuitdiff {
namespace {

// A figure at the steps where it was taken.
std::map<int64_t, double> over_steps(const DynamicsRun& run, const std::string& figure) {
  std::map<int64_t, double> out;
  for (const DynamicsStep& step : run.log)
    if (const auto it = step.figures.find(figure); it != step.figures.end() && it->second)
      out[step.step] = *it->second;
  return out;
}

std::vector<const DynamicsRun*> runs_at(const Dynamics& input, size_t temperature) {
  std::vector<const DynamicsRun*> out;
  for (const DynamicsRun& run : input.runs)
    if (run.temperature == input.temperatures[temperature]) out.push_back(&run);
  return out;
}

Curve over_seeds(const std::vector<std::map<int64_t, double>>& series) {
  std::map<int64_t, std::vector<double>> by_step;
  for (const auto& one : series)
    for (const auto& [step, value] : one) by_step[step].push_back(value);
  Curve out;
  for (const auto& [step, values] : by_step) {
    double sum = 0;
    for (const double v : values) sum += v;
    out.push_back({step, sum / static_cast<double>(values.size()),
                   *std::min_element(values.begin(), values.end()),
                   *std::max_element(values.begin(), values.end()), static_cast<int64_t>(values.size())});
  }
  return out;
}

const MetricWords& words_of(const std::string& metric) {
  for (const MetricWords& w : metric_words())
    if (w.name == metric) return w;
  fail("{} is not a metric", metric);
}

std::string share(double x) { return fmt::format("{:.1f} %", 100 * x); }

std::string span_of_seeds(const CurvePoint& p, const std::function<std::string(double)>& text) {
  if (p.n < 2) return "one seed";
  return fmt::format("{} seeds: {} to {}", p.n, text(p.low), text(p.high));
}

// "rises", "falls"
const char* expected_word(Expected e) { return e == Expected::up ? "rises" : "falls"; }

std::string accuracy_sentence(const Dynamics& input, size_t t) {
  const Curve curve = watched_curve(input, t, "eval/accuracy", false);
  if (curve.size() < 2) return "";
  const CurvePoint &start = curve.front(), &end = curve.back();
  const CurvePoint best = *std::max_element(curve.begin(), curve.end(),
                                            [](const auto& a, const auto& b) { return a.mean < b.mean; });
  std::string out = fmt::format(
      "At temperature {}, accuracy on {} held-out questions went from {} to {} after {} steps ({})",
      temperature_text(input.temperatures[t]), count(input.questions), share(start.mean), share(end.mean),
      end.step, span_of_seeds(end, share));
  if (best.step != end.step)
    out += fmt::format("; its best mean was {} at step {}", share(best.mean), best.step);
  return out + ".";
}

// How many seeds' own extrema are ordered as the paper has those of its lower temperature.
std::string order_sentence(const Dynamics& input, const MetricWords& words) {
  const std::string figure = std::string("circuit/") + words.name;
  const auto best_of = [&](size_t t, uint64_t seed) -> std::optional<double> {
    Dynamics one = input;
    std::erase_if(one.runs, [&](const DynamicsRun& r) { return r.seed != seed; });
    const auto found = extremum(one, t, watched_curve(one, t, figure, true), words.expected);
    return found ? std::optional(found->mean) : std::nullopt;
  };
  std::set<uint64_t> seeds;
  for (const DynamicsRun& run : input.runs) seeds.insert(run.seed);
  int64_t as_there = 0, n = 0;
  for (const uint64_t seed : seeds) {
    const auto low = best_of(0, seed), high = best_of(1, seed);
    if (!low || !high) continue;
    ++n;
    as_there += words.expected == Expected::up ? *low > *high : *low < *high;
  }
  if (n == 0) return "";
  return fmt::format("{} of {} seeds order {} as the paper does", as_there, n, words.subject);
}

std::string metric_sentence(const Dynamics& input, const MetricWords& words) {
  const std::string figure = std::string("circuit/") + words.name;
  std::string out;
  for (size_t t = 0; t < input.temperatures.size(); ++t) {
    const auto found = extremum(input, t, watched_curve(input, t, figure, true), words.expected);
    if (!found) continue;
    const auto signed_text = [](double x) { return signed_significant(x); };
    const bool held = words.expected == Expected::up ? found->low > 0 : found->high < 0;
    const bool opposite = words.expected == Expected::up ? found->high < 0 : found->low > 0;
    out += fmt::format("{}{} at temperature {} (step {}, {}; {})", out.empty() ? "" : ", ",
                       signed_text(found->mean), temperature_text(input.temperatures[t]), found->step,
                       span_of_seeds(*found, signed_text),
                       held       ? "as in the paper"
                       : opposite ? "the opposite of the paper"
                                  : "the seeds do not agree in sign");
  }
  if (out.empty()) return "";
  std::string title = words.title;
  return fmt::format("{}, which the paper says {}: the furthest change that way within the window was {}.",
                     title, expected_word(words.expected), out);
}

}  // namespace

std::string temperature_text(double temperature) {
  const std::string text = fmt::format("{}", temperature);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

Curve smoothed_curve(const Dynamics& input, size_t temperature, const std::string& figure) {
  std::vector<std::map<int64_t, double>> series;
  for (const DynamicsRun* run : runs_at(input, temperature)) {
    std::map<int64_t, double> smooth;
    std::vector<double> seen;
    for (const auto& [step, value] : over_steps(*run, figure)) {
      seen.push_back(value);
      const size_t n = std::min(seen.size(), static_cast<size_t>(input.smooth));
      double sum = 0;
      for (size_t i = seen.size() - n; i < seen.size(); ++i) sum += seen[i];
      smooth[step] = sum / static_cast<double>(n);
    }
    series.push_back(std::move(smooth));
  }
  return over_seeds(series);
}

Curve watched_curve(const Dynamics& input, size_t temperature, const std::string& figure,
                    bool change_from_start) {
  std::vector<std::map<int64_t, double>> series;
  for (const DynamicsRun* run : runs_at(input, temperature)) {
    std::map<int64_t, double> one = over_steps(*run, figure);
    if (change_from_start) {
      const auto start = one.find(0);
      if (start == one.end()) continue;
      const double from = start->second;
      for (auto& [step, value] : one) value -= from;
    }
    series.push_back(std::move(one));
  }
  return over_seeds(series);
}

std::optional<CurvePoint> extremum(const Dynamics& input, size_t temperature, const Curve& curve,
                                   Expected expected) {
  const auto& window = input.windows[temperature];
  if (!window || expected == Expected::nothing) return std::nullopt;
  std::optional<CurvePoint> out;
  for (const CurvePoint& p : curve) {
    if (p.step < window->first || p.step > window->second) continue;
    if (!out || (expected == Expected::up ? p.mean > out->mean : p.mean < out->mean)) out = p;
  }
  return out;
}

std::vector<std::string> dynamics_sentences(const Dynamics& input) {
  std::vector<std::string> out;
  const auto add = [&](std::string sentence) {
    if (!sentence.empty()) out.push_back(std::move(sentence));
  };
  for (size_t t = 0; t < input.temperatures.size(); ++t) add(accuracy_sentence(input, t));
  const std::vector<const char*> metrics{"act_intensity", "info_complexity", "dist_kurtosis"};
  for (const char* metric : metrics) add(metric_sentence(input, words_of(metric)));
  if (input.temperatures.size() == 2) {
    std::string order;
    for (const char* metric : metrics)
      if (const std::string one = order_sentence(input, words_of(metric)); !one.empty())
        order += (order.empty() ? "" : ", ") + one;
    if (!order.empty())
      add(fmt::format(
          "The paper has its lower temperature go further in all three. Here {}. With so few seeds this is a "
          "description, not a test.",
          order));
  }
  return out;
}

std::string dynamics_csv(const Dynamics& input) {
  std::set<std::string> columns;
  for (const DynamicsRun& run : input.runs)
    for (const DynamicsStep& step : run.log)
      for (const auto& [name, value] : step.figures)
        if (value) columns.insert(name);
  std::string out = "temperature,seed,step";
  for (const std::string& name : columns) out += "," + name;
  out += "\n";
  for (const DynamicsRun& run : input.runs)
    for (const DynamicsStep& step : run.log) {
      if (std::none_of(step.figures.begin(), step.figures.end(), [](const auto& f) { return f.second; }))
        continue;
      out += fmt::format("{},{},{}", run.temperature, run.seed, step.step);
      for (const std::string& name : columns) {
        const auto figure = step.figures.find(name);
        out += figure != step.figures.end() && figure->second ? fmt::format(",{}", *figure->second) : ",";
      }
      out += "\n";
    }
  return out;
}

}  // namespace circuitdiff
