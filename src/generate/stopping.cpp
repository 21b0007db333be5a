#include "generate/stopping.h"

#include <algorithm>

namespace circuitdiff {

const char* finish_word(FinishReason reason) {
  switch (reason) {
    case FinishReason::stop:
      return "stop";
    case FinishReason::repetition:
      return "repetition";
    default:
      return "length";
  }
}

bool repeats(const std::vector<int64_t>& tokens, int64_t begin, int64_t n) {
  const auto size = static_cast<int64_t>(tokens.size());
  if (n < 4 || size - begin < n) return false;
  const auto* last = tokens.data() + (size - n);
  for (int64_t period = 1; period <= n / 4; ++period) {
    int64_t i = n - 1;
    while (i >= period && last[i] == last[i - period]) --i;
    if (i < period) return true;
  }
  return false;
}

AnswerText::AnswerText(const StopRules& rules, const Tokenizer* tokenizer) : rules_(&rules) {
  if (tokenizer) stream_.emplace(*tokenizer, /*skip_special_tokens=*/true);
}

// Looks for the earliest stop string that could not be seen before `searched_before` bytes were there.
bool AnswerText::cut_at_stop(size_t searched_before) {
  size_t cut = std::string::npos;
  for (const std::string& stop : rules_->stop) {
    const size_t from = searched_before >= stop.size() ? searched_before - stop.size() + 1 : 0;
    cut = std::min(cut, text_.find(stop, from));
  }
  if (cut == std::string::npos) return false;
  text_.resize(cut);
  return true;
}

std::optional<FinishReason> AnswerText::push(int64_t token, const std::vector<int64_t>& tokens, int64_t begin,
                                             int64_t max_new_tokens) {
  const auto& ends = rules_->end_tokens;
  const bool ended = std::find(ends.begin(), ends.end(), token) != ends.end();
  if (stream_ && !ended) {
    const size_t before = text_.size();
    text_ += stream_->push(token);
    if (cut_at_stop(before)) return FinishReason::stop;
  }
  std::optional<FinishReason> reason;
  if (ended)
    reason = FinishReason::stop;
  else if (rules_->repetition > 0 && repeats(tokens, begin, rules_->repetition))
    reason = FinishReason::repetition;
  else if (static_cast<int64_t>(tokens.size()) - begin >= max_new_tokens)
    reason = FinishReason::length;
  if (reason && stream_) {
    const size_t before = text_.size();
    text_ += stream_->finish();
    if (cut_at_stop(before)) reason = FinishReason::stop;
  }
  return reason;
}

}  // namespace circuitdiff
