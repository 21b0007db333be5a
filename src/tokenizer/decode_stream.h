// Text out of tokens that arrive one by one, as while generating. A piece is emitted only once
// it ends in a whole character, so that no half of one is ever shown; what comes late (the rest
// of an unfinished character) is held back. The same windows as Hugging Face's DecodeStream, so
// the same pieces at the same tokens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace circuitdiff {

class DecodeStream {
 public:
  explicit DecodeStream(const Tokenizer& tokenizer, bool skip_special_tokens = false);
  // The text that `id` completes; empty if there is none yet.
  std::string push(int64_t id);
  // What was still held back, unfinished characters as U+FFFD. The stream is empty
  // afterwards and may be used again.
  std::string finish();

 private:
  Tokenizer tokenizer_;
  bool skip_special_tokens_;
  std::vector<int64_t> ids_;  // tokens still needed as context, then those not yet emitted
  size_t context_ = 0;        // how many of ids_ have been emitted
  std::string prefix_;        // the text of the emitted ones
};

}  // namespace circuitdiff
