#include "tokenizer/oniguruma.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "base/error.h"
#include "tokenizer/oniguruma_sets.h"
#include "tokenizer/unicode.h"

namespace circuitdiff {

namespace {

class Rewriter {
 public:
  Rewriter(std::string_view pattern, std::string_view where) : in_(pattern), where_(where) {}

  std::string run() {
    groups_.push_back({0, 0});
    while (at_ < in_.size()) item();
    close_options();
    if (groups_.size() != 1) wrong("a group is not closed");
    return out_;
  }

 private:
  struct Group {
    size_t begin;      // where the group starts in out_
    size_t n_options;  // groups opened for options set inside it
  };

  [[noreturn]] void wrong(std::string_view what) const {
    fail("{}: the regular expression \"{}\" is not supported: {}", where_, in_, what);
  }
  bool more() const { return at_ < in_.size(); }
  char peek(size_t ahead = 0) const { return at_ + ahead < in_.size() ? in_[at_ + ahead] : '\0'; }
  bool starts(std::string_view text) const { return in_.substr(at_).starts_with(text); }

  void close_options() {
    for (; groups_.back().n_options > 0; --groups_.back().n_options) out_ += ')';
  }
  void begin_atom() {
    atom_ = out_.size();
    quantified_ = false;
  }

  void item() {
    switch (peek()) {
      case '\\':
        begin_atom();
        escape();
        return;
      case '[':
        begin_atom();
        ++at_;
        out_ += set(0);
        return;
      case '(':
        open_group();
        return;
      case ')':
        close_options();
        if (groups_.size() == 1) wrong("unmatched )");
        atom_ = groups_.back().begin;
        groups_.pop_back();
        quantified_ = false;
        out_ += ')';
        ++at_;
        return;
      case '|':
        out_ += '|';
        ++at_;
        atom_.reset();
        return;
      case '*':
      case '+':
      case '?':
        quantifier(std::string(1, peek()), 1, /*is_interval=*/false);
        return;
      case '{':
        if (interval()) return;
        begin_atom();
        out_ += "\\{";  // no interval: the character itself
        ++at_;
        return;
      default:
        begin_atom();
        literal();
    }
  }

  // One character as it stands.
  void literal() {
    const size_t length = utf8_length(peek());
    out_ += in_.substr(at_, length);
    at_ += length;
  }

  // `text` quantifies the atom before it. An interval's + and ? are quantifiers of their own.
  void quantifier(std::string text, size_t length, bool is_interval) {
    if (!atom_) wrong("a quantifier has nothing to repeat");
    at_ += length;
    if (quantified_) {
      out_.insert(*atom_, "(?:");
      out_ += ')';
    }
    if (!is_interval && (peek() == '?' || peek() == '+')) {
      text += peek();
      ++at_;
    }
    out_ += text;
    quantified_ = true;
  }

  // {n}, {n,}, {,n} or {n,m}. Only an interval of two different ends can be made lazy by ?.
  bool interval() {
    size_t end = at_ + 1;
    std::string low, high;
    bool comma = false;
    for (; end < in_.size() && in_[end] != '}'; ++end) {
      if (in_[end] == ',' && !comma)
        comma = true;
      else if (in_[end] >= '0' && in_[end] <= '9')
        (comma ? high : low) += in_[end];
      else
        return false;
    }
    if (end >= in_.size() || (low.empty() && high.empty())) return false;
    std::string text = "{" + (low.empty() ? "0" : low) + (comma ? "," + high : "") + "}";
    size_t length = end + 1 - at_;
    if (comma && end + 1 < in_.size() && in_[end + 1] == '?') {
      text += '?';
      ++length;
    }
    quantifier(text, length, /*is_interval=*/true);
    return true;
  }

  void open_group() {
    if (groups_.size() > 200) wrong("groups are nested too deeply");
    const size_t begin = out_.size();
    atom_.reset();
    if (starts("(?#")) {
      const size_t end = in_.find(')', at_);
      if (end == std::string_view::npos) wrong("a comment is not closed");
      at_ = end + 1;
      return;
    }
    if (!starts("(?")) {
      if (starts("(*")) wrong("(* verbs");
      out_ += '(';
      ++at_;
    } else if (const char next = peek(2);
               next == '<' || next == ':' || next == '=' || next == '!' || next == '>') {
      out_ += starts("(?<=") || starts("(?<!") ? in_.substr(at_, 4) : in_.substr(at_, 3);
      at_ += starts("(?<=") || starts("(?<!") ? 4 : 3;
      if (next == '<' && out_.back() == '<') {  // a name
        const size_t end = in_.find('>', at_);
        if (end == std::string_view::npos) wrong("a group's name is not closed");
        out_ += in_.substr(at_, end + 1 - at_);
        at_ = end + 1;
      }
    } else {
      if (!options()) return;  // (?i) opened a group of its own, which ends with the one around it
    }
    groups_.push_back({begin, 0});
  }

