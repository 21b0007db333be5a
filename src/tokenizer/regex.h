// Regular expressions as tokenizer.json means them: the syntax and the character classes of Oniguruma
// (which Hugging Face's tokenizers library uses), run by PCRE2's compiler to machine code. A pattern
// is rewritten (oniguruma.h) and then matched on UTF-8; what cannot be rewritten faithfully is an
// error when the tokenizer is loaded.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace circuitdiff {

// What one thread needs to match; made once and used for any number of patterns, one at a time.
class RegexScratch {
 public:
  RegexScratch();
  ~RegexScratch();
  RegexScratch(const RegexScratch&) = delete;
  RegexScratch& operator=(const RegexScratch&) = delete;

 private:
  friend class Regex;
  struct State;
  std::unique_ptr<State> state_;
};

class Regex {
 public:
  // `where` begins the message of the Error that a pattern which cannot be compiled throws.
  static Regex from_oniguruma(std::string_view pattern, std::string_view where);
  static Regex from_literal(std::string_view text);

  // Calls visit(begin, end) for each match in `text` (valid UTF-8), left to right, none overlapping. An empty
  // match right at the end of the match before it does not count.
  template <class F>
  void find_all(std::string_view text, RegexScratch& scratch, F&& visit) const {
    size_t from = 0;
    size_t last_end = std::string_view::npos;
    size_t begin, end;
    while (from <= text.size() && search(text, from, scratch, begin, end)) {
      if (begin == end && last_end == end) {
        from = next_position(text, from);
        continue;
      }
      from = last_end = end;
      visit(begin, end);
    }
  }

 private:
  Regex() = default;
  bool search(std::string_view text, size_t from, RegexScratch& scratch, size_t& begin, size_t& end) const;
  static size_t next_position(std::string_view text, size_t from);
  std::shared_ptr<const void> code_;  // pcre2_code
  std::string pattern_;               // as the file spells it
  std::string literal_;               // a plain string that needs no compiled code
};

}  // namespace circuitdiff
