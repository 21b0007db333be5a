#include "run/run_report.h"

#include <map>

#include "tokenizer/tokenizer.h"

namespace circuitdiff {

ReportResult report_run(const std::filesystem::path& dir, const ReportOptions& options, Progress& progress) {
  std::map<std::filesystem::path, Tokenizer> loaded;
  return report_directory(dir, options, progress,
                          [&](const std::filesystem::path& model, const std::vector<int64_t>& tokens) {
                            auto it = loaded.find(model);
                            if (it == loaded.end()) it = loaded.emplace(model, Tokenizer::load(model)).first;
                            return it->second.decode(tokens, /*skip_special_tokens=*/true);
                          });
}

}  // namespace circuitdiff