  // (?imx-imx: or (?imx-imx). True: a group was opened.
  bool options() {
    at_ += 2;
    out_ += "(?";
    for (; more() && peek() != ')' && peek() != ':'; ++at_) {
      const char c = peek();
      if (c == 'i' || c == '-')
        out_ += c;
      else if (c == 'm')
        out_ += 's';
      else
        wrong(fmt::format("option or group (?{}", c));
    }
    if (!more()) wrong("a group is not closed");
    const bool opens = peek() == ':';
    ++at_;
    out_ += ':';
    if (!opens) ++groups_.back().n_options;
    return opens;
  }

  // An escape outside a set.
  void escape() {
    const char c = peek(1);
    if (at_ + 1 >= in_.size()) wrong("it ends in a backslash");
    const auto take = [&](std::string_view text) {
      out_ += text;
      at_ += 2;
    };
    const std::string word = "[" + word_set() + "]";
    switch (c) {
      case 'b':
        return take("(?:(?<=" + word + ")(?!" + word + ")|(?<!" + word + ")(?=" + word + "))");
      case 'B':
        return take("(?:(?<=" + word + ")(?=" + word + ")|(?<!" + word + ")(?!" + word + "))");
      case 'W':
        return take("[^" + word_set() + "]");
      case 'A':
      case 'Z':
      case 'z':
      case 'G':
      case 'R':
      case 'X':
      case 'K':
        return take(in_.substr(at_, 2));
      case 'k':
      case 'g':
        return take(in_.substr(at_, 2));
      case '1':
      case '2':
      case '3':
      case '4':
      case '5':
      case '6':
      case '7':
      case '8':
      case '9':
        return take(in_.substr(at_, 2));
      default:
        break;
    }
    if (c == 'p' || c == 'P' || c == 'd' || c == 'D') {
      const auto [name, negated] = property();
      const std::string content = property_set(name);
      out_ += negated ? "[^" + content + "]" : is_single(content) ? content : "[" + content + "]";
      return;
    }
    const std::string content = set_escape();
    out_ += is_single(content) ? content : "[" + content + "]";
  }

  static bool is_single(std::string_view content) {  // one character, one \x{..}, one \p{..}
    const bool braced =
        content.starts_with("\\x{") || content.starts_with("\\p{") || content.starts_with("\\P{");
    return (braced && content.find('}') == content.size() - 1) ||
           (content.size() == 2 && content[0] == '\\') || content.size() == utf8_length(content[0]);
  }

  static std::string hex(uint32_t c) { return fmt::format("\\x{{{:x}}}", c); }

  // An escape that stands for characters: the content of a PCRE2 set. Moves past it.
  std::string set_escape() {
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

  uint32_t hex_digits(int least, int most) {
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

  struct Property {
    std::string name;
    bool negated;
  };
  // \d, \D, \p{Name}, \p{^Name} or \P{Name}. Moves past it.
  Property property() {
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

  // [:name:] or [:^name:] inside a set; empty if there is none here.
  std::optional<std::string> posix() {
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

  // The set whose [ has been passed, as PCRE2's; nested sets are taken in.
  std::string set(int depth) {
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

  std::string_view in_, where_;
  size_t at_ = 0;
  std::string out_;
  std::vector<Group> groups_;
  std::optional<size_t> atom_;  // where the last thing that can be repeated starts in out_
  bool quantified_ = false;     // it already has a quantifier
};

}  // namespace

std::string oniguruma_to_pcre2(std::string_view pattern, std::string_view where) {
  if (invalid_utf8_at(pattern)) fail("{}: the regular expression is not valid UTF-8", where);
  // Anchored at the end, a run of blanks would be tried from each of its
  // characters; only its start can decide.
  if (pattern == "\\s+$") return oniguruma_to_pcre2("(?<!\\s)\\s+$", where);
  return Rewriter(pattern, where).run();
}

}  // namespace circuitdiff
