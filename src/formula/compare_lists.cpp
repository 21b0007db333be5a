// Lists as answers: in order, in any order, by the names of their entries.
#include <algorithm>
#include <map>
#include <set>

#include "formula/compare_parts.h"
#include "formula/number_sets.h"
#include "formula/reader_notations.h"

namespace circuitdiff {

// Every entry against its partner.
Judgement compare_in_order(const std::vector<ExprPtr>& a, const std::vector<ExprPtr>& b,
                           const std::string& what) {
  if (a.size() != b.size()) return different(what + " of different length");
  Judgement out = equal("the same " + what);
  for (size_t k = 0; k < a.size(); ++k) {
    const Judgement part = compare_items(a[k], b[k]);
    if (part.verdict == Verdict::different) return different(what + ": " + part.reason);
    if (part.verdict == Verdict::undecided) out = undecided(what + ": " + part.reason);
  }
  return out;
}

// Every entry has a partner of its own, in any order.
Judgement compare_any_order(const std::vector<ExprPtr>& a, const std::vector<ExprPtr>& b,
                            const std::string& what) {
  if (a.size() != b.size()) return different(what + " of different length");
  if (a.size() > 60) return compare_in_order(a, b, what);
  std::vector<bool> used(b.size());
  bool doubtful = false;
  for (const auto& x : a) {
    size_t partner = b.size();
    bool maybe = false;
    for (size_t k = 0; k < b.size() && partner == b.size(); ++k) {
      if (used[k]) continue;
      const Verdict verdict = compare_items(x, b[k]).verdict;
      if (verdict == Verdict::equal) partner = k;
      maybe = maybe || verdict == Verdict::undecided;
    }
    if (partner < b.size())
      used[partner] = true;
    else if (maybe)
      doubtful = true;
    else
      return different(what + ": an entry without its like");
  }
  return doubtful ? undecided(what + ": an entry that cannot be decided") : equal("the same " + what);
}

bool is_idle_and(const Expr& list) {
  return is_list(list) && list.name == "and" && !both_half_lines(list) &&
         std::all_of(list.args.begin(), list.args.end(), [&](const auto& e) {
           return e->kind == ExprKind::relation && interval_of(*e) &&
                  bounded_symbol(*e) == bounded_symbol(*list.args.front());
         });
}

void spread(const ExprPtr& e, std::vector<ExprPtr>& out) {
  if (is_list(*e) && e->open == 0) {
    for (const auto& a : e->args) spread(a, out);
  } else if (contains(*e, ExprKind::plus_minus)) {
    out.push_back(with_sign(e, 1));
    out.push_back(with_sign(e, -1));
  } else {
    out.push_back(e);
  }
}

namespace {

// Bounds of different symbols: there a comma means "and".
bool bounds_several(const Expr& list) {
  return std::any_of(list.args.begin(), list.args.end(), [&](const auto& e) {
    return e->kind == ExprKind::relation && interval_of(*e) &&
           bounded_symbol(*e) != bounded_symbol(*list.args.front());
  });
}

std::vector<ExprPtr> without_doubles(const std::vector<ExprPtr>& entries) {
  std::vector<ExprPtr> out;
  for (const auto& e : entries)
    if (std::none_of(out.begin(), out.end(),
                     [&](const auto& o) { return compare_items(o, e).verdict == Verdict::equal; }))
      out.push_back(e);
  return out;
}

// The entries behind their names, where each is an equation with a symbol of its own; else nothing.
std::map<std::string, ExprPtr> by_symbol(const Expr& list) {
  std::map<std::string, ExprPtr> out;
  for (const auto& e : list.args)
    if (is_equation(*e) && e->args.size() == 2 && e->args[0]->kind == ExprKind::symbol)
      out[e->args[0]->name] = e->args[1];
  if (out.size() != list.args.size()) out.clear();
  return out;
}

}  // namespace

bool in_unusual_order(const Expr& e) {
  if (!is_list(e)) return false;
  std::set<std::string> names;
  for (const auto& [name, value] : by_symbol(e)) {
    if (!is_value(*value)) return false;  // nests would be compared again at each depth
    names.insert(name);
  }
  return names.size() > 1 && !have_usual_order(names);
}

namespace {

// Tuples of equations by their names; beside one without names, in their order.
Judgement compare_tuples(const Expr& a, const Expr& b, const std::string& what) {
  const auto x = by_symbol(a), y = by_symbol(b);
  const auto same_key = [](const auto& p, const auto& q) { return p.first == q.first; };
  if (!x.empty() && x.size() == y.size() && std::equal(x.begin(), x.end(), y.begin(), same_key)) {
    std::vector<ExprPtr> said_x, said_y;
    for (const auto& [name, said] : x) said_x.push_back(said);
    for (const auto& [name, said] : y) said_y.push_back(said);
    return compare_in_order(said_x, said_y, "values by name");
  }
  return compare_in_order(a.args, b.args, what);
}

}  // namespace

namespace {

// "A and B", not "2 and 3": relations or letters.
bool are_statements(const Expr& list) {
  return std::all_of(list.args.begin(), list.args.end(), [](const auto& r) {
    return (r->kind == ExprKind::relation && !is_equation(*r)) || r->kind == ExprKind::symbol;
  });
}

std::vector<ExprPtr> entries_of(const ExprPtr& list) {
  std::vector<ExprPtr> out;
  for (const auto& e : list->args) spread(e, out);
  return out;
}

Ruling doubt_and_or(const ExprPtr& a, const ExprPtr& b) {
  if (a->name == b->name) return {};
  const bool said = !a->name.empty() && !b->name.empty() && (are_statements(*a) || are_statements(*b));
  const bool meant = (a->name == "or" || b->name == "or") && bounds_several(*a) && bounds_several(*b);
  return undecided_if(said || meant, "one joined by and, one by or");
}

Ruling compare_without_order(const ExprPtr& a, const ExprPtr& b) {
  const auto has_order = [](const ExprPtr& e) { return e->open != '{' && e->open != 0; };
  if (has_order(a) || has_order(b)) return {};
  const auto x = entries_of(a), y = entries_of(b);
  if (a->open == '{' && b->open == '{' && x.size() <= 60 && y.size() <= 60)
    return compare_any_order(without_doubles(x), without_doubles(y), "sets");
  return compare_any_order(x, y, "lists");
}

Ruling compare_tuples_in_order(const ExprPtr& a, const ExprPtr& b) {
  Judgement in_order = compare_tuples(*a, *b, "entries");
  if (in_order.verdict == Verdict::different && in_unusual_order(*a) != in_unusual_order(*b) &&
      compare_any_order(entries_of(a), entries_of(b), "entries").verdict == Verdict::equal)
    return undecided("names in no usual order");
  return in_order;
}

using Row = Rule<ExprPtr, ExprPtr>;
constexpr Row kListRules[] = {
    Row("and-or", "Statements joined by 'and' on one side, by 'or' on the other, are left open.",
        {"A and B", "A or B"}, doubt_and_or),
    Row("without-order", "Sets and lists without brackets agree in any order; sets without doubles.",
        {"\\{3,4\\}", "\\{4,3\\}"}, compare_without_order),
    Row("brackets-left-out", "A list without brackets agrees with a tuple in its order.", {"1, 2", "(1,2)"},
        [](const ExprPtr& a, const ExprPtr& b) -> Ruling {
          if (a->open != 0 && b->open != 0) return {};
          return compare_in_order(entries_of(a), entries_of(b), "entries");
        }),
    Row("brackets", "Round and square brackets say different things.", {"[1,3]", "[1,3)"},
        [](const ExprPtr& a, const ExprPtr& b) {
          return different_if(a->open != b->open || a->close != b->close, "different brackets");
        }),
    Row("in-order", "Tuples and intervals agree in order, entries with names by their names.",
        {"(1/2, 3)", "(0.5, 3)"}, compare_tuples_in_order)};

}  // namespace

RuleTable list_rules() { return table_of("Two lists", kListRules); }

Judgement compare_lists(const ExprPtr& a, const ExprPtr& b) { return judged_by(kListRules, a, b); }

ExprPtr without_names(const ExprPtr& list) {
  if (!is_list(*list) || list->open != 0) return list;
  if (const auto named = by_symbol(*list); !named.empty() && !in_unusual_order(*list)) {
    auto out = std::make_shared<Expr>(*list);
    out->args.clear();
    for (const auto& [name, value] : named) out->args.push_back(value);
    return out;
  }
  const bool any = std::any_of(list->args.begin(), list->args.end(), [](const auto& e) {
    return is_equation(*e) && e->args.size() == 2 && is_name(*e->args[0]);
  });
  if (!any) return list;
  auto out = std::make_shared<Expr>(*list);
  for (auto& e : out->args)
    if (is_equation(*e) && e->args.size() == 2 && is_name(*e->args[0])) e = e->args[1];
  return out;
}

namespace {

// "A = (1, 2), B = (3, 4)": the sides behind their names, where every entry has one of its own; else nothing.
std::map<std::string, ExprPtr> by_name(const Expr& list) {
  std::map<std::string, ExprPtr> out;
  for (const auto& e : list.args)
    if (is_equation(*e) && e->args.size() == 2 && is_name(*e->args[0]))
      out[canonical_text(*e->args[0])] = e->args[1];
  if (out.size() != list.args.size()) out.clear();
  return out;
}

}  // namespace

Ruling compare_by_name(const Expr& a, const Expr& b) {
  const auto x = by_name(a), y = by_name(b);
  const auto same_key = [](const auto& p, const auto& q) { return p.first == q.first; };
  if (x.empty() || x.size() != y.size() || !std::equal(x.begin(), x.end(), y.begin(), same_key))
    return std::nullopt;
  std::vector<ExprPtr> said_x, said_y;
  for (const auto& [name, said] : x) said_x.push_back(said);
  for (const auto& [name, said] : y) said_y.push_back(said);
  return compare_in_order(said_x, said_y, "values by name");
}

}  // namespace circuitdiff
