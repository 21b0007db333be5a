#include "formula/compare.h"

#include <algorithm>

#include "formula/compare_parts.h"
#include "formula/letters.h"
#include "formula/number_sets.h"
#include "formula/reader_notations.h"

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
std::optional<Judgement> compare_spellings(const Expr& a, const Expr& b) {
  if (a.spelling.empty() || b.spelling.empty() || a.spelling == b.spelling) return std::nullopt;
  std::string x = a.spelling, y = b.spelling;
  std::sort(x.begin(), x.end());
  std::sort(y.begin(), y.end());
  if (x != y) return std::nullopt;
  const auto is_word = [](const std::string& s) {  // a vowel within
    return s.size() > 2 && s.substr(1, s.size() - 2).find_first_of("aeiou") != std::string::npos;
  };
  bool variables = true;  // abc, xyz: neighbours in the alphabet
  for (size_t k = 1; k < x.size(); ++k) variables = variables && x[k] == x[k - 1] + 1;
  const bool capitals = std::all_of(x.begin(), x.end(), is_capital);
  if (capitals && x.size() > 2 && std::adjacent_find(x.begin(), x.end()) != x.end())
    return different("the same letters in another order");
  if (capitals ? x.size() > 2 || x == "HT" : !variables && (is_word(a.spelling) || is_word(b.spelling)))
    return undecided("the same letters in another order");
  return std::nullopt;
}

// One value against another: percent and degrees may be left out on one side.
Judgement compare_quantities(const ExprPtr& a, const ExprPtr& b) {
  if (a->kind == ExprKind::based && b->kind == ExprKind::based) {
    if (!(a->args[0]->value == b->args[0]->value)) return different("numbers in different bases");
    return a->value == b->value ? equal("the same number in that base")
                                : different("different numbers in that base");
  }
  for (const auto& [x, y] : {std::pair(a, b), std::pair(b, a)})
    if (x->kind == ExprKind::based && y->kind == ExprKind::number) {
      const auto digits = parse_decimal(x->name);
      if ((digits && *digits == y->value) || x->value == y->value)
        return equal("the same number, its base named on one side only");
      return different("different numbers");
    }
  if (a->kind == ExprKind::ratio && b->kind == ExprKind::ratio) {
    const Judgement parts = compare_in_order(a->args, b->args, "ratios");
    if (parts.verdict == Verdict::different && a->args.size() > 2 && a->args.size() == b->args.size() &&
        proportional(a->args, b->args))
      return equal("the same ratio");
    if (parts.verdict != Verdict::different || a->args.size() != 2 || b->args.size() != 2) return parts;
    const auto is_time = [](const Expr& e) {
      const auto v = exact_value(*e.args[1]);
      return !v || fmpq_cmp(v->get(), Rational(10).get()) >= 0 || v->is_zero();
    };
    if (is_time(*a) || is_time(*b)) return parts;
    return compare_values(*a, *b);
  }
  if (auto spelled = compare_spellings(*a, *b)) return *std::move(spelled);
  const auto has_matrix = [](const Expr& e) {
    return contains(e, ExprKind::matrix) && !(e.kind == ExprKind::call && e.name == "det");
  };
  if (has_matrix(*a) != has_matrix(*b)) return different("a matrix and a number");
  const Judgement plain = compare_values(*a, *b);
  if (plain.verdict == Verdict::equal) return plain;
  for (const auto& [x, y] : {std::pair(a, b), std::pair(b, a)}) {
    if (x->kind == y->kind) continue;
    if (x->kind != ExprKind::percent && x->kind != ExprKind::degree) continue;
    if (x->kind == ExprKind::degree && y->unit.rfind("rad", 0) == 0) continue;
    const Judgement bare = compare_values(*x->args.front(), *y);
    if (bare.verdict == Verdict::equal)
      return equal(x->kind == ExprKind::percent ? "the same number, one in percent"
                                                : "the same number, one in degrees");
  }
  return plain;
}

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

size_t equations_in(const Expr& list) {
  return static_cast<size_t>(std::count_if(list.args.begin(), list.args.end(),
                                           [](const auto& e) { return e->kind == ExprKind::relation; }));
}

}  // namespace

