#include "generate/prompts.h"

#include "base/error.h"
#include "base/options.h"
#include "io/files.h"
#include "io/json.h"

namespace circuitdiff {
namespace {

constexpr std::string_view kPlace = "{question}";

std::vector<PromptPreset> make_presets() {
  const std::string boxed = "Please reason step by step, and put your final answer within \\boxed{}.";
  const std::string user = "User: {question}\n" + boxed + "\n\nAssistant:";
  const std::string inst = "[INST] {question}[/INST]";
  const std::string chatml = "<|im_start|>system\n" + boxed +
                             "<|im_end|>\n<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n";
  const std::vector<std::string> stop{"</s>", "<|im_end|>", "<|endoftext|>"};
  return {{"plain", "{question}", {}, 1024},
          // The harness's prompt types.
          {"deepseek-math", user, stop, 4096},
          {"mistral", inst, stop, 4096},
          {"qwen25-math-cot", chatml, stop, 8192},
          // The published runs of the other pairs, by the pair: DeepSeek-Math 7B, Qwen2.5 7B, R1-Distill and
          // AceReason 7B.
          {"deepseek", user, stop, 4096},
          {"qwen", chatml, stop, 8192},
          {"nvidia-qwen", user, stop, 32768}};
}

std::string filled(const std::string& text, const std::string& question) {
  std::string out = text;
  out.replace(out.find(kPlace), kPlace.size(), question);
  return out;
}

}  // namespace

const std::vector<PromptPreset>& prompt_presets() {
  static const std::vector<PromptPreset> presets = make_presets();
  return presets;
}

const PromptPreset& prompt_preset(std::string_view name) {
  std::vector<std::string> known;
  for (const PromptPreset& preset : prompt_presets()) {
    if (preset.name == name) return preset;
    known.push_back(preset.name);
  }
  std::string all;
  for (const std::string& k : known) all += (all.empty() ? "" : ", ") + k;
  const std::string near = nearest(name, known);
  usage_error("--prompt: no preset is named \"{}\"{}; there are {}", name,
              near.empty() ? "" : "; did you mean \"" + near + "\"?", all);
}

std::vector<Shot> read_shots(const std::filesystem::path& path) {
  std::vector<Shot> out;
  read_jsonl(path, [&](Row&& row) { out.push_back({row.string("question"), row.string("answer")}); });
  if (out.empty()) fail("{}: no rows; at least one expected", path.string());
  return out;
}

Prompter::Prompter(const PromptChoice& choice, const std::filesystem::path& model) : choice_(choice) {
  const int choices = int{choice.chat} + int{!choice.preset.empty()} + int{!choice.file.empty()};
  if (choices > 1) usage_error("--chat, --prompt and --prompt-file exclude each other");
  if (!choice.preset.empty()) {
    rules_ = prompt_preset(choice.preset);
    name_ = rules_.name;
    source_ = rules_.text;
  } else if (!choice.file.empty()) {
    name_ = "file";
    source_ = read_file(choice.file);
    const size_t at = source_.find(kPlace);
    if (at == std::string::npos || source_.find(kPlace, at + 1) != std::string::npos)
      fail("{}: {} expected once, found {}", choice.file.string(), kPlace,
           at == std::string::npos ? "nowhere" : "more than once");
  } else {
    chat_ = load_chat_template(model);
    if (!chat_ && choice.chat) fail("{}: there is no chat template; use --prompt", model.string());
    if (!chat_)
      usage_error(
          "{}: there is no chat template, so a prompt has to be chosen: --prompt plain, or another preset",
          model.string());
    name_ = "chat";
    source_ = chat_->source();
    variables_ = template_variables(model);
  }
  if (!choice.system.empty() && !chat_) usage_error("--system goes with a chat template");
}

std::string Prompter::text(const std::string& question) const {
  if (!chat_) {
    std::string out;
    for (const Shot& shot : choice_.shots) out += filled(source_, shot.question) + " " + shot.answer + "\n\n";
    return out + filled(source_, question);
  }
  nlohmann::ordered_json variables = variables_;
  auto& messages = variables["messages"] = nlohmann::ordered_json::array();
  const auto say = [&](const char* role, const std::string& content) {
    messages.push_back({{"role", role}, {"content", content}});
  };
  if (!choice_.system.empty()) say("system", choice_.system);
  for (const Shot& shot : choice_.shots) {
    say("user", shot.question);
    say("assistant", shot.answer);
  }
  say("user", question);
  variables["add_generation_prompt"] = true;
  return chat_->render(variables);
}

std::vector<int64_t> Prompter::tokens(const std::string& prompt, const Tokenizer& tokenizer) const {
  return tokenizer.encode(prompt, /*add_special_tokens=*/!chat_.has_value()).ids;
}

}  // namespace circuitdiff
