#include "generate/generate_stage.h"

#include <ATen/core/grad_mode.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>

#include "base/error.h"
#include "generate/answer_file.h"
#include "generate/batch.h"
#include "generate/prompts.h"
#include "kernels/thread_count.h"
#include "records/manifest.h"
#include "records/question.h"

namespace circuitdiff {
namespace {

using WallClock = std::chrono::steady_clock;
double seconds_since(WallClock::time_point begun) {
  return std::chrono::duration<double>(WallClock::now() - begun).count();
}

// 0 for auto.
int64_t batch_size(const GenerateOptions& o) {
  if (o.batch_size == "auto") return 0;
  const auto n = parse_value<int64_t>("batch_size", o.batch_size);
  if (n < 1) usage_error("--batch-size: auto or at least 1 expected, {} found", n);
  return n;
}

void check_files(const GenerateOptions& o) {
  if (o.model.empty()) usage_error("generate: MODEL is missing");
  if (o.data.empty()) usage_error("generate: --data is missing");
  if (o.out.empty()) usage_error("generate: --out is missing");
}

// What is to be answered, checked whole before any work.
struct Work {
  std::vector<Question> questions;
  std::vector<std::string> prompts;  // one a question
  std::vector<Request> requests;     // question by question, its samples together
  std::vector<AnswerFile::Key> keys;
  StopRules rules;
  int64_t max_new_tokens = 0;
  std::string prompts_hash;
  int64_t shortened = 0;  // questions whose answers end at the model's last position
};

Work prepare(const GenerateOptions& o, const Checkpoint& checkpoint, const Tokenizer& tokenizer,
             const Prompter& prompter) {
  const ModelConfig& config = checkpoint.config();
  Work work;
  work.questions = read_questions(o.data, o.dataset, {o.id_field, o.question_field, o.answer_field}, o.limit);
  work.max_new_tokens = o.max_new_tokens.value_or(prompter.rules().max_new_tokens);

  work.rules.repetition = o.repetition;
  work.rules.stop = prompter.rules().stop;
  for (const std::string& stop : o.stop) work.rules.stop.push_back(stop);
  auto& ends = work.rules.end_tokens = checkpoint.eos_ids();
  if (const auto eos = tokenizer.eos_id()) ends.push_back(*eos);
  // A stop string that is a special token never shows in the text: it stops by its id.
  for (const std::string& stop : work.rules.stop)
    if (const auto id = tokenizer.token_to_id(stop); id && tokenizer.is_special(*id)) ends.push_back(*id);
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());

