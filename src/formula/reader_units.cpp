// What stands behind a value: words and letters of its unit, words that multiply it, remarks in brackets.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "formula/answer_reader.h"

namespace circuitdiff {

// "2 million" is a number, not two of a unit.
slong multiplier_word(std::string_view word) {
  static const std::unordered_map<std::string_view, slong> kWords = {{"dozen", 12},
                                                                     {"hundred", 100},
                                                                     {"thousand", 1000},
                                                                     {"million", 1'000'000},
                                                                     {"billion", 1'000'000'000}};
  const auto it = kWords.find(word);
  return it == kWords.end() ? 0 : it->second;
}

ExprPtr AnswerReader::with_unit(ExprPtr e) {
  if (unit_.empty()) return e;
  auto out = std::make_shared<Expr>(*e);
  out->unit = std::move(unit_);
  unit_.clear();
  return out;
}

// "(approximately)", "(apples)" behind a value.
bool AnswerReader::words_in_brackets() {
  size_t i = 1;
  while (peek(i).kind == TokenKind::word) ++i;
  if (i == 1 || !is_mark(")", i)) return false;
  at_ += i + 1;
  return true;
}

// Words behind a value, with what belongs to them: "cm^2", "km / h", "sq. cm", "miles per hour".
bool AnswerReader::take_unit() {
  bool any = false;
  while (!at_end()) {
    if (peek().kind == TokenKind::word && peek().text != "and" && peek().text != "or") {
      static const std::unordered_set<std::string> kTurns = {"not",   "no",     "never", "than",  "wrong",
                                                             "least", "most",   "but",   "less",  "more",
                                                             "if",    "unless", "when",  "where", "fewer"};
      if (kTurns.contains(peek().text)) unreadable("words that change the value");
      unit_ += (unit_.empty() ? "" : " ") + peek().text;
      ++at_;
      any = true;
    } else if (any && is_mark("^") && peek(1).kind == TokenKind::number) {
      unit_ += "^" + peek(1).text;
      at_ += 2;
    } else if (any && is_mark("^") && is_mark("{", 1) && peek(2).kind == TokenKind::number &&
               is_mark("}", 3)) {
      unit_ += "^" + peek(2).text;
      at_ += 4;
    } else if (any && is_mark("^") && is_mark("{", 1) && is_mark("-", 2) &&
               peek(3).kind == TokenKind::number && is_mark("}", 4)) {
      unit_ += "^-" + peek(3).text;
      at_ += 5;
    } else if (any && is_mark("/") &&
               (peek(1).kind == TokenKind::word || peek(1).kind == TokenKind::letter)) {
      unit_ += "/" + peek(1).text;
      at_ += 2;
    } else if (any && is_mark(".")) {
      ++at_;
    } else if (any && peek().kind == TokenKind::letter && peek().space && unit_.ends_with("per")) {
      unit_ += " " + peek().text;
      ++at_;
    } else {
      break;
    }
  }
  return any;
}

// "12 h", "3 m/s", "9 J": letters of units behind a plain number, with nothing else up to the next separator.
bool AnswerReader::take_letter_unit(const std::vector<ExprPtr>& factors) {
  static constexpr std::string_view kLetters = "hmsgLlJNWVAKCFZTHM";
  if (peek().kind != TokenKind::letter || !std::all_of(factors.begin(), factors.end(), [](const auto& f) {
        std::set<std::string> symbols;
        collect_symbols(*f, symbols);
        return symbols.empty();
      }))
    return false;
  size_t i = 0;
  if (!peek().space) return false;
  for (;; ++i) {
    const Token& t = peek(i);
    if (t.kind == TokenKind::letter && t.text.size() == 1 &&
        kLetters.find(t.text[0]) != std::string_view::npos)
      continue;
    if (t.kind == TokenKind::mark &&
        (t.text == "/" || t.text == "^" || t.text == "{" || t.text == "}" || t.text == "-") && i > 0)
      continue;
    if (t.kind == TokenKind::number && is_mark("^", i - 1)) continue;
    if (t.kind == TokenKind::number && i >= 2 && (is_mark("-", i - 1) || is_mark("{", i - 1))) continue;
    break;
  }
  if (peek(i).kind != TokenKind::end && !is_mark(",", i)) return false;
  for (size_t k = 0; k < i; ++k) unit_ += peek(k).text;
  at_ += i;
  return true;
}

}  // namespace circuitdiff
