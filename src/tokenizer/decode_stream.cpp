#include "tokenizer/decode_stream.h"

#include <algorithm>

namespace circuitdiff {

namespace {

bool is_unfinished(const std::string& text) { return text.ends_with("\uFFFD"); }

}  // namespace

DecodeStream::DecodeStream(const Tokenizer& tokenizer, bool skip_special_tokens)
    : tokenizer_(tokenizer), skip_special_tokens_(skip_special_tokens) {}

std::string DecodeStream::push(int64_t id) {
  const auto token = tokenizer_.id_to_token(id);
  if (!token || (skip_special_tokens_ && tokenizer_.is_special(id))) return {};  // vanishes from any text
  // Tokens that show nothing by themselves (a lone prefix blank, which the decoder
  // strips) are context for the next.
  if (prefix_.empty() && !ids_.empty()) {
    std::string text = tokenizer_.decode(ids_, skip_special_tokens_);
    if (!is_unfinished(text)) {
      prefix_ = std::move(text);
      context_ = ids_.size();
    }
  }
  ids_.push_back(id);
  std::string text = tokenizer_.decode(ids_, skip_special_tokens_);
  if (text.size() <= prefix_.size() || is_unfinished(text)) return {};
  // A later byte can make an earlier character invalid after all; then only what is new is shown.
  std::string fresh =
      text.starts_with(prefix_)
          ? text.substr(prefix_.size())
          : tokenizer_.decode(std::span(ids_).subspan(std::min(context_, ids_.size())), skip_special_tokens_);
  ids_.erase(ids_.begin(), ids_.begin() + static_cast<std::ptrdiff_t>(context_));
  prefix_ = tokenizer_.decode(ids_, skip_special_tokens_);
  context_ = ids_.size();
  return fresh;
}

std::string DecodeStream::finish() {
  const std::string text = tokenizer_.decode(ids_, skip_special_tokens_);
  std::string rest;
  if (text.starts_with(prefix_))
    rest = text.substr(prefix_.size());
  else if (context_ < ids_.size())
    rest = tokenizer_.decode(std::span(ids_).subspan(context_), skip_special_tokens_);
  ids_.clear();
  prefix_.clear();
  context_ = 0;
  return rest;
}

}  // namespace circuitdiff
