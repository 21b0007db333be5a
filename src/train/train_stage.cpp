#include "train/train_stage.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "base/error.h"
#include "io/gguf.h"
#include "kernels/thread_count.h"
#include "records/manifest.h"

namespace circuitdiff {
namespace {

namespace fs = std::filesystem;
constexpr const char* kRecord = "train.json";  // what a run was begun with

// A reference gives a probability for the very tokens that the model draws.
void check_reference(const Checkpoint& model, const Checkpoint& reference) {
  const ModelConfig &a = model.config(), &b = reference.config();
  const auto differ = [&](const char* what, auto x, auto y) {
    if (x != y)
      fail("{}: the reference's {} is {}, the model's ({}) {}; a reference is of the model's own kind",
           reference.folder().string(), what, y, model.folder().string(), x);
  };
  differ("architecture", to_word(a.architecture), to_word(b.architecture));
  differ("vocabulary", a.d_vocab, b.d_vocab);
  differ("number of layers", a.n_layers, b.n_layers);
  differ("d_model", a.d_model, b.d_model);
}

void check_trainable(const Checkpoint& checkpoint) {
  if (find_gguf(checkpoint.folder()))
    fail("{}: a GGUF file cannot be trained; a Hugging Face folder can", checkpoint.folder().string());
  switch (checkpoint.config().architecture) {
    case Architecture::llama:
    case Architecture::mistral:
    case Architecture::qwen2:
    case Architecture::qwen3:
      return;
    default:
      fail("{}: {} cannot be trained; llama, mistral, qwen2 and qwen3 can", checkpoint.folder().string(),
           to_word(checkpoint.config().architecture));
  }
}

Manifest describe(const TrainInputs& in, uint64_t seed) {
  TrainOptions o = in.options;
  Manifest m;
  m.command = "train";
  o.seeds = {seed};
  m.options = options_json_of(o);
  for (const char* name : {"model", "reference", "out", "threads", "device"}) m.options.erase(name);
  m.options["algorithm"] = to_word(in.algorithm);
  m.options["dtype"] = dtype_name(in.compute);
  m.options["device"] = in.device.is_cuda() ? "cuda" : "cpu";
  const auto add = [&](const char* table, const json& options) {
    for (const auto& [key, value] : options.items()) m.options[std::string(table) + "." + key] = value;
  };
  add("data", options_json_of(o.data));
  add("algorithm", options_json_of(o.algorithm));
  m.options["algorithm.group"] = group_size(in.algorithm, o.algorithm);
  add("optimizer", options_json_of(o.optimizer));
  add("rollout", options_json_of(o.rollout));
  add("reward", options_json_of(o.reward));
  add("lora", options_json_of(o.lora));
  add("eval", options_json_of(o.eval));
  add("probe", options_json_of(o.probe));
  for (const char* name : {"data.file", "eval.file", "probe.sequences"}) m.options.erase(name);
  m.inputs.push_back(record_folder("model", o.model));
  if (in.reference) m.inputs.push_back(record_folder("reference", in.reference->folder()));
  m.inputs.push_back(record_file("data", o.data.file));
  if (o.eval.every > 0) m.inputs.push_back(record_file("eval", o.eval.file));
  if (o.probe.every > 0) m.inputs.push_back(record_file("probe", o.probe.sequences));
  m.details["device"] = in.device.str();
  m.details["threads"] = at::get_num_threads();
  return m;
}

void forget(const fs::path& folder) {
  for (const char* name : {"metrics.jsonl", "events.out.tfevents.circuitdiff", "manifest.json"})
    fs::remove(folder / name);
  fs::remove_all(folder / "final");
  if (!fs::exists(folder)) return;
  std::vector<fs::path> old;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().filename().string().rfind("checkpoint-", 0) == 0) old.push_back(entry.path());
  for (const fs::path& path : old) fs::remove_all(path);
}

// The figures of a run's last step.
nlohmann::ordered_json last_metrics(const fs::path& folder) {
  nlohmann::ordered_json last = nlohmann::ordered_json::object();
  read_jsonl(folder / "metrics.jsonl", [&](Row&& row) { last = row.value(); });
  return last;
}

// Those of the run of this manifest where it is whole: nothing is trained or written then.
std::optional<nlohmann::ordered_json> finished_before(const fs::path& folder, const Manifest& now) {
  if (!fs::exists(folder / "manifest.json") || !fs::exists(folder / "final")) return std::nullopt;
  const Manifest old = read_manifest(folder / "manifest.json");
  if (!first_change(old, now).empty()) return std::nullopt;
  for (const FileRecord& record : old.outputs)
    if (record.path != "final" || record_folder("model", folder / "final").sha256 != record.sha256)
      return std::nullopt;
  return last_metrics(folder);
}

}  // namespace

