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
  compare,      // children: first, then one for each of `comparisons`
  arithmetic,   // two children, `operation` of them
  negate,       // one child
  attribute,    // children[0].text
  item,         // children[0][children[1]]
  slice,        // children[0][children[1] : children[2] : children[3]], null where absent
  call,         // children[0](children[1...], keywords, star)
  filter,       // children[0] | text(children[1...], ...); children[0] is null in a filter block
  test,         // children[0] is text(children[1...], ...)
};
using Operation = Value (*)(Runtime& rt, const Value& a, const Value& b);
using Comparison = bool (*)(Runtime& rt, const Value& a, const Value& b);

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

struct Expr {
  ExprKind kind = ExprKind::constant;
  int line = 0;
  int depth = 1;        // of the tree below, itself included
  bool stores = false;  // a name that is assigned to
  uint32_t symbol = 0;
  Value value;
  std::string text;
  Operation operation = nullptr;
  std::vector<ExprPtr> children;
  std::vector<Comparison> comparisons;
  std::vector<std::pair<std::string, ExprPtr>> keywords;
  ExprPtr star;
};

enum class StmtKind {
  data,          // text
  output,        // expressions
  condition,     // branches: {test (null for else), body}
  loop,          // target, iter, test?, body, otherwise
  assign,        // target = iter
  assign_block,  // target = body, through filter `iter`?
  macro,         // symbol, signature, body
  call_block,    // signature, body, call `iter`; also {% generation %}, which has no call
  filter_block,  // filter `iter` over body
  break_loop,
  continue_loop,
};

struct Stmt;
using StmtPtr = std::unique_ptr<Stmt>;
using Body = std::vector<StmtPtr>;

// The parameters of a macro or call block, the last `defaults.size()` of them with a default.
struct Signature {
  std::vector<uint32_t> parameters;
  std::vector<ExprPtr> defaults;
  bool uses_caller = false;  // the body mentions the call block that it is called with
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
  std::vector<ExprPtr> expressions;
  std::vector<Branch> branches;
  Body body, otherwise;
  Signature signature;
  // Names that the scope of the body (of the loop's else) assigns somewhere, and that are undefined until
  // then even where a variable of that name exists: see scopes.cpp.
  std::vector<uint32_t> hidden, hidden_otherwise;
};

struct Template {
  std::string name;
  Body body;
  std::vector<uint32_t> hidden;    // of the top level
  std::vector<std::string> names;  // of symbols
};

// Throws Error "NAME:LINE: ..." on a syntax error and on a statement that is not kept.
std::shared_ptr<const Template> parse_template(std::string_view source, const std::string& name);

// Fills in `hidden` of the template and of every statement with a scope (scopes.cpp).
void find_hidden_names(Template& tree);

}  // namespace circuitdiff::jinja
