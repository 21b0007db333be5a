#include "generate/prompts.h"

#include <charconv>

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
  const std::vector<std::string> cot_stop{"</s>", "<|im_end|>", "<|endoftext|>", "\n\nQuestion:"};
  const std::string qwen_boxed =
      "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n{question}\n" + boxed +
      "<|im_end|>\n<|im_start|>assistant\n";
  const std::string three = "\n\n\n", two = "\n\n";
  return {{"plain", "{question}", {}, 1024, two, "\n"},
          // The harness's prompt types.
          {"deepseek-math", user, stop, 4096, three},
          {"mistral", inst, stop, 4096, two},
          {"qwen25-math-cot", chatml, stop, 8192, two, "\n", /*one_turn=*/true},
          {"qwen-boxed", qwen_boxed, stop, 2048, two},
          {"cot", "Question: {question}\nAnswer: ", cot_stop, 2048, three},
          // The published runs, by the pair: DeepSeek-Math 7B, Qwen2.5 7B, R1-Distill and AceReason 7B.
          // Mistral's pair is called as its prompt type is.
          {"deepseek", user, stop, 4096, three},
          {"qwen", chatml, stop, 8192, two, "\n", /*one_turn=*/true},
          {"nvidia-qwen", user, stop, 32768, three}};
}

std::string filled(const std::string& text, const std::string& question) {
  std::string out = text;
  out.replace(out.find(kPlace), kPlace.size(), question);
  return out;
}

// As the harness does: a prompt that ends in a space would take it from the answer's first token.
std::string without_spaces_around(const std::string& text) {
  const size_t begin = text.find_first_not_of(' ');
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(' ') - begin + 1);
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

std::string text_of_time(const LocalTime& time) {
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &time.date);
  return fmt::format("{}.{:06}", text, time.microsecond);
}

std::optional<LocalTime> time_of_text(const std::string& text) {
  LocalTime out;
  const char* rest = strptime(text.c_str(), "%Y-%m-%d %H:%M:%S.", &out.date);
  if (!rest || std::from_chars(rest, text.c_str() + text.size(), out.microsecond).ec != std::errc())
    return std::nullopt;
  out.date.tm_isdst = -1;
  if (std::mktime(&out.date) == -1) return std::nullopt;  // fills in the time zone
  return out;
}

Prompter::Prompter(const PromptChoice& choice, const std::filesystem::path& model) : choice_(choice) {
  const int choices = int{choice.chat} + int{!choice.preset.empty()} + int{!choice.file.empty()};
  if (choices > 1) usage_error("--chat, --prompt and --prompt-file exclude each other");
  if (!choice.preset.empty()) {
    rules_ = prompt_preset(choice.preset);
    name_ = rules_.name;
    source_ = rules_.text;
  } else if (choice.file.extension() == ".jinja") {
    name_ = "file";
    chat_.emplace(read_file(choice.file), choice.file.string());
    source_ = chat_->source();
    variables_ = template_variables(model);
  } else if (!choice.file.empty()) {
    name_ = "file";
    rules_.before_answer = " ";
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
    std::string before, inside;
    for (const Shot& shot : choice_.shots) {
      before += filled(source_, shot.question) + rules_.before_answer + shot.answer + rules_.between;
      inside += shot.question + rules_.before_answer + shot.answer + rules_.between;
    }
    const std::string text =
        rules_.one_turn ? filled(source_, inside + question) : before + filled(source_, question);
    return rules_.name.empty() ? text : without_spaces_around(text);
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
  return chat_->render(variables, [this] { return choice_.time; });
}

std::vector<int64_t> Prompter::tokens(const std::string& prompt, const Tokenizer& tokenizer) const {
  return tokenizer.encode(prompt, /*add_special_tokens=*/!chat_.has_value()).ids;
}

}  // namespace circuitdiff
