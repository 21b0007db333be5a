// What the files of the comparison ask of each other: compare.cpp (answers, one item against another),
// compare_lists.cpp, compare_relations.cpp (equations and inequalities), compare_quantities.cpp,
// compare_values.cpp. Each gives its tables of rules.
#pragma once

#include <string>
#include <vector>

#include "formula/expression.h"
#include "formula/rule.h"

namespace circuitdiff {

// In compare.cpp.
Judgement compare_items(const ExprPtr& a, const ExprPtr& b);

// Rules of two expressions: `compare` decides where both are of the kind ...
template <bool (*is_of_kind)(const Expr&), Judgement (*compare)(const ExprPtr&, const ExprPtr&)>
Ruling for_both(const ExprPtr& a, const ExprPtr& b) {
  return is_of_kind(*a) && is_of_kind(*b) ? Ruling(compare(a, b)) : std::nullopt;
}
// ... or it does not matter which of the two is of the form that `decide` looks for.
template <Ruling (*decide)(const ExprPtr&, const ExprPtr&)>
Ruling either_way(const ExprPtr& a, const ExprPtr& b) {
  Ruling out = decide(a, b);
  return out ? out : decide(b, a);
}

// In compare_quantities.cpp.
std::vector<RuleTable> quantity_rules();
Judgement compare_quantities(const ExprPtr& a, const ExprPtr& b);

// In compare_values.cpp.
RuleTable value_rules();

// In compare_lists.cpp.
RuleTable list_rules();
Judgement compare_in_order(const std::vector<ExprPtr>& a, const std::vector<ExprPtr>& b,
                           const std::string& what);
Judgement compare_any_order(const std::vector<ExprPtr>& a, const std::vector<ExprPtr>& b,
                            const std::string& what);
Judgement compare_lists(const ExprPtr& a, const ExprPtr& b);
// An item with +- as the two items it stands for; lists without brackets as their items.
void spread(const ExprPtr& e, std::vector<ExprPtr>& out);
// Bounds of one symbol, said to hold together, that do not make one interval.
bool is_idle_and(const Expr& list);
// "r = 1, h = 2": as a tuple this may be (1, 2) or (2, 1).
bool in_unusual_order(const Expr& e);
// "x = 1, 2": a name before the first entry of a list stands for all. Where every entry has a name of its own
// they are put in the usual order of their names, so that "y = 2, x = 1" is the point (1, 2).
ExprPtr without_names(const ExprPtr& list);
// Both lists name the same; what they say of each name is compared. nullopt: they do not.
Ruling compare_by_name(const Expr& a, const Expr& b);

// In compare_relations.cpp.
std::vector<RuleTable> relation_rules();
bool is_equation(const Expr& e);
bool is_name(const Expr& e);      // a side that only names what the other side says
bool says_a_size(const Expr& e);  // |x| = 3
bool has_symbols(const Expr& e);
// What an equation says as an answer: "x = 5" says 5, "2 + 3 = 5" says 5 if it is true. Null: nothing of the
// kind.
ExprPtr said_by(const Expr& equation, bool& contradicts);
Judgement compare_relations(const ExprPtr& a, const ExprPtr& b);

}  // namespace circuitdiff
