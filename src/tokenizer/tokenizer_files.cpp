#include "tokenizer/tokenizer_files.h"

#include "base/error.h"
#include "io/gguf.h"
#include "tokenizer/json_node.h"

namespace circuitdiff {
namespace {

// Without "legacy", only the text's own beginning takes a space in front, not what follows a special token.
void follow_configuration(const std::filesystem::path& model, nlohmann::json& tokenizer) {
  const auto path = model / "tokenizer_config.json";
  if (!std::filesystem::exists(path)) return;
  const nlohmann::json config = read_tokenizer_json(path);
  const std::string file = path.string();
  if (JsonNode(config, file).boolean_or("legacy", true)) return;
  const bool space_in_front = tokenizer["normalizer"]["normalizers"].size() > 1;
  tokenizer["normalizer"] = nullptr;
  tokenizer["pre_tokenizer"] = {{"type", "Metaspace"},
                                {"replacement", "\u2581"},
                                {"prepend_scheme", space_in_front ? "first" : "never"},
                                {"split", false}};
}

}  // namespace

TokenizerFile read_tokenizer_file(const std::filesystem::path& model) {
  if (const auto gguf = find_gguf(model)) return read_gguf_tokenizer(*gguf);
  TokenizerFile out;
  const auto path = model / "tokenizer.json", pieces = model / "tokenizer.model";
  if (std::filesystem::exists(path)) {
    out.where = path.string();
    out.json = read_tokenizer_json(path);
  } else if (std::filesystem::exists(pieces)) {
    out.where = pieces.string();
    out.json = read_sentencepiece(pieces);
    follow_configuration(model, out.json);
  } else if (std::filesystem::exists(model / "vocab.json")) {
    fail("{}: no such file; vocab.json alone is not read: save the tokenizer as tokenizer.json first",
         path.string());
  } else {
    fail("{}: no such file", path.string());
  }
  out.special = read_special_tokens(model);
  return out;
}

}  // namespace circuitdiff
