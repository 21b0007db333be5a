#include "grade/reader.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "grade/tokens.h"

namespace circuitdiff {
namespace {

constexpr int kMostDepth = 120;
constexpr size_t kMostItems = 400;  // of one list

struct Unreadable {
  std::string reason;
};
[[noreturn]] void unreadable(std::string reason) { throw Unreadable{std::move(reason)}; }

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

bool is_function(const std::string& name) {
  static const std::unordered_set<std::string> kNames = {
      "sin",    "cos",    "tan",    "cot",  "sec",  "csc",  "arcsin", "arccos", "arctan",
      "arccot", "arcsec", "arccsc", "sinh", "cosh", "tanh", "coth",   "sech",   "csch",
      "log",    "ln",     "lg",     "exp",  "gcd",  "lcm",  "max",    "min",    "floor",
      "ceil",   "abs",    "asin",   "acos", "atan", "arg",  "Re",     "Im",     "det"};
  return kNames.contains(name);
}

class Reader {
 public:
  Reader(std::string_view text, const ReadOptions& options)
      : options_(options), tokens_(tokens_of(text, {options.thousands})) {}

  ExprPtr run() {
    if (tokens_.size() <= 1) unreadable("nothing to read");
    while (!at_end() && (peek().text == ":" || peek().text == "." || peek().text == "=")) ++at_;
    // Full stops and commas at the end belong to the sentence.
    while (tokens_.size() > 1 &&
           (last().text == "." || last().text == "," || last().text == ";" || last().text == "\\\\" ||
            (last().text == ":" && last().kind == TokenKind::mark)))
      tokens_.erase(tokens_.end() - 2);
    if (auto based = whole_based()) return based;
    unbalanced_choice();
    ExprPtr out = answer();
    if (!at_end()) unreadable("unexpected " + peek().text);
    return out;
  }

