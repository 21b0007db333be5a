// One number or expression against another: bases, ratios, spellings, percent, degrees, units.
#include <algorithm>

#include "formula/compare.h"
#include "formula/compare_parts.h"
#include "formula/letters.h"

namespace circuitdiff {
namespace {

std::string plain_unit(const std::string& unit) {
  static const std::vector<std::pair<std::string, std::string>> kSame = {{"miles per hour", "mph"},
                                                                         {"square ", "sq "},
                                                                         {"centimeters", "cm"},
                                                                         {"centimeter", "cm"},
                                                                         {"inches", "in"},
                                                                         {"inch", "in"},
                                                                         {"feet", "ft"},
                                                                         {"foot", "ft"},
                                                                         {"meters", "m"},
                                                                         {"meter", "m"},
                                                                         {"dollars", "usd"},
                                                                         {"dollar", "usd"},
                                                                         {"hours", "h"},
                                                                         {"hour", "h"},
                                                                         {"hrs", "h"},
                                                                         {"minutes", "min"},
                                                                         {"minute", "min"},
                                                                         {"degrees", "deg"},
                                                                         {"degree", "deg"},
                                                                         {"units", "unit"},
                                                                         {"miles", "mile"}};
  std::string out = unit;
  for (const auto& [from, to] : kSame)
    for (size_t at = out.find(from); at != std::string::npos; at = out.find(from, at + to.size()))
      out.replace(at, from.size(), to);
  if (out.rfind("sq ", 0) == 0) out = out.substr(3) + "^2";
  if (out.rfind("cubic ", 0) == 0) out = out.substr(6) + "^3";
  return out;
}

// 2 : 4 : 6 and 1 : 2 : 3, exact numbers other than 0.
bool proportional(const std::vector<ExprPtr>& a, const std::vector<ExprPtr>& b) {
  std::optional<Rational> scale;
  for (size_t k = 0; k < a.size(); ++k) {
    auto x = exact_value(*a[k]);
    const auto y = exact_value(*b[k]);
    if (!x || !y || x->is_zero() || y->is_zero()) return false;
    fmpq_div(x->get(), x->get(), y->get());
    if (scale && !(*scale == *x)) return false;
    scale = std::move(x);
  }
  return true;
}

// HTH is not HHT, cat is not act: letters in another order that are no product, or may not be one. Names of a
// figure (AB and BA) and products (abc and cba) are left alone.
Ruling compare_spellings(const ExprPtr& left, const ExprPtr& right) {
  const Expr &a = *left, &b = *right;
  if (a.spelling.empty() || b.spelling.empty() || a.spelling == b.spelling) return {};
  std::string x = a.spelling, y = b.spelling;
  std::sort(x.begin(), x.end());
  std::sort(y.begin(), y.end());
  if (x != y) return {};
  const auto is_word = [](const std::string& s) {  // a vowel within
    return s.size() > 2 && s.substr(1, s.size() - 2).find_first_of("aeiou") != std::string::npos;
  };
  bool variables = true;  // abc, xyz: neighbours in the alphabet
  for (size_t k = 1; k < x.size(); ++k) variables = variables && x[k] == x[k - 1] + 1;
  const bool capitals = std::all_of(x.begin(), x.end(), is_capital);
  if (capitals && x.size() > 2 && std::adjacent_find(x.begin(), x.end()) != x.end())
    return different("the same letters in another order");
  return undecided_if(
      capitals ? x.size() > 2 || x == "HT" : !variables && (is_word(a.spelling) || is_word(b.spelling)),
      "the same letters in another order");
}

Ruling compare_bases(const ExprPtr& a, const ExprPtr& b) {
  if (a->kind != ExprKind::based || b->kind != ExprKind::based) return {};
  if (!(a->args[0]->value == b->args[0]->value)) return different("numbers in different bases");
  return a->value == b->value ? equal("the same number in that base")
                              : different("different numbers in that base");
}

Ruling compare_base_and_number(const ExprPtr& x, const ExprPtr& y) {
  if (x->kind != ExprKind::based || y->kind != ExprKind::number) return {};
  const auto digits = parse_decimal(x->name);
  return (digits && *digits == y->value) || x->value == y->value
             ? equal("the same number, its base named on one side only")
             : different("different numbers");
}

Ruling compare_ratios(const ExprPtr& a, const ExprPtr& b) {
  if (a->kind != ExprKind::ratio || b->kind != ExprKind::ratio) return {};
  const Judgement parts = compare_in_order(a->args, b->args, "ratios");
  if (parts.verdict != Verdict::different || a->args.size() != b->args.size()) return parts;
  if (a->args.size() > 2) return proportional(a->args, b->args) ? equal("the same ratio") : parts;
  const auto is_time = [](const Expr& e) {
    const auto v = exact_value(*e.args[1]);
    return !v || fmpq_cmp(v->get(), Rational(10).get()) >= 0 || v->is_zero();
  };
  return is_time(*a) || is_time(*b) ? parts : compare_values(*a, *b);
}

bool has_matrix(const ExprPtr& e) {
  return contains(*e, ExprKind::matrix) && !(e->kind == ExprKind::call && e->name == "det");
}

bool is_marked(const Expr& e) { return e.kind == ExprKind::percent || e.kind == ExprKind::degree; }

Ruling compare_without_mark(const ExprPtr& x, const ExprPtr& y) {
  if (!is_marked(*x) || (x->kind == ExprKind::degree && y->unit.rfind("rad", 0) == 0)) return {};
  return equal_if(
      compare_values(*x->args.front(), *y).verdict == Verdict::equal,
      x->kind == ExprKind::percent ? "the same number, one in percent" : "the same number, one in degrees");
}

Ruling compare_marked(const ExprPtr& a, const ExprPtr& b) {
  if (a->kind == b->kind || !(is_marked(*a) || is_marked(*b))) return {};
  Judgement plain = compare_values(*a, *b);
  if (plain.verdict == Verdict::equal) return plain;
  const Ruling bare = either_way<compare_without_mark>(a, b);
  return bare ? bare : plain;
}

Ruling doubt_units(const ExprPtr& a, const ExprPtr& b) {
  if (a->unit.empty() || b->unit.empty()) return {};
  const std::string x = plain_unit(a->unit), y = plain_unit(b->unit);
  const auto has_words_of = [](const std::string& all, const std::string& part) {
    return (" " + all + " ").find(" " + part + " ") != std::string::npos;
  };
  return undecided_if(!has_words_of(x, y) && !has_words_of(y, x), "the same number, different units");
}

using Row = Rule<ExprPtr, ExprPtr>;
constexpr Row kQuantityRules[] = {
    Row("bases", "Numbers in a base are the same in the same base alone.", {"110_{2}", "110_2"},
        compare_bases),
    Row("base-on-one-side", "A number in a base may be given by its digits or by its value.", {"110_2", "6"},
        either_way<compare_base_and_number>),
    Row("ratios", "Ratios agree part by part or as fractions; a time of day is no fraction.",
        {"2:4:6", "1:2:3"}, compare_ratios),
    Row("spellings", "Letters in another order are not the same where they are no product.", {"HTH", "HHT"},
        compare_spellings),
    Row("matrix-and-number", "A matrix is no number.", {"\\begin{pmatrix}1\\\\2\\end{pmatrix}+1", "3"},
        [](const ExprPtr& a, const ExprPtr& b) {
          return different_if(has_matrix(a) != has_matrix(b), "a matrix and a number");
        }),
    Row("percent-and-degrees", "Percent and degrees may be left out on one side.", {"25\\%", "25"},
        compare_marked),
    Row("values", "Other values are compared as values.", {"7", "7.0"},
        [](const ExprPtr& a, const ExprPtr& b) -> Ruling { return compare_values(*a, *b); })};

constexpr Row kQuantityDoubts[] = {Row("units", "The same number with two different units is left open.",
                                       {"27 feet", "27 inches"}, doubt_units)};

}  // namespace

std::vector<RuleTable> quantity_rules() {
  return {table_of("Two quantities", kQuantityRules), table_of("Equal quantities in doubt", kQuantityDoubts)};
}

Judgement compare_quantities(const ExprPtr& a, const ExprPtr& b) {
  return judged_by(kQuantityRules, kQuantityDoubts, a, b);
}

}  // namespace circuitdiff
