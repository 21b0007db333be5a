#include "tokenizer/oniguruma_reader.h"

#include <algorithm>

#include "base/error.h"
#include "tokenizer/oniguruma_sets.h"
#include "tokenizer/unicode.h"

namespace circuitdiff {
namespace {

std::string hex(uint32_t c) { return fmt::format("\\x{{{:x}}}", c); }

}  // namespace

void OnigurumaReader::wrong(std::string_view what) const {
  fail("{}: the regular expression \"{}\" is not supported: {}", where_, in_, what);
}

std::string OnigurumaReader::set_escape() {
  if (at_ + 1 >= in_.size()) wrong("it ends in a backslash");
  const char c = peek(1);
  if (c == 'p' || c == 'P' || c == 'd' || c == 'D') {
    const auto [name, negated] = property();
    // What was added since counts as outside too here: a set cannot be subtracted inside another.
    return negated ? "\\P{" + name + "}" : property_set(name);
  }
  at_ += 2;
  switch (c) {
    case 's':
      return std::string(kSpaceSet);
    case 'S':
      return std::string(kNotSpaceSet);
    case 'w':
      return word_set();
    case 'W':
      wrong("\\W inside a set");
    case 'h':
      return std::string(kHexSet);
    case 'H':
      return std::string(kNotHexSet);
    case 't':
    case 'n':
    case 'r':
    case 'f':
    case 'a':
    case 'e':
      return {'\\', c};
    case 'v':
      return hex(0x0B);
    case 'b':
      return hex(0x08);
    case 'u':
      return hex(hex_digits(4, 4));
    case 'x': {
      if (peek() == '{') {
        ++at_;
        const uint32_t value = hex_digits(1, 8);
        if (peek() != '}') wrong("\\x{ is not closed");
        ++at_;
        return hex(value);
      }
      const uint32_t value = hex_digits(1, 2);
      if (value > 0x7F) wrong("\\x with a byte above 7F");
      return hex(value);
    }
    case '0': {
      uint32_t value = 0;
      for (int i = 0; i < 2 && peek() >= '0' && peek() <= '7'; ++i)
        value = value * 8 + static_cast<uint32_t>(in_[at_++] - '0');
      return hex(value);
    }
    default:
      break;
  }
  --at_;
  const size_t length = utf8_length(peek());
  const std::string text(in_.substr(at_, length));
  at_ += length;
  const bool alphanumeric = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  if (alphanumeric && std::string_view("cCMkgRXyYONpP").find(c) != std::string_view::npos)
    wrong(fmt::format("\\{}", c));
  return length == 1 && !alphanumeric ? "\\" + text : text;
}

uint32_t OnigurumaReader::hex_digits(int least, int most) {
  uint32_t value = 0;
  int n = 0;
  for (; n < most && more(); ++n, ++at_) {
    const char c = peek();
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) break;
    value = value << 4 | static_cast<uint32_t>(digit);
  }
  if (n < least) wrong("hexadecimal digits are missing");
  if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) wrong("an escape is no character");
  return value;
}

OnigurumaReader::Property OnigurumaReader::property() {
  const char c = peek(1);
  at_ += 2;
  if (c == 'd' || c == 'D') return {"Nd", c == 'D'};
  bool negated = c == 'P';
  if (peek() != '{') wrong("\\p without {}");
  const size_t end = in_.find('}', at_);
  if (end == std::string_view::npos) wrong("\\p{ is not closed");
  std::string name;
  for (const char letter : in_.substr(at_ + 1, end - at_ - 1)) {
    if (letter == '^' && name.empty())
      negated = !negated;
    else if (letter != '_' && letter != '-' && letter != ' ')
      name += static_cast<char>(letter >= 'A' && letter <= 'Z' ? letter - 'A' + 'a' : letter);
  }
  at_ = end + 1;
  if (name.empty()) wrong("\\p{} without a name");
  for (const char letter : name)
    if (!((letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9')))
      wrong(fmt::format("property \"{}\"", name));
  return {pcre2_property(name), negated};
}

std::optional<std::string> OnigurumaReader::posix() {
  const size_t end = in_.find(":]", at_ + 2);
  if (!starts("[:") || end == std::string_view::npos) return std::nullopt;
  std::string_view name = in_.substr(at_ + 2, end - at_ - 2);
  const bool negated = name.starts_with("^");
  if (negated) name.remove_prefix(1);
  const std::optional<std::string> content = posix_set(name, negated);
  if (!content) {
    if (std::all_of(name.begin(), name.end(), [](char c) { return c >= 'a' && c <= 'z'; }) && !name.empty())
      wrong(fmt::format("[:{}:]", name));
    return std::nullopt;
  }
  at_ = end + 2;
  return content;
}

std::string OnigurumaReader::set(int depth) {
  if (depth > 50) wrong("sets are nested too deeply");
  std::string content;
  const bool negated = peek() == '^';
  if (negated) {
    if (depth > 0) wrong("a negated set inside a set");
    ++at_;
  }
  bool after_class = false;  // the last member was more than one character: a - after it is literal
  for (bool first = true;; first = false) {
    if (!more()) wrong("a set is not closed");
    const char c = peek();
    if (c == ']' && !first) break;
    if (starts("&&")) wrong("an intersection (&&) of sets");
    std::string member;
    bool is_class = false;
    if (c == '[') {
      const auto named = posix();
      is_class = true;
      if (named) {
        member = *named;
      } else {
        ++at_;
        member = set(depth + 1);
      }
    } else if (c == '\\') {
      const char kind = peek(1);
      is_class = std::string_view("sSdDwWhHpP").find(kind) != std::string_view::npos;
      member = set_escape();
    } else if (c == '-') {
      const bool before_class =
          peek(1) == '[' ||
          (peek(1) == '\\' && std::string_view("sSdDwWhHpP").find(peek(2)) != std::string_view::npos);
      member = first || after_class || before_class || peek(1) == ']' ? "\\-" : "-";
      ++at_;
    } else {
      const size_t length = utf8_length(c);
      member = in_.substr(at_, length);
      if (is_punctuation(static_cast<unsigned char>(c)) && length == 1) member = "\\" + member;
      at_ += length;
    }
    content += member;
    after_class = is_class;
  }
  ++at_;
  if (depth > 0) return content;
  return (negated ? "[^" : "[") + content + "]";
}

}  // namespace circuitdiff