  std::string hashed;
  for (const Question& q : work.questions) {
    const std::string where = o.data.string() + ": question " + in_quotes(q.id);
    work.prompts.push_back(prompter.text(q.question));
    Request request{q.id, 0, prompter.tokens(work.prompts.back(), tokenizer), work.max_new_tokens};
    const auto length = static_cast<int64_t>(request.prompt.size());
    if (length == 0) fail("{}: its prompt has no tokens", where);
    for (const int64_t id : request.prompt)
      if (id >= config.d_vocab)
        fail(
            "{}: token {} of its prompt is outside the model's vocabulary ({} entries); does the tokenizer "
            "belong to "
            "this model?",
            where, id, config.d_vocab);
    if (config.rope.type != RopeType::dynamic) {  // which stretches with the sequence
      const int64_t left = config.max_positions - length;
      if (left < 1)
        fail("{}: its prompt has {} tokens and the model {} positions; none is left for an answer", where,
             length, config.max_positions);
      if (left < request.max_new_tokens) {
        request.max_new_tokens = left;
        ++work.shortened;
      }
    }
    for (const int64_t id : request.prompt) hashed += std::to_string(id) + " ";
    hashed += "\n";
    for (request.sample = 0; request.sample < o.n; ++request.sample) {
      work.requests.push_back(request);
      work.keys.emplace_back(q.id, request.sample);
    }
  }
  work.prompts_hash = sha256_hex(hashed);
  return work;
}

Manifest describe(const GenerateOptions& o, const Work& work, const Prompter& prompter, at::Device device,
                  at::ScalarType dtype) {
  Manifest m;
  m.command = "generate";
  m.options = options_json_of(o);
  // Contents are compared by hash; where the result lies and what changes no answer is not compared.
  for (const char* name : {"model", "data", "out", "overwrite", "threads", "device", "batch_size", "memory",
                           "chat", "prompt_file", "few_shot"})
    m.options.erase(name);
  m.options["dtype"] = dtype_name(dtype);
  m.options["device"] = device.is_cuda() ? "cuda" : "cpu";
  m.options["prompt"] = prompter.name();
  m.options["max_new_tokens"] = work.max_new_tokens;
  m.options["stop"] = work.rules.stop;
  m.options["end_tokens"] = work.rules.end_tokens;
  m.options["template_sha256"] = sha256_hex(prompter.source());
  m.options["prompts_sha256"] = work.prompts_hash;
  m.inputs.push_back(record_path("model", o.model));
  if (!o.adapter.empty()) m.inputs.push_back(record_path("adapter", o.adapter));
  m.inputs.push_back(record_file("data", o.data));
  if (!o.few_shot.empty()) m.inputs.push_back(record_file("few_shot", o.few_shot));
  m.details["device"] = device.str();
  m.details["torch"] = torch_version();
  return m;
}

struct Files {
  explicit Files(const std::filesystem::path& path)
      : out(path),
        early(AnswerFile::early_path(path)),
        state(path.string() + ".state.json"),
        manifest(path.string() + ".manifest.json"),
        lock(path.string() + ".lock") {}
  std::filesystem::path out, early, state, manifest, lock;
};

enum class Earlier { none, unfinished, done };

// The last row of a finished file is cut: what was lost is to be done again. What the file's hash was then
// goes into the state, so that the rows before the cut are known to be the old ones when it is whole again.
bool is_torn(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file || file.tellg() == std::streampos(0)) return false;
  file.seekg(-1, std::ios::end);
  return file.get() != '\n';
}

// What lies there of work with these very options and inputs. Error where the file holds something else.
Earlier earlier_work(const Files& files, const Manifest& now) {
  const bool begun = std::filesystem::exists(files.state);
  if (std::filesystem::exists(files.manifest)) {
    Manifest old = read_manifest(files.manifest);
    const std::string change = first_change(old, now);
    if (!change.empty())
      fail("{}: answers of another run lie here: {}; use --overwrite to replace them", files.out.string(),
           change);
    if (!std::filesystem::exists(files.out)) return Earlier::none;
    for (const FileRecord& record : old.outputs) {
      if (sha256_file(files.out) == record.sha256) continue;
      if (!is_torn(files.out))
        fail("{}: the file was changed after it was written; use --overwrite to replace it",
             files.out.string());
      Manifest state = now;
      state.outputs = old.outputs;
      write_manifest(files.state, state);
      std::filesystem::remove(files.manifest);
      return Earlier::unfinished;
    }
    return Earlier::done;
  }
  if (!begun && std::filesystem::exists(files.out))
    fail(
        "{}: the file is there already and nothing beside it says how it was made; use --overwrite to "
        "replace it",
        files.out.string());
  return begun ? Earlier::unfinished : Earlier::none;
}

// Prompts that tell the date tell that of the day the work was begun, or it could not be resumed a day later.
LocalTime prompt_time(const Files& files) {
  for (const auto& path : {files.manifest, files.state})
    if (std::filesystem::exists(path)) {
      const json details = read_manifest(path).details;
      if (details.is_object() && details.contains("prompt_time") && details["prompt_time"].is_string())
        if (const auto time = time_of_text(details["prompt_time"].get<std::string>())) return *time;
    }
  return local_time_now();
}

int64_t cache_bytes(const GenerateOptions& o, const Engine& engine) {
  constexpr double kGib = 1024.0 * 1024 * 1024;
  if (o.memory == 0) return engine.free_bytes();
  const double left = o.memory * kGib - static_cast<double>(engine.weight_bytes());
  if (left <= 0)
    fail("--memory: {} GiB do not hold the weights, which take {:.2f} GiB", o.memory,
         static_cast<double>(engine.weight_bytes()) / kGib);
  return static_cast<int64_t>(left);
}

struct Counts {
  int64_t prompt_tokens = 0, answer_tokens = 0, steps = 0;
};

