#include "grade/extract.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/text.h"
#include "formula/letters.h"

namespace circuitdiff {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

// The last occurrence of `what` (lower case) whatever the case of the text.
size_t rfind_any_case(std::string_view text, std::string_view what) {
  const auto it = std::find_end(text.begin(), text.end(), what.begin(), what.end(),
                                [](char a, char b) { return lower(a) == b; });
  return it == text.end() ? std::string_view::npos : static_cast<size_t>(it - text.begin());
}

// The content of the group that opens at text[at] == '{'; to the end of the text if it never closes.
std::string_view group(std::string_view text, size_t at, bool& closed) {
  int depth = 0;
  for (size_t i = at; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {  // \{ and \} are text
      ++i;
    } else if (text[i] == '{') {
      ++depth;
    } else if (text[i] == '}' && --depth == 0) {
      closed = true;
      return text.substr(at + 1, i - at - 1);
    }
  }
  closed = false;
  return text.substr(at + 1);
}

std::optional<std::string> boxed(std::string_view text) {
  std::optional<std::string> open;  // the last box whose brace never closes
  int tries = 0;                    // a text of unclosed boxes is not searched for ever
  for (size_t end = text.size(); end > 0 && tries < 20; ++tries) {
    const size_t box = text.rfind("\\boxed", end - 1), fbox = text.rfind("\\fbox", end - 1);
    if (box == std::string_view::npos && fbox == std::string_view::npos) break;
    const bool is_fbox = box == std::string_view::npos || (fbox != std::string_view::npos && fbox > box);
    const size_t mark = is_fbox ? fbox : box;
    const size_t at = text.find_first_not_of(kSpace, mark + (is_fbox ? 5 : 6));
    if (at != std::string_view::npos && text[at] == '{') {
      bool closed = false;
      const std::string_view content = group(text, at, closed);
      if (closed) return std::string(trim(content));
      if (!open) open = std::string(trim(content.substr(0, content.find_first_of("$\n"))));
    } else if (at != std::string_view::npos && !is_letter(text[at])) {
      // \boxed 5: one token in TeX; here all up to the formula's end.
      return std::string(trim(text.substr(at, text.find_first_of("$\n", at) - at)));
    }
    end = mark;
  }
  return open;
}

// A sentence's end: a full stop that is not a decimal point, a semicolon before
// words, a line's end outside braces.
size_t sentence_end(std::string_view text) {
  int braces = 0, brackets = 0, environments = 0;
  const auto is_gap = [&](size_t at) {
    return at >= text.size() || kSpace.find(text[at]) != std::string_view::npos;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '{') ++braces;
    if (c == '}' && braces > 0) --braces;
    if (c == '(') ++brackets;
    if (c == ')' && brackets > 0) --brackets;
    if (c == '\\' && text.substr(i, 6) == "\\begin") ++environments;
    if (c == '\\' && text.substr(i, 4) == "\\end" && environments > 0) --environments;
    if (c == '\n' && braces == 0 && environments == 0) return i;
    if (braces == 0 && brackets == 0) {
      if (c == '.' && is_gap(i + 1)) return i;
      if (c == ';' && is_gap(i + 1) && i + 3 < text.size() && is_letter(text[i + 2]) &&
          is_letter(text[i + 3]))
        return i;
    }
    if (text.substr(i, 3) == "\xE3\x80\x82") return i;  // ideographic full stop
  }
  return text.size();
}

// The first "close" after `from` that is not escaped.
size_t find_close(std::string_view text, std::string_view close, size_t from) {
  for (size_t at = text.find(close, from); at != std::string_view::npos; at = text.find(close, at + 1))
    if (at == 0 || text[at - 1] != '\\' || close[0] == '\\') return at;
  return std::string_view::npos;
}

