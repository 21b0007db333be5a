#include "jinja/chat_template.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "jinja/interpreter.h"

namespace circuitdiff {

ChatTemplate::ChatTemplate(std::string source, std::string name)
    : source_(std::move(source)), compiled_(jinja::parse_template(source_, name)) {}

void ChatTemplate::set_tool_use(const ChatTemplate& other) { tool_use_ = other.compiled_; }

std::string ChatTemplate::render(const nlohmann::ordered_json& variables, const Clock& clock) const {
  if (!variables.is_object() && !variables.is_null())
    throw TemplateError("TypeError", "the variables of a chat template must be an object");
  const auto tools = variables.find("tools");
  const bool with_tools = tool_use_ && tools != variables.end() && !tools->is_null();
  const jinja::Template& tree = with_tools ? *tool_use_ : *compiled_;
  jinja::Runtime rt(clock);
  try {
    jinja::Interpreter interpreter(tree, rt, variables);
    return interpreter.run();
  } catch (const jinja::Raised& error) {
    if (error.kind == "TemplateError") throw TemplateError(error.kind, error.message);
    throw TemplateError(error.kind, fmt::format("{}:{}: {}", tree.name, rt.line, error.message));
  }
}

}  // namespace circuitdiff
