#include "formula/tokens.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/text.h"
#include "formula/letters.h"
#include "formula/token_words.h"

namespace circuitdiff {
namespace {

constexpr size_t kMostTokens = 12'000, kMostDigits = 10'000, kMostDepth = 200;
constexpr slong kMostExponent = 5000;

std::string lower_text(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = lower(c);
  return out;
}

bool ascending(std::string_view run) {
  for (size_t i = 1; i < run.size(); ++i)
    if (lower(run[i]) <= lower(run[i - 1])) return false;
  return true;
}
bool has_vowel(std::string_view run) {
  return std::any_of(run.begin(), run.end(),
                     [](char c) { return std::strchr("aeiouy", lower(c)) != nullptr; });
}

class Cutter {
 public:
  Cutter(std::string_view text, const TokenOptions& options) : text_(text), options_(options) {}

  std::vector<Token> run() {
    for (size_t i = 0; i < text_.size(); ++i) {
      if (text_[i] == '\\')
        ++i;
      else if (text_[i] == '$')
        odd_dollars_ = !odd_dollars_;
    }
    cut(text_, /*in_text=*/false, 0);
    if (failed_) out_.clear();
    out_.push_back({});
    return std::move(out_);
  }

 private:
  void push(TokenKind kind, std::string text) {
    if (out_.size() >= kMostTokens) failed_ = true;
    if (failed_) return;
    Token token;
    token.kind = kind;
    token.text = std::move(text);
    token.space = space_;
    space_ = false;
    out_.push_back(std::move(token));
  }

  // The content of the braces at text[at], which then stands behind them; one character or command where
  // there are none.
  std::string_view argument(std::string_view text, size_t& at) {
    while (at < text.size() && text[at] == ' ') ++at;
    if (at >= text.size()) return {};
    if (text[at] != '{') {
      const size_t begin = at++;
      if (text[begin] == '\\') {
        while (at < text.size() && is_letter(text[at])) ++at;
        if (at == begin + 1 && at < text.size()) ++at;
      }
      return text.substr(begin, at - begin);
    }
    int depth = 0;
    const size_t begin = at + 1;
    for (; at < text.size(); ++at) {
      if (text[at] == '\\') {
        ++at;
      } else if (text[at] == '{') {
        ++depth;
      } else if (text[at] == '}' && --depth == 0) {
        return text.substr(begin, at++ - begin);
      }
    }
    at = text.size();
    return text.substr(std::min(begin, text.size()));
  }

  void cut(std::string_view text, bool in_text, size_t depth) {
    if (depth > kMostDepth) failed_ = true;
    for (size_t i = 0; i < text.size() && !failed_;) {
      const char c = text[i];
      if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '~') {
        space_ = true;
        ++i;
      } else if (is_digit(c) || (c == '.' && i + 1 < text.size() && is_digit(text[i + 1]))) {
        i = number(text, i);
      } else if (is_letter(c)) {
        i = letters(text, i, in_text);
      } else if (c == '\\') {
        i = command(text, i, depth);
      } else if (static_cast<unsigned char>(c) >= 0x80) {
        size_t end = i;
        while (end < text.size() && static_cast<unsigned char>(text[end]) >= 0x80) ++end;
        push(TokenKind::word, std::string(text.substr(i, end - i)));
        i = end;
      } else {
        i = mark(text, i);
      }
    }
  }

  // Whether what was read last may have a unit.
  bool behind_value() const {
    if (out_.empty()) return false;
    const Token& last = out_.back();
    return last.kind == TokenKind::number ||
           (last.kind == TokenKind::mark && (last.text == "}" || last.text == ")"));
  }

  // Whether exactly three digits stand at `at`, as after a thousands separator.
  static bool three_digits(std::string_view text, size_t at) {
    return at + 3 <= text.size() && is_digit(text[at]) && is_digit(text[at + 1]) && is_digit(text[at + 2]) &&
           (at + 3 == text.size() || !is_digit(text[at + 3]));
  }

