#include "formula/reader_notations.h"

#include <algorithm>
#include <set>

#include "formula/answer_reader.h"
#include "formula/letters.h"

namespace circuitdiff {

bool is_vector(const Expr& e) {
  if (e.kind == ExprKind::symbol) {
    for (const char* dress :
         {"\\vec ", "\\overrightarrow ", "\\mathbf ", "\\boldsymbol ", "\\bm ", "\\pmb ", "\\times "})
      if (e.name.starts_with(dress)) return true;
    // A hat makes a unit vector of some letters, an estimate of others; of a vector in any case.
    constexpr std::string_view kHat = "\\hat ", kUnits = "ijkuvnrxyz";
    if (!e.name.starts_with(kHat)) return false;
    const std::string_view of = std::string_view(e.name).substr(kHat.size());
    return (!of.empty() && kUnits.find(of[0]) != std::string_view::npos &&
            (of.size() == 1 || of[1] == '_')) ||
           of.starts_with("\\mathbf") || of.starts_with("\\vec") || of.starts_with("\\boldsymbol");
  }
  const auto vectors =
      std::count_if(e.args.begin(), e.args.end(), [](const auto& a) { return is_vector(*a); });
  if (e.kind == ExprKind::product) return vectors % 2 != 0;  // two of them are a number
  const auto is_number = [](const auto& a) { return exact_value(*a).has_value(); };
  if (e.kind == ExprKind::sum) return vectors > 0 && std::none_of(e.args.begin(), e.args.end(), is_number);
  return e.kind == ExprKind::plus_minus && vectors > 0;
}

bool has_triangle(const Expr& e) {
  return (e.kind == ExprKind::symbol && e.name == "\\triangle") ||
         std::any_of(e.args.begin(), e.args.end(), [](const auto& a) { return has_triangle(*a); });
}

namespace {

// A capital letter ahead of a list in round brackets.
bool is_letter_with_list(const Expr& e) {
  return e.kind == ExprKind::product && e.args.size() == 2 && e.args[0]->kind == ExprKind::symbol &&
         e.args[0]->name.size() == 1 && is_capital(e.args[0]->name[0]) && is_list(*e.args[1]) &&
         e.args[1]->open == '(' && e.args[1]->close == ')';
}

// C(5, 2), P(5, 2), N(0, 1), B(n, p), U(0, 1), X(...): a number or a distribution, or a point.
bool is_doubtful_point(const Expr& e) {
  return std::string_view("BCNPUX").find(e.args[0]->name[0]) != std::string_view::npos;
}

ExprPtr as_point(const ExprPtr& e) {
  auto out = std::make_shared<Expr>(*make_node(ExprKind::relation, e->args, "="));
  out->exact_sides = 2;
  return out;
}

}  // namespace

ExprPtr named_point(const ExprPtr& e) {
  return is_letter_with_list(*e) && !is_doubtful_point(*e) ? as_point(e) : e;
}

void name_points(std::vector<ExprPtr>& items) {
  const auto point = [](const ExprPtr& e) {
    return e->kind == ExprKind::relation && e->name == "=" && e->args.size() == 2 &&
           e->args[0]->kind == ExprKind::symbol && is_list(*e->args[1]);
  };
  if (std::none_of(items.begin(), items.end(), point)) return;
  for (ExprPtr& e : items)
    if (is_letter_with_list(*e)) e = as_point(e);
}

ExprPtr place_of_letter(const Expr& e) { return is_letter_with_list(e) ? e.args[1] : nullptr; }

ExprPtr cross_product(const Expr& u, const Expr& v) {
  const std::string x = canonical_text(u), y = canonical_text(v);
  return x <= y ? make_symbol("\\times " + x + " " + y)
                : make_negative(make_symbol("\\times " + y + " " + x));
}

std::string letters_between(const std::vector<Token>& tokens, size_t begin, size_t end) {
  std::string out;
  for (size_t i = begin; i < end; ++i) {
    const Token& t = tokens[i];
    if (t.kind != TokenKind::letter || t.text.size() != 1 || (i > begin && t.space)) return {};
    out += t.text;
  }
  return out;
}

bool have_usual_order(const std::set<std::string>& names) {
  const auto& first = *names.begin();
  const auto in = [&](std::string_view letters) {
    return std::all_of(names.begin(), names.end(), [&](const std::string& n) {
      return n.size() == 1 && letters.find(n[0]) != std::string_view::npos;
    });
  };
  if (in("xyz") || in("abcd")) return true;
  const bool letters = std::all_of(names.begin(), names.end(), [](const auto& n) { return n.size() == 1; });
  const bool indexed = first.size() == 3 && first[1] == '_';
  char expected = first.back();
  return (letters || indexed) && std::all_of(names.begin(), names.end(), [&](const std::string& n) {
           return n.size() == first.size() && n.substr(0, n.size() - 1) == first.substr(0, n.size() - 1) &&
                  n.back() == expected++;
         });
}

std::vector<ExprPtr> solutions_in(const std::vector<ExprPtr>& items) {
  std::set<std::string> names;
  for (const ExprPtr& e : items) {
    if (e->kind != ExprKind::relation || e->name != "=" || e->args[0]->kind != ExprKind::symbol) return {};
    names.insert(e->args[0]->name);
  }
  const size_t each = names.size();
  if (each < 2 || items.size() <= each || items.size() % each != 0) return {};
  std::vector<std::string> order(names.begin(), names.end());
  if (!have_usual_order(names))
    for (size_t k = 0; k < each; ++k) order[k] = items[k]->args[0]->name;
  std::vector<ExprPtr> out;
  for (auto it = items.begin(); it != items.end(); it += static_cast<ptrdiff_t>(each)) {
    auto tuple = std::make_shared<Expr>();
    tuple->kind = ExprKind::list;
    tuple->open = '(', tuple->close = ')';
    const auto end = it + static_cast<ptrdiff_t>(each);
    for (const std::string& name : order) {
      const auto of = std::find_if(it, end, [&](const ExprPtr& e) { return e->args[0]->name == name; });
      if (of == end) return {};
      tuple->args.push_back(*of);
    }
    if (std::set<ExprPtr>(tuple->args.begin(), tuple->args.end()).size() != each) return {};
    out.push_back(std::move(tuple));
  }
  return out;
}

ExprPtr matrix_product(const std::vector<ExprPtr>& factors) {
  std::vector<ExprPtr> matrices, others;
  for (const ExprPtr& e : factors) {
    const bool matrix = contains(*e, ExprKind::matrix) && !(e->kind == ExprKind::call && e->name == "det");
    (matrix ? matrices : others).push_back(e);
  }
  if (matrices.size() < 2) return nullptr;
  ExprPtr out = make_node(ExprKind::call, std::move(matrices), "matrix product");
  if (others.empty()) return out;
  others.push_back(std::move(out));
  return make_node(ExprKind::product, std::move(others));
}

// What is written with numbers and letters and is no formula: dates (2024-01-02), a remainder (7 R 3),
// letters with counts behind them (H2O). "n2^n" is a product.
void AnswerReader::refuse_other_notations() const {
  const auto digits = [&](size_t i) {
    return i < tokens_.size() && tokens_[i].kind == TokenKind::number && !tokens_[i].decimal
               ? tokens_[i].text.size()
               : 0;
  };
  const auto dash = [&](size_t i) {
    return tokens_[i].text == "-" && !tokens_[i].space && i + 1 < tokens_.size() && !tokens_[i + 1].space;
  };
  for (size_t i = 0; i + 1 < tokens_.size(); ++i) {
    if (i + 4 < tokens_.size() && dash(i + 1) && dash(i + 3) && digits(i) && digits(i + 2) == 2 &&
        ((digits(i) == 4 && digits(i + 4) == 2) || (digits(i) <= 2 && digits(i + 4) == 4)))
      unreadable("a date");
    const Token &t = tokens_[i], &next = tokens_[i + 1];
    if (t.kind != TokenKind::letter || t.text.size() != 1 || digits(i + 1) == 0) continue;
    if (i > 0 && digits(i - 1) && (t.text == "R" || t.text == "r")) unreadable("a remainder");
    const bool behind_sign = i > 0 && (tokens_[i - 1].text == "_" || tokens_[i - 1].text == "^");
    const bool power = i + 2 < tokens_.size() && (tokens_[i + 2].text == "^" || tokens_[i + 2].text == "!");
    // "3 + i2", "j5": a complex number.
    const bool imaginary =
        (t.text == "i" || t.text == "j") &&
        (i == 0 || tokens_[i - 1].text == "+" || tokens_[i - 1].text == "-" || tokens_[i - 1].text == "=");
    if (!next.space && !power && !behind_sign && !imaginary && t.text != "x" && t.text != "X")
      unreadable("a number behind a letter");
  }
}

}  // namespace circuitdiff
