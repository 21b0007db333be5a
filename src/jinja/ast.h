// The syntax tree of a template. One struct for expressions and one for statements; which fields matter is
// said beside each kind. Names are interned: a number into Template::names.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "jinja/value.h"

namespace circuitdiff::jinja {

enum class ExprKind {
  constant,     // value
  name,         // symbol
  member,       // symbol.text as an assignment target (a namespace's attribute)
  tuple,        // children
  list,         // children
  dict,         // children: key, value, key, value, ...
  conditional,  // children: test, then[, else]
  logical_or,
  logical_and,  // two children
  logical_not,  // one
  compare,      // children: first, then one for each of `operators`
  add,
  subtract,
  multiply,
  divide,
  floor_divide,
  modulo,
  power,   // two children
  concat,  // children
  negate,
  positive,   // one child
  attribute,  // children[0].text
  item,       // children[0][children[1]]
  slice,      // children[0][children[1] : children[2] : children[3]], null where absent
  call,       // children[0](children[1...], keywords, star, double_star)
  filter,     // children[0] | text(children[1...], ...); children[0] is null in a filter block
  test,       // children[0] is text(children[1...], ...)
};
enum class CompareOp { eq, ne, lt, le, gt, ge, in, not_in };

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

struct Expr {
  ExprKind kind = ExprKind::constant;
  int line = 0;
  int depth = 1;        // of the tree below, itself included
  bool stores = false;  // a name that is assigned to
  bool slices = false;  // has a slice in it
  uint32_t symbol = 0;
  Value value;
  std::string text;
  std::vector<ExprPtr> children;
  std::vector<CompareOp> operators;
  std::vector<std::pair<std::string, ExprPtr>> keywords;
  ExprPtr star, double_star;
};

enum class StmtKind {
  data,          // text
  output,        // expressions
  condition,     // branches: {test (null for else), body}
  loop,          // target, iter, test?, body, otherwise; recursive, uses_loop
  assign,        // target = iter
  assign_block,  // target = body, through filter `iter`?
  macro,         // symbol, signature, body
  call_block,    // signature, body, call `iter`; also {% generation %}, which has no call
  filter_block,  // filter `iter` over body
  with,          // targets[i] = expressions[i], body
  block,         // text (its name), body; required
  load,          // include, import, from, extends: text
  break_loop,
  continue_loop,
};

struct Stmt;
using StmtPtr = std::unique_ptr<Stmt>;
using Body = std::vector<StmtPtr>;

// The parameters of a macro or call block, the last `defaults.size()` of them with a default.
struct Signature {
  std::vector<uint32_t> parameters;
  std::vector<uint32_t> hidden;  // of the top level
  std::vector<std::string> names;
  std::vector<ExprPtr> defaults;
  bool uses_caller = false, uses_kwargs = false, uses_varargs = false;
};

struct Branch {
  ExprPtr test;
  Body body;
};

struct Stmt {
  StmtKind kind = StmtKind::data;
  int line = 0;
  uint32_t symbol = 0;
  std::string text;
  ExprPtr target, iter, test;
  std::vector<ExprPtr> targets, expressions;
  std::vector<Branch> branches;
  Body body, otherwise;
  Signature signature;
  bool recursive = false, uses_loop = false, required = false, scoped = false;
  // Names that the scope of the body (of the loop's else) assigns somewhere, and that are undefined until
  // then even where a variable of that name exists: see analysis.h.
  std::vector<uint32_t> hidden, hidden_otherwise;
};

struct Template {
  std::string name;
  Body body;
  std::vector<uint32_t> hidden;                             // of the top level
  std::vector<std::string> names;                           // of symbols
  std::vector<std::pair<std::string, const Stmt*>> blocks;  // by name
};

// Throws Error "NAME:LINE: ..." on a syntax error.
std::shared_ptr<const Template> parse_template(std::string_view source, const std::string& name);

// Whether a filter or test of that name exists.
bool is_filter(std::string_view name);
bool is_test(std::string_view name);

}  // namespace circuitdiff::jinja
