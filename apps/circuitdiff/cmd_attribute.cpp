#include "attribute/attribute_stage.h"
#include "command.h"
#include "commands.h"

namespace circuitdiff {
namespace {

int run_attribute(const AttributeOptions& options, const CommonFlags& common) {
  TerminalProgress progress = make_progress(common);
  const AttributeResult result = attribute(options, progress);
  for (const std::string& failure : result.failed) progress.warn("failed: " + failure);
  if (common.json) {
    fmt::print("{}\n", result.summary.dump());
  } else {
    for (const auto& file : result.outputs) fmt::print("{}\n", file.string());
    if (result.was_done) progress.warn("everything was there already");
  }
  return result.failed.empty() ? 0 : 3;
}

}  // namespace

void setup_attribute(CLI::App& app, int& exit_code) {
  command<AttributeOptions>(
      app, exit_code, "attribute", "score every edge of the residual graph", {"model"}, run_attribute,
      [](AttributeOptions& o, const std::string& name) { apply_attribute_preset(o, name); });
}

}  // namespace circuitdiff
