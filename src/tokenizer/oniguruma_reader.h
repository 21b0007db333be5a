// A cursor over a pattern in Oniguruma's syntax: it reads escapes and sets of characters and says what stands
// for them inside a PCRE2 set. Groups, quantifiers and everything else of a pattern are oniguruma.cpp's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace circuitdiff {

class OnigurumaReader {
 public:
  // `where` begins the message of the Error thrown for what is left out.
  OnigurumaReader(std::string_view pattern, std::string_view where) : in_(pattern), where_(where) {}

 protected:
  [[noreturn]] void wrong(std::string_view what) const;
  bool more() const { return at_ < in_.size(); }
  char peek(size_t ahead = 0) const { return at_ + ahead < in_.size() ? in_[at_ + ahead] : '\0'; }
  bool starts(std::string_view text) const { return in_.substr(at_).starts_with(text); }

  struct Property {
    std::string name;
    bool negated;
  };
  // \d, \D, \p{Name}, \p{^Name} or \P{Name}. Moves past it.
  Property property();
  // An escape that stands for characters: the content of a PCRE2 set. Moves past it.
  std::string set_escape();
  // The set whose [ has been passed, as PCRE2's; nested sets are taken in. At depth 0 with its brackets.
  std::string set(int depth);

  std::string_view in_, where_;
  size_t at_ = 0;

 private:
  uint32_t hex_digits(int least, int most);
  // [:name:] or [:^name:] inside a set; nothing if there is none here.
  std::optional<std::string> posix();
};

}  // namespace circuitdiff