// Answers what is not answered yet.
Counts answer(const GenerateOptions& o, const Work& work, Engine& engine, const Tokenizer& tokenizer,
              AnswerFile& file, Progress& progress) {
  std::vector<Request> requests;
  std::vector<size_t> place;
  for (size_t i = 0; i < work.requests.size(); ++i)
    if (!file.has(i)) {
      requests.push_back(work.requests[i]);
      place.push_back(i);
    }
  Counts counts;
  const WallClock::time_point begun = WallClock::now();
  WallClock::time_point synced = begun;
  BatchHooks hooks;
  hooks.stepped = [&](int64_t prompt_tokens, int64_t answer_tokens) {
    counts.prompt_tokens += prompt_tokens;
    counts.answer_tokens += answer_tokens;
    ++counts.steps;
    progress.advance(
        0, fmt::format("{:.0f} tokens/s", static_cast<double>(counts.answer_tokens) / seconds_since(begun)));
  };
  hooks.finished = [&](size_t index, Answer&& answer) {
    const size_t at = place[index];
    const auto q = at / static_cast<size_t>(o.n);
    Generation g;
    g.id = work.keys[at].first;
    g.sample = work.keys[at].second;
    g.prompt = work.prompts[q];
    g.prompt_tokens = work.requests[at].prompt;
    g.answer = std::move(answer.text);
    g.answer_tokens = std::move(answer.tokens);
    g.finish_reason = finish_word(answer.reason);
    g.gold = work.questions[q].gold;
    g.dataset = work.questions[q].dataset;
    g.seed = o.seed;
    g.mean_nll = answer.mean_nll;
    file.put(at, g);
    if (seconds_since(synced) > 1) {
      file.sync();
      synced = WallClock::now();
    }
    progress.advance(1);
  };
  const Sampling sampling{o.temperature, o.top_p, o.top_k, o.seed};
  const int64_t asked = batch_size(o);
  generate_answers(engine, &tokenizer, requests, sampling, work.rules,
                   {asked > 0 ? asked : engine.good_batch(), cache_bytes(o, engine), /*with_nll=*/true},
                   hooks);
  return counts;
}

nlohmann::ordered_json summary_of(const std::filesystem::path& out) {
  int64_t n = 0, tokens = 0;
  std::map<std::string, int64_t> reasons;
  for (const Generation& g : read_generations(out)) {
    ++n;
    tokens += static_cast<int64_t>(g.answer_tokens.size());
    ++reasons[g.finish_reason];
  }
  return {{"answers", n}, {"answer_tokens", tokens}, {"finish_reasons", reasons}};
}

}  // namespace

void check_generate(const GenerateOptions& o) {
  if (!(o.temperature >= 0) || !std::isfinite(o.temperature))
    usage_error("--temperature: 0 or more expected, {} found", o.temperature);
  if (!(o.top_p > 0) || o.top_p > 1)
    usage_error("--top-p: above 0 and at most 1 expected, {} found", o.top_p);
  if (o.top_k < 0) usage_error("--top-k: 0 or more expected, {} found", o.top_k);
  if (o.limit < 0) usage_error("--limit: 0 or more expected, {} found", o.limit);
  if (o.n < 1) usage_error("--n: at least 1 expected, {} found", o.n);
  if (o.n > UINT32_MAX) usage_error("--n: at most {} expected, {} found", UINT32_MAX, o.n);
  if (o.max_new_tokens && *o.max_new_tokens < 1)
    usage_error("--max-new-tokens: at least 1 expected, {} found", *o.max_new_tokens);
  if (o.repetition != 0 && o.repetition < 4)
    usage_error("--repetition: 0 or at least 4 expected, {} found", o.repetition);
  if (o.threads < 0) usage_error("--threads: 0 or more expected, {} found", o.threads);
  if (!(o.memory >= 0)) usage_error("--memory: 0 or more expected, {} found", o.memory);
  for (const std::string& stop : o.stop)
    if (stop.empty()) usage_error("--stop: an empty string ends every answer");
  batch_size(o);
}

