#include "grade/compare_texts.h"

#include <algorithm>
#include <unordered_set>

#include "grade/letters.h"

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

}  // namespace

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  std::string word;
  const auto flush = [&] {
    if (!word.empty() && word != "a" && word != "an" && word != "the" && word != "is" && word != "it")
      out.push_back(word);
    word.clear();
  };
  for (size_t i = 0; i < text.size(); ++i) {
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
      word += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
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

Judgement compare_texts(std::string_view prediction, std::string_view gold) {
  auto a = words_of(prediction), b = words_of(gold);
  drop_idle_brackets(a);
  drop_idle_brackets(b);
  const auto said = [](const std::vector<std::string>& words) {
    std::string out;
    for (const auto& w : words) out += (out.empty() ? "" : " ") + w;
    for (const auto* none : {"dne", "does not exist", "doesnt exist", "undefined"})
      if (out == none) return std::string("does not exist");
    for (const auto* none : {"no solutions", "there no solution", "there are no solutions",
                             "no real solution", "no real solutions", "\\emptyset", "\\varnothing"})
      if (out == none) return std::string("no solution");
    return out;
  };
  if (!b.empty() && said(a) == said(b)) return {Verdict::equal, "the same words"};
  const auto joined_by_and = [](const std::vector<std::string>& words) {
    return std::find(words.begin(), words.end(), "and") != words.end();
  };
  if (joined_by_and(a) && joined_by_and(b)) {
    std::sort(a.begin(), a.end());
    std::sort(b.begin(), b.end());
    if (a == b) return {Verdict::equal, "the same words in another order"};
  }
  const auto contains_all = [](const std::vector<std::string>& all, const std::vector<std::string>& part) {
    return !part.empty() && std::search(all.begin(), all.end(), part.begin(), part.end()) != all.end();
  };
  const bool negated =
      std::find(a.begin(), a.end(), "not") != a.end() || std::find(a.begin(), a.end(), "no") != a.end() ||
      std::find(b.begin(), b.end(), "not") != b.end() || std::find(b.begin(), b.end(), "no") != b.end();
  if (!negated && (contains_all(a, b) || contains_all(b, a)) && a.size() <= 12)
    return {Verdict::undecided, "one text says more than the other"};
  return {Verdict::different, "different words"};
}

}  // namespace circuitdiff