  size_t number(std::string_view text, size_t i) {
    std::string digits;
    bool point = false;
    size_t group = 0;
    while (i < text.size()) {
      if (is_digit(text[i])) {
        digits += text[i++];
        ++group;
        continue;
      }
      // Separators of thousands; the first group has at most three digits.
      size_t skip = 0;
      if (!point && group <= 3) {
        if (text.substr(i, 3) == "{,}" && three_digits(text, i + 3)) skip = 3;
        if (text.substr(i, 5) == "\\!,\\!" && three_digits(text, i + 5)) skip = 5;
        if (text.substr(i, 3) == ",\\!" && three_digits(text, i + 3)) skip = 3;
        if (text.substr(i, 5) == "{,}\\!" && three_digits(text, i + 5)) skip = 5;
        for (const std::string_view gap : {"\\,", "\\;", "\\:", "\\ "})
          if (text.substr(i, 2) == gap && three_digits(text, i + 2)) skip = 2;
        if (text[i] == '~' && three_digits(text, i + 1)) skip = 1;
        // "2,024": no number of a list begins with a 0.
        if (text[i] == ',' && (options_.thousands || (i + 1 < text.size() && text[i + 1] == '0')) &&
            brackets_ <= 0 && three_digits(text, i + 1))
          skip = 1;
      }
      if (skip) {
        i += skip;
        group = 0;
        continue;
      }
      if (text[i] == '.' && !point && i + 1 < text.size() && is_digit(text[i + 1])) {
        point = true;
        digits += text[i++];
        group = 0;
        continue;
      }
      break;
    }
    if (!point && (text.substr(i, 10) == ".\\overline" || text.substr(i, 5) == ".\\bar{"))
      digits += text[i++];
    if (i < text.size() && text[i] == '.' && !point &&
        (i + 1 == text.size() || std::strchr(" /*)+-}^$,", text[i + 1]))) {
      ++i;  // "3." and "-3./2"
      point = i < text.size() && text[i] == '/';
    }
    if (digits.size() > kMostDigits) {
      failed_ = true;
      return text.size();
    }
    Rational value = *parse_decimal(digits);
    bool scientific = false;
    if (i + 1 < text.size() && (text[i] == 'e' || text[i] == 'E')) {
      size_t at = i + 1;
      const bool negative = text[at] == '-';
      if (text[at] == '-' || text[at] == '+') ++at;
      slong exponent = 0;
      const size_t first = at;
      while (at < text.size() && is_digit(text[at]) && exponent <= kMostExponent)
        exponent = exponent * 10 + (text[at++] - '0');
      if (at > first &&
          (at == text.size() || (!is_letter(text[at]) && text[at] != '^' && !is_digit(text[at]))) &&
          exponent <= kMostExponent) {
        value = scaled_by_ten(std::move(value), negative ? -exponent : exponent);
        i = at;
        scientific = true;
      }
    }
    push(TokenKind::number, digits);
    if (failed_) return text.size();
    out_.back().value = std::move(value);
    out_.back().dollars = std::exchange(dollars_, false);
    out_.back().decimal = point || scientific;
    const size_t at_point = digits.find('.');
    if (!scientific && at_point != std::string::npos)
      out_.back().decimals = static_cast<int>(digits.size() - at_point - 1);
    return i;
  }

  size_t letters(std::string_view text, size_t i, bool in_text) {
    dollars_ = false;
    size_t end = i;
    while (end < text.size() && is_letter(text[end])) ++end;
    // "a.m.", "p.m."
    if (end == i + 1 && (text[i] == 'a' || text[i] == 'p') &&
        (text.substr(end, 3) == ".m." || text.substr(end, 4) == ". m.")) {
      push(TokenKind::word, text[i] == 'a' ? "am" : "pm");
      return end + (text[end + 1] == ' ' ? 4 : 3);
    }
    const std::string_view run = text.substr(i, end - i);
    const std::string low = lower_text(run);
    const bool behind = !out_.empty() && !space_ &&
                        (out_.back().kind == TokenKind::number || out_.back().kind == TokenKind::letter);
    if (function_words().contains(low) && !in_text && (run == low || run.size() > 2)) {
      // "sqrt45" is the root of 45; LaTeX's \sqrt45 is that of 4, times 5.
      const size_t next = text.find_first_not_of(' ', end);
      const bool whole = low == "sqrt" && next != std::string_view::npos && is_digit(text[next]);
      push(TokenKind::command, whole ? "radical" : low);
    } else if (in_text) {
      if (run.size() == 1)
        push(TokenKind::letter, std::string(run));
      else
        push(TokenKind::word, low);
    } else if (run.size() == 1) {
      push(TokenKind::letter, std::string(run));
    } else if (short_words().contains(low) || low == "infinity" ||
               (is_unit_word(low) && (!out_.empty() || run.size() > 3)) ||
               (run.size() >= 4 && has_vowel(run) && !ascending(run))) {
      push(TokenKind::word, low);
      if (!failed_) out_.back().sticky = behind;
    } else {
      for (const char c : run) push(TokenKind::letter, std::string(1, c));
    }
    return end;
  }

  // A backslash and a sign, which stands at `at`: \\{ \\, \\$ and the like.
  size_t escaped_sign(std::string_view text, size_t at) {
    const char c = at < text.size() ? text[at] : ' ';
    if (c == '{' || c == '}') brackets_ += c == '{' ? 1 : -1;
    if (c == '{' || c == '}' || c == '\\') {
      push(TokenKind::mark, std::string("\\") + c);
    } else if (c == '|' || c == '%' || c == '&') {
      push(TokenKind::mark, std::string(1, c));
    } else {
      space_ = space_ || c != '!';  // \$ \, \; \: \! \( \) \[ \] and a forced space
      dollars_ = c == '$' || (dollars_ && (c == ' ' || c == ',' || c == '!' || c == ';'));
    }
    return std::min(at + 1, text.size());
  }

