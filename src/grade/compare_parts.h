// What compare.cpp (lists, values, one item against another) and compare_relations.cpp (equations and
// inequalities) ask of each other.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "grade/expression.h"
#include "grade/judge.h"

namespace circuitdiff {

inline Judgement equal(std::string reason) { return {Verdict::equal, std::move(reason)}; }
inline Judgement different(std::string reason) { return {Verdict::different, std::move(reason)}; }
inline Judgement undecided(std::string reason) { return {Verdict::undecided, std::move(reason)}; }

// In compare.cpp.
Judgement compare_items(const ExprPtr& a, const ExprPtr& b);
Judgement compare_in_order(const std::vector<ExprPtr>& a, const std::vector<ExprPtr>& b,
                           const std::string& what);

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
