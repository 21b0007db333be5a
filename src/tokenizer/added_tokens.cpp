#include "tokenizer/added_tokens.h"

#include <algorithm>

#include "base/error.h"

namespace circuitdiff {

namespace {

// Regular expressions' \w: letters, marks, decimal digits, connecting punctuation, joiners.
bool is_word_character(char32_t c) {
  static const Regex pattern =
      Regex::from_oniguruma(R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d])", "added tokens");
  RegexScratch scratch;
  std::string text;
  append_utf8(text, c);
  bool found = false;
  pattern.find_all(text, scratch, [&](size_t, size_t) { found = true; });
  return found;
}

size_t last_character(std::string_view text, size_t end) {
  size_t last = end - 1;
  while (is_continuation(text[last])) --last;
  return last;
}

}  // namespace

AddedTokens::AddedTokens(const JsonNode& node, const BpeModel& model, const Normalizer& normalizer) {
  std::vector<AddedToken> tokens;
  node.for_each([&](const JsonNode& entry) {
    entry.at("id").integer(0, kLargestTokenId);
    tokens.push_back({entry.at("content").string(), entry.boolean_or("single_word", false),
                      entry.boolean_or("lstrip", false), entry.boolean_or("rstrip", false),
                      entry.boolean_or("normalized", !entry.boolean_or("special", false)),
                      entry.boolean_or("special", false)});
  });
  auto next_id = static_cast<uint32_t>(model.vocabulary().size());
  for (const AddedToken& token : tokens) {
    if (token.content.empty()) continue;
    if (token.special) special_[token.content] = true;
    auto id = id_of(token.content);
    if (!id) id = model.id_of(token.content);
    if (!id) id = next_id++;
    ids_[token.content] = *id;
    by_id_[*id] = token;
  }
  // Special tokens first: of two patterns that are the same text after normalisation, the first one counts.
  RegexScratch scratch;
  StringMap<bool> seen;  // of special ones listed twice the first is looked for
  for (const bool special : {true, false}) {
    for (const AddedToken& token : tokens) {
      if (token.content.empty() || is_special(token.content) != special) continue;
      if (special && (!token.special || !seen.emplace(token.content, true).second)) continue;
      const uint32_t id = *id_of(token.content);
      if (!token.normalized) {
        as_given_.add(token.content, id);
        continue;
      }
      RunBuffers buffers;
      normalized_.add(normalizer.apply({token.content, nullptr, 0}, buffers, scratch).text, id);
    }
  }
}

std::optional<uint32_t> AddedTokens::id_of(std::string_view content) const {
  const auto it = ids_.find(content);
  if (it == ids_.end()) return std::nullopt;
  return it->second;
}

const std::string* AddedTokens::content_of(uint32_t id) const {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : &it->second.content;
}

AddedTokens::Patterns::Patterns() = default;

void AddedTokens::Patterns::add(std::string_view pattern, uint32_t id) {
  if (pattern.empty()) return;
  first_[static_cast<unsigned char>(pattern[0])] = true;
  uint32_t node = 0;
  for (const char byte : pattern) {
    const uint64_t edge = uint64_t{node} << 8 | static_cast<unsigned char>(byte);
    const auto [it, is_new] = children_.try_emplace(edge, n_nodes_);
    if (is_new) ++n_nodes_;
    node = it->second;
  }
  ends_.try_emplace(node, id);
}

bool AddedTokens::Patterns::find(std::string_view text, size_t from, size_t& begin, size_t& end,
                                 uint32_t& id) const {
  for (size_t start = from; start < text.size(); ++start) {
    if (!first_[static_cast<unsigned char>(text[start])]) continue;
    uint32_t node = 0;
    bool found = false;
    for (size_t i = start; i < text.size(); ++i) {
      const auto child = children_.find(uint64_t{node} << 8 | static_cast<unsigned char>(text[i]));
      if (child == children_.end()) break;
      node = child->second;
      if (const auto done = ends_.find(node); done != ends_.end()) {
        found = true;
        begin = start;
        end = i + 1;
        id = done->second;
      }
    }
    if (found) return true;
  }
  return false;
}

void AddedTokens::split(const TextRun& run, const Patterns& patterns, std::vector<Part>& out) const {
  const std::string_view text = run.text;
  size_t done = 0;  // what lies before it has been given out
  size_t from = 0, begin, end;
  uint32_t id;
  while (!patterns.empty() && patterns.find(text, from, begin, end, id)) {
    from = end;
    const AddedToken& token = by_id_.at(id);
    if (token.single_word) {
      const bool word_before =
          begin > 0 && is_word_character(code_point_at(text, last_character(text, begin)));
      const bool word_after = end < text.size() && is_word_character(code_point_at(text, end));
      if (word_before || word_after) continue;
    }
    if (token.lstrip) {
      while (begin > 0 && is_white_space(code_point_at(text, last_character(text, begin))))
        begin = last_character(text, begin);
      begin = std::max(begin, done);
    }
    if (token.rstrip)
      while (end < text.size() && is_white_space(code_point_at(text, end))) end += utf8_length(text[end]);
    if (done < begin) out.push_back({run.part(done, begin), std::nullopt});
    if (begin < end) out.push_back({run.part(begin, end), id});
    done = end;
  }
  if (done < text.size()) out.push_back({run.part(done, text.size()), std::nullopt});
}

}  // namespace circuitdiff