 private:
  // --- tokens ---
  const Token& peek(size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  Token& last() { return tokens_[tokens_.size() - 2]; }
  bool at_end() const { return peek().kind == TokenKind::end; }
  bool is_mark(std::string_view text, size_t ahead = 0) const {
    return peek(ahead).kind == TokenKind::mark && peek(ahead).text == text;
  }
  bool is_command(std::string_view text, size_t ahead = 0) const {
    return peek(ahead).kind == TokenKind::command && peek(ahead).text == text;
  }
  bool is_word(std::string_view text) const { return peek().kind == TokenKind::word && peek().text == text; }
  bool take_mark(std::string_view text) {
    if (!is_mark(text)) return false;
    ++at_;
    return true;
  }
  void expect(std::string_view text) {
    if (!take_mark(text)) unreadable("no " + std::string(text));
  }
  struct Depth {
    explicit Depth(Reader& r) : reader(r) {
      if (++reader.depth_ > kMostDepth) unreadable("nested too deeply");
    }
    ~Depth() { --reader.depth_; }
    Reader& reader;
  };

  // "C)" is a choice.
  void unbalanced_choice() {
    if (tokens_.size() == 3 && tokens_[0].kind == TokenKind::letter && tokens_[1].text == ")")
      tokens_.erase(tokens_.begin() + 1);
  }

  // "2D_{16}", "1011_2": digits and letters up to Z, an underscore, a base from 2 to 36.
  ExprPtr whole_based() {
    std::string digits;
    size_t i = at_;
    const bool wrapped = tokens_[i].text == "(" && last().text == ")";
    if (wrapped) ++i;
    for (; i < tokens_.size(); ++i) {
      const Token& t = tokens_[i];
      if (t.kind == TokenKind::number)
        digits += t.text;
      else if (t.kind == TokenKind::letter && t.text.size() == 1 && t.text[0] >= 'A' && t.text[0] <= 'Z')
        digits += t.text;
      else
        break;
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
    if (wrapped && tokens_[i++].text != ")") return nullptr;
    if (i + 1 != tokens_.size() || !base || *base < 2 || *base > 36) return nullptr;
    return based(digits, *base);
  }
  static ExprPtr based(const std::string& digits, slong base) {
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

  // --- lists and relations ---
  bool take_separator() {
    bool any = false;
    while (is_mark(",") || is_mark(";") || is_word("and") || is_word("or") || is_command("text:and")) {
      ++at_;
      any = true;
    }
    return any;
  }

  // Items with separators; the caller checks what follows.
  std::vector<ExprPtr> items() {
    std::vector<ExprPtr> out;
    take_separator();
    do {
      if (at_end() || closes()) break;
      out.push_back(item());
      if (out.size() > kMostItems) unreadable("a list too long");
    } while (take_separator());
    return out;
  }
  bool closes() const {
    return is_mark(")") || is_mark("]") || is_mark("}") || is_mark("\\}") ||
           (peek().kind == TokenKind::command && peek().text.rfind("end:", 0) == 0);
  }

  ExprPtr answer() {
    const Depth depth(*this);
    auto all = items();
    if (all.empty()) unreadable("nothing to read");
    if (all.size() == 1) return all.front();
    return make_node(ExprKind::list, std::move(all));
  }

  std::string relation_sign() {
    for (const char* sign : {"<=", ">=", "!=", "=", "<", ">"})
      if (is_mark(sign)) return sign;
    if (is_command("in")) return "in";
    for (const char* about : {"approx", "simeq", "doteq", "cong"})
      if (is_command(about)) return "~";
    if (is_command("equiv")) return "=";
    return {};
  }

  ExprPtr item() {
    const Depth depth(*this);
    if (!relation_sign().empty()) ++at_;  // "= 5", "\approx 5"
    std::vector<ExprPtr> sides = {set_union()};
    std::vector<std::string> signs;
    for (std::string sign = relation_sign(); !sign.empty(); sign = relation_sign()) {
      ++at_;
      signs.push_back(sign);
      sides.push_back(set_union());
      if (sides.size() > 30) unreadable("a chain too long");
    }
    if (signs.empty()) return sides.front();
    if (std::all_of(signs.begin(), signs.end(), [](const auto& s) { return s == "=" || s == "~"; })) {
      auto out = std::make_shared<Expr>();
      out->kind = ExprKind::relation;
      out->name = "=";
      out->args = std::move(sides);
      const auto about = std::find(signs.begin(), signs.end(), "~");
      out->exact_sides = static_cast<size_t>(about - signs.begin()) + 1;
      return out;
    }
    if (signs.size() == 1) return make_node(ExprKind::relation, std::move(sides), signs.front());
    std::vector<ExprPtr> links;
    for (size_t k = 0; k < signs.size(); ++k)
      links.push_back(make_node(ExprKind::relation, {sides[k], sides[k + 1]}, signs[k]));
    return make_node(ExprKind::relation, std::move(links), "chain");
  }

  ExprPtr set_union() {
    std::vector<ExprPtr> parts = {ratio()};
    while (is_command("cup") ||
           (peek().kind == TokenKind::letter && peek().text == "U" && parts.back()->kind == ExprKind::list)) {
      ++at_;
      parts.push_back(ratio());
      if (parts.size() > kMostItems) unreadable("a union too long");
    }
    return parts.size() == 1 ? parts.front() : make_node(ExprKind::join, std::move(parts));
  }

  ExprPtr ratio() {
    std::vector<ExprPtr> parts = {with_unit(sum())};
    while (is_mark(":")) {
      ++at_;
      parts.push_back(with_unit(sum()));
      if (parts.size() > 30) unreadable("a ratio too long");
    }
    return parts.size() == 1 ? parts.front() : make_node(ExprKind::ratio, std::move(parts));
  }

  ExprPtr with_unit(ExprPtr e) {
    if (unit_.empty()) return e;
    auto out = std::make_shared<Expr>(*e);
    out->unit = std::move(unit_);
    unit_.clear();
    return out;
  }

  // --- arithmetic ---
  ExprPtr sum() {
    const Depth depth(*this);
    std::vector<ExprPtr> terms;
    while (true) {
      int sign = 1;
      std::string both;  // "+-" or "-+"
      while (is_mark("+") || is_mark("-") || is_command("pm") || is_command("mp")) {
        if (is_mark("-")) sign = -sign;
        if (is_command("pm")) both = "+-";
        if (is_command("mp")) both = "-+";
        ++at_;
      }
      ExprPtr t = term();
      if (sign < 0) t = make_negative(std::move(t));
      if (!both.empty()) t = make_node(ExprKind::plus_minus, {std::move(t)}, both);
      terms.push_back(std::move(t));
      if (!(is_mark("+") || is_mark("-") || is_command("pm") || is_command("mp"))) break;
    }
    return terms.size() == 1 ? terms.front() : make_node(ExprKind::sum, std::move(terms));
  }

  bool starts_factor() const {
    const Token& t = peek();
    switch (t.kind) {
      case TokenKind::number:
      case TokenKind::letter:
        return true;
      case TokenKind::word:
        return t.text != "and" && t.text != "or";
      case TokenKind::mark:
        return t.text == "(" || t.text == "[" || t.text == "{" || t.text == "\\{" ||
               (t.text == "|" && bars_ == 0);
      case TokenKind::command:
        return t.text.rfind("end:", 0) != 0 && t.text != "cup" && t.text != "cap" && t.text != "in" &&
               t.text != "pm" && t.text != "mp" && t.text != "approx" && t.text != "simeq" &&
               t.text != "equiv" && t.text != "cong" && t.text != "doteq" && t.text != "choose" &&
               t.text != "rfloor" && t.text != "rceil" && t.text != "to" && t.text != "rightarrow";
      case TokenKind::end:
        return false;
    }
    return false;
  }

  static ExprPtr inverse(ExprPtr e) {
    return make_node(ExprKind::power, {std::move(e), make_number(Rational(-1))});
  }

  ExprPtr term() {
    const Depth depth(*this);
    std::vector<ExprPtr> factors;
    bool divide = false;
    while (true) {
      if (!factors.empty() && is_mark(".") && peek(1).kind == TokenKind::word) ++at_;
      if (!factors.empty() && !divide && peek().kind == TokenKind::word) {
        if (const slong times = multiplier_word(peek().text)) {
          factors.push_back(make_number(Rational(times)));
          ++at_;
          if (!starts_factor()) break;
          continue;
        }
        if (take_unit()) break;
      }
      if (!factors.empty() && !divide && options_.letter_units && take_letter_unit(factors)) break;
      int sign = 1;
      while (is_mark("-") || is_mark("+")) {  // after * or /
        if (is_mark("-")) sign = -sign;
        ++at_;
      }
      const size_t begin = at_;
      ExprPtr f = factor();
      if (factors.empty() || divide) f = mixed(std::move(f), begin);
      if (sign < 0) f = make_negative(std::move(f));
      if (divide) f = inverse(std::move(f));
      factors.push_back(std::move(f));
      divide = false;
      if (is_mark("*") || is_times_letter()) {
        ++at_;
        continue;
      }
      if (is_mark("/")) {
        ++at_;
        divide = true;
        continue;
      }
      if (!starts_factor() && !(is_mark(".") && peek(1).kind == TokenKind::word)) break;
      if (peek().kind == TokenKind::number && tokens_[at_ - 1].kind == TokenKind::number)
        unreadable("two numbers side by side");
      if (is_mark("(") && words_in_brackets()) break;
    }
    return factors.size() == 1 ? factors.front() : make_node(ExprKind::product, std::move(factors));
  }

  // "1.5 x 10^3": between two numbers x multiplies.
  bool is_times_letter() const {
    return peek().kind == TokenKind::letter && (peek().text == "x" || peek().text == "X") && peek().space &&
           tokens_[at_ - 1].kind == TokenKind::number && peek(1).kind == TokenKind::number && peek(1).space;
  }

  // "(approximately)", "(apples)" behind a value.
  bool words_in_brackets() {
    size_t i = 1;
    while (peek(i).kind == TokenKind::word) ++i;
    if (i == 1 || !is_mark(")", i)) return false;
    at_ += i + 1;
    return true;
  }

  // An integer with a fraction behind it: "1\frac{1}{2}", "1 1/2".
  ExprPtr mixed(ExprPtr f, size_t begin) {
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
    if (top && proper(top) && proper(bottom) && fmpq_cmp(top->value.get(), bottom->value.get()) < 0 &&
        !is_mark("^")) {
      Rational sum;
      fmpq_div(sum.get(), top->value.get(), bottom->value.get());
      fmpq_add(sum.get(), sum.get(), f->value.get());
      return make_number(std::move(sum));
    }
    at_ = back;
    std::copy(saved.begin(), saved.end(),
              tokens_.begin() + static_cast<ptrdiff_t>(back));  // argument() splits numbers
    return f;
  }

  // Words behind a value, with what belongs to them: "cm^2", "km / h", "sq. cm", "miles per hour".
  bool take_unit() {
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
      } else if (any && peek().kind == TokenKind::letter && peek().space) {
        unit_ += " " + peek().text;
        ++at_;
      } else {
        break;
      }
    }
    return any;
  }

  // "12 h", "3 m/s", "9 J": letters of units behind a plain number, with nothing else up to the next
  // separator.
  bool take_letter_unit(const std::vector<ExprPtr>& factors) {
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

  ExprPtr factor() {
    const Depth depth(*this);
    ExprPtr e = base();
    for (int signs = 0;; ++signs) {
      if (signs > kMostDepth) unreadable("nested too deeply");
      if (is_mark("^")) {
        ++at_;
        e = raised(std::move(e));
      } else if (is_mark("_")) {
        ++at_;
        e = with_subscript(std::move(e));
      } else if (is_mark("!")) {
        ++at_;
        e = make_node(ExprKind::call, {std::move(e)}, "factorial");
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

  static ExprPtr primed(ExprPtr e) {
    if (e->kind != ExprKind::symbol && e->kind != ExprKind::call) unreadable("a prime behind no symbol");
    auto out = std::make_shared<Expr>(*e);
    out->name += "'";
    return out;
  }

  ExprPtr raised(ExprPtr e) {
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
  std::string subscript() {
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

  ExprPtr with_subscript(ExprPtr e) {
    const Token& before = tokens_[at_ - 2];
    if (e->kind == ExprKind::number && before.kind == TokenKind::number) {
      const std::string digits = before.text, base = subscript();
      const auto value = parse_decimal(base);
      const auto n = value ? value->small_integer() : std::nullopt;
      if (!n || *n < 2 || *n > 36) unreadable("no base");
      return based(digits, *n);
    }
    const std::string name = e->kind == ExprKind::symbol ? e->name
                             : e->kind == ExprKind::e    ? "e"
                             : e->kind == ExprKind::i    ? "i"
                             : e->kind == ExprKind::pi   ? "\\pi"
                                                         : std::string();
    if (name.empty()) unreadable("a subscript behind no symbol");
    return make_symbol(name + "_" + subscript());
  }

  // A group, or one token, as a macro's argument. "\frac12" takes single digits.
  ExprPtr argument() {
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

  ExprPtr group_content() {
    ExprPtr e = answer();
    if (is_command("choose")) {
      ++at_;
      e = make_node(ExprKind::call, {std::move(e), answer()}, "binom");
    }
    return e;
  }

  ExprPtr base() {
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

  ExprPtr literal(const Token& t) {
    auto out = std::make_shared<Expr>();
    out->value = t.value;
    out->decimal = t.decimal;
    out->decimals = t.decimals;
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

  ExprPtr letter(const Token& t) {
    if (t.text == "e") return make_node(ExprKind::e, {});
    if (t.text == "i" && !i_is_symbol_) return make_node(ExprKind::i, {});
    if (t.text == "\\mathbb R") return make_node(ExprKind::reals, {});
    // f(x): a function's value, not a product.
    if (is_mark("(") && !peek().space && t.text.size() == 1) {
      const bool named = std::string_view("fghFGH").find(t.text[0]) != std::string_view::npos;
      const bool at_number = peek(1).kind == TokenKind::number && is_mark(")", 2);
      if (named || (at_number && t.text[0] >= 'A' && t.text[0] <= 'Z')) {
        ++at_;
        const auto args = items();
        expect(")");
        std::string name = t.text;
        for (const auto& a : args) name += (name.size() == 1 ? "(" : ",") + canonical_text(*a);
        return make_symbol(name + ")");
      }
    }
    return make_symbol(t.text);
  }

  ExprPtr word() {
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
    const auto it = number_words().find(text);
    if (it != number_words().end() || fraction_word(text) == 2) {
      ++at_;
      Rational value(it == number_words().end() ? 1 : it->second);
      slong parts = it == number_words().end() ? 2 : 1;
      if (it != number_words().end() && it->second >= 20) {  // "twenty-one"
        take_mark("-");
        if (peek().kind == TokenKind::word) {
          const auto ones = number_words().find(peek().text);
          if (ones != number_words().end() && ones->second < 10 && ones->second > 0) {
            value = Rational(it->second + ones->second);
            ++at_;
          }
        }
      }
      if (peek().kind == TokenKind::word && is_word("hundred")) {
        fmpq_mul(value.get(), value.get(), Rational(100).get());
        ++at_;
      }
      if (it != number_words().end() && (peek().kind == TokenKind::word || is_mark("-"))) {
        const size_t ahead = is_mark("-") ? 1 : 0;
        if (peek(ahead).kind == TokenKind::word && fraction_word(peek(ahead).text)) {
          parts = fraction_word(peek(ahead).text);
          at_ += ahead + 1;
        }
      }
      fmpq_div(value.get(), value.get(), Rational(parts).get());
      return make_number(std::move(value));
    }
    static const std::unordered_set<std::string> kHedges = {
        "approximately", "about", "exactly", "approx", "is", "are", "the", "only"};
    if (kHedges.contains(text) && peek(1).kind != TokenKind::end && peek(1).kind != TokenKind::word) {
      ++at_;
      return base();
    }
    unreadable("words");
  }

  ExprPtr bracketed() {
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

  ExprPtr braced() {
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

  ExprPtr absolute() {
    ++at_;
    ++bars_;
    ExprPtr e = sum();
    --bars_;
    expect("|");
    const bool is_matrix = e->kind == ExprKind::matrix;
    return make_node(ExprKind::call, {std::move(e)}, is_matrix ? "det" : "abs");
  }

  ExprPtr command(const std::string& name) {
    if (name == "frac") {
      ExprPtr top = argument(), bottom = argument();
      return make_node(ExprKind::product, {std::move(top), inverse(std::move(bottom))});
    }
    if (name == "sqrt") return root();
    if (name == "radical") return make_node(ExprKind::power, {base(), make_number(Rational(1, 2))});
    if (name == "binom") {
      ExprPtr n = argument(), k = argument();
      return make_node(ExprKind::call, {std::move(n), std::move(k)}, "binom");
    }
    if (name == "pi") return make_node(ExprKind::pi, {});
    if (name == "infty") return make_node(ExprKind::infinity, {});
    if (name == "lfloor" || name == "lceil") {
      ExprPtr e = sum();
      if (!is_command(name == "lfloor" ? "rfloor" : "rceil")) unreadable("a floor that never closes");
      ++at_;
      return make_node(ExprKind::call, {std::move(e)}, name == "lfloor" ? "floor" : "ceil");
    }
    if (name.rfind("begin:", 0) == 0) return matrix(name.substr(6));
    if (name == "sum" || name == "prod") return series(name);
    if (name == "overline" || name == "bar") return make_symbol("\\overline " + subscript());
    if (name == "operatorname") unreadable("an operator");
    if (is_function(name)) return function(name);
    static const std::unordered_set<std::string> kNoValues = {
        "int",     "iint", "oint", "lim",      "to",     "rightarrow", "Rightarrow", "leftrightarrow",
        "implies", "iff",  "cap",  "setminus", "bigcup", "circ",       "choose",     "mod",
        "pmod",    "bmod", "text", "not",      "forall", "exists"};
    if (kNoValues.contains(name)) unreadable("\\" + name);
    return make_symbol("\\" + name);
  }

  ExprPtr root() {
    ExprPtr degree;
    if (take_mark("[")) {
      degree = sum();
      expect("]");
    }
    // "sqrt(2)" in plain text: base() reads the brackets.
    ExprPtr e = argument();
    if (!degree) return make_node(ExprKind::power, {std::move(e), make_number(Rational(1, 2))});
    return make_node(ExprKind::power, {std::move(e), inverse(std::move(degree))});
  }

  // sin x, sin^2 x, \log_2 8, \ln|x|, max(a, b): without brackets the argument is what stands up to the next
  // operator.
  ExprPtr function(std::string name) {
    ExprPtr exponent, log_base;
    while (is_mark("^") || is_mark("_")) {
      const bool power = is_mark("^");
      ++at_;
      if (power) {
        int sign = 1;
        if (take_mark("-")) sign = -1;
        exponent = is_mark("{") ? argument() : base();
        if (sign < 0) exponent = make_negative(std::move(exponent));
      } else {
        log_base = argument();
      }
    }
    if ((name == "max" || name == "min") && !relation_sign().empty()) return make_symbol("\\" + name);
    std::vector<ExprPtr> args;
    if (is_mark("(") || is_mark("[") || is_mark("{")) {
      ExprPtr e = base();
      if (e->kind == ExprKind::list && (name == "max" || name == "min" || name == "gcd" || name == "lcm"))
        args = e->args;
      else
        args = {std::move(e)};
    } else if (is_mark("|") && bars_ == 0) {
      args = {absolute()};
    } else {
      args = {open_argument()};
    }
    static const std::map<std::string, std::string> kOther = {
        {"asin", "arcsin"}, {"acos", "arccos"}, {"atan", "arctan"}};
    if (const auto it = kOther.find(name); it != kOther.end()) name = it->second;
    if (exponent && exponent->kind == ExprKind::number && exponent->value == Rational(-1) &&
        name.rfind("arc", 0) != 0 && name != "ln" && name != "log" && name != "exp") {
      name = "arc" + name;
      exponent = nullptr;
    }
    if (name == "exp") {
      ExprPtr out = make_node(ExprKind::power, {make_node(ExprKind::e, {}), args.front()});
      return exponent ? make_node(ExprKind::power, {out, exponent}) : out;
    }
    if (name == "log" || name == "lg") {
      name = "log";
      args.push_back(log_base ? log_base : make_number(Rational(10)));
    } else if (log_base) {
      unreadable("a subscript of " + name);
    }
    ExprPtr out = make_node(ExprKind::call, std::move(args), name);
    return exponent ? make_node(ExprKind::power, {out, exponent}) : out;
  }

  ExprPtr open_argument() {
    int sign = 1;
    if (take_mark("-")) sign = -1;
    std::vector<ExprPtr> factors;
    while (true) {
      const Token& t = peek();
      const bool fits = t.kind == TokenKind::number || t.kind == TokenKind::letter ||
                        (t.kind == TokenKind::command &&
                         (t.text == "frac" || t.text == "sqrt" || t.text == "pi" || t.text == "radical")) ||
                        (factors.empty() && t.kind == TokenKind::command && is_function(t.text));
      if (!fits) break;
      factors.push_back(factor());
    }
    if (factors.empty()) unreadable("a function of nothing");
    ExprPtr out = factors.size() == 1 ? factors.front() : make_node(ExprKind::product, std::move(factors));
    return sign < 0 ? make_negative(std::move(out)) : out;
  }

  ExprPtr matrix(const std::string& environment) {
    static const std::unordered_set<std::string> kMatrices = {"pmatrix", "bmatrix", "matrix", "vmatrix",
                                                              "Bmatrix", "Vmatrix", "array",  "smallmatrix"};
    if (!kMatrices.contains(environment)) unreadable("\\begin{" + environment + "}");
    auto out = std::make_shared<Expr>();
    out->kind = ExprKind::matrix;
    const int bars = std::exchange(bars_, 0);
    size_t in_row = 0;
    while (!(peek().kind == TokenKind::command && peek().text.rfind("end:", 0) == 0)) {
      if (at_end()) unreadable("a matrix that never ends");
      if (is_command("hline")) {
        ++at_;
        continue;
      }
      out->args.push_back(item());
      ++in_row;
      if (out->args.size() > kMostItems) unreadable("a matrix too large");
      if (take_mark("&")) continue;
      const bool row_ends = take_mark("\\\\");
      if (!row_ends && !(peek().kind == TokenKind::command && peek().text.rfind("end:", 0) == 0))
        unreadable("a matrix entry");
      if (out->columns == 0) out->columns = in_row;
      if (out->columns != in_row) unreadable("rows of different length");
      ++out->rows;
      in_row = 0;
    }
    ++at_;
    bars_ = bars;
    if (out->args.empty()) unreadable("an empty matrix");
    if (environment == "vmatrix") return make_node(ExprKind::call, {out}, "det");
    return out;
  }

  ExprPtr series(const std::string& name) {
    ExprPtr variable, from, to;
    bool index_is_i = false;
    for (int k = 0; k < 2; ++k) {
      const bool below = is_mark("_");
      if (!below && !is_mark("^")) unreadable("a series without bounds");
      ++at_;
      ExprPtr bound = argument();
      if (below) {
        if (bound->kind != ExprKind::relation || bound->name != "=" || bound->args.size() != 2)
          unreadable("a series without a start");
        variable = bound->args[0];
        from = bound->args[1];
        if (variable->kind == ExprKind::i) variable = make_symbol("i");
        index_is_i = variable->kind == ExprKind::symbol && variable->name == "i";
        if (variable->kind != ExprKind::symbol) unreadable("a series over no symbol");
      } else {
        to = std::move(bound);
      }
    }
    if (!from || !to) unreadable("a series without bounds");
    const bool outer = std::exchange(i_is_symbol_, i_is_symbol_ || index_is_i);
    ExprPtr body = term();
    i_is_symbol_ = outer;
    return make_node(ExprKind::call, {variable, from, to, std::move(body)}, name);
  }

  ReadOptions options_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
  int bars_ = 0;              // open |
  bool i_is_symbol_ = false;  // the index of a series
  std::string unit_;
};

}  // namespace

ReadAnswer read_answer(std::string_view text, const ReadOptions& options) {
  try {
    return {Reader(text, options).run(), {}};
  } catch (const Unreadable& problem) {
    return {nullptr, problem.reason};
  }
}

}  // namespace circuitdiff
