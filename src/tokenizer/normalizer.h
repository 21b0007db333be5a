// The first stage: what tokenizer.json's "normalizer" does to a text before anything looks at it.
// Known: NFC, NFD, NFKC, NFKD, Lowercase, Prepend, Replace, Strip, ByteLevel and Sequence of
// these.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "tokenizer/json_node.h"
#include "tokenizer/regex.h"
#include "tokenizer/text_run.h"

namespace circuitdiff {

class Normalizer {
 public:
  Normalizer() = default;                     // changes nothing
  explicit Normalizer(const JsonNode& node);  // null, or the object with its "type"
  TextRun apply(TextRun run, RunBuffers& buffers, RegexScratch& scratch) const;
  bool changes_nothing() const { return steps_.empty(); }

 private:
  enum class Form { nfc, nfd, nfkc, nfkd };
  struct Lowercase {};
  struct ByteLevel {};
  struct Prepend {
    std::string text;
  };
  struct Replace {
    Regex pattern;
    std::string content;
  };
  struct Strip {
    bool left, right;
  };
  using Step = std::variant<Form, Lowercase, ByteLevel, Prepend, Replace, Strip>;
  void add(const JsonNode& node, int depth);
  static TextRun apply_form(TextRun run, Form form, RunBuffers& buffers);
  static TextRun lowercase(const TextRun& run, RunBuffers& buffers);
  static TextRun replace(const TextRun& run, const Replace& step, RunBuffers& buffers, RegexScratch& scratch);
  static TextRun strip(const TextRun& run, const Strip& step);
  std::vector<Step> steps_;
};

// A pattern object, {"String": ..} or {"Regex": ..}.
Regex read_pattern(const JsonNode& node);

}  // namespace circuitdiff
