// The second stage: cutting a normalised run into the words that the model sees one at a time.
// Known: Split (pattern or string, all five behaviours, inverted or not), ByteLevel, Digits,
// Metaspace, Punctuation, Whitespace, WhitespaceSplit, CharDelimiterSplit, BertPreTokenizer,
// FixedLength and Sequence of these.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "tokenizer/json_node.h"
#include "tokenizer/regex.h"
#include "tokenizer/text_run.h"

namespace circuitdiff {

// What becomes of a match ("delimiter") and of what lies between matches.
enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

class PreTokenizer {
 public:
  PreTokenizer() = default;                     // one word
  explicit PreTokenizer(const JsonNode& node);  // null, or the object with its "type"

  // Replaces `words` (one run at first) by the words they are cut into; none is empty.
  // `raw_bytes`: a ByteLevel at the very end, if there is one, leaves the words as bytes instead
  // of spelling them in its alphabet.
  void apply(std::vector<TextRun>& words, bool raw_bytes, RunBuffers& buffers, RegexScratch& scratch) const;
  bool ends_in_byte_level() const;

 private:
  enum class CharClass { numeric, punctuation, white_space };
  struct SplitRegex {
    Regex pattern;
    SplitBehavior behavior;
    bool invert;
  };
  struct SplitChars {  // each character of the class is a match of its own
    CharClass chars;
    SplitBehavior behavior;
  };
  struct ByteAlphabet {};
  struct PrefixSpace {};  // a blank in front of a word that has none
  enum class Prepend { always, first, never };
  struct Metaspace {
    char32_t replacement;
    Prepend prepend;
  };
  struct FixedLength {
    int64_t length;  // code points
  };
  using Step = std::variant<SplitRegex, SplitChars, ByteAlphabet, PrefixSpace, Metaspace, FixedLength>;

  void add(const JsonNode& node, int depth);
  void add_byte_level(const JsonNode& node);
  void add_metaspace(const JsonNode& node);
  std::vector<Step> steps_;
};

}  // namespace circuitdiff
