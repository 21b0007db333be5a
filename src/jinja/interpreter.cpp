#include "jinja/interpreter.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "jinja/macro.h"
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
  kwargs_symbol = symbol("kwargs");
  varargs_symbol = symbol("varargs");
  for (size_t i = 0; i < tree.names.size(); ++i) {
    const auto at = variables.find(tree.names[i]);
    if (at != variables.end()) {
      variables_[i] = from_json(*at, rt);
    } else if (tree.names[i] == "self") {
      variables_[i] = Value(ObjectPtr(std::make_shared<SelfObject>(*this)));
    } else {
      variables_[i] = find_global(tree.names[i]);
    }
  }
}

std::string Interpreter::run() {
  std::string out;
  run_body(tree.body, nullptr, out);
  return out;
}

std::string Interpreter::render_body(const Body& body, const ScopePtr& scope) {
  std::string out;
  run_body(body, scope, out);
  return out;
}

std::string Interpreter::render_loop(const Stmt& loop, const ScopePtr& scope, const Value& iterable,
                                     int depth) {
  const CallGuard guard(rt);
  std::string out;
  run_loop(loop, scope, iterable, depth, out);
  rt.budget.text(out.size());
  return out;
}

std::string Interpreter::render_block(const Stmt& block) {
  const CallGuard guard(rt);
  const ScopePtr scope = enter(nullptr, block.hidden);
  scope->block = true;
  return render_body(block.body, scope);
}

