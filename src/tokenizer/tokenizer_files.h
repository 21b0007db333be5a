// Where a model keeps its tokenizer: tokenizer.json; else tokenizer.model, SentencePiece's own file (BPE
// models, converted as transformers converts them); or the metadata of a GGUF file. Whatever it is, it comes
// out as the tokenizer.json that says the same.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tokenizer/special_tokens.h"

namespace circuitdiff {

struct TokenizerFile {
  nlohmann::json json;  // as tokenizer.json has it
  std::string where;    // the file, for messages
  SpecialTokens special;
};

// Throws Error naming the file for anything missing, malformed or not supported.
TokenizerFile read_tokenizer_file(const std::filesystem::path& model);

// One piece of a SentencePiece vocabulary; `type` by SentencePiece's numbers.
struct SentencePiece {
  std::string text;
  float score = 0;
  int type = 1;
};
inline constexpr int kNormalPiece = 1, kUnknownPiece = 2, kControlPiece = 3, kUserPiece = 4, kBytePiece = 6;

// The tokenizer.json of a BPE vocabulary with scores: merges in the order of the scores of what they make.
nlohmann::json bpe_of_pieces(const std::vector<SentencePiece>& pieces, bool space_in_front,
                             const std::string& where);

// tokenizer.model. Throws Error on Unigram models and on normalisations other than identity.
nlohmann::json read_sentencepiece(const std::filesystem::path& path);

// The tokenizer in a GGUF file's metadata: "gpt2" (byte-level BPE) or "llama" (SentencePiece BPE).
TokenizerFile read_gguf_tokenizer(const std::filesystem::path& path);

}  // namespace circuitdiff