Judgement compare_items(const ExprPtr& a, const ExprPtr& b) {
  if (a == b) return equal("the same expression");
  if (contains(*a, ExprKind::plus_minus) || contains(*b, ExprKind::plus_minus)) {
    // A list in round brackets against one without is that list; so is a set.
    const auto bare = [](const ExprPtr& e, const ExprPtr& other) -> ExprPtr {
      const bool round = e->open == '(' && e->close == ')' && is_list(*other) && other->open == 0;
      if (!is_list(*e) || !(round || e->open == '{')) return e;
      auto out = std::make_shared<Expr>(*e);
      out->open = out->close = 0;
      return out;
    };
    std::vector<ExprPtr> x, y;
    spread(bare(a, b), x);
    spread(bare(b, a), y);
    // |x| = 3 says x = +-3, or no more than the size.
    if (says_a_size(*a) != says_a_size(*b) && x.size() != y.size()) return undecided("the size of something");
    return compare_any_order(x, y, "values of plus-minus");
  }
  // Sets of numbers in different clothes.
  const auto is_set = [](const Expr& e) {
    return e.kind == ExprKind::join || e.kind == ExprKind::reals || interval_of(e) ||
           (is_list(e) && e.open == 0 && std::all_of(e.args.begin(), e.args.end(), [](const auto& part) {
              return interval_of(*part) != nullptr;
            }));
  };
  if (a->kind == ExprKind::relation && b->kind == ExprKind::relation && interval_of(*a) && interval_of(*b) &&
      bounded_symbol(*a) != bounded_symbol(*b) && !bounded_symbol(*a).empty() && !bounded_symbol(*b).empty())
    return different("bounds of different symbols");
  // "x < 1 and x > 3" holds nowhere, but for those who mean the union.
  if (is_set(*a) && is_set(*b) && is_idle_and(*a) != is_idle_and(*b))
    return undecided("bounds joined by and that never hold together");
  if (is_set(*a) || is_set(*b)) {
    std::vector<ExprPtr> x, y;
    if (intervals_of(a, x) && intervals_of(b, y)) {
      const auto merged_x = merged_intervals(x), merged_y = merged_intervals(y);
      if (merged_x && merged_y) return compare_any_order(*merged_x, *merged_y, "intervals");
      const Judgement pieces = compare_any_order(x, y, "intervals");
      return x.size() == y.size() || pieces.verdict == Verdict::equal
                 ? pieces
                 : undecided("intervals whose ends cannot be put in order");
    }
  }
  if (a->kind == ExprKind::join && b->kind == ExprKind::join) {
    const Judgement parts = compare_any_order(a->args, b->args, "parts of a union");
    return parts.verdict == Verdict::equal ? parts : undecided("a union of what are no sets");
  }
  if (a->kind == ExprKind::relation && b->kind == ExprKind::relation) return compare_relations(a, b);
  for (const auto& [x, y] : {std::pair(a, b), std::pair(b, a)}) {
    if (x->kind != ExprKind::relation) continue;
    if (x->name == "in") return compare_items(x->args[1], y);
    if (!is_equation(*x)) return different("a relation and none");
    if (const ExprPtr place = place_of_letter(*y);
        place && x->args.size() == 2 && canonical_text(*x->args[0]) == canonical_text(*y->args[0]))
      return compare_items(place, x->args[1]);
    bool contradicts = false;
    const ExprPtr said = said_by(*x, contradicts);
    if (contradicts) return different("an equation that is not true");
    if (!said && place_of_letter(*x->args[0])) return undecided("a letter ahead of a list");
    const bool two_values = says_a_size(*x) && is_list(*y) && y->args.size() == 2 && y->open != '(';
    if ((!said && x->args[0]->kind == ExprKind::call && x->args[0]->name == "abs") || two_values)
      return undecided("the size of something");
    if (!said)
      return is_value(*y) && !has_symbols(*y) ? different("an equation and a number")
                                              : undecided("an equation and none");
    const Judgement exact = x == a ? compare_items(said, y) : compare_items(y, said);
    if (exact.verdict != Verdict::equal && x->exact_sides < x->args.size() && is_value(*x->args.back()) &&
        compare_items(x->args.back(), y).verdict == Verdict::equal)
      return equal("the same rounded value");
    return exact;
  }
  // C(5, 2) beside (5, 2), P(2, 3) beside P = (2, 3).
  const ExprPtr place_a = place_of_letter(*a), place_b = place_of_letter(*b);
  if (place_a && place_b)
    return canonical_text(*a->args[0]) == canonical_text(*b->args[0])
               ? compare_items(place_a, place_b)
               : undecided("other letters ahead of a list");
  if ((place_a && is_list(*b)) || (place_b && is_list(*a))) {
    const Judgement places = compare_items(place_a ? place_a : a, place_b ? place_b : b);
    return places.verdict == Verdict::equal ? undecided("a letter ahead of a list") : places;
  }
  if ((place_a && is_value(*b)) || (place_b && is_value(*a))) return undecided("a letter ahead of a list");
  if (is_list(*a) && is_list(*b)) return compare_lists(a, b);
  if (a->kind == ExprKind::matrix && b->kind == ExprKind::matrix) {
    if (a->rows != b->rows || a->columns != b->columns) return different("matrices of different shape");
    return compare_in_order(a->args, b->args, "matrices");
  }
  for (const auto& [x, y] : {std::pair(a, b), std::pair(b, a)}) {
    if (x->kind == ExprKind::matrix && is_tuple_like(*y)) {
      if (const auto entries = entries_of_rows(*y, *x); !entries.empty())
        return compare_in_order(x->args, entries, "entries");
      if (x->rows == 1 || x->columns == 1) return compare_in_order(x->args, y->args, "entries");
    }
    // A set of one against its element; a list of one.
    if (is_list(*x) && x->open == '{' && x->args.size() == 1 && is_value(*y) &&
        !(y->kind == ExprKind::symbol && y->name == "\\emptyset"))
      return compare_items(x->args.front(), y);
  }
  if (is_value(*a) && is_value(*b)) {
    const Judgement value = compare_quantities(a, b);
    if (value.verdict == Verdict::equal && !a->unit.empty() && !b->unit.empty() &&
        plain_unit(a->unit) != plain_unit(b->unit) && is_tuple_like(*a) == is_tuple_like(*b)) {
      const std::string x = plain_unit(a->unit), y = plain_unit(b->unit);
      const auto has_words_of = [](const std::string& all, const std::string& part) {
        return (" " + all + " ").find(" " + part + " ") != std::string::npos;
      };
      if (!has_words_of(x, y) && !has_words_of(y, x)) return undecided("the same number, different units");
    }
    return value;
  }
  if (contains(*a, ExprKind::list) != contains(*b, ExprKind::list)) return different("a list and a value");
  return different("answers of different kinds");
}

