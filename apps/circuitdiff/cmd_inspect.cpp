#include "attribute/forecast.h"
#include "checkpoint/inspect.h"
#include "command.h"
#include "commands.h"

namespace circuitdiff {
namespace {

struct InspectOptions {
  std::filesystem::path model, adapter;
  int64_t prompt_tokens = 160, answer_tokens = 60;
};
template <class V>
void visit(V& v, InspectOptions& o) {
  v(o.model, "model", "Hugging Face folder or GGUF file");
  v(o.adapter, "adapter", "folder of a LoRA adapter to merge into the model");
  v(o.prompt_tokens, "prompt_tokens", "length of the prompt that memory and time are estimated for");
  v(o.answer_tokens, "answer_tokens", "length of the answer likewise");
}

int run_inspect(const InspectOptions& options, const CommonFlags& common) {
  if (options.model.empty()) usage_error("inspect: MODEL is missing");
  if (options.prompt_tokens < 1 || options.answer_tokens < 1)
    usage_error("--prompt-tokens and --answer-tokens: at least 1 expected");
  const auto checkpoint = Checkpoint::open(options.model, options.adapter);
  const auto estimates = method_estimates(*checkpoint, options.prompt_tokens, options.answer_tokens);
  if (common.json)
    fmt::print("{}\n", inspect_json(*checkpoint, estimates).dump(2));
  else
    fmt::print("{}", inspect_text(*checkpoint, estimates));
  return 0;
}

}  // namespace

void setup_inspect(CLI::App& app, int& exit_code) {
  command<InspectOptions>(app, exit_code, "inspect",
                          "what a checkpoint is, and whether all its tensors are there", {"model"},
                          run_inspect);
}

}  // namespace circuitdiff
