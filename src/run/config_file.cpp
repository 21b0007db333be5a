#include "run/config_file.h"

#include "base/error.h"
#include "io/files.h"
#include "run/toml_values.h"

namespace circuitdiff {
namespace {

std::string toml_text(const toml::node& node, const std::string& where) {
  if (const auto* s = node.as_string()) return s->get();
  if (const auto* i = node.as_integer()) return std::to_string(i->get());
  if (const auto* f = node.as_floating_point()) return detail::print_double(f->get());
  if (const auto* b = node.as_boolean()) return b->get() ? "true" : "false";
  usage_error("{}: a string, number, true or false expected", where);
}

}  // namespace

toml::table parse_toml(const std::filesystem::path& path) {
  std::error_code unknown;
  if (!std::filesystem::exists(path, unknown)) usage_error("{}: no such file", path.string());
  const std::string text = read_file(path);
  try {
    return toml::parse(text, path.string());
  } catch (const toml::parse_error& e) {
    usage_error("{}:{}:{}: {}", path.string(), e.source().begin.line, e.source().begin.column,
                e.description());
  }
}

std::vector<std::string> toml_texts(const toml::node& node, const std::string& where) {
  std::vector<std::string> out;
  if (const auto* array = node.as_array())
    for (const toml::node& entry : *array) out.push_back(toml_text(entry, where));
  else
    out.push_back(toml_text(node, where));
  return out;
}

OptionValues toml_values(const toml::table& table, const std::string& where) {
  OptionValues out;
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    out[name] = toml_texts(node, where + "." + name);
  }
  return out;
}

OptionValues read_config_table(const std::filesystem::path& path, std::string_view command) {
  const toml::table file = parse_toml(path);
  const toml::node* node = file.get(command);
  if (!node) return {};
  if (!node->is_table()) usage_error("{}: \"{}\": a table expected", path.string(), command);
  return toml_values(*node->as_table(), path.string() + ": " + std::string(command));
}

std::string toml_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      out += {'\\', c};
    else if (static_cast<unsigned char>(c) < 0x20)
      out += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
    else
      out += c;
  }
  return out + "\"";
}

}  // namespace circuitdiff
