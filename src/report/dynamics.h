// Training watched at several temperatures and seeds (the paper's Appendix B): rewards at every step,
// accuracy on held-out questions and circuit metrics of a fixed probe along the way. Curves over seeds
// are computed here, and nothing else is.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "records/dynamics_file.h"
#include "report/words.h"

namespace circuitdiff {

// "0.6", "1.0"
std::string temperature_text(double temperature);

// Over the seeds of one temperature.
struct CurvePoint {
  int64_t step = 0;
  double mean = 0, low = 0, high = 0;  // low, high: smallest and largest seed
  int64_t n = 0;                       // seeds
};
using Curve = std::vector<CurvePoint>;

// A figure of every step, each seed's curve smoothed first: the mean of the last `smooth` steps, of fewer at
// the beginning.
Curve smoothed_curve(const Dynamics& input, size_t temperature, const std::string& figure);
// A figure as it is, or less its value before the first step.
Curve watched_curve(const Dynamics& input, size_t temperature, const std::string& figure,
                    bool change_from_start);
// The point of the curve within the temperature's window that lies furthest in the expected direction; null
// where no point lies in it or the paper expects nothing.
std::optional<CurvePoint> extremum(const Dynamics& input, size_t temperature, const Curve& curve,
                                   Expected expected);

// What the run's figures say beside what the paper says of its own. Plain text.
std::vector<std::string> dynamics_sentences(const Dynamics& input);

// temperature,seed,step and a column a figure; empty cells where it was not taken.
std::string dynamics_csv(const Dynamics& input);

// Figures 4 and 5 as Vega-Lite: panels over steps, a line a temperature (mean of the seeds) within a band
// (all seeds), windows as bars above the axis, extrema as diamonds.
nlohmann::ordered_json rewards_chart(const Dynamics& input);
nlohmann::ordered_json circuits_chart(const Dynamics& input);
// What moves with them: diversity, the probe's loss, intensity per unit of error.
nlohmann::ordered_json beside_chart(const Dynamics& input);

std::string build_dynamics_page(const Dynamics& input);

}  // namespace circuitdiff
