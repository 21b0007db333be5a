#include "command.h"
#include "commands.h"
#include "records/manifest.h"

namespace circuitdiff {
namespace {

struct VerifyOptions {
  std::filesystem::path manifest;
};
template <class V>
void visit(V& v, VerifyOptions& o) {
  v(o.manifest, "manifest", "manifest.json of a run or a stage");
}

// Exit code 4 where a file is missing or is not what it was.
int run_verify(const VerifyOptions& options, const CommonFlags& common) {
  if (options.manifest.empty()) usage_error("verify: MANIFEST is missing");
  const Manifest manifest = read_manifest(options.manifest);
  const std::vector<std::string> problems = verify_manifest(options.manifest);
  const size_t files = manifest.inputs.size() + manifest.outputs.size();
  if (common.json) {
    fmt::print("{}\n", json({{"files", files}, {"problems", problems}}).dump());
  } else {
    for (const std::string& problem : problems) fmt::print("{}\n", problem);
    if (problems.empty()) fmt::print("{} files, all as recorded\n", files);
  }
  if (!problems.empty())
    std::fprintf(stderr, "error: %s: %zu of %zu files are not as recorded\n", options.manifest.c_str(),
                 problems.size(), files);
  return problems.empty() ? 0 : 4;
}

}  // namespace

void setup_verify(CLI::App& app, int& exit_code) {
  command<VerifyOptions>(app, exit_code, "verify", "re-hash every input and output of a run", {"manifest"},
                         run_verify);
}

}  // namespace circuitdiff
