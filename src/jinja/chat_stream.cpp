#include "jinja/chat_stream.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <vector>

namespace circuitdiff {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kMaxDepth = 256;

Json parse_row(const std::string& text, size_t line) {
  Json row;
  try {
    row = Json::parse(text, [&](int depth, Json::parse_event_t, Json&) {
      if (depth > kMaxDepth) fail("stdin:{}: nested deeper than {}", line, kMaxDepth);
      return true;
    });
  } catch (const Json::exception& error) {
    fail("stdin:{}: not valid JSON: {}", line, error.what());
  }
  if (!row.is_object()) fail("stdin:{}: an object expected, {} found", line, row.type_name());
  const auto messages = row.find("messages");
  if (messages == row.end()) fail("stdin:{}: field \"messages\" is missing", line);
  if (!messages->is_array())
    fail("stdin:{}: field \"messages\": a list of messages expected, {} found", line, messages->type_name());
  for (const Json& message : *messages)
    if (!message.is_object())
      fail("stdin:{}: field \"messages\": each message must be an object, {} found", line,
           message.type_name());
  if (const auto tools = row.find("tools"); tools != row.end() && !tools->is_null() && !tools->is_array())
    fail("stdin:{}: field \"tools\": a list or null expected, {} found", line, tools->type_name());
  return row;
}

}  // namespace

int64_t chat_stream(const std::filesystem::path& model, std::istream& in, std::ostream& out,
                    const Clock& clock) {
  const auto chat = load_chat_template(model);
  if (!chat) fail("{}: the model has no chat template", model.string());
  Json common = template_variables(model);
  common["tools"] = nullptr;
  common["documents"] = nullptr;
  common["add_generation_prompt"] = false;

  std::vector<Json> rows;
  std::string text;
  for (size_t line = 1; std::getline(in, text); ++line)
    if (text.find_first_not_of(" \t\r") != text.npos) rows.push_back(parse_row(text, line));

  int64_t failed = 0;
  for (const Json& row : rows) {
    Json variables = common;
    for (const auto& [name, value] : row.items()) variables[name] = value;
    Json result;
    try {
      result["text"] = chat->render(variables, clock);
    } catch (const TemplateError& error) {
      result["error"] = error.what();
      ++failed;
    }
    out << result.dump() << '\n';
  }
  out.flush();
  if (!out) fail("the rendered prompts cannot be written");
  return failed;
}

}  // namespace circuitdiff