namespace {

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

Judgement compare_plain_answers(const ExprPtr& prediction, const ExprPtr& gold) {
  const auto listed = [](const ExprPtr& e) { return is_list(*e) && e->open == 0; };
  ExprPtr a = prediction, b = gold;
  if (listed(a) || listed(b)) {
    // x = (a list) and names within lists are dropped where the other side has none of them.
    const auto bare = [&](const ExprPtr& e) {
      bool contradicts = false;
      if (is_equation(*e) && e->args.size() == 2 && !says_a_size(*e))
        if (const ExprPtr said = said_by(*e, contradicts); said && !contradicts) return said;
      return e;
    };
    const bool same_equations =
        listed(a) && listed(b) && equations_in(*a) == equations_in(*b) && equations_in(*a) == a->args.size();
    if (same_equations)
      if (auto named = compare_by_name(*a, *b)) return *std::move(named);
    if (!same_equations) {
      a = bare(a);
      b = bare(b);
      const bool unusual = in_unusual_order(*a) != in_unusual_order(*b);
      a = without_names(a);
      b = without_names(b);
      const Judgement out = compare_items(a, b);
      if (unusual && out.verdict == Verdict::different && is_list(*a) && is_list(*b) &&
          compare_any_order(a->args, b->args, "entries").verdict == Verdict::equal)
        return undecided("names in no usual order");
      return out;
    }
  }
  return compare_items(a, b);
}

}  // namespace

Judgement compare_answers(const ExprPtr& prediction, const ExprPtr& gold) {
  Judgement out = compare_plain_answers(prediction, gold);
  if (out.verdict == Verdict::equal && (groups_vectors(*prediction) || groups_vectors(*gold)) &&
      canonical_text(*prediction) != canonical_text(*gold))
    return undecided("vectors multiplied in another order");
  return out;
}

}  // namespace circuitdiff
