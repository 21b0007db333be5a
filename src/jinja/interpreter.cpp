#include "jinja/interpreter.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "jinja/objects.h"
#include "jinja/operators.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {

Interpreter::Interpreter(const Template& template_tree, Runtime& runtime,
                         const nlohmann::ordered_json& variables)
    : tree(template_tree),
      rt(runtime),
      variables_(template_tree.names.size()),
      top_(template_tree.names.size()),
      hidden_(template_tree.names.size()) {
  for (const uint32_t hidden : tree.hidden) hidden_[hidden] = true;
  const auto symbol = [&](const char* name) {
    const auto at = std::find(tree.names.begin(), tree.names.end(), name);
    return at == tree.names.end() ? kNoSymbol : static_cast<uint32_t>(at - tree.names.begin());
  };
  loop_symbol = symbol("loop");
  caller_symbol = symbol("caller");
  for (size_t i = 0; i < tree.names.size(); ++i) {
    const auto at = variables.find(tree.names[i]);
    variables_[i] = at != variables.end() ? from_json(*at) : find_global(tree.names[i]);
  }
}

std::string Interpreter::run() { return render_body(tree.body, nullptr); }

std::string Interpreter::render_body(const Body& body, const ScopePtr& scope) {
  std::string out;
  run_body(body, scope, out);
  return out;
}

void Interpreter::hide(Scope& scope, const std::vector<uint32_t>& hidden) const {
  for (const uint32_t symbol : hidden) scope.variables.emplace_back(symbol, undefined_name(symbol));
}

ScopePtr Interpreter::enter(const ScopePtr& parent, const std::vector<uint32_t>& hidden) const {
  auto scope = std::make_shared<Scope>(parent);
  hide(*scope, hidden);
  return scope;
}

void Interpreter::append(std::string& out, std::string_view text) {
  rt.budget.copy(text.size());
  if (out.size() + text.size() > kMaxOutputBytes)
    raise("ResourceError", "the rendered text would exceed 32 MiB");
  out += text;
}

void Interpreter::print(const Value& value, std::string& out) {
  if (value.is_text()) {
    append(out, value.bytes());
  } else {
    append(out, to_text(rt, value));
  }
}

Value Interpreter::undefined_name(uint32_t symbol) const {
  return Value::undefined(fmt::format("{} is undefined", repr(tree.names[symbol])));
}

const Value* Interpreter::find(const ScopePtr& scope, uint32_t symbol) const {
  for (const Scope* s = scope.get(); s; s = s->parent.get())
    for (const auto& [known, value] : s->variables)
      if (known == symbol) return &value;
  if (top_[symbol]) return &*top_[symbol];
  if (hidden_[symbol]) return nullptr;
  if (variables_[symbol]) return &*variables_[symbol];
  refuse_global(tree.names[symbol]);
  return nullptr;
}

Value Interpreter::lookup(const ScopePtr& scope, uint32_t symbol) const {
  const Value* value = find(scope, symbol);
  return value ? *value : undefined_name(symbol);
}

void Interpreter::set(const ScopePtr& scope, uint32_t symbol, Value value) {
  if (symbol == kNoSymbol) return;
  if (!scope) {
    top_[symbol] = std::move(value);
    return;
  }
  for (auto& [known, old] : scope->variables) {
    if (known == symbol) {
      old = std::move(value);
      return;
    }
  }
  scope->variables.emplace_back(symbol, std::move(value));
}

std::vector<Value> Interpreter::unpack(const Expr& target, const Value& value) {
  if (!iterable(value)) raise("TypeError", "cannot unpack non-iterable {} object", type_name(value));
  const size_t wanted = target.children.size();
  std::vector<Value> values = collect(rt, value);
  if (values.size() > wanted) raise("ValueError", "too many values to unpack (expected {})", wanted);
  if (values.size() < wanted)
    raise("ValueError", "not enough values to unpack (expected {}, got {})", wanted, values.size());
  return values;
}

void Interpreter::assign(const Expr& target, const Value& value, const ScopePtr& scope) {
  if (target.kind == ExprKind::name) {
    set(scope, target.symbol, value);
  } else if (target.kind == ExprKind::member) {
    const Value* holder = find(scope, target.symbol);
    Namespace* space = holder ? holder->object<Namespace>() : nullptr;
    if (!space) raise("TemplateRuntimeError", "cannot assign attribute on non-namespace object");
    space->set(target.text, value);
  } else {
    const std::vector<Value> values = unpack(target, value);
    for (size_t i = 0; i < values.size(); ++i) assign(*target.children[i], values[i], scope);
  }
}

// The scopes that a macro remembers may hold that macro: they are kept and emptied at the end of the
// rendering.
Value Interpreter::make_macro(const Stmt& stmt, const ScopePtr& scope) {
  for (ScopePtr s = scope; s && !s->remembered; s = s->parent) {
    s->remembered = true;
    rt.empty_at_end([s] { s->variables.clear(); });
  }
  return Value(ObjectPtr(std::make_shared<Macro>(*this, stmt, scope)));
}

