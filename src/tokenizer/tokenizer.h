// A checkpoint's tokenizer: text to token ids and back, as Hugging Face's tokenizers library computes them
// from tokenizer.json (BPE models, byte-level or of the SentencePiece kind), to the id, the offset and the
// character. Which special tokens are put around a text also follows tokenizer_config.json and
// special_tokens_map.json. A loaded Tokenizer does not change and may be shared between threads; copies are
// cheap and share everything. Left out: Unigram, WordPiece and WordLevel models, truncation, padding, pairs
// of texts, BPE dropout.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace circuitdiff {

struct Encoding {
  std::vector<int64_t> ids;
  // Per token, the code points [begin, end) of the text it stands for; {0, 0}
  // for a token that a template added.
  std::vector<std::pair<int64_t, int64_t>> offsets;
};

class TokenizerParts;  // everything that was read, tokenizer.cpp

class Tokenizer {
 public:
  // Reads tokenizer.json (or tokenizer.model where there is none), tokenizer_config.json and
  // special_tokens_map.json of a checkpoint folder, or the metadata of a GGUF file. Throws Error naming the
  // file and the field for anything missing, malformed or not supported.
  static Tokenizer load(const std::filesystem::path& folder);

  // Special tokens written out in the text are recognised whatever `add_special_tokens` says;
  // that flag is about those which the checkpoint puts around a text (a BOS, say). Throws
  // Error if the text is not valid UTF-8.
  Encoding encode(std::string_view text, bool add_special_tokens = true) const;
  // Ids outside the vocabulary vanish. Bytes that make no character become U+FFFD.
  std::string decode(std::span<const int64_t> ids, bool skip_special_tokens = false) const;

  int64_t vocab_size() const;  // largest id + 1, added tokens included
  std::optional<int64_t> token_to_id(std::string_view token) const;
  std::optional<std::string> id_to_token(int64_t id) const;  // as the vocabulary spells it
  bool is_special(int64_t id) const;

  // As the configuration names them; empty where it names none, or one that the vocabulary lacks (ids only).
  std::optional<std::string> bos_token() const;
  std::optional<std::string> eos_token() const;
  std::optional<std::string> pad_token() const;
  std::optional<std::string> unk_token() const;
  std::optional<int64_t> bos_id() const;
  std::optional<int64_t> eos_id() const;
  std::optional<int64_t> pad_id() const;
  std::optional<int64_t> unk_id() const;
  // Whether encode(text, true) puts the BOS token first, or the EOS token last.
  bool adds_bos() const;
  bool adds_eos() const;

 private:
  friend class DecodeStream;
  explicit Tokenizer(std::shared_ptr<const TokenizerParts> parts) : parts_(std::move(parts)) {}
  std::shared_ptr<const TokenizerParts> parts_;
};

}  // namespace circuitdiff
