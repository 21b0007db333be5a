#include "checkpoint/inspect.h"
#include "command.h"
#include "commands.h"

namespace circuitdiff {
namespace {

struct InspectOptions {
  std::filesystem::path model;
};
template <class V>
void visit(V& v, InspectOptions& o) {
  v(o.model, "model", "Hugging Face folder");
}

int run_inspect(const InspectOptions& options, const CommonFlags& common) {
  if (options.model.empty()) usage_error("inspect: MODEL is missing");
  const auto checkpoint = Checkpoint::open(options.model);
  if (common.json)
    fmt::print("{}\n", inspect_json(*checkpoint).dump(2));
  else
    fmt::print("{}", inspect_text(*checkpoint));
  return 0;
}

}  // namespace

void setup_inspect(CLI::App& app, int& exit_code) {
  command<InspectOptions>(app, exit_code, "inspect",
                          "what a checkpoint is, and whether all its tensors are there", {"model"},
                          run_inspect);
}

}  // namespace circuitdiff
