#include "jinja/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "jinja/limits.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_name_part(char c) { return c == '_' || is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'); }

// The number at the start of `source`: how long it is, and its value; `after_dot`: it is the index in x.1.
struct Number {
  size_t size;
  Value value;
};
Number read_number(std::string_view source, bool after_dot) {
  constexpr std::string_view kDigits = "0123456789";
  size_t end = std::min(source.find_first_not_of(kDigits), source.size());
  const bool real = !after_dot && end + 1 < source.size() && source[end] == '.' && is_digit(source[end + 1]);
  if (real) end = std::min(source.find_first_not_of(kDigits, end + 1), source.size());
  const std::string_view text = source.substr(0, end), rest = source.substr(end);
  // 0x1F, 1_000, 1e5, 007: what jinja2 reads otherwise, or not at all.
  const bool power = rest.size() > 1 && (rest[0] | 0x20) == 'e' && kDigits.find(rest[1]) != kDigits.npos;
  if (rest.starts_with('_') || power || (text == "0" && !rest.empty() && is_name_part(rest[0])) ||
      (!real && text.size() > 1 && text[0] == '0'))
    raise_unsupported("number", source.substr(0, source.find_first_of(" \t\n,)]}%|~")));
  int64_t whole = 0;
  double value = 0;
  if (real) {
    std::from_chars(text.data(), text.data() + text.size(), value);
    return {end, Value(value)};
  }
  if (std::from_chars(text.data(), text.data() + text.size(), whole).ec != std::errc()) raise_too_large();
  return {end, Value(whole)};
}

// The escapes of Python's string literals that chat templates use.
std::string unescape(std::string_view text) {
  static constexpr std::string_view kShort = "nrt\\'\"", kMeant = "\n\r\t\\'\"", kHex = "xuU";
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    const std::string name(text.substr(i++, 2));
    if (const size_t at = kShort.find(text[i]); at < kMeant.size()) {
      out += kMeant[at];
      continue;
    }
    const size_t hex = kHex.find(text[i]);
    if (hex == kHex.npos) raise_unsupported("escape", name);
    // Two, four or eight hexadecimal digits.
    const std::string_view digits = text.substr(i + 1, size_t{2} << hex);
    uint32_t point = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), point, 16);
    if (digits.size() < size_t{2} << hex || error != std::errc() || end != digits.data() + digits.size())
      raise("TemplateSyntaxError", "truncated {} escape", name);
    if (point > 0x10FFFF) raise("TemplateSyntaxError", "illegal Unicode character");
    if (point >= 0xD800 && point < 0xE000)
      raise("TemplateSyntaxError", "{} names half of a surrogate pair",
            text.substr(i - 1, 2 + digits.size()));
    append_code_point(out, point);
    i += digits.size();
  }
  return out;
}

// \r\n and \r become \n.
std::string normalize_newlines(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool pair = text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n';
    if (!pair) out += text[i] == '\r' ? '\n' : text[i];
  }
  return out;
}

class Lexer {
 public:
  Lexer(std::string source, const std::string& name) : source_(std::move(source)), name_(name) {}

