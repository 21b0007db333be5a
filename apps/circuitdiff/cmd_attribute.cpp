#include "attribute/attribute_stage.h"
#include "checkpoint/inspect.h"
#include "command.h"
#include "commands.h"

namespace circuitdiff {
namespace {

int run_attribute(const AttributeOptions& options, const CommonFlags& common) {
  TerminalProgress progress = make_progress(common);
  const AttributeResult result = attribute(options, progress);
  if (options.dry_run && !common.json) {
    const auto bytes = [&](const char* key) { return print_bytes(result.summary[key].get<int64_t>()); };
    fmt::print(
        "memory   {} above the mapped weights: sources {}, other buffers {}, operators {}, converted weights "
        "{}\n",
        bytes("peak_bytes"), bytes("source_bytes"), bytes("buffer_bytes"), bytes("operator_bytes"),
        bytes("weight_bytes"));
    const auto word = [&](const char* key) { return result.summary[key].get<std::string>(); };
    fmt::print("plan     graph {}, converted weights {}, sources {}, for a budget of {}\n", word("graph"),
               word("weights"), word("sources"), bytes("budget_bytes"));
    fmt::print("time     about {:.3g} s for {} samples, at the {:.3g} GFLOP/s that a product reaches here\n",
               result.summary["seconds"].get<double>(), result.n,
               result.summary["flops_per_second"].get<double>() / 1e9);
    return 0;
  }
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
