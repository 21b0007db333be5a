// When an answer ends: an end token, a stop string (also across the border of two tokens), a repetition, or
// its length. Keeps the answer's text as it grows; the text holds neither the end token nor the stop string,
// and no half character.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tokenizer/decode_stream.h"

namespace circuitdiff {

struct StopRules {
  std::vector<int64_t> end_tokens;
  std::vector<std::string> stop;  // strings
  int64_t repetition = 0;  // an answer whose last so many tokens are one block four times or more; 0: never
};

enum class FinishReason { stop, length, repetition };
const char* finish_word(FinishReason reason);

// Whether the last `n` tokens are one block of at most n / 4 tokens, over and over.
bool repeats(const std::vector<int64_t>& tokens, int64_t begin, int64_t n);

class AnswerText {
 public:
  // tokenizer: null where no text is wanted. Both must outlive it.
  AnswerText(const StopRules& rules, const Tokenizer* tokenizer);
  // Takes one more token; nullopt while the answer goes on. answer: all its tokens, this one included, from
  // `begin` on.
  std::optional<FinishReason> push(int64_t token, const std::vector<int64_t>& tokens, int64_t begin,
                                   int64_t max_new_tokens);
  const std::string& text() const { return text_; }

 private:
  bool cut_at_stop(size_t searched_before);

  const StopRules* rules_;
  std::optional<DecodeStream> stream_;
  std::string text_;
};

}  // namespace circuitdiff
