#include "tokenizer/oniguruma.h"

#include <optional>
#include <vector>

#include "base/error.h"
#include "tokenizer/oniguruma_reader.h"
#include "tokenizer/oniguruma_sets.h"
#include "tokenizer/unicode.h"

namespace circuitdiff {

namespace {

class Rewriter : private OnigurumaReader {
 public:
  using OnigurumaReader::OnigurumaReader;

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
