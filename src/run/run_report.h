// The report of a run's folder: p values corrected over all that was compared, then the page and its tables,
// with the models' own tokenizers to mark where an answer was cut.
#pragma once

#include "report/report_stage.h"

namespace circuitdiff {

ReportResult report_run(const std::filesystem::path& dir, const ReportOptions& options, Progress& progress);

}  // namespace circuitdiff
