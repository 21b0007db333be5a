#include "formula/compare.h"

#include <algorithm>

#include "formula/compare_parts.h"
#include "formula/number_sets.h"
#include "formula/reader_notations.h"

namespace circuitdiff {
namespace {

bool is_relation(const Expr& e) { return e.kind == ExprKind::relation; }

bool is_tuple_like(const Expr& e) { return is_list(e) && e.open != '{'; }

// [[1, 2], [3, 4]]: the entries row by row where it is of the matrix's shape.
std::vector<ExprPtr> entries_of_rows(const Expr& list, const Expr& matrix) {
  std::vector<ExprPtr> out;
  if (!is_list(list) || list.args.size() != matrix.rows) return {};
  for (const auto& row : list.args) {
    if (!is_tuple_like(*row) || row->open == 0 || row->args.size() != matrix.columns) return {};
    out.insert(out.end(), row->args.begin(), row->args.end());
  }
  return out;
}

// A list in round brackets against one without is that list; so is a set.
ExprPtr without_brackets(const ExprPtr& e, const ExprPtr& other) {
  const bool round = e->open == '(' && e->close == ')' && is_list(*other) && other->open == 0;
  if (!is_list(*e) || !(round || e->open == '{')) return e;
  auto out = std::make_shared<Expr>(*e);
  out->open = out->close = 0;
  return out;
}

Ruling compare_plus_minus(const ExprPtr& a, const ExprPtr& b) {
  if (!contains(*a, ExprKind::plus_minus) && !contains(*b, ExprKind::plus_minus)) return {};
  std::vector<ExprPtr> x, y;
  spread(without_brackets(a, b), x);
  spread(without_brackets(b, a), y);
  if (says_a_size(*a) != says_a_size(*b) && x.size() != y.size()) return undecided("the size of something");
  return compare_any_order(x, y, "values of plus-minus");
}

bool is_number_set(const Expr& e) {
  return e.kind == ExprKind::join || e.kind == ExprKind::reals || interval_of(e) ||
         (is_list(e) && e.open == 0 && std::all_of(e.args.begin(), e.args.end(), [](const auto& part) {
            return interval_of(*part) != nullptr;
          }));
}

Ruling compare_bounded_symbols(const ExprPtr& a, const ExprPtr& b) {
  if (!is_relation(*a) || !is_relation(*b) || !interval_of(*a) || !interval_of(*b)) return {};
  const std::string x = bounded_symbol(*a), y = bounded_symbol(*b);
  return different_if(x != y && !x.empty() && !y.empty(), "bounds of different symbols");
}

Ruling compare_number_sets(const ExprPtr& a, const ExprPtr& b) {
  std::vector<ExprPtr> x, y;
  if (!(is_number_set(*a) || is_number_set(*b)) || !intervals_of(a, x) || !intervals_of(b, y)) return {};
  const auto merged_x = merged_intervals(x), merged_y = merged_intervals(y);
  if (merged_x && merged_y) return compare_any_order(*merged_x, *merged_y, "intervals");
  Judgement pieces = compare_any_order(x, y, "intervals");
  if (x.size() != y.size() && pieces.verdict != Verdict::equal)
    return undecided("intervals whose ends cannot be put in order");
  return pieces;
}

Ruling compare_unions(const ExprPtr& a, const ExprPtr& b) {
  if (a->kind != ExprKind::join || b->kind != ExprKind::join) return {};
  Judgement parts = compare_any_order(a->args, b->args, "parts of a union");
  return parts.verdict == Verdict::equal ? parts : undecided("a union of what are no sets");
}

Ruling compare_membership(const ExprPtr& x, const ExprPtr& y) {
  if (!is_relation(*x) || x->name != "in") return {};
  return compare_items(x->args[1], y);
}

Ruling compare_point_with_its_name(const ExprPtr& x, const ExprPtr& y) {
  if (!is_relation(*x) || x->args.size() != 2) return {};
  const ExprPtr place = place_of_letter(*y);
  if (!place || canonical_text(*x->args[0]) != canonical_text(*y->args[0])) return {};
  return compare_items(place, x->args[1]);
}

// An equation and an answer that is no relation.
struct EquationBeside {
  const ExprPtr &equation, &other;
  bool first;                // the equation is the prediction
  bool contradicts = false;  // itself
  ExprPtr said = said_by(*equation, contradicts);
};

bool may_say_a_size(const EquationBeside& e) {
  const Expr &left = *e.equation->args[0], &other = *e.other;
  const bool two_values =
      says_a_size(*e.equation) && is_list(other) && other.args.size() == 2 && other.open != '(';
  return (!e.said && left.kind == ExprKind::call && left.name == "abs") || two_values;
}

Ruling compare_said(const EquationBeside& e) {
  const Expr& x = *e.equation;
  Judgement exact = e.first ? compare_items(e.said, e.other) : compare_items(e.other, e.said);
  if (exact.verdict != Verdict::equal && x.exact_sides < x.args.size() && is_value(*x.args.back()) &&
      compare_items(x.args.back(), e.other).verdict == Verdict::equal)
    return equal("the same rounded value");
  return exact;
}

using BesideRow = Rule<EquationBeside>;
constexpr BesideRow kBesideRules[] = {
    BesideRow(
        "untrue", "An equation that is not true is no answer.", {"12+5=18", "18"},
        [](const EquationBeside& e) { return different_if(e.contradicts, "an equation that is not true"); }),
    BesideRow(
        "point-and-list", "A letter ahead of a list may be its name or a factor.", {"C(5,2)=10", "(5,2)"},
        [](const EquationBeside& e) {
          return undecided_if(!e.said && place_of_letter(*e.equation->args[0]), "a letter ahead of a list");
        }),
    BesideRow(
        "size", "|x| = 3 says a size, or two values.", {"|x|=3", "3, -3"},
        [](const EquationBeside& e) { return undecided_if(may_say_a_size(e), "the size of something"); }),
    BesideRow("equation-and-number", "An equation that says no value is no number.", {"x+y=5", "5"},
              [](const EquationBeside& e) {
                return different_if(!e.said && is_value(*e.other) && !has_symbols(*e.other),
                                    "an equation and a number");
              }),
    BesideRow("equation-and-none", "An equation that says no value may be the other answer in other words.",
              {"x+y=5", "x"},
              [](const EquationBeside& e) { return undecided_if(!e.said, "an equation and none"); }),
    BesideRow("said", "What an equation says is the answer; so is the value to which it rounds it.",
              {"x = 5", "5"}, compare_said)};

Ruling compare_equation_with_none(const ExprPtr& a, const ExprPtr& b) {
  if (is_relation(*a)) return judged_by(kBesideRules, EquationBeside{a, b, true});
  if (is_relation(*b)) return judged_by(kBesideRules, EquationBeside{b, a, false});
  return {};
}

Ruling compare_places(const ExprPtr& a, const ExprPtr& b) {
  const ExprPtr x = place_of_letter(*a), y = place_of_letter(*b);
  if (!x || !y) return {};
  if (canonical_text(*a->args[0]) != canonical_text(*b->args[0]))
    return undecided("other letters ahead of a list");
  return compare_items(x, y);
}

Ruling compare_place_and_list(const ExprPtr& a, const ExprPtr& b) {
  const ExprPtr x = place_of_letter(*a), y = place_of_letter(*b);
  if (!(x && (is_list(*b) || is_value(*b))) && !(y && (is_list(*a) || is_value(*a)))) return {};
  if (!(x && is_list(*b)) && !(y && is_list(*a))) return undecided("a letter ahead of a list");
  Judgement places = compare_items(x ? x : a, y ? y : b);
  return places.verdict == Verdict::equal ? undecided("a letter ahead of a list") : places;
}

Ruling compare_matrices(const ExprPtr& a, const ExprPtr& b) {
  if (a->kind != ExprKind::matrix || b->kind != ExprKind::matrix) return {};
  if (a->rows != b->rows || a->columns != b->columns) return different("matrices of different shape");
  return compare_in_order(a->args, b->args, "matrices");
}

Ruling compare_matrix_and_rows(const ExprPtr& x, const ExprPtr& y) {
  if (x->kind != ExprKind::matrix || !is_tuple_like(*y)) return {};
  if (const auto entries = entries_of_rows(*y, *x); !entries.empty())
    return compare_in_order(x->args, entries, "entries");
  if (x->rows != 1 && x->columns != 1) return {};
  return compare_in_order(x->args, y->args, "entries");
}

Ruling compare_set_of_one(const ExprPtr& x, const ExprPtr& y) {
  const bool is_empty_set = y->kind == ExprKind::symbol && y->name == "\\emptyset";
  if (!is_list(*x) || x->open != '{' || x->args.size() != 1 || !is_value(*y) || is_empty_set) return {};
  return compare_items(x->args.front(), y);
}

using Row = Rule<ExprPtr, ExprPtr>;
constexpr Row kItemRules[] = {
    Row("plus-minus", "Plus-minus says two values, in any order; the size of something may say one.",
        {"\\pm\\sqrt2", "-\\sqrt2,\\sqrt2"}, compare_plus_minus),
    Row("other-bounds", "Bounds of different symbols say different things.", {"x>2", "y>2"},
        compare_bounded_symbols),
    Row("and-nowhere", "Bounds joined by 'and' that never hold together may mean their union.",
        {"x<1 and x>3", "x<1 or x>3"},
        [](const ExprPtr& a, const ExprPtr& b) {
          return undecided_if(is_number_set(*a) && is_number_set(*b) && is_idle_and(*a) != is_idle_and(*b),
                              "bounds joined by and that never hold together");
        }),
    Row("number-sets", "Intervals, inequalities and unions are compared by the set that they make.",
        {"x<2", "(-\\infty,2)"}, compare_number_sets),
    Row("unions", "Unions of other sets agree part by part, in any order.", {"A\\cup B", "B\\cup A"},
        compare_unions),
    Row("relations", "Two relations are compared as relations.", {"2x+3y=6", "4x+6y=12"},
        for_both<is_relation, compare_relations>),
    Row("membership", "A membership says its set.", {"x\\in\\{1,2\\}", "\\{1,2\\}"},
        either_way<compare_membership>),
    Row("relation-and-none", "A relation that is no equation is no value.", {"x\\ne 5", "5"},
        [](const ExprPtr& a, const ExprPtr& b) {
          const auto says_nothing = [](const ExprPtr& e) { return is_relation(*e) && !is_equation(*e); };
          return different_if(says_nothing(a) || says_nothing(b), "a relation and none");
        }),
    Row("named-point", "A point is the same with its name behind an equals sign.", {"P = (2,3)", "P(2,3)"},
        either_way<compare_point_with_its_name>),
    Row("equation-beside-none", "An equation is compared by what it says.", {"x = 5", "5"},
        compare_equation_with_none),
    Row("places", "Points of the same letter are compared as tuples.", {"C(5,2)", "C(5,2.0)"},
        compare_places),
    Row("place-and-list", "A letter ahead of a list may be its name or a factor.", {"C(5,2)", "(5,2)"},
        compare_place_and_list),
    Row("lists", "Two lists are compared as lists.", {"3, 4", "4,3"}, for_both<is_list, compare_lists>),
    Row("matrices", "Matrices agree entry by entry.",
        {"\\begin{bmatrix}1\\\\2\\end{bmatrix}", "\\begin{pmatrix}1\\\\2\\end{pmatrix}"}, compare_matrices),
    Row("matrix-and-rows", "A matrix may be written as a list of its rows, a vector as a tuple.",
        {"\\begin{pmatrix}1\\\\2\\end{pmatrix}", "(1,2)"}, either_way<compare_matrix_and_rows>),
    Row("set-of-one", "A set of one is its element.", {"\\{1\\}", "1"}, either_way<compare_set_of_one>),
    Row("quantities", "Two values are compared as quantities.", {"75\\%", "0.75"},
        for_both<is_value, compare_quantities>),
    Row("list-and-value", "A list is no value.", {"(1,2)", "3"},
        [](const ExprPtr& a, const ExprPtr& b) {
          return different_if(contains(*a, ExprKind::list) != contains(*b, ExprKind::list),
                              "a list and a value");
        }),
    Row("other-kinds", "Answers of different kinds are not the same.", {"\\mathbb{R}", "5"},
        [](const ExprPtr&, const ExprPtr&) -> Ruling { return different("answers of different kinds"); })};

bool is_listed(const ExprPtr& e) { return is_list(*e) && e->open == 0; }

size_t relations_in(const Expr& list) {
  return static_cast<size_t>(
      std::count_if(list.args.begin(), list.args.end(), [](const auto& e) { return is_relation(*e); }));
}
bool lists_relations_alone(const ExprPtr& a, const ExprPtr& b) {
  return is_listed(a) && is_listed(b) && relations_in(*a) == relations_in(*b) &&
         relations_in(*a) == a->args.size();
}

// What "x = (a list)" says.
ExprPtr without_name(const ExprPtr& e) {
  bool contradicts = false;
  if (is_equation(*e) && e->args.size() == 2 && !says_a_size(*e))
    if (const ExprPtr said = said_by(*e, contradicts); said && !contradicts) return said;
  return e;
}

Ruling compare_named_entries(const ExprPtr& a, const ExprPtr& b) {
  return lists_relations_alone(a, b) ? compare_by_name(*a, *b) : std::nullopt;
}

Ruling compare_listed(const ExprPtr& prediction, const ExprPtr& gold) {
  if (!(is_listed(prediction) || is_listed(gold)) || lists_relations_alone(prediction, gold)) return {};
  ExprPtr a = without_name(prediction), b = without_name(gold);
  const bool unusual = in_unusual_order(*a) != in_unusual_order(*b);
  a = without_names(a);
  b = without_names(b);
  Judgement out = compare_items(a, b);
  if (unusual && out.verdict == Verdict::different && is_list(*a) && is_list(*b) &&
      compare_any_order(a->args, b->args, "entries").verdict == Verdict::equal)
    return undecided("names in no usual order");
  return out;
}

// (u v) w: the brackets say which two vectors make the number.
bool groups_vectors(const Expr& e) {
  const auto is_dot = [](const ExprPtr& f) {
    return f->kind == ExprKind::product && !is_vector(*f) &&
           std::any_of(f->args.begin(), f->args.end(), [](const auto& a) { return is_vector(*a); });
  };
  if (e.kind == ExprKind::product && std::any_of(e.args.begin(), e.args.end(), is_dot) &&
      std::any_of(e.args.begin(), e.args.end(), [](const auto& a) { return is_vector(*a); }))
    return true;
  if (e.kind == ExprKind::product && std::count_if(e.args.begin(), e.args.end(), is_dot) > 1) return true;
  return std::any_of(e.args.begin(), e.args.end(), [](const auto& a) { return groups_vectors(*a); });
}

Ruling doubt_vectors(const ExprPtr& a, const ExprPtr& b) {
  return undecided_if((groups_vectors(*a) || groups_vectors(*b)) && canonical_text(*a) != canonical_text(*b),
                      "vectors multiplied in another order");
}

constexpr Row kAnswerRules[] = {
    Row("named-entries", "Lists of equations agree by the names that they give values.",
        {"x=1, y=2", "y=2, x=1"}, compare_named_entries),
    Row("list-beside-another", "Names are left out where one of two lists has none.", {"x = 2, x = 3", "2,3"},
        compare_listed),
    Row("one-item", "Other answers are compared as one item.", {"3", "3.0"},
        [](const ExprPtr& a, const ExprPtr& b) -> Ruling { return compare_items(a, b); })};

constexpr Row kAnswerDoubts[] = {
    Row("vectors", "Of more than two vectors the brackets say which two make a number.",
        {"(\\vec a\\cdot\\vec b)\\vec c", "\\vec a(\\vec b\\cdot\\vec c)"}, doubt_vectors)};

}  // namespace

Judgement compare_items(const ExprPtr& a, const ExprPtr& b) {
  return a == b ? equal("the same expression") : judged_by(kItemRules, a, b);
}

Judgement compare_answers(const ExprPtr& prediction, const ExprPtr& gold) {
  return judged_by(kAnswerRules, kAnswerDoubts, prediction, gold);
}

std::vector<RuleTable> formula_rules() {
  std::vector<RuleTable> out = {
      table_of("Two formulas", kAnswerRules), table_of("Equal formulas in doubt", kAnswerDoubts),
      table_of("Two items", kItemRules), table_of("An equation and an answer that is none", kBesideRules)};
  for (RuleTable& table : relation_rules()) out.push_back(std::move(table));
  out.push_back(list_rules());
  for (RuleTable& table : quantity_rules()) out.push_back(std::move(table));
  out.push_back(value_rules());
  return out;
}

}  // namespace circuitdiff
