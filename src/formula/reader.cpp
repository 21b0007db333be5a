// Lists, equations, sums and products of an answer, and where reading begins and ends.
#include "formula/reader.h"

#include "formula/answer_reader.h"
#include "formula/reader_notations.h"

namespace circuitdiff {
namespace {

// One matrix among factors that are values: every entry times them. Null where the factors are others.
ExprPtr scaled_matrix(const std::vector<ExprPtr>& factors) {
  const auto is_matrix = [](const ExprPtr& e) { return e->kind == ExprKind::matrix; };
  if (std::count_if(factors.begin(), factors.end(), is_matrix) != 1) return nullptr;
  const bool values = std::none_of(factors.begin(), factors.end(), [](const ExprPtr& e) {
    return e->kind != ExprKind::matrix && (contains(*e, ExprKind::matrix) || contains(*e, ExprKind::list) ||
                                           contains(*e, ExprKind::relation));
  });
  if (!values) return nullptr;
  auto out = std::make_shared<Expr>(**std::find_if(factors.begin(), factors.end(), is_matrix));
  for (ExprPtr& entry : out->args) {
    std::vector<ExprPtr> scaled{entry};
    for (const ExprPtr& f : factors)
      if (!is_matrix(f)) scaled.push_back(f);
    entry = make_node(ExprKind::product, std::move(scaled));
  }
  return out;
}

}  // namespace

ExprPtr AnswerReader::run() {
  if (tokens_.size() <= 1) unreadable("nothing to read");
  while (!at_end() && (peek().text == ":" || peek().text == "." || peek().text == "=")) ++at_;
  // Full stops and commas at the end belong to the sentence.
  while (tokens_.size() > 1 &&
         (last().text == "." || last().text == "," || last().text == ";" || last().text == "\\\\" ||
          (last().text == ":" && last().kind == TokenKind::mark)))
    tokens_.erase(tokens_.end() - 2);
  if (auto based = whole_based()) return based;
  refuse_other_notations();
  unbalanced_choice();
  ExprPtr out = group_content();
  if (!at_end()) unreadable("unexpected " + peek().text);
  return out;
}

// "C)" is a choice.
void AnswerReader::unbalanced_choice() {
  if (tokens_.size() == 3 && tokens_[0].kind == TokenKind::letter && tokens_[1].text == ")")
    tokens_.erase(tokens_.begin() + 1);
}

// --- lists and relations ---
bool AnswerReader::take_separator(std::string* joined) {
  bool any = false;
  while (is_mark(",") || is_mark(";") || is_word("and") || is_word("or") || is_command("text:and")) {
    if (joined && is_word("or")) *joined = "or";
    if (joined && joined->empty() && (is_word("and") || is_command("text:and"))) *joined = "and";
    ++at_;
    any = true;
  }
  return any;
}

// Items with separators; the caller checks what follows.
std::vector<ExprPtr> AnswerReader::items(std::string* joined) {
  std::vector<ExprPtr> out;
  take_separator();
  do {
    if (at_end() || closes()) break;
    out.push_back(item());
    if (out.size() > kMostAnswerItems) unreadable("a list too long");
  } while (take_separator(joined));
  return out;
}

ExprPtr AnswerReader::answer() {
  const Depth depth(*this);
  std::string joined;  // "and", "or"
  auto all = items(&joined);
  if (all.empty()) unreadable("nothing to read");
  if (all.size() == 1) return all.front();
  name_points(all);
  if (auto solutions = solutions_in(all); !solutions.empty()) all = std::move(solutions);
  return make_node(ExprKind::list, std::move(all), joined);
}

std::string AnswerReader::relation_sign() {
  for (const char* sign : {"<=", ">=", "!=", "=", "<", ">"})
    if (is_mark(sign)) return sign;
  if (is_command("in")) return "in";
  for (const char* about : {"approx", "simeq", "doteq", "cong"})
    if (is_command(about)) return "~";
  if (is_command("equiv")) return "=";
  if (peek().kind == TokenKind::command && is_relation(peek().text)) return "\\" + peek().text;
  return {};
}

ExprPtr AnswerReader::item() {
  const Depth depth(*this);
  std::vector<ExprPtr> sides;
  std::vector<std::string> signs;
  if (const std::string sign = relation_sign(); !sign.empty()) {
    ++at_;
    // "= 5" and "\approx 5" say 5; "> 5" bounds what it does not name.
    if (sign != "=" && sign != "~") {
      sides.push_back(make_symbol(""));
      signs.push_back(sign);
    }
  }
  sides.push_back(set_union());
  for (std::string sign = relation_sign(); !sign.empty(); sign = relation_sign()) {
    ++at_;
    signs.push_back(sign);
    const std::string& word = tokens_[at_ - 1].text;
    if ((word == "cong" || word == "sim") && has_triangle(*sides.back()))
      unreadable("triangles that correspond");
    if (sign == "in" && sides.back()->kind != ExprKind::symbol && !is_list(*sides.back()))
      unreadable("a membership of no symbol");
    sides.push_back(set_union());
    if (sides.size() > 30) unreadable("a chain too long");
  }
  if (signs.empty()) return named_point(sides.front());
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

ExprPtr AnswerReader::set_union() {
  std::vector<ExprPtr> parts = {ratio()};
  while (is_command("cup") ||
         (peek().kind == TokenKind::letter && peek().text == "U" && parts.back()->kind == ExprKind::list)) {
    ++at_;
    parts.push_back(ratio());
    if (parts.size() > kMostAnswerItems) unreadable("a union too long");
  }
  return parts.size() == 1 ? parts.front() : make_node(ExprKind::join, std::move(parts));
}

ExprPtr AnswerReader::ratio() {
  std::vector<ExprPtr> parts = {with_unit(sum())};
  while (is_mark(":")) {
    ++at_;
    parts.push_back(with_unit(sum()));
    if (parts.size() > 30) unreadable("a ratio too long");
  }
  return parts.size() == 1 ? parts.front() : make_node(ExprKind::ratio, std::move(parts));
}

// --- arithmetic ---
ExprPtr AnswerReader::sum() {
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

bool AnswerReader::starts_factor() const {
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
             t.text != "over" && t.text != "rfloor" && t.text != "rceil" && t.text != "to" &&
             t.text != "rightarrow" && !is_relation(t.text);
    case TokenKind::end:
      return false;
  }
  return false;
}

ExprPtr AnswerReader::term() {
  const Depth depth(*this);
  std::vector<ExprPtr> factors;
  const size_t first = at_;
  bool divide = false, cross = false;
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
    const bool behind_vector = cross && options_.cross && is_vector(*factors.back());
    if (behind_vector && is_vector(*f))
      factors.back() = cross_product(*factors.back(), *f);
    else
      factors.push_back(std::move(f));
    // "u x 3v": a number between them goes ahead.
    const bool waits = behind_vector && !is_vector(*factors.back()) && !divide;
    if (waits) std::swap(factors.back(), factors[factors.size() - 2]);
    divide = false;
    cross = peek().cross || (waits && !is_mark("/"));
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
  if (factors.size() == 1) return factors.front();
  if (std::string letters = letters_between(tokens_, first, at_); letters.size() == factors.size()) {
    auto out = std::make_shared<Expr>(*make_node(ExprKind::product, std::move(factors)));
    out->spelling = std::move(letters);
    return out;
  }
  if (ExprPtr scaled = scaled_matrix(factors)) return scaled;
  if (ExprPtr ordered = matrix_product(factors)) return ordered;
  return make_node(ExprKind::product, std::move(factors));
}

// "1.5 x 10^3": between two numbers x multiplies.
bool AnswerReader::is_times_letter() const {
  return peek().kind == TokenKind::letter && (peek().text == "x" || peek().text == "X") && peek().space &&
         tokens_[at_ - 1].kind == TokenKind::number && peek(1).kind == TokenKind::number && peek(1).space;
}

ExprPtr AnswerReader::with_subscript(ExprPtr e) {
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

ExprPtr AnswerReader::group_content() {
  ExprPtr e = answer();
  if (is_command("choose")) {
    ++at_;
    e = make_node(ExprKind::call, {std::move(e), answer()}, "binom");
  } else if (is_command("over")) {
    ++at_;
    e = make_node(ExprKind::product, {std::move(e), inverse(answer())});
  }
  return e;
}

ExprPtr AnswerReader::open_argument() {
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

ReadAnswer read_answer(std::string_view text, const ReadOptions& options) {
  try {
    return {AnswerReader(text, options).run(), {}};
  } catch (const Unreadable& problem) {
    return {nullptr, problem.reason};
  }
}

}  // namespace circuitdiff