// "$...$", "\(...\)", "\[...\]" at the beginning: the formula alone. Where what is quoted has formulas of its
// own ("$Any $h$ will do.$"), its first sign closes nothing: then all up to the last one.
std::optional<std::string_view> leading_formula(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kMarks = {
      {{"$$", "$$"}, {"$", "$"}, {"\\(", "\\)"}, {"\\[", "\\]"}}};
  for (const auto& [open, close] : kMarks) {
    if (text.substr(0, open.size()) != open) continue;
    size_t end = find_close(text, close, open.size());
    if (end == std::string_view::npos || end == open.size()) continue;
    if (close == "$") {
      const size_t after = end + 1;
      const bool text_follows =
          after < text.size() &&
          (is_letter(text[after]) || is_digit(text[after]) || text[after] == '\\' || text[after] == '[' ||
           text[after] == '(' || text[after] == '{' || text[after] == '=');
      if (kSpace.find(text[end - 1]) != std::string_view::npos || text_follows || text[end - 1] == '\n') {
        const size_t last = text.rfind('$');
        const std::string_view tail = trim(text.substr(last + 1), " \t\r\n.");
        if (last > end && tail.empty()) end = last;
      }
    }
    return text.substr(open.size(), end - open.size());
  }
  return std::nullopt;
}

std::optional<std::string> after_answer_is(std::string_view text) {
  static constexpr std::array<std::string_view, 8> kMarks = {
      "answer is", "answer:",   "answer =",        "answers are",
      "answer:**", "answer**:", "answer would be", "\xE7\xAD\x94\xE6\xA1\x88\xE6\x98\xAF"};
  size_t best = std::string_view::npos, after = 0;
  for (const auto mark : kMarks) {
    const size_t at = rfind_any_case(text, mark);
    if (at != std::string_view::npos && (best == std::string_view::npos || at + mark.size() > after))
      best = at, after = at + mark.size();
  }
  if (best == std::string_view::npos) return std::nullopt;
  std::string_view rest = trim(text.substr(after), " \t\r\n:*");
  static constexpr std::array<std::string_view, 6> kHedges = {"approximately ", "about ",  "simply ",
                                                              "option ",        "choice ", "therefore "};
  for (const auto hedge : kHedges)
    if (rest.size() > hedge.size() &&
        std::equal(hedge.begin(), hedge.end(), rest.begin(), [](char a, char b) { return a == lower(b); }))
      rest = trim(rest.substr(hedge.size()), " \t\r\n:*");
  if (const auto formula = leading_formula(rest)) {
    // "$5$, $6$": a list of formulas is more than its first one.
    const std::string_view tail =
        trim(rest.substr(static_cast<size_t>(formula->data() + formula->size() - rest.data())), " $)]\\");
    if (tail.empty() || (tail.front() != ',' && tail.substr(0, 3) != "and"))
      return std::string(trim(*formula));
  }
  std::string_view sentence = trim(rest.substr(0, sentence_end(rest)), " \t\r\n*,;:");
  while (!sentence.empty() && sentence.back() == '.') sentence.remove_suffix(1);
  if (sentence.empty()) return std::nullopt;
  return std::string(sentence);
}

std::optional<std::string> last_choice(std::string_view text) {
  for (size_t i = text.size(); i-- > 0;) {
    if (text[i] < 'A' || text[i] > 'E') continue;
    const bool left = i == 0 || !(is_letter(text[i - 1]) || is_digit(text[i - 1]) || text[i - 1] == '\\');
    const bool right = i + 1 == text.size() || !(is_letter(text[i + 1]) || is_digit(text[i + 1]));
    if (left && right) return std::string(1, text[i]);
  }
  return std::nullopt;
}

// Digits with thousands separators and one decimal point, from `at`
// backwards; returns where the number begins.
size_t number_begin(std::string_view text, size_t last) {
  size_t i = last + 1;
  bool point = false;
  while (i > 0) {
    const char c = text[i - 1];
    const bool inner = i - 1 < last && i < text.size() && is_digit(text[i]);
    if (is_digit(c)) {
      --i;
    } else if (c == '.' && !point && inner) {
      point = true;
      --i;
    } else if (c == ',' && inner && i >= 2 && is_digit(text[i - 2]) && i + 2 < text.size() &&
               is_digit(text[i + 1]) && is_digit(text[i + 2]) &&
               (i + 3 >= text.size() || !is_digit(text[i + 3]))) {
      --i;
    } else {
      break;
    }
  }
  return i;
}

