// The last stage of encode: special tokens around the text, and offsets without the blanks of byte-level
// tokens. Known: TemplateProcessing (its "single" template), ByteLevel and Sequence of these. Pairs of texts
// are left out.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "tokenizer/json_node.h"
#include "tokenizer/tokenizer.h"

namespace circuitdiff {

class PostProcessor {
 public:
  PostProcessor() = default;                     // changes nothing
  explicit PostProcessor(const JsonNode& node);  // null, or the object with its "type"

  // `texts` are the tokens as the model spells them; only looked at if needs_texts().
  void apply(Encoding& encoding, const std::vector<std::string>& texts, bool add_special_tokens) const;
  bool needs_texts() const { return !trims_.empty(); }

  // The special tokens that stand before and after a text, in order.
  std::vector<int64_t> ids_before() const;
  std::vector<int64_t> ids_after() const;
  // In place of whatever the file says: these ids before and after the text.
  void set_around(std::vector<int64_t> before, std::vector<int64_t> after);

 private:
  struct Text {};
  using Piece = std::variant<Text, std::vector<int64_t>>;
  struct Template {
    std::vector<Piece> pieces;
  };
  struct TrimOffsets {
    bool add_prefix_space;
  };
  void add(const JsonNode& node, int depth);
  static void trim(const TrimOffsets& step, Encoding& encoding, const std::vector<std::string>& texts);
  // A template leaves the tokens of the text a piece of their own, so
  // trimming first is the same in any order.
  std::vector<TrimOffsets> trims_;
  std::vector<Template> templates_;
};

}  // namespace circuitdiff
