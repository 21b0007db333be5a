// Tokens back to text: a chain of steps over the list of tokens, whose strings are joined at the end.
// Known: ByteLevel, ByteFallback, Replace, Fuse, Strip, Metaspace, BPEDecoder and Sequence of these. Without
// a decoder the tokens are joined by blanks.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "tokenizer/json_node.h"
#include "tokenizer/regex.h"

namespace circuitdiff {

class TokenDecoder {
 public:
  explicit TokenDecoder(const JsonNode& node);  // null, or the object with its "type"
  std::string decode(std::vector<std::string> tokens, RegexScratch& scratch) const;

 private:
  struct ByteLevel {};
  struct ByteFallback {};
  struct Fuse {};
  struct Replace {
    Regex pattern;
    std::string content;
  };
  struct Strip {
    char32_t content;
    int64_t start, stop;  // at most so many characters
  };
  struct Metaspace {
    std::string replacement;
    bool drops_first;  // the blanks of the first token are not the text's
  };
  struct WordEnd {
    std::string suffix;
  };
  using Step = std::variant<ByteLevel, ByteFallback, Fuse, Replace, Strip, Metaspace, WordEnd>;
  void add(const JsonNode& node, int depth);
  static void apply(const ByteLevel&, std::vector<std::string>& tokens);
  static void apply(const ByteFallback&, std::vector<std::string>& tokens);
  static void apply(const Fuse&, std::vector<std::string>& tokens);
  static void apply(const Strip& step, std::vector<std::string>& tokens);
  static void apply(const Metaspace& step, std::vector<std::string>& tokens);
  static void apply(const WordEnd& step, std::vector<std::string>& tokens);
  static void apply(const Replace& step, std::vector<std::string>& tokens, RegexScratch& scratch);
  bool joins_by_blanks_ = false;
  std::vector<Step> steps_;
};

}  // namespace circuitdiff
