// The paper's Table 1 for a run, in four forms: rows are pairs x data sets, columns the cuts, one block a
// metric. Markdown and LaTeX show three digits, CSV holds one cell a line in full precision, HTML is for the
// page.
#pragma once

#include <string>

#include "report/report_input.h"
#include "report/words.h"

namespace circuitdiff {

std::string table_markdown(const ReportInput& input);
std::string table_csv(const ReportInput& input);
std::string table_latex(const ReportInput& input);
// Blocks of the metrics from `first` up to `last` of metric_words().
std::string table_html(const ReportInput& input, size_t first, size_t last);

}  // namespace circuitdiff
