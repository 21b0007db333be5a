#include "report/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/format.h"
#include "report/html.h"

namespace circuitdiff {
namespace {

constexpr const char* kInk = "#1d2125";
constexpr const char* kMutedInk = "#5c656e";
constexpr const char* kGrid = "#d5d9dd";
constexpr const char* kBefore = "#2f6db3";
constexpr const char* kAfter = "#d9762b";

struct Point {
  double before, after;
  Number low, high;  // of the value after: before + interval of the difference
};

// Steps of 1, 2 or 5 times a power of ten, about `wanted` of them.
double tick_step(double span, int wanted) {
  const double raw = span / wanted, power = std::pow(10, std::floor(std::log10(raw)));
  for (const double m : {1.0, 2.0, 5.0})
    if (m * power >= raw) return m * power;
  return 10 * power;
}

std::string hex(double r, double g, double b) {
  const auto byte = [](double x) { return static_cast<int>(std::lround(255 * std::clamp(x, 0.0, 1.0))); };
  return fmt::format("#{:02x}{:02x}{:02x}", byte(r), byte(g), byte(b));
}

// Blue for weaker, white for unchanged, orange for stronger; x in -1..1.
std::string diverging(double x) {
  const double t = std::clamp(std::abs(x), 0.0, 1.0);
  return x < 0 ? hex(1 - 0.83 * t, 1 - 0.58 * t, 1 - 0.31 * t)
               : hex(1 - 0.25 * t, 1 - 0.66 * t, 1 - 0.87 * t);
}

}  // namespace

std::optional<Canvas> draw_metric(const ReportInput& input, const std::string& metric,
                                  const std::string& title) {
  struct Panel {
    std::string name;
    std::vector<std::optional<Point>> points;  // one a cut
  };
  std::vector<Panel> panels;
  double low = INFINITY, high = -INFINITY;
  for (const PairOnData& r : input.results) {
    Panel panel{input.title(r), {}};
    bool any = false;
    for (size_t c = 0; c < input.cuts.size(); ++c) {
      panel.points.emplace_back();
      const Comparison* comparison = input.find(r.pair, r.data, c);
      const auto it =
          comparison ? comparison->metrics.find(metric) : decltype(comparison->metrics.find(metric)){};
      if (!comparison || it == comparison->metrics.end() || !it->second.before || !it->second.after) continue;
      const MetricCell& cell = it->second;
      Point p{*cell.before, *cell.after, {}, {}};
      if (cell.ci_low && cell.ci_high)
        p.low = *cell.before + *cell.ci_low, p.high = *cell.before + *cell.ci_high;
      for (const double x : {p.before, p.after, p.low.value_or(p.after), p.high.value_or(p.after)})
        low = std::min(low, x), high = std::max(high, x);
      panel.points.back() = p;
      any = true;
    }
    if (any) panels.push_back(std::move(panel));
  }
  if (panels.empty()) return std::nullopt;
  if (high == low) low -= 0.5, high += 0.5;
  const double step = tick_step(high - low, 4), bottom = std::floor(low / step) * step,
               top = std::ceil(high / step) * step;

  const double left = 58, head = 34, plot = 130, column = 34, gap = 18;
  const double panel_width = column * static_cast<double>(input.cuts.size());
  Canvas out(left + static_cast<double>(panels.size()) * (panel_width + gap) + 6, head + plot + 44);
  const auto y_of = [&](double value) { return head + plot * (top - value) / (top - bottom); };
  out.text(6, 12, 9, Anchor::start, title, kInk);
  for (int i = 0; bottom + step * i <= top + step / 2; ++i) {
    const double value = std::abs(bottom + step * i) < step / 1e6 ? 0 : bottom + step * i;
    out.line(left, y_of(value), left + static_cast<double>(panels.size()) * (panel_width + gap) - gap,
             y_of(value), kGrid, 0.5);
    out.text(left - 5, y_of(value) + 2.5, 7, Anchor::end, fmt::format("{:.4g}", value), kMutedInk);
  }
  for (size_t p = 0; p < panels.size(); ++p) {
    const double x0 = left + static_cast<double>(p) * (panel_width + gap);
    out.text(x0 + panel_width / 2, head - 8, 8, Anchor::middle, panels[p].name, kInk);
    for (size_t c = 0; c < input.cuts.size(); ++c) {
      const double x = x0 + column * (static_cast<double>(c) + 0.5);
      out.text(x, head + plot + 12, 7, Anchor::middle, fmt::format("{:g}", cut_number(input.cuts[c])),
               kMutedInk);
      const auto& point = panels[p].points[c];
      if (!point) continue;
      out.line(x - 4, y_of(point->before), x + 4, y_of(point->after), kGrid, 2);
      if (point->low && point->high) out.line(x + 4, y_of(*point->low), x + 4, y_of(*point->high), kAfter, 1);
      out.disc(x - 4, y_of(point->before), 2.6, kBefore);
      out.disc(x + 4, y_of(point->after), 2.6, kAfter);
    }
  }
  const bool alphas = !input.cuts.empty() && input.cuts.front().starts_with("alpha-");
  out.text(left, head + plot + 26, 7, Anchor::start, alphas ? "alpha" : "T_cut", kMutedInk);
  out.disc(left + 40, head + plot + 23.5, 2.6, kBefore);
  out.text(left + 45, head + plot + 26, 7, Anchor::start, "before", kMutedInk);
  out.disc(left + 78, head + plot + 23.5, 2.6, kAfter);
  out.text(left + 83, head + plot + 26, 7, Anchor::start, "after, with the 95 % interval of the difference",
           kMutedInk);
  return out;
}

Canvas draw_map(const HeatMap& map, const std::string& title) {
  const double cell = map.destinations.size() > 60 ? 4 : map.destinations.size() > 24 ? 8 : 14;
  const double label = cell >= 8 ? std::min(7.0, cell * 0.75) : 5;
  const double left = 46, head = 60;
  const double width = cell * static_cast<double>(map.destinations.size()),
               height = cell * static_cast<double>(map.sources.size());
  Canvas out(std::max(left + width + 10, 330.0), head + height + 40);
  out.text(6, 12, 9, Anchor::start, title, kInk);
  for (const auto& c : map.cells) {
    const double x = left + cell * static_cast<double>(c.destination),
                 y = head + cell * static_cast<double>(c.source);
    const std::string colour =
        c.log2_ratio ? diverging(map.clip > 0 ? *c.log2_ratio / map.clip : 0) : "#eeeeee";
    out.rectangle(x, y, cell * 0.94, cell * 0.94, colour);
  }
  const size_t every = cell >= 8 ? 1 : 8;
  for (size_t s = 0; s < map.sources.size(); s += every)
    out.text(left - 4, head + cell * (static_cast<double>(s) + 0.75), label, Anchor::end, map.sources[s],
             kMutedInk);
  for (size_t d = 0; d < map.destinations.size(); d += every)
    out.text(left + cell * (static_cast<double>(d) + 0.75), head - 4, label, Anchor::start,
             map.destinations[d], kMutedInk, true);
  for (int i = 0; i <= 40; ++i)
    out.rectangle(left + 3.0 * i, head + height + 12, 3, 8, diverging((i - 20) / 20.0));
  out.text(left, head + height + 29, 7, Anchor::start, fmt::format("{:.3g}", -map.clip), kMutedInk);
  out.text(left + 123, head + height + 29, 7, Anchor::end, fmt::format("{:.3g}", map.clip), kMutedInk);
  out.text(left + 130, head + height + 18, 7, Anchor::start, "log2(after / before) of mean absolute score",
           kMutedInk);
  return out;
}

std::string figures_latex(const std::vector<std::pair<std::string, std::string>>& names_and_captions) {
  std::string out = "% \\usepackage{graphicx}; the PDF files lie beside this one.\n";
  for (const auto& [name, caption] : names_and_captions)
    out += fmt::format(
        "\\begin{{figure}}\n  \\centering\n  \\includegraphics[width=\\linewidth]{{{{{}}}.pdf}}\n  "
        "\\caption{{{}}}\n\\end{{figure}}\n",
        name, escape_latex(caption));
  return out;
}

}  // namespace circuitdiff