  std::vector<Token> run() {
    try {
      while (pos_ < source_.size()) read_root();
    } catch (const Raised& raised) {
      error(raised.message);
    }
    add(TokenKind::end, "end of template");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void error(const std::string& message) const { syntax_error(name_, line_, message); }
  [[noreturn]] void unexpected() const {
    size_t pos = pos_;
    const bool foreign = next_code_point(source_, pos) >= 0x80;
    const std::string character = source_.substr(pos_, pos - pos_);
    error(foreign ? unsupported("character", character) : fmt::format("unexpected char {}", repr(character)));
  }
  bool at(std::string_view text, size_t pos) const {
    return std::string_view(source_).substr(pos).starts_with(text);
  }
  size_t skip_space(size_t pos) const {
    while (pos < source_.size()) {
      size_t next = pos;
      if (!is_space(next_code_point(source_, next))) break;
      pos = next;
    }
    return pos;
  }
  void add(TokenKind kind, std::string text) {
    Token token;
    token.kind = kind;
    token.line = line_;
    token.text = std::move(text);
    tokens_.push_back(std::move(token));
  }
  // Moves to `pos`, counting lines and noting whether a line has just begun.
  void advance(size_t pos) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(pos_),
                                         source_.begin() + static_cast<std::ptrdiff_t>(pos), '\n'));
    if (pos > pos_) line_starting_ = source_[pos - 1] == '\n';
    pos_ = pos;
  }

  // The end of `{% raw %}` that begins at `pos`, or npos; the sign after "{%" goes to `sign`.
  size_t match_raw_begin(size_t pos, char& sign) const {
    if (!at("{%", pos)) return std::string::npos;
    size_t p = pos + 2;
    sign = 0;
    if (p < source_.size() && (source_[p] == '-' || source_[p] == '+')) sign = source_[p++];
    p = skip_space(p);
    if (!at("raw", p)) return std::string::npos;
    p = skip_space(p + 3);
    if (at("-%}", p)) return skip_space(p + 3);
    return at("%}", p) ? p + 2 : std::string::npos;
  }

  // The end of a closing "%}" or "#}" at `pos` with its whitespace control, or npos.
  size_t match_close(std::string_view close, size_t pos) const {
    if (pos < source_.size() && source_[pos] == '+' && at(close, pos + 1)) return pos + 1 + close.size();
    if (pos < source_.size() && source_[pos] == '-' && at(close, pos + 1))
      return skip_space(pos + 1 + close.size());
    if (!at(close, pos)) return std::string::npos;
    const size_t end = pos + close.size();
    return end < source_.size() && source_[end] == '\n' ? end + 1 : end;
  }

  // Text before a tag: stripped by "-", or of the blanks that lead to a block or comment on its own line.
  std::string trim_before(std::string_view text, char sign, bool variable) const {
    if (sign == '-') return std::string(strip(text, Side::right));
    if (sign != '+' && !variable) {
      const size_t newline = text.rfind('\n');
      const size_t line_start = newline == text.npos ? 0 : newline + 1;
      const std::string_view blanks = text.substr(line_start);
      if ((line_start > 0 || line_starting_) && !blanks.empty() && strip(blanks).empty())
        return std::string(text.substr(0, line_start));
    }
    return std::string(text);
  }

  void add_data(const std::string& text) {
    if (!text.empty()) add(TokenKind::data, text);
  }

  void read_root() {
    size_t tag = pos_;
    while (true) {
      tag = source_.find('{', tag);
      if (tag == std::string::npos || at("{{", tag) || at("{%", tag) || at("{#", tag)) break;
      ++tag;
    }
    if (tag == std::string::npos) {
      add_data(source_.substr(pos_));
      advance(source_.size());
      return;
    }
    const std::string_view text = std::string_view(source_).substr(pos_, tag - pos_);
    char sign = 0;
    const size_t raw = match_raw_begin(tag, sign);
    size_t after = tag + 2;
    if (raw == std::string::npos) {
      sign =
          after < source_.size() && (source_[after] == '-' || source_[after] == '+') ? source_[after] : '\0';
      if (sign) ++after;
    }
    add_data(trim_before(text, sign, source_[tag + 1] == '{'));
    advance(tag);
    if (raw != std::string::npos) {
      advance(raw);
      read_raw();
    } else if (source_[tag + 1] == '#') {
      advance(after);
      read_comment();
    } else {
      const bool variable = source_[tag + 1] == '{';
      add(variable ? TokenKind::variable_begin : TokenKind::block_begin, "begin of tag");
      advance(after);
      read_tag(variable);
    }
  }

  void read_comment() {
    for (size_t close = source_.find("#}", pos_); close != std::string::npos;
         close = source_.find("#}", close + 1)) {
      size_t from = close;
      if (from > pos_ && (source_[from - 1] == '-' || source_[from - 1] == '+')) --from;
      const size_t end = match_close("#}", from);
      if (end == std::string::npos) continue;
      advance(end);
      return;
    }
    error("Missing end of comment tag");
  }

  void read_raw() {
    for (size_t tag = source_.find("{%", pos_); tag != std::string::npos; tag = source_.find("{%", tag + 1)) {
      size_t p = tag + 2;
      char sign = 0;
      if (p < source_.size() && (source_[p] == '-' || source_[p] == '+')) sign = source_[p++];
      p = skip_space(p);
      if (!at("endraw", p)) continue;
      const size_t end = match_close("%}", skip_space(p + 6));
      if (end == std::string::npos) continue;
      add_data(trim_before(std::string_view(source_).substr(pos_, tag - pos_), sign, false));
      advance(end);
      return;
    }
    error("Missing end of raw directive");
  }

  void read_tag(bool variable) {
    std::string open;  // closing brackets still expected
    while (pos_ < source_.size()) {
      if (open.empty()) {
        size_t end = std::string::npos;
        if (!variable) {
          end = match_close("%}", pos_);
        } else if (at("-}}", pos_)) {
          end = skip_space(pos_ + 3);
        } else if (at("}}", pos_)) {
          end = pos_ + 2;
        }
        if (end != std::string::npos) {
          add(variable ? TokenKind::variable_end : TokenKind::block_end,
              variable ? "end of print statement" : "end of statement block");
          advance(end);
          return;
        }
      }
      if (const size_t end = skip_space(pos_); end > pos_) {
        advance(end);
      } else if (is_digit(source_[pos_])) {
        add_number();
      } else if (source_[pos_] == '"' || source_[pos_] == '\'') {
        read_string();
      } else if (is_name_part(source_[pos_])) {
        read_name();
      } else {
        read_operator(open);
      }
    }
    // The parser says what is missing.
  }

  void add_number() {
    const bool after_dot = pos_ > 0 && source_[pos_ - 1] == '.';
    const Number number = read_number(std::string_view(source_).substr(pos_), after_dot);
    add(number.value.is_real() ? TokenKind::real : TokenKind::integer, source_.substr(pos_, number.size));
    tokens_.back().value = number.value;
    advance(pos_ + number.size);
  }

  void read_name() {
    size_t end = pos_;
    while (end < source_.size() && is_name_part(source_[end])) ++end;
    add(TokenKind::name, source_.substr(pos_, end - pos_));
    advance(end);
  }

  void read_string() {
    const char quote = source_[pos_];
    size_t end = pos_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) unexpected();
    const std::string_view literal = std::string_view(source_).substr(pos_ + 1, end - pos_ - 1);
    add(TokenKind::string, unescape(literal));
    advance(end + 1);
  }

  void read_operator(std::string& open) {
    static constexpr std::string_view kOperators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                                      "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                      ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};
    for (const std::string_view symbol : kOperators) {
      if (!at(symbol, pos_)) continue;
      const char c = symbol[0];
      if (c == '(' || c == '[' || c == '{') {
        open += c == '(' ? ')' : c == '[' ? ']' : '}';
      } else if (c == ')' || c == ']' || c == '}') {
        if (open.empty()) error(fmt::format("unexpected '{}'", c));
        if (open.back() != c) error(fmt::format("unexpected '{}', expected '{}'", c, open.back()));
        open.pop_back();
      }
      add(TokenKind::op, std::string(symbol));
      advance(pos_ + symbol.size());
      return;
    }
    unexpected();
  }

  std::string source_;
  const std::string& name_;
  size_t pos_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

void syntax_error(const std::string& name, int line, const std::string& message) {
  fail("{}:{}: {}", name, line, message);
}

std::vector<Token> tokenize(std::string_view source, const std::string& name) {
  if (source.size() > kMaxSourceBytes) fail("{}: the template is longer than 4 MiB", name);
  if (!is_valid_utf8(source)) fail("{}: the template is not valid UTF-8", name);
  std::string text = normalize_newlines(source);
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return Lexer(std::move(text), name).run();
}

}  // namespace circuitdiff::jinja
