// The paper's Table 1 for a run, in four forms: rows are pairs x data sets, columns the cuts, one block a
// metric. Markdown and LaTeX show three digits, CSV holds one cell a line in full precision, HTML is for the
// page.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "report/report_input.h"
#include "report/words.h"

namespace circuitdiff {

std::string table_markdown(const ReportInput& input);
std::string table_csv(const ReportInput& input);
std::string table_latex(const ReportInput& input);
// Blocks of the metrics from `first` up to `last` of metric_words().
std::string table_html(const ReportInput& input, size_t first, size_t last);

// What became of all questions asked, from the header of pairs.jsonl: how many had each outcome, how long the
// answers are and how many nats a token they cost the model that gave them, before and after. Empty for
// selections that do not say. "undecided" stands there only if there are any.
struct OutcomeRow {
  std::string word, name;  // "gained", "right only after"
  int64_t questions = 0;
  std::array<Number, 2> tokens, nll;  // none: no questions, or answers made elsewhere
};
std::vector<OutcomeRow> outcome_rows(const json& pairs_header);
// HTML with its figures sourced; the header stands at `header`.
std::string outcomes_html(const json& pairs_header, const Source& header);
// For every pair and data set; CSV has a line an outcome, Markdown a table.
std::string outcomes_markdown(const ReportInput& input);
std::string outcomes_csv(const ReportInput& input);

}  // namespace circuitdiff
