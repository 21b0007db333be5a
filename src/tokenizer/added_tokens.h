// Tokens that were added to a vocabulary: looked for in the text before the model sees it, the longest at the
// leftmost place, those with "normalized": false in the text as given, the others in the normalised text. A
// special one is left out by decode(skip_special_tokens).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/bpe.h"
#include "tokenizer/json_node.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/text_run.h"

namespace circuitdiff {

struct AddedToken {
  std::string content;
  bool single_word = false;  // not inside a word
  bool lstrip = false;       // takes in the white space before it
  bool rstrip = false;       // and after it
  bool normalized = true;
  bool special = false;
};

class AddedTokens {
 public:
  AddedTokens() = default;
  // `node` is the array "added_tokens". Ids are given as the library gives them: the vocabulary's own where
  // it has the token, else the next free one in the array's order.
  AddedTokens(const JsonNode& node, const BpeModel& model, const Normalizer& normalizer);

  struct Part {
    TextRun run;
    std::optional<uint32_t> id;  // of the added token that the run is
  };
  // Appends the parts of `run`; those between tokens are never empty.
  void split_as_given(const TextRun& run, std::vector<Part>& out) const { split(run, as_given_, out); }
  void split_normalized(const TextRun& run, std::vector<Part>& out) const { split(run, normalized_, out); }

  std::optional<uint32_t> id_of(std::string_view content) const;
  const std::string* content_of(uint32_t id) const;  // null if there is no such added token
  bool is_special(std::string_view content) const { return special_.contains(content); }
  const std::unordered_map<uint32_t, AddedToken>& by_id() const { return by_id_; }

 private:
  // A tree of bytes; each pattern ends in a node.
  class Patterns {
   public:
    Patterns();
    void add(std::string_view pattern, uint32_t id);  // the first of equal patterns stays
    bool empty() const { return n_nodes_ == 1; }
    // The first match at or after `from`: the longest at the leftmost place.
    bool find(std::string_view text, size_t from, size_t& begin, size_t& end, uint32_t& id) const;

   private:
    std::unordered_map<uint64_t, uint32_t> children_;  // node << 8 | byte -> node
    std::unordered_map<uint32_t, uint32_t> ends_;      // node -> id
    std::array<bool, 256> first_{};                    // bytes some pattern begins with
    uint32_t n_nodes_ = 1;
  };
  void split(const TextRun& run, const Patterns& patterns, std::vector<Part>& out) const;

  std::unordered_map<uint32_t, AddedToken> by_id_;
  StringMap<uint32_t> ids_;
  StringMap<bool> special_;
  Patterns as_given_, normalized_;
};

}  // namespace circuitdiff