void Interpreter::hide(Scope& scope, const std::vector<uint32_t>& hidden) const {
  for (const uint32_t symbol : hidden)
    scope.variables.emplace_back(symbol,
                                 Value::undefined(fmt::format("{} is undefined", repr(tree.names[symbol]))));
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

const Value* Interpreter::find(const ScopePtr& scope, uint32_t symbol) const {
  bool in_block = false;
  for (const Scope* s = scope.get(); s; s = s->parent.get()) {
    in_block = s->block;
    for (const auto& [known, value] : s->variables)
      if (known == symbol) return &value;
  }
  if (top_[symbol]) return &*top_[symbol];
  if (hidden_[symbol] && !in_block) return nullptr;
  return variables_[symbol] ? &*variables_[symbol] : nullptr;
}

Value Interpreter::lookup(const ScopePtr& scope, uint32_t symbol) const {
  const Value* value = find(scope, symbol);
  return value ? *value : Value::undefined(fmt::format("{} is undefined", repr(tree.names[symbol])));
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

void Interpreter::require_namespaces(const Expr& target, const ScopePtr& scope) {
  if (target.kind == ExprKind::member) {
    const Value* value = find(scope, target.symbol);
    if (!value || !value->object<Namespace>())
      raise("TemplateRuntimeError", "cannot assign attribute on non-namespace object");
  }
  for (const ExprPtr& child : target.children) require_namespaces(*child, scope);
}

std::vector<Value> Interpreter::unpack(const Expr& target, const Value& value) {
  if (!iterable(rt, value))
    raise("TypeError", fmt::format("cannot unpack non-iterable {} object", type_name(value)));
  const size_t wanted = target.children.size();
  std::vector<Value> values;
  const IteratorPtr it = iterate(rt, value);
  for (Value v; it->next(rt, v);) {
    rt.budget.spend(1);
    if (values.size() == wanted)
      raise("ValueError", fmt::format("too many values to unpack (expected {})", wanted));
    values.push_back(std::move(v));
  }
  if (values.size() < wanted)
    raise("ValueError",
          fmt::format("not enough values to unpack (expected {}, got {})", wanted, values.size()));
  return values;
}

void Interpreter::assign(const Expr& target, const Value& value, const ScopePtr& scope) {
  if (target.kind == ExprKind::name) {
    set(scope, target.symbol, value);
  } else if (target.kind == ExprKind::member) {
    const Value* holder = find(scope, target.symbol);
    Namespace* space = holder ? holder->object<Namespace>() : nullptr;
    if (!space) raise("TypeError", "cannot assign attribute on non-namespace object");
    space->set(target.text, value);
  } else {
    const std::vector<Value> values = unpack(target, value);
    for (size_t i = 0; i < values.size(); ++i) assign(*target.children[i], values[i], scope);
  }
}

// Scopes that something remembers may hold that something: they are kept and emptied at the end of the
// rendering.
void Interpreter::remember(const ScopePtr& scope) {
  for (ScopePtr s = scope; s && !s->remembered; s = s->parent) {
    s->remembered = true;
    rt.empty_at_end([s] { s->variables.clear(); });
  }
}

Value Interpreter::make_macro(const Stmt& stmt, const ScopePtr& scope, bool named) {
  remember(scope);
  return Value(ObjectPtr(std::make_shared<Macro>(*this, stmt, scope, named)));
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
    case StmtKind::output:
      for (const ExprPtr& expr : stmt.expressions) {
        const Value value = evaluate_output(*expr, scope);
        rt.line = expr->line;
        if (value.is_text()) {
          append(out, value.bytes());
        } else {
          append(out, to_text(rt, value));
        }
      }
      return Flow::next;
    case StmtKind::condition:
      for (const Branch& branch : stmt.branches)
        if (!branch.test || truth(rt, evaluate(*branch.test, scope)))
          return run_body(branch.body, scope, out);
      return Flow::next;
    case StmtKind::loop: {
      const Value iterable = evaluate(*stmt.iter, scope);
      rt.line = stmt.line;
      if (!stmt.recursive) return run_loop(stmt, scope, iterable, 0, out);
      append(out, render_loop(stmt, scope, iterable, 0));
      return Flow::next;
    }
    case StmtKind::assign: {
      require_namespaces(*stmt.target, scope);
      const Value value = evaluate(*stmt.iter, scope);
      rt.line = stmt.line;
      assign(*stmt.target, value, scope);
      return Flow::next;
    }
    case StmtKind::assign_block: {
      Flow flow = Flow::next;
      run_assign_block(stmt, scope, flow);
      return flow;
    }
    case StmtKind::macro:
      set(scope, stmt.symbol, make_macro(stmt, scope, true));
      return Flow::next;
    case StmtKind::call_block: {
      const Value caller = make_macro(stmt, scope, false);
      const Value result = stmt.iter ? evaluate_call(*stmt.iter, scope, &caller) : call_value(rt, caller, {});
      append(out, to_text(rt, result));
      return Flow::next;
    }
    case StmtKind::filter_block: {
      const ScopePtr inner = enter(scope, stmt.hidden);
      std::string text;
      if (const Flow flow = run_body(stmt.body, inner, text); flow != Flow::next) return flow;
      rt.budget.text(text.size());
      const Value input(std::move(text));
      append(out, to_text(rt, evaluate_filter(*stmt.iter, inner, &input)));
      return Flow::next;
    }
    case StmtKind::with: {
      const ScopePtr inner = enter(scope, stmt.hidden);
      for (size_t i = 0; i < stmt.targets.size(); ++i)
        assign(*stmt.targets[i], evaluate(*stmt.expressions[i], scope), inner);
      return run_body(stmt.body, inner, out);
    }
    case StmtKind::block: {
      if (stmt.required)
        raise("TemplateRuntimeError", fmt::format("Required block {} not found", repr(stmt.text)));
      if (!stmt.scoped) {
        append(out, render_block(stmt));
        return Flow::next;
      }
      const CallGuard guard(rt);
      append(out, render_body(stmt.body, enter(scope, stmt.hidden)));
      return Flow::next;
    }
    case StmtKind::load:
      raise("TypeError",
            fmt::format("no loader for this environment specified: {} has nothing to load from", stmt.text));
    case StmtKind::break_loop:
      return Flow::break_loop;
    case StmtKind::continue_loop:
      return Flow::continue_loop;
  }
  return Flow::next;
}

void Interpreter::run_assign_block(const Stmt& stmt, const ScopePtr& scope, Flow& flow) {
  const ScopePtr inner = enter(scope, stmt.hidden);
  std::string text;
  flow = run_body(stmt.body, inner, text);
  if (flow != Flow::next) return;
  rt.line = stmt.line;
  rt.budget.text(text.size());
  Value value(std::move(text));
  if (stmt.iter) value = evaluate_filter(*stmt.iter, inner, &value);
  require_namespaces(*stmt.target, scope);
  assign(*stmt.target, value, scope);
}

// `for target in source if test`: the targets' values that pass, rebuilt as the target has them.
IteratorPtr Interpreter::filtered(const Stmt& loop, const ScopePtr& scope, IteratorPtr source) {
  const int depth = source->depth;
  return make_iterator(
      [this, &loop, scope, source](Runtime& run, Value& out) {
        while (source->next(run, out)) {
          run.budget.spend(1);
          const auto inner = std::make_shared<Scope>(scope);
          assign(*loop.target, out, inner);
          if (!truth(run, evaluate(*loop.test, inner))) continue;
          if (loop.target->kind == ExprKind::tuple) out = Value::tuple(unpack(*loop.target, out));
          return true;
        }
        return false;
      },
      depth);
}

Interpreter::Flow Interpreter::run_loop(const Stmt& stmt, const ScopePtr& scope, const Value& iterable,
                                        int depth, std::string& out) {
  rt.check_stack();
  IteratorPtr source = iterate(rt, iterable);
  std::optional<size_t> known = stmt.test ? std::nullopt : length(rt, iterable);
  if (stmt.test) source = filtered(stmt, scope, std::move(source));
  std::shared_ptr<LoopContext> context;
  if (stmt.uses_loop) {
    if (stmt.recursive) remember(scope);
    context = std::make_shared<LoopContext>(*this, stmt, scope, source, known, depth);
  }
  bool completed = false;  // some pass reached the end of the body
  ScopePtr inner;
  Value item;
  while (context ? context->advance(rt, item) : source->next(rt, item)) {
    rt.budget.spend(1);
    if (inner && inner.use_count() == 1) {
      inner->variables.clear();
    } else {
      inner = std::make_shared<Scope>(scope);
    }
    hide(*inner, stmt.hidden);
    assign(*stmt.target, item, inner);
    if (context) set(inner, loop_symbol, Value(ObjectPtr(context)));
    const Flow flow = run_body(stmt.body, inner, out);
    if (flow == Flow::break_loop) break;
    if (flow == Flow::next) completed = true;
    rt.line = stmt.line;
  }
  if (completed || stmt.otherwise.empty()) return Flow::next;
  return run_body(stmt.otherwise, enter(scope, stmt.hidden_otherwise), out);
}

}  // namespace circuitdiff::jinja
