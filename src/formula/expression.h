// What an answer says, as a tree: numbers, symbols, sums, products, powers, functions; and what answers are
// made of beyond one number: relations, lists, tuples, intervals, sets, unions, matrices, ratios, numbers in
// another base.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "formula/number.h"

namespace circuitdiff {

enum class ExprKind {
  number,  // value
  symbol,  // name: "x", "c_1", "\\theta"
  pi,      // constants
  e,
  i,
  infinity,
  sum,         // args
  product,     // args
  power,       // base, exponent
  call,        // name of a function, args
  plus_minus,  // one arg; name "+-" or "-+"
  percent,     // one arg
  degree,      // one arg
  ratio,       // args: a : b : c
  based,       // name: digits; value: what they are worth; args: base
  relation,    // name: = < > <= >= != in ~; two args
  list,    // args; open and close: '(' ')', '[' ')', '{' '}', or 0 for a list without brackets; name: "and",
           // "or" if said
  join,    // args: a union of sets
  matrix,  // args row by row
  reals    // the real line
};

struct Expr;
using ExprPtr = std::shared_ptr<const Expr>;

struct Expr {
  ExprKind kind = ExprKind::number;
  std::string name;
  Rational value;
  std::vector<ExprPtr> args;
  char open = 0, close = 0;
  size_t rows = 0, columns = 0;
  bool decimal = false;    // a number written with a point or an exponent
  int decimals = 0;        // digits behind its point
  size_t exact_sides = 0;  // of a chain of equations: sides before the first "about equal"
  std::string spelling;    // of a product written as letters in one: "HTH", "AB", "cat"
  std::string unit;        // words after the expression, lower case, one space between them
};

inline bool is_list(const Expr& e) { return e.kind == ExprKind::list; }
// One number or expression, no list, relation, set or matrix.
inline bool is_value(const Expr& e) {
  return e.kind != ExprKind::list && e.kind != ExprKind::relation && e.kind != ExprKind::join &&
         e.kind != ExprKind::matrix && e.kind != ExprKind::reals;
}

ExprPtr make_number(Rational value);
ExprPtr make_symbol(std::string name);
ExprPtr make_node(ExprKind kind, std::vector<ExprPtr> args, std::string name = {});
ExprPtr make_negative(ExprPtr a);

// One text for one tree; the order of terms and factors does not matter.
std::string canonical_text(const Expr& e);

void collect_symbols(const Expr& e, std::set<std::string>& out);
bool contains(const Expr& e, ExprKind kind);

// A copy with every plus_minus decided: `sign` for "+-", -sign for "-+".
ExprPtr with_sign(const ExprPtr& e, int sign);

// The exact value, where the tree is rational arithmetic of moderate size.
std::optional<Rational> exact_value(const Expr& e);

}  // namespace circuitdiff
