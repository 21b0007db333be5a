// Sets of real numbers written as intervals, inequalities, finite sets and unions of them: the pieces they
// are made of, and the fewest pieces that make the same set.
#pragma once

#include <optional>
#include <vector>

#include "formula/expression.h"

namespace circuitdiff {

// The symbol that an inequality bounds; empty where there is none.
std::string bounded_symbol(const Expr& relation);

// x >= 3, 1 < x < 2 as intervals; null where the relation is of another form.
ExprPtr interval_of(const Expr& relation);

// Two half-lines that cover everything, not joined by "or", as the interval where both hold; null where the
// list is of another form.
ExprPtr both_half_lines(const Expr& list);

// The intervals and finite sets of which a set of numbers is made; false where `e` is no such set.
bool intervals_of(const ExprPtr& e, std::vector<ExprPtr>& out);

// Overlapping and touching pieces as one, from the lowest up: [0,2] and [1,3] are [0,3], (0,1) and {1} are
// (0,1]; (0,1) and (1,2) stay two. Numbers of finite sets that are left come as {x}. nullopt where an end
// cannot be compared with another (it has a symbol, say), or an interval is empty.
std::optional<std::vector<ExprPtr>> merged_intervals(const std::vector<ExprPtr>& pieces);

}  // namespace circuitdiff