nlohmann::ordered_json generate(const GenerateOptions& options, Progress& progress) {
  check_generate(options);
  check_files(options);
  const at::NoGradGuard no_grad;
  const WallClock::time_point begun = WallClock::now();
  const ThreadCount threads(options.threads);
  PromptChoice choice{options.chat, options.prompt,  options.prompt_file, options.system,
                      {},           local_time_now()};
  if (!options.prompt.empty())
    prompt_preset(options.prompt);  // a wrong name is a wrong command line, whatever the files
  const at::Device device = resolve_device(options.device);
  const auto checkpoint = Checkpoint::open(options.model, options.adapter);
  const at::ScalarType dtype = resolve_dtype(options.dtype, device, *checkpoint);
  if (!options.few_shot.empty()) choice.shots = read_shots(options.few_shot);
  const Files files(options.out);
  if (!options.overwrite) choice.time = prompt_time(files);
  const Tokenizer tokenizer = Tokenizer::load(options.model);
  const Prompter prompter(choice, options.model);
  const Work work = prepare(options, *checkpoint, tokenizer, prompter);

  if (files.out.has_parent_path()) std::filesystem::create_directories(files.out.parent_path());
  const FileLock lock(files.lock);
  Manifest manifest = describe(options, work, prompter, device, dtype);
  manifest.details["prompt_time"] = text_of_time(choice.time);
  if (!options.overwrite && earlier_work(files, manifest) == Earlier::done) {
    std::filesystem::remove(files.early);
    std::filesystem::remove(files.state);
    nlohmann::ordered_json summary = summary_of(files.out);
    summary["was_done"] = true;
    return summary;
  }
  begin_or_resume(files.state, manifest, options.overwrite, [&] {
    for (const auto& path : {files.manifest, files.early, files.out}) std::filesystem::remove(path);
  });
  if (work.shortened > 0)
    progress.warn(fmt::format(
        "{} of {} questions: answers end at the model's last position ({}), before {} new tokens",
        work.shortened, work.questions.size(), checkpoint->config().max_positions, work.max_new_tokens));

  Counts counts;
  double answering_seconds = 0;
  {
    AnswerFile file(files.out, work.keys);
    const auto total = static_cast<int64_t>(work.requests.size());
    progress.begin("generate", total, "answers", static_cast<int64_t>(file.count()));
    if (static_cast<int64_t>(file.count()) < total) {
      const auto engine = make_engine(checkpoint, device, dtype, options.threads);
      manifest.details["threads"] = engine->team().size();
      const WallClock::time_point start = WallClock::now();
      counts = answer(options, work, *engine, tokenizer, file, progress);
      answering_seconds = seconds_since(start);
    }
    file.sync();
    progress.end();
  }

  nlohmann::ordered_json summary = summary_of(files.out);
  manifest.details.update(json(summary));
  manifest.details["seconds"] = seconds_since(begun);
  if (answering_seconds > 0) {  // of this run alone
    manifest.details["steps"] = counts.steps;
    manifest.details["tokens_per_second"] = static_cast<double>(counts.answer_tokens) / answering_seconds;
    summary["tokens_per_second"] = manifest.details["tokens_per_second"];
  }
  FileRecord record = record_file("generations", files.out);
  for (const FileRecord& before : read_manifest(files.state).outputs)
    if (before.sha256 != record.sha256)
      fail("{}: rows before its torn end were changed after they were written; use --overwrite to begin anew",
           files.out.string());
  record.path = files.out.filename().string();
  manifest.outputs.push_back(record);
  write_manifest(files.manifest, manifest);
  std::filesystem::remove(files.early);
  std::filesystem::remove(files.state);
  summary["was_done"] = false;
  return summary;
}

std::string generation_text(const nlohmann::ordered_json& summary) {
  std::string out = fmt::format("{} answers, {} tokens", summary["answers"].get<int64_t>(),
                                summary["answer_tokens"].get<int64_t>());
  for (const auto& [reason, count] : summary["finish_reasons"].items())
    out += fmt::format(", {} {}", count.get<int64_t>(), reason);
  if (summary.contains("tokens_per_second"))
    out += fmt::format("; {:.0f} tokens/s", summary["tokens_per_second"].get<double>());
  return out + (summary["was_done"].get<bool>() ? "; everything was there already\n" : "\n");
}

}  // namespace circuitdiff
