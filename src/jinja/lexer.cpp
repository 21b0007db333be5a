#include "jinja/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "jinja/limits.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {
namespace {

bool is_name_part(char32_t c) {
  return c == '_' ||
         (c < 0x80 ? (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
                   : !is_space(c) && (is_alnum(c) || is_identifier("a" + encode(std::u32string(1, c)))));
}

bool is_ascii_digit(char c) { return c >= '0' && c <= '9'; }

// \r\n and \r become \n; one newline at the very end is dropped.
std::string normalize_newlines(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r') {
      out += '\n';
      if (i + 1 < text.size() && text[i + 1] == '\n') ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

class Lexer {
 public:
  Lexer(std::string source, const std::string& name) : source_(std::move(source)), name_(name) {}

  std::vector<Token> run() {
    while (pos_ < source_.size()) read_root();
    add(TokenKind::end, "");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void error(const std::string& message) const { syntax_error(name_, line_, message); }
  [[noreturn]] void unexpected() const {
    size_t pos = pos_;
    next_code_point(source_, pos);
    error(fmt::format("unexpected char {} at {}", repr(source_.substr(pos_, pos - pos_)),
                      count_code_points(std::string_view(source_).substr(0, pos_))));
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
      add(variable ? TokenKind::variable_begin : TokenKind::block_begin, "");
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
          add(variable ? TokenKind::variable_end : TokenKind::block_end, "");
          advance(end);
          return;
        }
      }
      if (const size_t end = skip_space(pos_); end > pos_) {
        advance(end);
      } else if (is_ascii_digit(source_[pos_])) {
        read_number();
      } else if (source_[pos_] == '"' || source_[pos_] == '\'') {
        read_string();
      } else if (size_t next = pos_; is_name_part(next_code_point(source_, next))) {
        read_name();
      } else {
        read_operator(open);
      }
    }
    // The parser says what is missing.
  }

  // The end of digits with single underscores between them, starting at a digit; `pos` itself if there is
  // none.
  size_t digits_end(size_t pos, std::string_view allowed) const {
    const auto digit = [&](size_t p) {
      return p < source_.size() && allowed.find(static_cast<char>(source_[p] | 0x20)) != allowed.npos &&
             (is_ascii_digit(source_[p]) || (source_[p] | 0x20) >= 'a');
    };
    size_t p = pos;
    while (digit(p) || (p > pos && p < source_.size() && source_[p] == '_' && digit(p + 1))) ++p;
    return p;
  }

  void read_number() {
    const size_t start = pos_;
    const bool after_dot = start > 0 && source_[start - 1] == '.';
    const auto decimal_end = [&](size_t p) {
      size_t q = p;
      while (q < source_.size() &&
             (is_ascii_digit(source_[q]) ||
              (q > p && source_[q] == '_' && q + 1 < source_.size() && is_ascii_digit(source_[q + 1]))))
        ++q;
      return q;
    };
    if (!after_dot) {
      size_t end = decimal_end(start);
      bool real = false;
      if (end + 1 < source_.size() && source_[end] == '.' && is_ascii_digit(source_[end + 1])) {
        end = decimal_end(end + 1);
        real = true;
      }
      if (end < source_.size() && (source_[end] | 0x20) == 'e') {
        size_t digits = end + 1;
        if (digits < source_.size() && (source_[digits] == '+' || source_[digits] == '-')) ++digits;
        if (digits < source_.size() && is_ascii_digit(source_[digits])) {
          end = decimal_end(digits);
          real = true;
        }
      }
      if (real) {
        std::string text = source_.substr(start, end - start);
        std::erase(text, '_');
        double value = 0;
        const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
        if (result.ec == std::errc::result_out_of_range) value = std::strtod(text.c_str(), nullptr);
        add(TokenKind::real, text);
        tokens_.back().value = Value(value);
        advance(end);
        return;
      }
    }
    int base = 10;
    size_t digits = start, end = start;
    const char letter = start + 1 < source_.size() ? static_cast<char>(source_[start + 1] | 0x20) : '\0';
    if (source_[start] == '0' && (letter == 'b' || letter == 'o' || letter == 'x')) {
      const std::string_view allowed = letter == 'b' ? "01" : letter == 'o' ? "01234567" : "0123456789abcdef";
      size_t from = start + 2;
      if (from < source_.size() && source_[from] == '_') ++from;
      const size_t to = digits_end(from, allowed);
      if (to > from) {
        base = letter == 'b' ? 2 : letter == 'o' ? 8 : 16;
        digits = from;
        end = to;
      }
    }
    if (end == start) {
      // A decimal number does not begin with 0 unless it is all zeros.
      if (source_[start] == '0') {
        end = start + 1;
        while (end < source_.size() &&
               (source_[end] == '0' ||
                (source_[end] == '_' && end + 1 < source_.size() && source_[end + 1] == '0')))
          ++end;
      } else {
        end = decimal_end(start);
      }
    }
    std::string text = source_.substr(digits, end - digits);
    std::erase(text, '_');
    if (base == 10 && text.size() > kMaxIntegerDigits)
      error("Exceeds the limit (4300 digits) for integer string conversion");
    if (text.size() * 4 > kMaxIntegerBits) error("a whole number is too large");
    add(TokenKind::integer, text);
    tokens_.back().value = Value(*BigInt::from_digits(text, base));
    advance(end);
  }

  void read_name() {
    size_t end = pos_;
    while (end < source_.size()) {
      size_t next = end;
      if (!is_name_part(next_code_point(source_, next))) break;
      end = next;
    }
    std::string text = source_.substr(pos_, end - pos_);
    if (!is_identifier(text)) error("Invalid character in identifier");
    add(TokenKind::name, std::move(text));
    advance(end);
  }

  void read_string() {
    const char quote = source_[pos_];
    size_t end = pos_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) unexpected();
    add(TokenKind::string, unescape(std::string_view(source_).substr(pos_ + 1, end - pos_ - 1)));
    advance(end + 1);
  }

