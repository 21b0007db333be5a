#include "grade/compare_texts.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <unordered_set>

#include "formula/letters.h"

namespace circuitdiff {
namespace {

// LaTeX commands that shape the page and say nothing.
bool is_dress(std::string_view command) {
  static const std::unordered_set<std::string_view> kDress = {
      "text",         "textbf", "textit", "textrm", "mathrm", "mathbf", "mbox", "emph", "left", "right",
      "displaystyle", "quad",   "qquad",  "boxed",  "limits", "big",    "Big",  "bigl", "bigr"};
  return kDress.contains(command);
}

bool is_bracket(const std::string& word) {
  return word.size() == 1 && std::string_view("()[]{}").find(word[0]) != std::string_view::npos;
}

// The sign of an operation, or a command of LaTeX's.
bool is_sign(const std::string& word) {
  return word[0] == '\\' ||
         (word.size() == 1 && std::string_view("^_=<>*/|").find(word[0]) != std::string_view::npos);
}

// Brackets group in formulas, and shape the page round words. Braces round one sign go in both.
void drop_idle_brackets(std::vector<std::string>& words) {
  const bool formula = std::any_of(words.begin(), words.end(), is_sign);
  if (!formula && std::none_of(words.begin(), words.end(),
                               [](const std::string& w) { return !w.empty() && is_digit(w[0]); })) {
    std::erase_if(words, is_bracket);
    return;
  }
  std::vector<std::string> out;
  for (size_t i = 0; i < words.size(); ++i) {
    const bool single =
        words[i] == "{" && i + 2 < words.size() && words[i + 2] == "}" && !is_bracket(words[i + 1]);
    out.push_back(single ? words[i + 1] : words[i]);
    if (single) i += 2;
  }
  words = std::move(out);
}

using Words = std::vector<std::string>;

// What "and", "&" and commas part, where an "and" stands among them; nothing where a word says that the order
// matters.
std::vector<Words> parts_of(std::string_view text) {
  static const std::unordered_set<std::string_view> kOrdered = {
      "then",   "first",        "second", "third", "last",    "finally", "not",   "no",       "neither",
      "nor",    "before",       "after",  "later", "next",    "but",     "never", "except",   "from",
      "to",     "into",         "than",   "while", "whereas", "if",      "until", "followed", "without",
      "unless", "respectively", "order",  "left",  "right",   "former",  "latter"};
  std::vector<Words> out(1);
  bool joined = false;
  for (size_t begin = 0; begin <= text.size();) {
    // Commas within numbers and brackets part nothing.
    size_t end = begin;
    for (int depth = 0; end < text.size(); ++end) {
      const char c = text[end];
      const bool escaped = end > 0 && text[end - 1] == '\\';  // braces alone only group
      if (c == '(' || c == '[' || (c == '{' && escaped)) ++depth;
      if (c == ')' || c == ']' || (c == '}' && escaped)) --depth;
      if (depth <= 0 && (c == ',' || c == ';') && (end + 1 == text.size() || !is_digit(text[end + 1]))) break;
    }
    Words words = words_of(text.substr(begin, end - begin));
    drop_idle_brackets(words);
    for (std::string& word : words) {
      if (kOrdered.contains(word)) return {};
      if (word == "and" || word == "&") {
        joined = true;
        out.emplace_back();
      } else {
        out.back().push_back(std::move(word));
      }
    }
    out.emplace_back();
    begin = end + 1;
  }
  std::erase_if(out, [](const Words& part) { return part.empty(); });
  return joined && out.size() > 1 ? out : std::vector<Words>();
}

// "the numbers are | 5 and 6", "red and blue | balls": words ahead of the first part or behind the last that
// speak of all.
bool drop_shared(std::vector<Words>& a, std::vector<Words>& b) {
  static const std::unordered_set<std::string_view> kAhead = {"are", "were", "between", "both"};
  Words &x = a.front(), &y = b.front();
  for (size_t k = 0; k + 1 < std::min(x.size(), y.size()) && x[k] == y[k]; ++k)
    if (kAhead.contains(x[k])) {
      x.erase(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(k) + 1);
      y.erase(y.begin(), y.begin() + static_cast<std::ptrdiff_t>(k) + 1);
      return true;
    }
  Words &v = a.back(), &w = b.back();
  if (v.size() == 2 && w.size() == 2 && x.size() == 1 && y.size() == 1 && v.back() == w.back() &&
      v.back().size() > 3 && v.back().ends_with('s')) {
    v.pop_back();
    w.pop_back();
    return true;
  }
  return false;
}

bool same_sets(std::vector<Words> a, std::vector<Words> b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return a == b;
}

// "points", "statements", not "minus": what is named behind it, it names all.
bool is_plural(const std::string& word) {
  return word.size() > 3 && word.ends_with('s') && !word.ends_with("ss") && !word.ends_with("us") &&
         word != "times" && word != "always" && word != "this";
}

// "are winners": what it says, it says of all ahead of it.
bool speaks_of_several(const std::string& word) {
  return word == "are" || word == "were" || word == "have" || word == "both";
}

// "statements | I and III", "dogs and cats | are mammals": the words that both texts begin and end with
// belong to all parts (equal), or may do (undecided): "red | apples and pears". nullopt: other parts remain.
std::optional<Verdict> compare_between(const std::vector<Words>& a, const std::vector<Words>& b) {
  constexpr std::ptrdiff_t kMost = 8;
  const auto common = [&](auto begin, auto end, auto other, auto other_end) {
    return std::min(std::mismatch(begin, end, other, other_end).first - begin, kMost);
  };
  const std::ptrdiff_t ahead =
      common(a.front().begin(), a.front().end() - 1, b.front().begin(), b.front().end() - 1);
  const std::ptrdiff_t behind =
      common(a.back().rbegin(), a.back().rend() - 1, b.back().rbegin(), b.back().rend() - 1);
  std::optional<Verdict> out;
  for (std::ptrdiff_t first = 0; first <= ahead; ++first)
    for (std::ptrdiff_t last = 0; last <= behind; ++last) {
      const auto inner = [&](std::vector<Words> parts) {
        parts.front().erase(parts.front().begin(), parts.front().begin() + first);
        parts.back().erase(parts.back().end() - last, parts.back().end());
        return parts;
      };
      if (!same_sets(inner(a), inner(b))) continue;
      const bool of_all = (last == 0 && is_plural(a.front()[static_cast<size_t>(first) - 1])) ||
                          (first == 0 && speaks_of_several(*(a.back().end() - last)));
      if (of_all) return Verdict::equal;
      out = Verdict::undecided;
    }
  return out;
}

// What "and" joins in both texts, in any order.
Verdict compare_parts(const std::vector<Words>& a, const std::vector<Words>& b) {
  if (a.empty() || b.empty()) return Verdict::different;
  if (same_sets(a, b)) return Verdict::equal;
  auto x = a, y = b;
  if (drop_shared(x, y) && same_sets(x, y)) return Verdict::equal;
  if (const auto between = compare_between(a, b)) return *between;
  // "Ann 5 and Bob 6": each part says something of its own.
  const auto has_number = [](const Words& part) {
    return part.size() > 1 &&
           std::any_of(part.begin(), part.end(), [](const std::string& w) { return is_digit(w[0]); });
  };
  if (std::all_of(a.begin(), a.end(), has_number) && std::all_of(b.begin(), b.end(), has_number))
    return Verdict::different;
  const auto all_words = [](const std::vector<Words>& parts) {
    Words out;
    for (const Words& part : parts) out.insert(out.end(), part.begin(), part.end());
    std::sort(out.begin(), out.end());
    return out;
  };
  return all_words(a) == all_words(b) ? Verdict::undecided : Verdict::different;
}

// "a" and "an" ahead of a word or number; "A" and "a" elsewhere are names: "points A and B", "a + b".
bool is_article(std::string_view text, size_t begin, size_t end, bool first) {
  if (end == begin + 2) return true;
  const size_t next = text.find_first_not_of(" \t\r\n$~", end);
  if (next == end || next == std::string_view::npos) return false;
  size_t close = next;
  while (close < text.size() && is_letter(text[close])) ++close;
  std::string word(text.substr(next, close - next));
  for (char& c : word) c = lower(c);
  static const std::unordered_set<std::string_view> kBehindNames = {"and", "or", "is", "are",
                                                                    "was", "to", "but"};
  const bool named = word.size() < 2 || kBehindNames.contains(word);
  if (named && !is_digit(text[next])) return false;
  return text[begin] == 'a' || first || is_capital(text[next]);
}

}  // namespace

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  std::string word;
  size_t i = 0;
  const auto flush = [&] {
    const bool article =
        (word == "a" || word == "an") &&
        is_article(text, i - word.size(), i, std::all_of(out.begin(), out.end(), is_bracket));
    if (!word.empty() && !article && word != "the" && word != "is" && word != "it") out.push_back(word);
    word.clear();
  };
  for (; i < text.size(); ++i) {
    const char c = text[i];
    const bool digit = is_digit(c) || (c == '.' && i + 1 < text.size() && is_digit(text[i + 1]));
    if (c == '\\') {
      flush();
      size_t end = i + 1;
      while (end < text.size() && is_letter(text[end])) ++end;
      std::string command(text.substr(i + 1, end - i - 1));
      if (command == "dfrac" || command == "tfrac" || command == "cfrac") command = "frac";
      if (!command.empty() && !is_dress(command)) out.push_back("\\" + command);
      if (!command.empty()) i = end - 1;
    } else if (is_letter(c)) {
      if (!word.empty() && !is_letter(word[0]) && static_cast<unsigned char>(word[0]) < 0x80) flush();
      word += lower(c);
    } else if (digit || static_cast<unsigned char>(c) >= 0x80) {
      word += c;
    } else if (c == '\'' && !word.empty() && is_letter(word[0])) {
      continue;
    } else {
      flush();
      if (std::string_view("+-*/^_=<>|&@!'()[]{}").find(c) != std::string_view::npos) out.emplace_back(1, c);
    }
  }
  flush();
  return out;
}