// Where "\frac{" stands if text[begin, end) is the lower number of a fraction of two plain numbers.
std::optional<size_t> fraction_begin(std::string_view text, size_t begin, size_t end) {
  if (begin < 2 || text[begin - 1] != '{' || text[begin - 2] != '}' || end >= text.size() || text[end] != '}')
    return std::nullopt;
  size_t top = begin - 2;
  while (top > 0 && (is_digit(text[top - 1]) || text[top - 1] == '-')) --top;
  if (top == begin - 2 || top == 0 || text[top - 1] != '{') return std::nullopt;
  for (const std::string_view command : {"\\frac", "\\dfrac", "\\tfrac"})
    if (text.substr(0, top - 1).ends_with(command)) return top - 1 - command.size();
  return std::nullopt;
}

std::optional<std::string> last_number(std::string_view text) {
  size_t last = text.find_last_of("0123456789");
  if (last == std::string_view::npos) return std::nullopt;
  size_t begin = number_begin(text, last);
  // A power or an index is not a number of its own: x^2.
  if (begin > 0 && (text[begin - 1] == '^' || text[begin - 1] == '_')) return std::nullopt;
  size_t end = last + 1;
  if (const auto fraction = fraction_begin(text, begin, end)) {
    begin = *fraction;
    ++end;
  }
  if (begin >= 2 && text[begin - 1] == '/' && is_digit(text[begin - 2]))
    begin = number_begin(text, begin - 2);
  // 1e5, 2.5E-3
  const size_t exponent = begin - (begin > 0 && (text[begin - 1] == '-' || text[begin - 1] == '+'));
  if (exponent >= 2 && lower(text[exponent - 1]) == 'e' && is_digit(text[exponent - 2]))
    begin = number_begin(text, exponent - 2);
  std::string number(text.substr(begin, end - begin));
  number.erase(std::remove(number.begin(), number.end(), ','), number.end());
  constexpr std::string_view kMinusSign = "\xE2\x88\x92";
  if (text.substr(0, begin).ends_with(kMinusSign) && (begin == 3 || !is_digit(text[begin - 4])))
    return "-" + number;
  // A minus that does not stand between two operands is a sign.
  if (begin > 0 && text[begin - 1] == '-' &&
      (begin == 1 || kSpace.find(text[begin - 2]) != std::string_view::npos || text[begin - 2] == '$' ||
       text[begin - 2] == '=' || text[begin - 2] == '('))
    number.insert(0, "-");
  return number;
}

}  // namespace

const char* extraction_rule_name(ExtractionRule rule) {
  switch (rule) {
    case ExtractionRule::boxed:
      return "boxed";
    case ExtractionRule::answer_tag:
      return "answer_tag";
    case ExtractionRule::hashes:
      return "hashes";
    case ExtractionRule::answer_is:
      return "answer_is";
    case ExtractionRule::choice:
      return "choice";
    case ExtractionRule::last_number:
      return "last_number";
    case ExtractionRule::none:
      break;
  }
  return "none";
}

bool is_multiple_choice(std::string_view dataset) { return dataset == "aqua" || dataset == "sat_math"; }

namespace {

constexpr std::string_view kThink = "<think>", kThought = "</think>";

Extraction by_rules(std::string_view answer, std::string_view dataset) {
  if (auto text = boxed(answer)) return {std::move(text), ExtractionRule::boxed};
  if (const size_t open = answer.rfind("<answer>"); open != std::string_view::npos) {
    const std::string_view rest = answer.substr(open + 8);
    return {std::string(trim(rest.substr(0, rest.find("</answer>")))), ExtractionRule::answer_tag};
  }
  if (const size_t mark = answer.rfind("####"); mark != std::string_view::npos) {
    const std::string_view rest = trim(answer.substr(mark + 4));
    return {std::string(trim(rest.substr(0, rest.find('\n')))), ExtractionRule::hashes};
  }
  if (auto text = after_answer_is(answer)) return {std::move(text), ExtractionRule::answer_is};
  if (is_multiple_choice(dataset))
    if (auto text = last_choice(answer)) return {std::move(text), ExtractionRule::choice};
  if (auto text = last_number(answer)) return {std::move(text), ExtractionRule::last_number};
  return {};
}

// Every <think> and </think> as a line's end.
std::string without_tags(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const std::string_view rest = text.substr(i);
    const size_t tag = rest.starts_with(kThink)     ? kThink.size()
                       : rest.starts_with(kThought) ? kThought.size()
                                                    : 0;
    out += tag ? '\n' : text[i];
    i += std::max<size_t>(tag, 1);
  }
  return out;
}