  // Python's unicode-escape codec after backslashreplace: what is not ASCII is itself written as an escape
  // first, so a backslash in front of it takes that escape's backslash.
  std::string unescape(std::string_view text) const {
    std::string out;
    const auto append = [&](uint32_t c, const char* what) {
      if (c > 0x10FFFF) error("illegal Unicode character");
      if (c >= 0xD800 && c < 0xE000) error(fmt::format("{} names half of a surrogate pair", what));
      append_code_point(out, c);
    };
    for (size_t i = 0; i < text.size();) {
      if (text[i] != '\\' || i + 1 >= text.size()) {
        out += text[i++];
        continue;
      }
      const char c = text[i + 1];
      i += 2;
      const auto hex = [&](size_t count, const char* what) {
        uint32_t value = 0;
        for (size_t k = 0; k < count; ++k, ++i) {
          const char d = i < text.size() ? text[i] : '\0';
          const int digit = is_ascii_digit(d)                        ? d - '0'
                            : (d | 0x20) >= 'a' && (d | 0x20) <= 'f' ? (d | 0x20) - 'a' + 10
                                                                     : -1;
          if (digit < 0) error(fmt::format("truncated {} escape", what));
          value = value << 4 | static_cast<uint32_t>(digit);
        }
        append(value, what);
      };
      switch (c) {
        case '\n':
          break;
        case '\\':
        case '\'':
        case '"':
          out += c;
          break;
        case 'a':
          out += '\a';
          break;
        case 'b':
          out += '\b';
          break;
        case 'f':
          out += '\f';
          break;
        case 'n':
          out += '\n';
          break;
        case 'r':
          out += '\r';
          break;
        case 't':
          out += '\t';
          break;
        case 'v':
          out += '\v';
          break;
        case 'x':
          hex(2, "\\xXX");
          break;
        case 'u':
          hex(4, "\\uXXXX");
          break;
        case 'U':
          hex(8, "\\UXXXXXXXX");
          break;
        case 'N':
          error("\\N{...} escapes are not supported: write the character or \\uXXXX");
        default:
          if (c >= '0' && c <= '7') {
            uint32_t value = static_cast<uint32_t>(c - '0');
            for (int k = 0; k < 2 && i < text.size() && text[i] >= '0' && text[i] <= '7'; ++k)
              value = value * 8 + static_cast<uint32_t>(text[i++] - '0');
            append(value, "\\ooo");
          } else if (static_cast<unsigned char>(c) >= 0x80) {
            --i;
            const uint32_t point = static_cast<uint32_t>(next_code_point(text, i));
            out += point < 0x100     ? fmt::format("\\x{:02x}", point)
                   : point < 0x10000 ? fmt::format("\\u{:04x}", point)
                                     : fmt::format("\\U{:08x}", point);
          } else {
            out += '\\';
            out += c;
          }
      }
    }
    return out;
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

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::data:
      return "template data / text";
    case TokenKind::variable_begin:
      return "begin of print statement";
    case TokenKind::variable_end:
      return "end of print statement";
    case TokenKind::block_begin:
      return "begin of statement block";
    case TokenKind::block_end:
      return "end of statement block";
    case TokenKind::string:
      return "string";
    case TokenKind::integer:
      return "integer";
    case TokenKind::real:
      return "float";
    case TokenKind::end:
      return "end of template";
    default:
      return token.text;
  }
}

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