namespace {

// Two texts as their words, and what "and" says of them.
struct TwoTexts {
  Words prediction, gold;
  Verdict parts;
};

std::string said(const Words& words) {
  std::string out;
  for (const auto& w : words) out += (out.empty() ? "" : " ") + w;
  for (const auto* none : {"dne", "does not exist", "doesnt exist", "undefined"})
    if (out == none) return "does not exist";
  for (const auto* none : {"no solutions", "there no solution", "there are no solutions", "no real solution",
                           "no real solutions", "\\emptyset", "\\varnothing"})
    if (out == none) return "no solution";
  return out;
}

Ruling compare_lengths(const TwoTexts& t) {
  const auto contains_all = [](const Words& all, const Words& part) {
    return !part.empty() && std::search(all.begin(), all.end(), part.begin(), part.end()) != all.end();
  };
  const auto negated = [](const Words& words) {
    return std::any_of(words.begin(), words.end(), [](const auto& w) { return w == "not" || w == "no"; });
  };
  const Words &a = t.prediction, &b = t.gold;
  return undecided_if(
      !negated(a) && !negated(b) && (contains_all(a, b) || contains_all(b, a)) && a.size() <= 12,
      "one text says more than the other");
}

using TextRule = Rule<TwoTexts>;
constexpr TextRule kWordRules[] = {
    TextRule("same-words",
             "Texts of the same words are the same; case, articles and text commands do not count.",
             {"\\text{the East}", "east"},
             [](const TwoTexts& t) {
               return equal_if(!t.gold.empty() && said(t.prediction) == said(t.gold), "the same words");
             }),
    TextRule("parts-joined-by-and", "What 'and' joins may stand in any order.",
             {"red and blue", "blue and red"},
             [](const TwoTexts& t) {
               return equal_if(t.parts == Verdict::equal, "the same parts in another order");
             }),
    TextRule("more-words", "A text that says more is left open, unless a word denies.",
             {"north east", "east"}, compare_lengths),
    TextRule("words-round-and", "The same words round an 'and', in another order, are left open.",
             {"minus 2 and 3", "minus 3 and 2"},
             [](const TwoTexts& t) {
               return undecided_if(t.parts == Verdict::undecided,
                                   "the same words round an and, in another order");
             }),
    TextRule("other-words", "Other words are another answer.", {"east", "west"},
             [](const TwoTexts&) -> Ruling { return different("different words"); })};

}  // namespace

RuleTable text_rules() { return table_of("Two texts", kWordRules); }

Judgement compare_texts(std::string_view prediction, std::string_view gold) {
  TwoTexts texts{words_of(prediction), words_of(gold), compare_parts(parts_of(prediction), parts_of(gold))};
  drop_idle_brackets(texts.prediction);
  drop_idle_brackets(texts.gold);
  return judged_by(kWordRules, texts);
}

}  // namespace circuitdiff
