// Numbers and letters of an answer: literals, mixed numbers, numbers in a base and in words.
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "formula/answer_reader.h"
#include "formula/letters.h"

namespace circuitdiff {
namespace {

const std::unordered_map<std::string_view, slong>& number_words() {
  static const std::unordered_map<std::string_view, slong> kWords = {
      {"zero", 0},     {"one", 1},      {"two", 2},        {"three", 3},     {"four", 4},
      {"five", 5},     {"six", 6},      {"seven", 7},      {"eight", 8},     {"nine", 9},
      {"ten", 10},     {"eleven", 11},  {"twelve", 12},    {"thirteen", 13}, {"fourteen", 14},
      {"fifteen", 15}, {"sixteen", 16}, {"seventeen", 17}, {"eighteen", 18}, {"nineteen", 19},
      {"twenty", 20},  {"thirty", 30},  {"forty", 40},     {"fifty", 50},    {"sixty", 60},
      {"seventy", 70}, {"eighty", 80},  {"ninety", 90}};
  return kWords;
}
// "thirds" after a number in words.
slong fraction_word(std::string_view word) {
  static const std::unordered_map<std::string_view, slong> kWords = {
      {"half", 2},   {"halves", 2},  {"third", 3}, {"thirds", 3}, {"quarter", 4}, {"quarters", 4},
      {"fourth", 4}, {"fourths", 4}, {"fifth", 5}, {"fifths", 5}, {"sixth", 6},   {"sixths", 6}};
  const auto it = kWords.find(word);
  return it == kWords.end() ? 0 : it->second;
}

}  // namespace

// "2D_{16}", "1011_2", "(1011)_2": digits and letters up to Z, an underscore, a base from 2 to 36.
ExprPtr AnswerReader::whole_based() {
  std::string digits;
  size_t i = at_;
  bool wrapped = tokens_[i].text == "(";
  if (wrapped) ++i;
  for (; i < tokens_.size(); ++i) {
    const Token& t = tokens_[i];
    if (t.kind == TokenKind::number)
      digits += t.text;
    else if (t.kind == TokenKind::letter && t.text.size() == 1 && is_capital(t.text[0]))
      digits += t.text;
    else
      break;
  }
  if (wrapped && i < tokens_.size() && tokens_[i].text == ")") {
    wrapped = false;
    ++i;
  }
  if (digits.empty() || i >= tokens_.size() || tokens_[i].text != "_") return nullptr;
  if (digits[0] >= 'A') return nullptr;  // A_1 is a symbol
  ++i;
  const bool braces = tokens_[i].text == "{";
  if (braces) ++i;
  if (tokens_[i].kind != TokenKind::number) return nullptr;
  const auto base = tokens_[i].value.small_integer();
  ++i;
  if (braces && tokens_[i++].text != "}") return nullptr;
  if (wrapped && (i >= tokens_.size() || tokens_[i++].text != ")")) return nullptr;
  if (i + 1 != tokens_.size() || !base || *base < 2 || *base > 36) return nullptr;
  return based(digits, *base);
}

ExprPtr AnswerReader::based(const std::string& digits, slong base) {
  Rational value, place(1);
  bool point = false;
  for (const char c : digits) {
    if (c == '.') {
      point = true;
      continue;
    }
    const slong digit = c <= '9' ? c - '0' : c - 'A' + 10;
    if (digit >= base) unreadable("a digit too large for its base");
    Rational d(digit);
    if (point) {
      fmpq_div(place.get(), place.get(), Rational(base).get());
      fmpq_mul(d.get(), d.get(), place.get());
    } else {
      fmpq_mul(value.get(), value.get(), Rational(base).get());
    }
    fmpq_add(value.get(), value.get(), d.get());
  }
  auto out = std::make_shared<Expr>();
  out->kind = ExprKind::based;
  out->name = digits;
  out->value = std::move(value);
  out->args = {make_number(Rational(base))};
  return out;
}

// An integer with a fraction behind it: "1\frac{1}{2}", "1 1/2".
ExprPtr AnswerReader::mixed(ExprPtr f, size_t begin) {
  if (!options_.mixed || at_ != begin + 1 || tokens_[begin].kind != TokenKind::number ||
      tokens_[begin].decimal)
    return f;
  const auto proper = [](const ExprPtr& e) -> bool {
    return e->kind == ExprKind::number && e->value.is_integer() && e->value.sign() >= 0;
  };
  const size_t back = at_;
  const std::vector<Token> saved(
      tokens_.begin() + static_cast<ptrdiff_t>(at_),
      tokens_.begin() + static_cast<ptrdiff_t>(std::min(at_ + 16, tokens_.size())));
  ExprPtr top, bottom;
  if (is_command("frac")) {
    ++at_;
    top = argument();
    bottom = argument();
  } else if (peek().kind == TokenKind::number && peek().space && !peek().decimal && is_mark("/", 1) &&
             peek(2).kind == TokenKind::number && !peek(2).decimal) {
    top = make_number(peek().value);
    bottom = make_number(peek(2).value);
    at_ += 3;
  }
  const bool degrees = is_mark("^") && (is_command("circ", 1) ||
                                        (is_mark("{", 1) && is_command("circ", 2) && is_mark("}", 3)));
  if (top && proper(top) && proper(bottom) && fmpq_cmp(top->value.get(), bottom->value.get()) < 0 &&
      (degrees || !is_mark("^"))) {
    Rational sum;
    fmpq_div(sum.get(), top->value.get(), bottom->value.get());
    fmpq_add(sum.get(), sum.get(), f->value.get());
    ExprPtr out = make_number(std::move(sum));
    if (degrees) {
      ++at_;
      return raised(std::move(out));
    }
    if (!is_mark("%") && !is_word("percent")) return out;
    ++at_;
    return make_node(ExprKind::percent, {std::move(out)});
  }
  at_ = back;
  std::copy(saved.begin(), saved.end(),
            tokens_.begin() + static_cast<ptrdiff_t>(back));  // argument() splits numbers
  return f;
}

ExprPtr AnswerReader::literal(const Token& t) {
  auto out = std::make_shared<Expr>();
  out->value = t.value;
  out->decimal = t.decimal;
  out->decimals = t.decimals;
  if (t.dollars && unit_.empty()) unit_ = "dollars";
  // 0.333...: the last digit for ever, if it stands there twice.
  const bool goes_on = peek().kind == TokenKind::letter &&
                       (peek().text == "\\ldots" || peek().text == "\\dots" || peek().text == "\\cdots");
  const size_t n = t.text.size();
  if (goes_on && t.decimals >= 2 && t.text[n - 1] == t.text[n - 2]) {
    ++at_;
    Rational tail(t.text[n - 1] - '0', 9);
    tail = scaled_by_ten(std::move(tail), -t.decimals);
    fmpq_add(out->value.get(), out->value.get(), tail.get());
    return out;
  }
  // 0.1\overline{6}: digits that repeat for ever.
  const bool repeats = is_command("overline") || is_command("bar");
  if (!repeats || t.text.find('.') == std::string::npos || !is_mark("{", 1) ||
      peek(2).kind != TokenKind::number || !is_mark("}", 3))
    return out;
  const std::string digits = peek(2).text;
  const size_t point = t.text.find('.');
  const auto decimals = static_cast<slong>(point == std::string::npos ? 0 : t.text.size() - point - 1);
  if (digits.find('.') != std::string::npos || digits.size() > 100) return out;
  at_ += 4;
  // digits / (10^n - 1) / 10^decimals
  Rational nines = scaled_by_ten(Rational(1), static_cast<slong>(digits.size()));
  fmpq_sub(nines.get(), nines.get(), Rational(1).get());
  Rational tail = *parse_decimal(digits);
  fmpq_div(tail.get(), tail.get(), nines.get());
  tail = scaled_by_ten(std::move(tail), -decimals);
  fmpq_add(out->value.get(), out->value.get(), tail.get());
  return out;
}

// "ABC" behind the sign of an angle: its vertex in the middle, its legs in either order. Null where other
// than three capital letters stand there.
ExprPtr AnswerReader::angle() {
  const size_t in_braces = is_mark("{") ? 1 : 0;
  std::string points;
  for (size_t i = in_braces; peek(i).kind == TokenKind::letter && is_capital(peek(i).text[0]); ++i)
    points += peek(i).text;
  if (points.size() != 3 || (in_braces && !is_mark("}", 4))) return nullptr;
  at_ += 3 + 2 * in_braces;
  if (points[0] > points[2]) std::swap(points[0], points[2]);
  return make_symbol("\\angle " + points);
}

// Primes that stand next ("'", "^{'}"), or the sign of an inverse, and their tokens.
std::pair<std::string, size_t> AnswerReader::primes_ahead() const {
  if (is_mark("^") && is_mark("{", 1) && is_mark("-", 2) && peek(3).text == "1" && is_mark("}", 4))
    return {"^-1", 5};
  size_t at = is_mark("^") ? 1 : 0;
  const bool braces = at && is_mark("{", at);
  if (braces) ++at;
  const size_t first = at;
  while (is_mark("'", at)) ++at;
  const size_t primes = at - first;
  if (primes == 0 || (braces && !is_mark("}", at))) return {"", 0};
  return {std::string(primes, '\''), at + (braces ? 1 : 0)};
}

// "(X = 2)": an event, not a factor.
bool AnswerReader::relation_in_brackets() const {
  for (size_t i = 1; i < 40 && peek(i).kind != TokenKind::end && !is_mark(")", i); ++i)
    for (const char* sign : {"=", "<", ">", "<=", ">="})
      if (is_mark(sign, i)) return true;
  return false;
}

ExprPtr AnswerReader::letter(const Token& t) {
  if (t.text == "e") return make_node(ExprKind::e, {});
  if (t.text == "i" && !i_is_symbol_) return make_node(ExprKind::i, {});
  if (t.text == "\\angle")
    if (ExprPtr named = angle()) return named;
  if (t.text == "\\mathbb R") return make_node(ExprKind::reals, {});
  // f(x), y'(0): a function's value, not a product.
  const auto [primes, tokens] = primes_ahead();
  if (is_mark("(", tokens) && !peek(tokens).space && t.text.size() == 1) {
    const bool named =
        std::string_view("fghFGH").find(t.text[0]) != std::string_view::npos || primes.starts_with('\'');
    const bool at_number = peek(1).kind == TokenKind::number && is_mark(")", 2);
    const bool event = t.text == "P" && tokens == 0 && relation_in_brackets();
    if (named || event || (at_number && tokens == 0 && is_capital(t.text[0]))) {
      at_ += tokens + 1;
      const auto args = items();
      expect(")");
      std::string name = t.text + primes;
      const size_t bare = name.size();
      for (const auto& a : args) name += (name.size() == bare ? "(" : ",") + canonical_text(*a);
      return make_symbol(name + ")");
    }
  }
  return make_symbol(t.text);
}

// "seven", "twenty-one", "nine hundred", "one hundred and five"; "thousand" and above are multipliers.
std::optional<slong> AnswerReader::number_in_words() {
  // Below one hundred; `ahead`: where its words begin.
  const auto small = [&](size_t ahead, size_t& words) -> std::optional<slong> {
    words = 0;
    if (peek(ahead).kind != TokenKind::word) return std::nullopt;
    const auto it = number_words().find(peek(ahead).text);
    if (it == number_words().end()) return std::nullopt;
    words = 1;
    if (it->second < 20) return it->second;
    const size_t next = ahead + (is_mark("-", ahead + 1) ? 2 : 1);
    if (peek(next).kind != TokenKind::word) return it->second;
    const auto ones = number_words().find(peek(next).text);
    if (ones == number_words().end() || ones->second < 1 || ones->second > 9) return it->second;
    words = next + 1 - ahead;
    return it->second + ones->second;
  };
  size_t words = 0;
  auto value = small(0, words);
  if (!value) return std::nullopt;
  at_ += words;
  if (!is_word("hundred")) return value;
  ++at_;
  *value *= 100;
  const size_t joined = is_word("and") ? 1 : 0;
  const auto rest = small(joined, words);
  if (rest && *rest > 0) {
    at_ += joined + words;
    *value += *rest;
  }
  return value;
}

ExprPtr AnswerReader::word() {
  const std::string text = peek().text;
  if (text == "infinity" || text == "inf") {
    ++at_;
    return make_node(ExprKind::infinity, {});
  }
  if ((text == "all" || text == "real" || text == "reals") && at_ == 0) {
    if (is_word("all")) ++at_;
    const bool real = is_word("real") || is_word("reals");
    if (real) ++at_;
    if (real && is_word("numbers")) ++at_;
    if (real && at_end()) return make_node(ExprKind::reals, {});
    unreadable("words");
  }
  if (text == "minus" || text == "negative") {
    if (peek(1).kind != TokenKind::word || !number_words().contains(peek(1).text)) unreadable("words");
    ++at_;
    return make_negative(word());
  }
  if (const auto whole = number_in_words()) {
    slong parts = 1;  // "two thirds", "three-quarters"
    const size_t ahead = is_mark("-") ? 1 : 0;
    if (peek(ahead).kind == TokenKind::word && fraction_word(peek(ahead).text)) {
      parts = fraction_word(peek(ahead).text);
      at_ += ahead + 1;
    }
    Rational value(*whole, parts);
    // "two and a half"
    const bool one = peek(1).text == "a" || peek(1).text == "one";
    if (parts == 1 && is_word("and") && one && peek(2).kind == TokenKind::word &&
        fraction_word(peek(2).text)) {
      fmpq_add(value.get(), value.get(), Rational(1, static_cast<ulong>(fraction_word(peek(2).text))).get());
      at_ += 3;
    }
    return make_number(std::move(value));
  }
  if (fraction_word(text) == 2) {
    ++at_;
    return make_number(Rational(1, 2));
  }
  static const std::unordered_set<std::string> kHedges = {"approximately", "about", "exactly", "approx", "is",
                                                          "are",           "the",   "only"};
  if (kHedges.contains(text) && peek(1).kind != TokenKind::end && peek(1).kind != TokenKind::word) {
    ++at_;
    return base();
  }
  unreadable("words");
}

}  // namespace circuitdiff