  void text_command(std::string_view name, std::string_view argument, size_t depth) {
    const std::string content = plain_text(argument);
    if (function_words().contains(content) || content == "arg" || content == "Re" || content == "Im") {
      push(TokenKind::command, content);
    } else if (name == "operatorname" && content.find(' ') == std::string::npos && !is_unit_word(content)) {
      push(TokenKind::command, "operatorname");
    } else if (content.size() == 1 && std::strchr("mgshLlJNWV", content[0]) && behind_value()) {
      push(TokenKind::word, content);  // "5\\text{ m}": a unit, not a symbol
    } else {
      space_ = true;
      cut(content, /*in_text=*/true, depth + 1);
      space_ = true;
    }
  }

  void decorated(std::string_view name, std::string_view content) {
    if (!content.empty() && std::all_of(content.begin(), content.end(), is_digit)) {
      number(content, 0);
      return;
    }
    std::string symbol = "\\" + std::string(name) + " ";
    for (const char c : content)
      if (c != ' ' && c != '{' && c != '}') symbol += c;
    push(TokenKind::letter, std::move(symbol));
  }

  size_t command(std::string_view text, size_t i, size_t depth) {
    size_t end = i + 1;
    while (end < text.size() && is_letter(text[end])) ++end;
    if (end == i + 1) return escaped_sign(text, end);
    const std::string_view name = text.substr(i + 1, end - i - 1);
    if (!shaping_commands().contains(name)) dollars_ = false;
    if (name == "left" || name == "right") {
      // "\\left." is no bracket.
      while (end < text.size() && text[end] == ' ') ++end;
      if (end < text.size() && text[end] == '.') ++end;
    } else if (text_commands().contains(name)) {
      const std::string_view content = argument(text, end);
      text_command(name, content, depth);
    } else if (decorating_commands().contains(name)) {
      const std::string_view content = argument(text, end);
      decorated(name, content);
    } else if (name == "hspace" || name == "vspace" || name == "color" || name == "textcolor" ||
               name == "phantom" || name == "label" || name == "tag") {
      argument(text, end);
    } else if (name == "begin" || name == "end") {
      const std::string_view environment = argument(text, end);
      if (name == "begin" && (environment == "array" || environment == "tabular")) argument(text, end);
      brackets_ += name == "begin" ? 1 : -1;
      push(TokenKind::command, std::string(name) + ":" + std::string(environment));
    } else if (const auto known = mark_commands().find(name); known != mark_commands().end()) {
      if (name == "lbrace" || name == "rbrace") brackets_ += name == "lbrace" ? 1 : -1;
      push(TokenKind::mark, known->second);
      if (!failed_ && name == "times") out_.back().cross = true;
    } else if (name == "degree") {
      push(TokenKind::mark, "^");
      push(TokenKind::command, "circ");
    } else if (greek_commands().contains(name)) {
      push(TokenKind::letter, "\\" + std::string(name == "varnothing" ? "emptyset" : name));
    } else if (shaping_commands().contains(name)) {
      space_ = true;
    } else {
      const bool is_fraction = name == "dfrac" || name == "tfrac" || name == "cfrac" || name == "sfrac";
      const bool is_binomial = name == "dbinom" || name == "tbinom";
      push(TokenKind::command, is_fraction ? "frac" : is_binomial ? "binom" : std::string(name));
    }
    return end;
  }

  // The content of \text{...}: inner formulas and macros lose their signs, braces go.
  static std::string plain_text(std::string_view content) {
    std::string out;
    for (size_t i = 0; i < content.size(); ++i) {
      if (content[i] == '$' || (content[i] == '\\' && i + 1 < content.size() && content[i + 1] == '$'))
        continue;
      out += content[i] == '~' ? ' ' : content[i];
    }
    return std::string(trim(out, " "));
  }

  size_t mark(std::string_view text, size_t i) {
    const char c = text[i];
    if (c == '$' || c == '"' || c == '`') {
      space_ = true;
      dollars_ = c == '$' && odd_dollars_;
      return i + 1;
    }
    dollars_ = false;
    if (c == '*' && text.substr(i, 2) == "**") {  // a power in program text, emphasis in Markdown
      const bool power = i > 0 && i + 2 < text.size() && !out_.empty();
      if (power) push(TokenKind::mark, "^");
      return i + 2;
    }
    if (c == '(' || c == '[') ++brackets_;
    if (c == ')' || c == ']') brackets_ = std::max(0, brackets_ - 1);
    const std::string_view two = text.substr(i, 2);
    if (two == "<=" || two == ">=" || two == "!=") {
      push(TokenKind::mark, std::string(two));
      return i + 2;
    }
    if (two == "==") {
      push(TokenKind::mark, "=");
      return i + 2;
    }
    if (text.substr(i, 3) == "...") {
      push(TokenKind::letter, "\\ldots");
      return i + 3;
    }
    push(TokenKind::mark, std::string(1, c));
    return i + 1;
  }

  std::string_view text_;
  TokenOptions options_;
  std::vector<Token> out_;
  bool space_ = false, failed_ = false;
  bool dollars_ = false;      // a dollar sign stands before
  bool odd_dollars_ = false;  // the text has an odd number of plain ones: not all of them are formulas' ends
  int brackets_ = 0;
};

}  // namespace

std::vector<Token> tokens_of(std::string_view text, const TokenOptions& options) {
  return Cutter(text, options).run();
}

}  // namespace circuitdiff
