// How a question becomes a prompt: the checkpoint's own chat template, a named preset (the published runs of
// four model pairs, as the Qwen2.5-Math harness builds them), or a template file of one's own. A preset also
// says where its answers stop and how long they may be.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jinja/chat_template.h"
#include "tokenizer/tokenizer.h"

namespace circuitdiff {

struct PromptPreset {
  std::string name;
  std::string text;               // {question} is replaced
  std::vector<std::string> stop;  // strings that end an answer, beside the end tokens
  int64_t max_new_tokens = 1024;
  // Examples stand before the question, each filled into `text`, then its answer; or, in a conversation of
  // one turn, they become a part of the question.
  std::string between = "\n\n", before_answer;
  bool one_turn = false;
};

const std::vector<PromptPreset>& prompt_presets();
// UsageError naming the nearest where there is none of that name.
const PromptPreset& prompt_preset(std::string_view name);

struct Shot {
  std::string question, answer;
};
// JSON Lines of {question, answer}.
std::vector<Shot> read_shots(const std::filesystem::path& path);

struct PromptChoice {
  bool chat = false;                  // the checkpoint's template; the default where it has one
  std::string preset;                 // a name
  std::filesystem::path file;         // a text with {question} in it, or a chat template (.jinja)
  std::string system;                 // with a chat template: the system message
  std::vector<Shot> shots;            // put before the question
  LocalTime time = local_time_now();  // what a template that asks for the date is told
};

// "2024-07-26 09:30:00.000125", local time, and back; nullopt where the text is none.
std::string text_of_time(const LocalTime& time);
std::optional<LocalTime> time_of_text(const std::string& text);

class Prompter {
 public:
  // Reads the template of the checkpoint folder where it is needed. UsageError: more than one choice, none
  // where the checkpoint has no template, an unknown preset.
  Prompter(const PromptChoice& choice, const std::filesystem::path& model);

  const std::string& name() const { return name_; }      // "chat", a preset's, or "file"
  const std::string& source() const { return source_; }  // the template's text
  const PromptPreset& rules() const { return rules_; }   // stop strings and length
  std::string text(const std::string& question) const;
  // A rendered chat is encoded as it stands; other prompts get the special tokens that the tokenizer puts
  // around a text.
  std::vector<int64_t> tokens(const std::string& prompt, const Tokenizer& tokenizer) const;

 private:
  PromptChoice choice_;
  std::string name_, source_;
  PromptPreset rules_;
  std::optional<ChatTemplate> chat_;
  nlohmann::ordered_json variables_;
};

}  // namespace circuitdiff
