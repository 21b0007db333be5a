// The model: byte-pair encoding of one word. Its characters (or bytes) become symbols, and the adjacent
// pair that stands first in the list of merges is joined, the leftmost one if it occurs more than once,
// until no pair is in the list. A character outside the vocabulary becomes its bytes' tokens (byte
// fallback), else the unknown token, else nothing. Short words are scanned, long ones keep a priority
// queue: n log n. Left out: dropout.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/json_node.h"

namespace circuitdiff {

// Ids above this are refused: a table is kept that is as long as the largest.
inline constexpr int64_t kLargestTokenId = (1 << 24) - 1;

struct WordToken {
  uint32_t id;
  uint32_t end;  // byte of the word where it ends; it begins where the one before it ends
};

struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};
template <class T>
using StringMap = std::unordered_map<std::string, T, StringHash, std::equal_to<>>;

class BpeModel {
 public:
  explicit BpeModel(const JsonNode& node);  // the "model" object

  // Prepares words(): `raw_bytes` words are bytes whose spelling in the byte-level alphabet is in the
  // vocabulary. Returns whether that is possible with this vocabulary (all 256 are there, no affixes).
  bool use_raw_bytes();

  // What one thread works in.
  struct Scratch;
  struct ScratchDeleter {
    void operator()(Scratch* scratch) const;
  };
  using ScratchPtr = std::unique_ptr<Scratch, ScratchDeleter>;
  static ScratchPtr make_scratch();

  // Appends the tokens of `word` to `out`. Words seen before are remembered in `scratch`.
  void encode(std::string_view word, Scratch& scratch, std::vector<WordToken>& out) const;

  const StringMap<uint32_t>& vocabulary() const { return vocabulary_; }
  std::optional<uint32_t> id_of(std::string_view token) const;
  const std::optional<std::string>& unknown_token() const { return unknown_token_; }

 private:
  struct Merge {
    uint64_t pair;
    uint32_t rank;
    uint32_t id;
  };
  void read_merges(const JsonNode& node);
  void add_merge(uint32_t left, uint32_t right, uint32_t rank, uint32_t id);
  void prepare_cuts();
  const Merge* find_merge(uint32_t left, uint32_t right) const;
  void encode_chunk(std::string_view chunk, Scratch& scratch, std::vector<WordToken>& out) const;
  void make_symbols(std::string_view chunk, Scratch& scratch) const;
  void merge_short(Scratch& scratch) const;
  void merge_long(Scratch& scratch) const;
  uint32_t unknown_id() const;

  StringMap<uint32_t> vocabulary_;
  std::vector<Merge> merges_;  // open addressing, a power of two long
  size_t n_merges_ = 0;
  std::string file_;
  std::optional<std::string> unknown_token_;
  std::optional<uint32_t> unknown_id_;
  std::string prefix_, suffix_;  // of symbols after the first, of the last
  bool fuse_unknown_ = false;
  bool ignore_merges_ = false;
  bool raw_bytes_ = false;
  std::vector<uint32_t> byte_tokens_;    // <0x00> .. <0xFF>; empty without byte fallback
  std::vector<uint32_t> raw_symbols_;    // per byte, where words are raw bytes
  StringMap<uint32_t> raw_vocabulary_;   // whole words as bytes, only with ignore_merges
  std::vector<uint32_t> ascii_symbols_;  // per ASCII character its id or kNone
  bool cuts_ = false;                    // no merge joins anything to a following U+2581, so words part there
};

}  // namespace circuitdiff
