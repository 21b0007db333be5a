// Factors of an answer: powers, subscripts, primes, and everything in brackets.
#include "formula/answer_reader.h"

namespace circuitdiff {

ExprPtr AnswerReader::factor() {
  const Depth depth(*this);
  ExprPtr e = base();
  for (int signs = 0;; ++signs) {
    if (signs > kMostReaderDepth) unreadable("nested too deeply");
    if (is_mark("^")) {
      ++at_;
      e = raised(std::move(e));
    } else if (is_mark("_")) {
      ++at_;
      e = with_subscript(std::move(e));
    } else if (is_mark("!")) {
      ++at_;
      const bool twice = take_mark("!");  // 5!! = 5 * 3 * 1
      e = make_node(ExprKind::call, {std::move(e)}, twice ? "double factorial" : "factorial");
    } else if (is_mark("%")) {
      ++at_;
      e = make_node(ExprKind::percent, {std::move(e)});
    } else if (is_mark("'")) {
      ++at_;
      e = primed(std::move(e));
    } else if (is_word("percent")) {
      ++at_;
      e = make_node(ExprKind::percent, {std::move(e)});
    } else {
      return e;
    }
  }
}

ExprPtr AnswerReader::primed(ExprPtr e) {
  if (e->kind != ExprKind::symbol && e->kind != ExprKind::call) unreadable("a prime behind no symbol");
  auto out = std::make_shared<Expr>(*e);
  out->name += "'";
  return out;
}

ExprPtr AnswerReader::raised(ExprPtr e) {
  const Depth depth(*this);
  if (is_command("circ")) {
    ++at_;
    return make_node(ExprKind::degree, {std::move(e)});
  }
  if (is_mark("'")) {
    ++at_;
    return primed(std::move(e));
  }
  if (is_mark("{")) {
    size_t i = 1;
    while (is_mark("'", i)) ++i;
    if (i > 1 && is_mark("}", i)) {
      for (size_t k = 1; k < i; ++k) e = primed(std::move(e));
      at_ += i + 1;
      return e;
    }
    if (is_command("circ", 1) && is_mark("}", 2)) {
      at_ += 3;
      return make_node(ExprKind::degree, {std::move(e)});
    }
    return make_node(ExprKind::power, {std::move(e), argument()});
  }
  int sign = 1;
  while (is_mark("-") || is_mark("+")) {
    if (is_mark("-")) sign = -sign;
    ++at_;
  }
  ExprPtr exponent = base();
  while (is_mark("^")) {  // towers stand on the right
    ++at_;
    exponent = raised(std::move(exponent));
  }
  if (is_mark("!")) {
    ++at_;
    exponent = make_node(ExprKind::call, {std::move(exponent)}, "factorial");
  }
  if (sign < 0) exponent = make_negative(std::move(exponent));
  return make_node(ExprKind::power, {std::move(e), std::move(exponent)});
}

// The texts of a subscript's tokens.
std::string AnswerReader::subscript() {
  std::string out;
  if (!take_mark("{")) {
    out = peek().text;
    if (at_end()) unreadable("no subscript");
    ++at_;
    return out;
  }
  for (int open = 1; open > 0;) {
    if (at_end()) unreadable("no }");
    if (is_mark("{")) ++open;
    if (is_mark("}") && --open == 0) break;
    out += peek().text;
    ++at_;
  }
  ++at_;
  return out;
}

// A group, or one token, as a macro's argument. "\frac12" takes single digits.
ExprPtr AnswerReader::argument() {
  const Depth depth(*this);
  if (is_mark("{")) {
    ++at_;
    if (is_mark("}")) unreadable("an empty group");
    ExprPtr e = group_content();
    expect("}");
    return e;
  }
  if (peek().kind == TokenKind::number && peek().text.size() > 1 && !peek().decimal) {
    Token& t = tokens_[at_];
    ExprPtr digit = make_number(Rational(t.text[0] - '0'));
    t.text.erase(0, 1);
    t.value = *parse_decimal(t.text);
    t.space = false;
    return digit;
  }
  if (is_mark("-")) {
    ++at_;
    return make_negative(argument());
  }
  return base();
}

ExprPtr AnswerReader::base() {
  const Depth depth(*this);
  const Token t = peek();
  switch (t.kind) {
    case TokenKind::number:
      ++at_;
      return literal(t);
    case TokenKind::letter:
      ++at_;
      return letter(t);
    case TokenKind::word:
      return word();
    case TokenKind::command:
      ++at_;
      return command(t.text);
    case TokenKind::mark:
      if (t.text == "(" || t.text == "[" || t.text == "\\{") return bracketed();
      if (t.text == "{") return braced();
      if (t.text == "|") return absolute();
      unreadable("unexpected " + t.text);
    case TokenKind::end:
      break;
  }
  unreadable("an end too early");
}

ExprPtr AnswerReader::bracketed() {
  const std::string open = peek().text;
  ++at_;
  const int bars = std::exchange(bars_, 0);
  const std::string outer_unit = std::exchange(unit_, {});
  std::vector<ExprPtr> all;
  // {x | x > 3}
  if (open == "\\{" && peek().kind == TokenKind::letter && (is_mark("|", 1) || is_mark(":", 1))) {
    at_ += 2;
    all = items();
    if (all.size() != 1 || !take_mark("\\}")) unreadable("a set that is described, not listed");
    bars_ = bars;
    return all.front();
  }
  all = items();
  bars_ = bars;
  unit_ = outer_unit;
  std::string close = peek().text;
  if (!closes() || peek().kind == TokenKind::command || close == "}")
    unreadable("a bracket that never closes");
  ++at_;
  if ((open == "\\{") != (close == "\\}")) unreadable("brackets that do not match");
  if (all.size() == 1 && open != "\\{" && (open == "(") == (close == ")")) return all.front();
  if (all.empty() && open != "\\{") unreadable("empty brackets");
  auto out = std::make_shared<Expr>();
  out->kind = ExprKind::list;
  out->args = std::move(all);
  out->open = open == "\\{" ? '{' : open[0];
  out->close = close == "\\}" ? '}' : close[0];
  if (out->args.empty()) return make_symbol("\\emptyset");
  return out;
}

ExprPtr AnswerReader::braced() {
  ++at_;
  if (take_mark("}")) {
    if (!starts_factor()) unreadable("an empty group");
    return factor();
  }
  const int bars = std::exchange(bars_, 0);
  ExprPtr e = group_content();
  bars_ = bars;
  expect("}");
  if (e->kind == ExprKind::list && e->open == 0) {
    auto out = std::make_shared<Expr>(*e);
    out->open = '{';
    out->close = '}';
    return out;
  }
  return e;
}

ExprPtr AnswerReader::absolute() {
  ++at_;
  ++bars_;
  ExprPtr e = sum();
  --bars_;
  expect("|");
  const bool is_matrix = e->kind == ExprKind::matrix;
  return make_node(ExprKind::call, {std::move(e)}, is_matrix ? "det" : "abs");
}

}  // namespace circuitdiff
