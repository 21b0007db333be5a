// Answers' notations beyond plain algebra: vectors, letters in a row, points, solutions. What the reader asks
// of expressions and tokens to tell them apart, and what it makes of them.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "formula/expression.h"
#include "formula/tokens.h"

namespace circuitdiff {

// Symbols with the dress of vectors, times numbers, sums of such; not their lengths or dot products.
bool is_vector(const Expr& e);

bool has_triangle(const Expr& e);

// "A(2, 3)" is A = (2, 3). Letters that stand for numbers or distributions as well (C, N, P) are left as they
// are, but in a list with other points.
ExprPtr named_point(const ExprPtr& e);
void name_points(std::vector<ExprPtr>& items);

// (2, 3) of "P(2, 3)" that was left as it is; null where the expression is of another form.
ExprPtr place_of_letter(const Expr& e);

// u x v as one symbol, which is -(v x u).
ExprPtr cross_product(const Expr& u, const Expr& v);

// "HTH", "cat": letters one behind the other; empty where other tokens or spaces stand among them.
std::string letters_between(const std::vector<Token>& tokens, size_t begin, size_t end);

// x, y, z; a, b; m, n; x_1, x_2: names in whose order one writes a tuple, whatever the order of equations.
bool have_usual_order(const std::set<std::string>& names);

// "x = 2, y = 3 or x = 4, y = 5": each solution as a tuple of its equations, in the usual order of their
// names; in that of the first solution where there is none. Nothing where the list is no repetition of the
// same two or more names.
std::vector<ExprPtr> solutions_in(const std::vector<ExprPtr>& items);

// More than one matrix, not counting determinants, among factors: a call of what is not computed, its
// matrices in their order, times the other factors. Null where their order does not matter.
ExprPtr matrix_product(const std::vector<ExprPtr>& factors);

}  // namespace circuitdiff
