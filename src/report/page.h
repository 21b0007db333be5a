// report.html: one page that carries its style, script, charting library and data, and loads nothing.
#pragma once

#include <string>

#include "report/report_input.h"

namespace circuitdiff {

std::string build_page(const ReportInput& input);

// The pieces, in the order they stand on the page. Each is HTML; an element that belongs to one choice of
// pair, data set and cut carries data-pair, data-data and data-cut, and all but the first choice's are
// hidden.
namespace page {
struct Choice {
  size_t pair = 0, data = 0, cut = 0;
};
Choice first_choice(const ReportInput& input);
// Attributes of such an element; `pair`, `data` or `cut` may be kAny.
inline constexpr size_t kAny = static_cast<size_t>(-1);
std::string choice_attributes(const ReportInput& input, size_t pair, size_t data, size_t cut);

std::string sentences(const ReportInput& input);
std::string tiles(const ReportInput& input);
std::string compared(const ReportInput& input);
std::string accuracy(const ReportInput& input);
std::string explained(const ReportInput& input);
std::string samples(const ReportInput& input);
std::string made(const ReportInput& input);
// What the script draws from: names, chart specifications and the heat maps' cells.
nlohmann::ordered_json data(const ReportInput& input);
}  // namespace page

}  // namespace circuitdiff
