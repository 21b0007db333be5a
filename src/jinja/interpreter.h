// Runs a syntax tree: scopes, statements, macros, loops. Expressions are evaluated in evaluate.cpp.
// A name is looked up through the scopes around it, then among the template's top-level names, then the
// variables, then the globals. Loop bodies, macros, and with, filter, set and call blocks have a scope of
// their own; if does not.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "jinja/ast.h"
#include "jinja/runtime.h"

namespace circuitdiff::jinja {

struct Scope {
  explicit Scope(std::shared_ptr<Scope> outer) : parent(std::move(outer)) {}
  std::vector<std::pair<uint32_t, Value>> variables;
  std::shared_ptr<Scope> parent;  // null: the top level
  bool remembered = false;        // by a macro or a recursive loop
  bool block = false;             // of a {% block %}: sees the variables that the top level hides
};
using ScopePtr = std::shared_ptr<Scope>;

class Interpreter {
 public:
  Interpreter(const Template& tree, Runtime& rt, const nlohmann::ordered_json& variables);
  std::string run();

  // For macros, recursive loops and blocks.
  std::string render_body(const Body& body, const ScopePtr& scope);
  std::string render_loop(const Stmt& loop, const ScopePtr& scope, const Value& iterable, int depth);
  std::string render_block(const Stmt& block);
  Value evaluate(const Expr& expr, const ScopePtr& scope);
  void set(const ScopePtr& scope, uint32_t symbol, Value value);
  void hide(Scope& scope, const std::vector<uint32_t>& hidden) const;

  const Template& tree;
  Runtime& rt;
  // Names with a meaning of their own; kNoSymbol where the template does not mention them.
  static constexpr uint32_t kNoSymbol = ~0u;
  uint32_t loop_symbol, caller_symbol, kwargs_symbol, varargs_symbol;

 private:
  enum class Flow { next, break_loop, continue_loop };

  Flow run_body(const Body& body, const ScopePtr& scope, std::string& out);
  Flow run_statement(const Stmt& stmt, const ScopePtr& scope, std::string& out);
  Flow run_loop(const Stmt& stmt, const ScopePtr& scope, const Value& iterable, int depth, std::string& out);
  void run_assign_block(const Stmt& stmt, const ScopePtr& scope, Flow& flow);
  void append(std::string& out, std::string_view text);
  Value evaluate_output(const Expr& expr, const ScopePtr& scope);
  ScopePtr enter(const ScopePtr& parent, const std::vector<uint32_t>& hidden) const;

  const Value* find(const ScopePtr& scope, uint32_t symbol) const;
  Value lookup(const ScopePtr& scope, uint32_t symbol) const;
  void assign(const Expr& target, const Value& value, const ScopePtr& scope);
  void require_namespaces(const Expr& target, const ScopePtr& scope);
  std::vector<Value> unpack(const Expr& target, const Value& value);
  IteratorPtr filtered(const Stmt& loop, const ScopePtr& scope, IteratorPtr source);
  Value make_macro(const Stmt& stmt, const ScopePtr& scope, bool named);
  void remember(const ScopePtr& scope);

  Value evaluate_call(const Expr& expr, const ScopePtr& scope, const Value* caller);
  Value evaluate_filter(const Expr& expr, const ScopePtr& scope, const Value* input);
  Value evaluate_compare(const Expr& expr, const ScopePtr& scope);
  Arguments evaluate_arguments(const Expr& expr, size_t first, const ScopePtr& scope);

  bool folding_ = false;                         // inside an output that jinja2 evaluates while it compiles
  std::vector<std::optional<Value>> variables_;  // by symbol: what the caller gave, and the globals
  std::vector<std::optional<Value>> top_;        // by symbol: what the top level has set
  std::vector<bool> hidden_;                     // by symbol: undefined at the top level until set there
};

}  // namespace circuitdiff::jinja
