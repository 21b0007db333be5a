// The expressions of a template.
#include "jinja/builtins.h"
#include "jinja/interpreter.h"
#include "jinja/operators.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {

Value Interpreter::evaluate(const Expr& expr, const ScopePtr& scope) {
  rt.budget.spend(1);
  rt.check_stack();
  rt.line = expr.line;
  const auto child = [&](size_t i) { return evaluate(*expr.children[i], scope); };
  switch (expr.kind) {
    case ExprKind::constant:
      return expr.value;
    case ExprKind::name:
      return lookup(scope, expr.symbol);
    case ExprKind::tuple:
    case ExprKind::list:
    case ExprKind::dict:
      return evaluate_items(expr, scope);
    case ExprKind::conditional:
      if (truth(child(0))) return child(1);
      if (expr.children.size() > 2) return child(2);
      return Value::undefined(fmt::format(
          "the inline if-expression on line {} evaluated to false and no else section was defined.",
          expr.line));
    case ExprKind::logical_or: {
      Value left = child(0);
      return truth(left) ? left : child(1);
    }
    case ExprKind::logical_and: {
      Value left = child(0);
      return truth(left) ? child(1) : left;
    }
    case ExprKind::logical_not:
      return Value(!truth(child(0)));
    case ExprKind::compare:
      return evaluate_compare(expr, scope);
    case ExprKind::arithmetic: {
      const Value left = child(0);
      const Value right = child(1);
      rt.line = expr.line;
      return expr.operation(rt, left, right);
    }
    case ExprKind::negate:
      return negate(child(0));
    case ExprKind::member:
    case ExprKind::attribute:
    case ExprKind::item:
    case ExprKind::slice:
      return evaluate_access(expr, scope);
    case ExprKind::call:
      return evaluate_call(expr, scope, nullptr);
    case ExprKind::filter:
      return evaluate_filter(expr, scope, nullptr);
    case ExprKind::test: {
      const Value value = child(0);
      const Arguments arguments = evaluate_arguments(expr, scope);
      rt.line = expr.line;
      return Value(call_test(rt, expr.text, value, arguments));
    }
  }
  return Value();
}

Value Interpreter::evaluate_items(const Expr& expr, const ScopePtr& scope) {
  std::vector<Value> values;
  for (const ExprPtr& child : expr.children) values.push_back(evaluate(*child, scope));
  if (expr.kind == ExprKind::list) return Value::list(std::move(values));
  if (expr.kind == ExprKind::tuple) return Value::tuple(std::move(values));
  auto dict = std::make_shared<Dict>();
  for (size_t i = 0; i + 1 < values.size(); i += 2) dict->set(values[i], values[i + 1]);
  return Value(DictPtr(std::move(dict)));
}

Value Interpreter::evaluate_access(const Expr& expr, const ScopePtr& scope) {
  const Value object = evaluate(*expr.children[0], scope);
  const auto part = [&](size_t i) { return expr.children[i] ? evaluate(*expr.children[i], scope) : Value(); };
  if (expr.kind == ExprKind::slice) {
    const Value start = part(1), stop = part(2), step = part(3);
    rt.line = expr.line;
    return get_slice(rt, object, start, stop, step);
  }
  const Value key = expr.kind == ExprKind::item ? part(1) : Value();
  rt.line = expr.line;
  return expr.kind == ExprKind::item ? get_item(rt, object, key) : get_attribute(rt, object, expr.text);
}

// a < b < c: each operand once, stops at the first that does not hold.
Value Interpreter::evaluate_compare(const Expr& expr, const ScopePtr& scope) {
  Value left = evaluate(*expr.children[0], scope);
  for (size_t i = 0; i < expr.comparisons.size(); ++i) {
    Value right = evaluate(*expr.children[i + 1], scope);
    rt.line = expr.line;
    if (!expr.comparisons[i](rt, left, right)) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

// The arguments of a call, filter or test, which follow its first child.
Arguments Interpreter::evaluate_arguments(const Expr& expr, const ScopePtr& scope) {
  Arguments out;
  for (size_t i = 1; i < expr.children.size(); ++i)
    out.positional.push_back(evaluate(*expr.children[i], scope));
  if (expr.star) {
    const Value star = evaluate(*expr.star, scope);
    for (Value& v : collect(rt, star)) out.positional.push_back(std::move(v));
  }
  for (const auto& [name, value] : expr.keywords) out.keyword.emplace_back(name, evaluate(*value, scope));
  return out;
}

// `caller` is the body of a call block.
Value Interpreter::evaluate_call(const Expr& expr, const ScopePtr& scope, const Value* caller) {
  const Value target = evaluate(*expr.children[0], scope);
  Arguments arguments = evaluate_arguments(expr, scope);
  if (caller) arguments.keyword.emplace_back("caller", *caller);
  rt.line = expr.line;
  return call_value(rt, target, std::move(arguments));
}

// `input` stands in for what a filter block or a set block has rendered.
Value Interpreter::evaluate_filter(const Expr& expr, const ScopePtr& scope, const Value* input) {
  const Expr* inner = expr.children[0].get();
  Value value;
  if (!inner) {
    value = *input;
  } else if (inner->kind == ExprKind::filter && input) {
    value = evaluate_filter(*inner, scope, input);
  } else {
    value = evaluate(*inner, scope);
  }
  const Arguments arguments = evaluate_arguments(expr, scope);
  rt.line = expr.line;
  return call_filter(rt, expr.text, value, arguments);
}

}  // namespace circuitdiff::jinja
