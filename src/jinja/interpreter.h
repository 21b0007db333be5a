// Runs a syntax tree: scopes, statements, macros, loops. Expressions are evaluated in evaluate.cpp.
// A name is looked up through the scopes around it, then among the template's top-level names, then the
// variables, then the globals. Loop bodies, macros, and set, filter and call blocks have a scope of their
// own; if does not.
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
  bool remembered = false;        // by a macro
};
using ScopePtr = std::shared_ptr<Scope>;

class Interpreter {
 public:
  Interpreter(const Template& tree, Runtime& rt, const nlohmann::ordered_json& variables);
  std::string run();

  // For macros and loops.
  std::string render_body(const Body& body, const ScopePtr& scope);
  Value evaluate(const Expr& expr, const ScopePtr& scope);
  void set(const ScopePtr& scope, uint32_t symbol, Value value);
  ScopePtr enter(const ScopePtr& parent, const std::vector<uint32_t>& hidden) const;
  bool passes(const Stmt& loop, const ScopePtr& scope, Value& item);  // the loop's `if`

  const Template& tree;
  Runtime& rt;
  // Names with a meaning of their own; kNoSymbol where the template does not mention them.
  static constexpr uint32_t kNoSymbol = ~0u;
  uint32_t loop_symbol, caller_symbol;

 private:
  enum class Flow { next, break_loop, continue_loop };

  Flow run_body(const Body& body, const ScopePtr& scope, std::string& out);
  Flow run_statement(const Stmt& stmt, const ScopePtr& scope, std::string& out);
  Flow run_loop(const Stmt& stmt, const ScopePtr& scope, std::string& out);
  Flow run_assign_block(const Stmt& stmt, const ScopePtr& scope);
  Flow run_filter_block(const Stmt& stmt, const ScopePtr& scope, std::string& out);
  void run_call_block(const Stmt& stmt, const ScopePtr& scope, std::string& out);
  void append(std::string& out, std::string_view text);
  void print(const Value& value, std::string& out);

  void hide(Scope& scope, const std::vector<uint32_t>& hidden) const;
  Value undefined_name(uint32_t symbol) const;
  const Value* find(const ScopePtr& scope, uint32_t symbol) const;
  Value lookup(const ScopePtr& scope, uint32_t symbol) const;
  void assign(const Expr& target, const Value& value, const ScopePtr& scope);
  std::vector<Value> unpack(const Expr& target, const Value& value);
  Value make_macro(const Stmt& stmt, const ScopePtr& scope);

  Value evaluate_items(const Expr& expr, const ScopePtr& scope);
  Value evaluate_access(const Expr& expr, const ScopePtr& scope);
  Value evaluate_compare(const Expr& expr, const ScopePtr& scope);
  Value evaluate_call(const Expr& expr, const ScopePtr& scope, const Value* caller);
  Value evaluate_filter(const Expr& expr, const ScopePtr& scope, const Value* input);
  Arguments evaluate_arguments(const Expr& expr, const ScopePtr& scope);

  std::vector<std::optional<Value>> variables_;  // by symbol: what the caller gave, and the globals
  std::vector<std::optional<Value>> top_;        // by symbol: what the top level has set
  std::vector<bool> hidden_;                     // by symbol: undefined at the top level until set there
};

// macro.cpp: what the interpreter hands to templates as objects. A macro, also the `caller` of a call block.
class Macro : public Object {
 public:
  Macro(Interpreter& interpreter, const Stmt& stmt, ScopePtr scope)
      : interpreter_(interpreter), stmt_(stmt), scope_(std::move(scope)) {}
  std::string type_name() const override { return "Macro"; }
  std::string repr(Runtime& rt) const override;
  bool callable() const override { return true; }
  Value call(Runtime& rt, Arguments arguments) override;
  std::optional<Value> attribute(std::string_view name) override;

 private:
  Interpreter& interpreter_;
  const Stmt& stmt_;
  ScopePtr scope_;  // where it was defined
};

// The variable `loop`. It reads one item ahead only when asked whether there is one.
class LoopContext : public Object {
 public:
  LoopContext(Interpreter& interpreter, const Stmt& stmt, ScopePtr scope, const Value& iterable);
  bool advance(Value& out);
  std::string type_name() const override { return "LoopContext"; }
  std::optional<Value> attribute(std::string_view name) override;
  int depth() const override { return source_.depth() + 1; }

 private:
  bool read(Value& out);
  int64_t count();
  const std::optional<Value>& peek();

  Interpreter& interpreter_;
  const Stmt& stmt_;
  ScopePtr scope_;
  Source source_;
  std::optional<size_t> length_;
  int64_t index0_ = -1;
  std::optional<Value> before_, current_, after_;
};

}  // namespace circuitdiff::jinja
