#include "run/run_report.h"

#include <map>

#include "metrics/corrections.h"
#include "records/manifest.h"
#include "tokenizer/tokenizer.h"

namespace circuitdiff {

ReportResult report_run(const std::filesystem::path& dir, const ReportOptions& options, Progress& progress) {
  namespace fs = std::filesystem;
  const bool corrected = correct_run(dir);
  std::map<fs::path, Tokenizer> loaded;
  // A report may be built again from another folder than the run was started in.
  const fs::path manifest = dir / "manifest.json";
  const fs::path ran_in = fs::exists(manifest) ? fs::path(read_manifest(manifest).directory) : fs::path();
  ReportResult result = report_directory(
      dir, options, progress, [&](const fs::path& model, const std::vector<int64_t>& tokens) {
        auto it = loaded.find(model);
        if (it == loaded.end())
          it = loaded.emplace(model, Tokenizer::load(fs::exists(model) ? model : ran_in / model)).first;
        return it->second.decode(tokens, /*skip_special_tokens=*/true);
      });
  if (corrected) result.written.push_back(dir / "corrections.json");
  return result;
}

}  // namespace circuitdiff
