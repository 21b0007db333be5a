// What compare.cpp (values, one item against another), compare_lists.cpp and compare_relations.cpp (equations
// and inequalities) ask of each other.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formula/expression.h"
#include "formula/verdict.h"

namespace circuitdiff {

inline Judgement equal(std::string reason) { return {Verdict::equal, std::move(reason)}; }
inline Judgement different(std::string reason) { return {Verdict::different, std::move(reason)}; }
inline Judgement undecided(std::string reason) { return {Verdict::undecided, std::move(reason)}; }

// In compare.cpp.
Judgement compare_items(const ExprPtr& a, const ExprPtr& b);

// In compare_lists.cpp.
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
std::optional<Judgement> compare_by_name(const Expr& a, const Expr& b);

// In compare_relations.cpp.
bool is_equation(const Expr& e);
bool is_name(const Expr& e);      // a side that only names what the other side says
bool says_a_size(const Expr& e);  // |x| = 3
bool has_symbols(const Expr& e);
// What an equation says as an answer: "x = 5" says 5, "2 + 3 = 5" says 5 if it is true. Null: nothing of the
// kind.
ExprPtr said_by(const Expr& equation, bool& contradicts);
Judgement compare_relations(const ExprPtr& a, const ExprPtr& b);

}  // namespace circuitdiff
