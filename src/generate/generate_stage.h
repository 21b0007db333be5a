// The stage behind `circuitdiff generate`: questions in, answers out as generations.jsonl
// (docs/generation.md). The file grows in the order of the questions while the stage works; killed at any
// moment, it goes on where it was and ends with the same bytes. Beside it while at work: .state.json, .early,
// .lock; afterwards .manifest.json.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "io/json_fwd.h"
#include "model/decoder.h"

namespace circuitdiff {

struct GenerateOptions {
  std::filesystem::path model, adapter;
  std::filesystem::path data;
  std::string dataset = "generic";
  std::filesystem::path out;
  bool chat = false;
  std::string prompt;
  std::filesystem::path prompt_file;
  std::string system;
  std::filesystem::path few_shot;
  std::string id_field, question_field, answer_field;
  int64_t limit = 0;
  int64_t n = 1;
  double temperature = 0;
  double top_p = 1;
  int64_t top_k = 0;
  std::optional<int64_t> max_new_tokens;
  std::vector<std::string> stop;
  int64_t repetition = 0;
  uint64_t seed = 0;
  std::string batch_size = "auto";
  double memory = 0;
  std::string device = "auto";
  DtypeChoice dtype = DtypeChoice::automatic;
  int64_t threads = 0;
  bool overwrite = false;
};
template <class V>
void visit(V& v, GenerateOptions& o) {
  v(o.model, "model", "Hugging Face folder or GGUF file");
  v(o.adapter, "adapter", "folder of a LoRA adapter to merge into the model");
  v(o.data, "data", "questions, JSON Lines");
  v(o.dataset, "dataset", "whose fields the questions have: generic, gsm8k, math, ...");
  v(o.out, "out", "generations.jsonl to write");
  v(o.chat, "chat", "prompt by the checkpoint's chat template; the default where it has one");
  v(o.prompt, "prompt",
    "prompt by a preset: plain, deepseek-math, mistral, qwen25-math-cot, qwen-boxed, cot, deepseek, qwen, "
    "nvidia-qwen");
  v(o.prompt_file, "prompt_file",
    "prompt by a file of one's own: a text with {question} in it, or a chat template (.jinja)");
  v(o.system, "system", "with a chat template: the system message");
  v(o.few_shot, "few_shot", "JSON Lines of {question, answer} to put before each question");
  v(o.id_field, "id_field", "field of the questions' ids, instead of the data set's");
  v(o.question_field, "question_field", "field of the questions, instead of the data set's");
  v(o.answer_field, "answer_field", "field of the reference answers, instead of the data set's");
  v(o.limit, "limit", "use only the first questions; 0: all");
  v(o.n, "n", "answers to each question");
  v(o.temperature, "temperature", "0: greedy");
  v(o.top_p, "top_p", "sample among the likeliest tokens that hold this much probability");
  v(o.top_k, "top_k", "sample among so many of the likeliest tokens; 0: all");
  v(o.max_new_tokens, "max_new_tokens", "longest answer, end token included; unset: the preset's, else 1024");
  v(o.stop, "stop", "strings that end an answer, beside the preset's");
  v(o.repetition, "repetition",
    "end an answer whose last so many tokens are one block four times or more; 0: never");
  v(o.seed, "seed", "of the random numbers");
  v(o.batch_size, "batch_size", "answers that grow together, or auto; changes no answer");
  v(o.memory, "memory", "GiB for weights and the key-value cache; 0: by what the machine has");
  v(o.device, "device", "auto, cpu, cuda or cuda:INDEX");
  v(o.dtype, "dtype", "of weights and products: auto, float32, bfloat16 or float64");
  v(o.threads, "threads", "CPU threads; 0: one a core");
  v(o.overwrite, "overwrite", "begin anew where earlier work with other options or inputs lies");
}

// UsageError on a value out of its range; files are looked at by generate() alone.
void check_generate(const GenerateOptions& options);
// Returns {"answers", "answer_tokens", "finish_reasons", "was_done"} and, where answers were made,
// "tokens_per_second".
nlohmann::ordered_json generate(const GenerateOptions& options, Progress& progress);
std::string generation_text(const nlohmann::ordered_json& summary);  // one line for the terminal

}  // namespace circuitdiff
