// What tokenizer_config.json and special_tokens_map.json say about special tokens: their names, and whether
// BOS and EOS are put around a text. In both a token is a string or an object with "content";
// tokenizer_config.json wins.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace circuitdiff {

struct SpecialTokens {
  std::optional<std::string> bos, eos, pad, unk;
  std::optional<bool> add_bos, add_eos;
  std::string tokenizer_class;

  // Classes of the Llama family build their template from add_bos_token (true unless said otherwise) and
  // add_eos_token (false), whatever tokenizer.json holds.
  bool rebuilds_template() const;
  // The name that such a class gives its BOS token if the files name none.
  const char* default_bos() const;
};

// Reads what of the two files there is in `folder`; Error for a malformed one.
SpecialTokens read_special_tokens(const std::filesystem::path& folder);

}  // namespace circuitdiff
