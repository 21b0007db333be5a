// A checkpoint's chat template: Jinja source compiled once and rendered for many conversations, as
// transformers does it (immutable sandbox, trim_blocks, lstrip_blocks, break and continue, generation blocks,
// raise_exception, strftime_now, tojson without HTML escapes). Values follow Python: truth, printing, slices,
// string methods, exact integers. A hostile template ends in an error: work, output, value size, nesting and
// recursion are bounded (limits.h). Left out: include, extends and import (there is nothing to load), random
// and lipsum (a prompt must not depend on chance).
#pragma once

#include <ctime>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "base/error.h"

namespace circuitdiff {

// What a template raised while rendering. what(): raise_exception's message as it is, else "NAME:LINE:
// message".
class TemplateError : public Error {
 public:
  TemplateError(std::string kind, const std::string& message) : Error(message), kind_(std::move(kind)) {}
  const std::string& kind() const {
    return kind_;
  }  // the Python class: "TemplateError" (raise_exception), "UndefinedError", ...

 private:
  std::string kind_;
};

// The time that strftime_now prints: broken down, with microseconds.
struct LocalTime {
  std::tm date{};
  int microsecond = 0;
};
using Clock = std::function<LocalTime()>;
LocalTime local_time_now();

namespace jinja {
struct Template;
}

// A compiled chat template. Cheap to copy, safe to render from several threads.
class ChatTemplate {
 public:
  // `name` begins error messages. Throws Error "NAME:LINE: ..." on a syntax error.
  explicit ChatTemplate(std::string source, std::string name = "chat_template");
  // variables: an object: messages, tools, add_generation_prompt, bos_token, ... What is null there is None;
  // what is absent is undefined. Throws TemplateError.
  std::string render(const nlohmann::ordered_json& variables, const Clock& clock = local_time_now) const;
  const std::string& source() const { return source_; }
  // A second template of the same checkpoint, rendered instead whenever "tools" is present and not null.
  void set_tool_use(const ChatTemplate& other);

 private:
  std::string source_;
  std::shared_ptr<const jinja::Template> compiled_, tool_use_;
};

// The template of a HuggingFace folder. In order: chat_template.jinja (with
// additional_chat_templates/*.jinja), chat_template.json, tokenizer_config.json's "chat_template" (text, or a
// list of {name, template} with "default" and perhaps "tool_use"). nullopt if there is none. Throws Error
// naming the file on malformed JSON or template.
std::optional<ChatTemplate> load_chat_template(const std::filesystem::path& folder);

// The special tokens transformers hands to the template: every "..._token" of tokenizer_config.json that is
// text or
// {"content": text}; special_tokens_map.json overrides them where the config has no added_tokens_decoder.
// A token that is null or absent is not among them: the template sees it as undefined.
nlohmann::ordered_json template_variables(const std::filesystem::path& folder);

}  // namespace circuitdiff
