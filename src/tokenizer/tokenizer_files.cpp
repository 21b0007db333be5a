#include "tokenizer/tokenizer_files.h"

#include "base/error.h"
#include "io/gguf.h"
#include "tokenizer/json_node.h"

namespace circuitdiff {

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