Interpreter::Flow Interpreter::run_body(const Body& body, const ScopePtr& scope, std::string& out) {
  rt.check_stack();
  for (const StmtPtr& stmt : body) {
    rt.budget.spend(1);
    if (const Flow flow = run_statement(*stmt, scope, out); flow != Flow::next) return flow;
  }
  return Flow::next;
}

Interpreter::Flow Interpreter::run_statement(const Stmt& stmt, const ScopePtr& scope, std::string& out) {
  rt.line = stmt.line;
  switch (stmt.kind) {
    case StmtKind::data:
      append(out, stmt.text);
      return Flow::next;
    case StmtKind::output: {
      const Value value = evaluate(*stmt.expressions[0], scope);
      rt.line = stmt.expressions[0]->line;
      print(value, out);
      return Flow::next;
    }
    case StmtKind::condition:
      for (const Branch& branch : stmt.branches)
        if (!branch.test || truth(evaluate(*branch.test, scope))) return run_body(branch.body, scope, out);
      return Flow::next;
    case StmtKind::loop:
      return run_loop(stmt, scope, out);
    case StmtKind::assign: {
      const Value value = evaluate(*stmt.iter, scope);
      rt.line = stmt.line;
      assign(*stmt.target, value, scope);
      return Flow::next;
    }
    case StmtKind::assign_block:
      return run_assign_block(stmt, scope);
    case StmtKind::macro:
      set(scope, stmt.symbol, make_macro(stmt, scope));
      return Flow::next;
    case StmtKind::call_block:
      run_call_block(stmt, scope, out);
      return Flow::next;
    case StmtKind::filter_block:
      return run_filter_block(stmt, scope, out);
    case StmtKind::break_loop:
      return Flow::break_loop;
    case StmtKind::continue_loop:
      return Flow::continue_loop;
  }
  return Flow::next;
}

Interpreter::Flow Interpreter::run_assign_block(const Stmt& stmt, const ScopePtr& scope) {
  const ScopePtr inner = enter(scope, stmt.hidden);
  std::string text;
  if (const Flow flow = run_body(stmt.body, inner, text); flow != Flow::next) return flow;
  rt.line = stmt.line;
  rt.budget.text(text.size());
  Value value(std::move(text));
  if (stmt.iter) value = evaluate_filter(*stmt.iter, inner, &value);
  assign(*stmt.target, value, scope);
  return Flow::next;
}

Interpreter::Flow Interpreter::run_filter_block(const Stmt& stmt, const ScopePtr& scope, std::string& out) {
  const ScopePtr inner = enter(scope, stmt.hidden);
  std::string text;
  if (const Flow flow = run_body(stmt.body, inner, text); flow != Flow::next) return flow;
  rt.budget.text(text.size());
  const Value input(std::move(text));
  print(evaluate_filter(*stmt.iter, inner, &input), out);
  return Flow::next;
}

void Interpreter::run_call_block(const Stmt& stmt, const ScopePtr& scope, std::string& out) {
  const Value caller = make_macro(stmt, scope);
  print(stmt.iter ? evaluate_call(*stmt.iter, scope, &caller) : call_value(rt, caller, {}), out);
}

// `for target in items if test`: whether an item passes; what it is unpacked into is kept as a tuple, since a
// generator gives its values only once.
bool Interpreter::passes(const Stmt& loop, const ScopePtr& scope, Value& item) {
  if (!loop.test) return true;
  if (loop.target->kind == ExprKind::tuple) item = Value::tuple(unpack(*loop.target, item));
  const auto inner = std::make_shared<Scope>(scope);
  assign(*loop.target, item, inner);
  return truth(evaluate(*loop.test, inner));
}

Interpreter::Flow Interpreter::run_loop(const Stmt& stmt, const ScopePtr& scope, std::string& out) {
  rt.check_stack();
  const Value iterable = evaluate(*stmt.iter, scope);
  rt.line = stmt.line;
  const auto loop = std::make_shared<LoopContext>(*this, stmt, scope, iterable);
  bool completed = false;  // some pass reached the end of the body
  ScopePtr inner;
  Value item;
  while (loop->advance(item)) {
    rt.budget.spend(1);
    // The scope of the pass before serves again where nothing remembers it.
    if (inner && inner.use_count() == 1) {
      inner->variables.clear();
      hide(*inner, stmt.hidden);
    } else {
      inner = enter(scope, stmt.hidden);
    }
    assign(*stmt.target, item, inner);
    set(inner, loop_symbol, Value(ObjectPtr(loop)));
    const Flow flow = run_body(stmt.body, inner, out);
    if (flow == Flow::break_loop) break;
    if (flow == Flow::next) completed = true;
    rt.line = stmt.line;
  }
  if (completed || stmt.otherwise.empty()) return Flow::next;
  return run_body(stmt.otherwise, enter(scope, stmt.hidden_otherwise), out);
}

}  // namespace circuitdiff::jinja
