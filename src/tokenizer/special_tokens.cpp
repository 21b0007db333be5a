#include "tokenizer/special_tokens.h"

#include <array>
#include <nlohmann/json.hpp>

#include "tokenizer/json_node.h"

namespace circuitdiff {

namespace {

void read_token(const JsonNode& file, const char* key, std::optional<std::string>& token) {
  if (token) return;
  const auto node = file.find(key);
  if (!node) return;
  if (node->json().is_string())
    token = node->string();
  else if (node->json().is_object())
    token = node->at("content").string();
  else
    node->wrong("a string or an object with \"content\" was expected");
}

}  // namespace

bool SpecialTokens::rebuilds_template() const {
  constexpr std::array classes{"LlamaTokenizer",         "LlamaTokenizerFast", "CodeLlamaTokenizer",
                               "CodeLlamaTokenizerFast", "GemmaTokenizer",     "GemmaTokenizerFast"};
  for (const char* name : classes)
    if (tokenizer_class == name) return true;
  return false;
}

const char* SpecialTokens::default_bos() const {
  return tokenizer_class.starts_with("Gemma") ? "<bos>" : "<s>";
}

SpecialTokens read_special_tokens(const std::filesystem::path& folder) {
  SpecialTokens out;
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"}) {
    const auto path = folder / name;
    if (!std::filesystem::exists(path)) continue;
    const nlohmann::json value = read_tokenizer_json(path);
    const std::string file = path.string();
    const JsonNode root(value, file);
    read_token(root, "bos_token", out.bos);
    read_token(root, "eos_token", out.eos);
    read_token(root, "pad_token", out.pad);
    read_token(root, "unk_token", out.unk);
    if (const auto node = root.find("add_bos_token"); node && !out.add_bos) out.add_bos = node->boolean();
    if (const auto node = root.find("add_eos_token"); node && !out.add_eos) out.add_eos = node->boolean();
    if (out.tokenizer_class.empty()) out.tokenizer_class = root.string_or("tokenizer_class", "");
  }
  return out;
}

}  // namespace circuitdiff