fs::path seed_folder(const TrainOptions& options, uint64_t seed) {
  return options.seeds.size() == 1 ? options.out : options.out / ("seed-" + std::to_string(seed));
}

TrainInputs read_train_inputs(const TrainRequest& request) {
  TrainInputs in;
  in.options = request.options;
  in.algorithm = request.algorithm;
  in.probe = request.probe;
  const TrainOptions& o = in.options;
  check_train_options(o, request.algorithm);
  if (o.probe.every > 0 && !in.probe) usage_error("[probe]: no circuit probe is at hand here");
  PromptChoice choice{o.data.chat, o.data.prompt, {}, o.data.system, {}};
  if (!o.data.prompt.empty()) prompt_preset(o.data.prompt);
  in.device = resolve_device(o.device);
  in.checkpoint = Checkpoint::open(o.model);
  check_trainable(*in.checkpoint);
  const auto algorithm = make_algorithm(in.algorithm, o.algorithm);
  if (algorithm->needs_reference()) {
    in.reference = o.reference.empty() ? in.checkpoint : Checkpoint::open(o.reference);
    check_reference(*in.checkpoint, *in.reference);
  } else if (!o.reference.empty()) {
    usage_error("train: reference: {} as it is set here makes no use of one", to_word(in.algorithm));
  }
  in.compute = resolve_dtype(o.dtype, in.device, *in.checkpoint);
  in.tokenizer = std::make_shared<const Tokenizer>(Tokenizer::load(o.model));
  const Prompter prompter(choice, o.model);
  in.rules = stop_rules(*in.checkpoint, *in.tokenizer, prompter);
  if (algorithm->on_policy() && in.rules.end_tokens.empty() && in.rules.stop.empty())
    fail("{}: no end token is named; every answer would run to max_new_tokens", o.model.string());
  const int64_t end =
      in.tokenizer->eos_id().value_or(in.rules.end_tokens.empty() ? -1 : in.rules.end_tokens.front());
  const PromptContext context{in.checkpoint->config(), *in.tokenizer, prompter, end};
  in.data = read_train_data(o.data, in.algorithm, context, o.rollout.max_new_tokens);
  if (o.eval.every > 0)
    in.eval = read_train_prompts(o.eval.file, o.eval.dataset, o.data, o.eval.limit, context,
                                 o.rollout.max_new_tokens);
  return in;
}

nlohmann::ordered_json train(const TrainRequest& request, Progress& progress) {
  const ThreadCount threads(request.options.threads);
  const TrainInputs in = read_train_inputs(request);
  const TrainOptions& o = in.options;
  const auto begun_before = [&](uint64_t seed) { return fs::exists(seed_folder(o, seed) / kRecord); };
  if (request.resume && std::none_of(o.seeds.begin(), o.seeds.end(), begun_before))
    usage_error("--resume: {} holds no run to go on with", o.out.string());
  nlohmann::ordered_json runs = nlohmann::ordered_json::array();
  for (const uint64_t seed : o.seeds) {
    const fs::path folder = seed_folder(o, seed);
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) fail("{}: cannot make the folder: {}", folder.string(), error.message());
    const FileLock lock(folder / ".lock");
    Manifest manifest = describe(in, seed);
    begin_or_resume(folder / kRecord, manifest, request.overwrite, [&] { forget(folder); });
    if (auto last = finished_before(folder, manifest)) {
      runs.push_back({{"seed", seed}, {"folder", folder.string()}, {"metrics", std::move(*last)}});
      continue;
    }
    Trainer trainer(in, seed, folder, progress);
    const auto begun = std::chrono::steady_clock::now();
    trainer.run();
    manifest.details["seconds"] =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    FileRecord record = record_folder("model", folder / "final");
    record.path = "final";
    manifest.outputs.push_back(record);
    write_manifest(folder / "manifest.json", manifest);
    runs.push_back({{"seed", seed}, {"folder", folder.string()}, {"metrics", last_metrics(folder)}});
  }
  return {{"algorithm", to_word(in.algorithm)}, {"runs", std::move(runs)}};
}

}  // namespace circuitdiff