// What was said, not thought: a </think> ends what the first <think> since the last </think> began, the first
// </think> all before it where none did. Tags without a partner go.
std::string without_thoughts(std::string_view text) {
  std::string out;
  size_t at = 0;
  for (size_t close = text.find(kThought); close != std::string_view::npos; close = text.find(kThought, at)) {
    const std::string_view before = text.substr(at, close - at);
    const size_t open = before.find(kThink);
    if (open != std::string_view::npos || at > 0) out += before.substr(0, open);
    out += '\n';
    at = close + kThought.size();
  }
  out += text.substr(at);
  return without_tags(out);
}

// The text marks its answer, beyond a number or a letter that happens to be its last.
bool is_marked(const Extraction& e) {
  return e.rule != ExtractionRule::none && e.rule != ExtractionRule::choice &&
         e.rule != ExtractionRule::last_number;
}

// What a box holds while one only speaks of boxes: nothing, dots, words ("your answer"). A letter may be an
// answer, and so may words in \text{} that are not "answer".
bool is_placeholder(std::string_view content) {
  constexpr std::string_view kText = "\\text{";
  const bool text = content.starts_with(kText) && content.ends_with('}');
  if (text) content = content.substr(kText.size(), content.size() - kText.size() - 1);
  if (trim(content, " \t\r\n.").empty()) return true;
  if (text) return rfind_any_case(content, "answer") != std::string_view::npos;
  // A word: three letters and a vowel among them. "AB" and "xy" are none.
  size_t run = 0;
  bool vowel = false, word = false;
  for (const char c : content) {
    if (!is_letter(c) && std::string_view(" \t\r\n.,'-").find(c) == std::string_view::npos) return false;
    vowel =
        is_letter(c) && ((run > 0 && vowel) || std::string_view("aeiou").find(c) != std::string_view::npos);
    run = is_letter(c) ? run + 1 : 0;
    word = word || (run > 2 && vowel);
  }
  return word;
}

std::string without_placeholders(std::string_view text) {
  constexpr size_t kLongest = 100;
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const std::string_view rest = text.substr(i, kLongest);
    const size_t open = rest.starts_with("\\boxed") ? 6 : rest.starts_with("\\fbox") ? 5 : 0;
    const size_t brace = open ? rest.find_first_not_of(kSpace, open) : std::string_view::npos;
    if (brace != std::string_view::npos && rest[brace] == '{') {
      bool closed = false;
      const std::string_view content = group(rest, brace, closed);
      if (closed && is_placeholder(trim(content))) {
        i += brace + content.size() + 2;
        continue;
      }
    }
    out += text[i++];
  }
  return out;
}

}  // namespace

Extraction extract_answer(std::string_view answer, std::string_view dataset) {
  const size_t open = answer.find(kThink), end = answer.rfind(kThought);
  if (open == std::string_view::npos && end == std::string_view::npos) return by_rules(answer, dataset);
  if (end == std::string_view::npos) {  // the thoughts never end
    if (Extraction said = by_rules(answer.substr(0, open), dataset); is_marked(said)) return said;
  } else {
    if (Extraction last = by_rules(without_tags(answer.substr(end + kThought.size())), dataset);
        is_marked(last))
      return last;
    if (Extraction said = by_rules(without_thoughts(answer), dataset); said.rule != ExtractionRule::none)
      return said;
  }
  return by_rules(without_placeholders(without_tags(answer)), dataset);
}

}  // namespace circuitdiff
