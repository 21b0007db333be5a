// Where a HuggingFace folder keeps its chat template and the names of its special tokens.
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "io/gguf.h"
#include "jinja/chat_template.h"

namespace circuitdiff {
namespace {

using Json = nlohmann::ordered_json;
using NamedTemplates = std::vector<std::pair<std::string, ChatTemplate>>;

std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf() || in.peek() == std::ifstream::traits_type::eof()))
    fail("{}: cannot be read", path.string());
  return text.str();
}

std::optional<Json> read_object(const std::filesystem::path& path) {
  if (!std::filesystem::is_regular_file(path)) return std::nullopt;
  constexpr int kMaxDepth = 256;
  try {
    Json out = Json::parse(read_text(path), [&](int depth, Json::parse_event_t, Json&) {
      if (depth > kMaxDepth) fail("{}: nested deeper than {}", path.string(), kMaxDepth);
      return true;
    });
    if (!out.is_object()) fail("{}: an object expected, {} found", path.string(), out.type_name());
    return out;
  } catch (const Json::exception& error) {
    fail("{}: not valid JSON: {}", path.string(), error.what());
  }
}

// A "chat_template" field: text, or a list of {name, template}.
void add_templates(const Json& field, const std::string& where, NamedTemplates& out) {
  if (field.is_null()) return;
  if (field.is_string()) {
    out.emplace_back("default", ChatTemplate(field.get<std::string>(), where));
    return;
  }
  if (!field.is_array()) fail("{}: text or a list expected, {} found", where, field.type_name());
  for (const Json& entry : field) {
    if (!entry.is_object() || !entry.contains("name") || !entry["name"].is_string() ||
        !entry.contains("template") || !entry["template"].is_string())
      fail("{}: each entry must be {{\"name\": text, \"template\": text}}", where);
    const std::string name = entry["name"].get<std::string>();
    out.emplace_back(name,
                     ChatTemplate(entry["template"].get<std::string>(), fmt::format("{}[{}]", where, name)));
  }
}

std::optional<ChatTemplate> choose(const NamedTemplates& named, const std::filesystem::path& folder) {
  if (named.empty()) return std::nullopt;
  const auto find = [&](std::string_view name) -> const ChatTemplate* {
    for (const auto& [known, chat] : named)
      if (known == name) return &chat;
    return nullptr;
  };
  const ChatTemplate* tool_use = find("tool_use");
  const ChatTemplate* standard = find("default");
  if (!standard && named.size() == 1) standard = &named[0].second;
  if (!standard) fail("{}: several chat templates, none of them named \"default\"", folder.string());
  ChatTemplate out = *standard;
  if (tool_use) out.set_tool_use(*tool_use);
  return out;
}

}  // namespace

std::optional<ChatTemplate> load_chat_template(const std::filesystem::path& folder) {
  if (const auto gguf = find_gguf(folder)) {
    const auto source = GgufFile(*gguf).text("tokenizer.chat_template");
    if (!source) return std::nullopt;
    return ChatTemplate(*source, gguf->string() + ": chat_template");
  }
  NamedTemplates named;
  const auto file = folder / "chat_template.jinja";
  if (std::filesystem::is_regular_file(file))
    named.emplace_back("default", ChatTemplate(read_text(file), file.string()));
  const auto more = folder / "additional_chat_templates";
  if (std::filesystem::is_directory(more)) {
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator(more))
      if (entry.path().extension() == ".jinja") paths.push_back(entry.path());
    std::sort(paths.begin(), paths.end());
    for (const auto& path : paths)
      named.emplace_back(path.stem().string(), ChatTemplate(read_text(path), path.string()));
  }
  for (const char* name : {"chat_template.json", "tokenizer_config.json"}) {
    if (!named.empty()) break;
    const auto path = folder / name;
    if (const auto object = read_object(path); object && object->contains("chat_template"))
      add_templates((*object)["chat_template"], path.string() + ": chat_template", named);
  }
  return choose(named, folder);
}

nlohmann::ordered_json template_variables(const std::filesystem::path& folder) {
  Json out = Json::object();
  if (const auto gguf = find_gguf(folder)) {
    const GgufFile file(*gguf);
    const auto tokens = file.texts("tokenizer.ggml.tokens");
    for (const auto& [name, key] :
         {std::pair{"bos_token", "bos_token_id"}, std::pair{"eos_token", "eos_token_id"},
          std::pair{"unk_token", "unknown_token_id"}, std::pair{"pad_token", "padding_token_id"}}) {
      const auto id = file.integer(std::string("tokenizer.ggml.") + key);
      if (id && *id >= 0 && static_cast<size_t>(*id) < tokens.size())
        out[name] = std::string(tokens[static_cast<size_t>(*id)]);
    }
    return out;
  }
  const auto take = [&](const Json& from) {
    for (const auto& [name, value] : from.items()) {
      if (!name.ends_with("_token")) continue;
      if (value.is_string()) {
        out[name] = value;
      } else if (value.is_object() && value.contains("content") && value["content"].is_string()) {
        out[name] = value["content"];
      }
    }
  };
  const auto config = read_object(folder / "tokenizer_config.json");
  if (config) take(*config);
  if (!config || !config->contains("added_tokens_decoder"))
    if (const auto map = read_object(folder / "special_tokens_map.json")) take(*map);
  return out;
}

}  // namespace circuitdiff
