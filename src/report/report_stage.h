// The stage `report` (docs/spec.md#files): from the folder of a run to report.html, one page that needs no
// network, and to table.md, table.csv and table.tex, the table of every metric per pair, data set and alpha,
// and outcomes.csv, what became of the questions (table.md has it too). It reads what the other stages wrote
// and computes nothing new but the correction over the cells of its table.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/options.h"
#include "base/progress.h"

namespace circuitdiff {

struct ReportOptions {
  std::filesystem::path figures;  // empty: none
};
template <class V>
void visit(V& v, ReportOptions& o) {
  v(o.figures, "figures", "folder for figures as SVG, PDF, LaTeX and Vega-Lite");
}

// Text of some tokens by the tokenizer of a model's folder, to mark in an answer's text where it was cut. May
// throw Error; the mark is then set by the share of tokens, and the page says so.
using DecodeTokens =
    std::function<std::string(const std::filesystem::path& model, const std::vector<int64_t>& tokens)>;

struct ReportResult {
  std::filesystem::path page;                  // DIR/report.html
  std::vector<std::filesystem::path> written;  // every file
  std::vector<std::string> sentences;          // the page's first lines as plain text, one a pair
};

// Error where DIR is no folder of a run, or a file in it is damaged; what is merely absent is left out of the
// page with a sentence.
ReportResult report_directory(const std::filesystem::path& dir, const ReportOptions& options,
                              Progress& progress, const DecodeTokens& decode = nullptr);

}  // namespace circuitdiff
