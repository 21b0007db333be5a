// The expressions of a template.
#include <fmt/format.h>

#include <cmath>

#include "jinja/filters.h"
#include "jinja/interpreter.h"
#include "jinja/methods.h"
#include "jinja/operators.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {

namespace {
// Whether jinja2 could evaluate it while compiling.
bool is_constant(const Expr& expr) {
  if (expr.kind == ExprKind::name || expr.kind == ExprKind::call || expr.kind == ExprKind::member)
    return false;
  if (!expr.keywords.empty() || expr.star || expr.double_star) return false;
  for (const ExprPtr& child : expr.children)
    if (child && !is_constant(*child)) return false;
  return true;
}

[[noreturn]] void refuse_folding() { raise("Impossible", "not a constant"); }
}  // namespace

// jinja2 evaluates a printed constant while it compiles, and falls back on the rendering where that fails.
// The two differ only for slices that raise: a constant one is undefined.
Value Interpreter::evaluate_output(const Expr& expr, const ScopePtr& scope) {
  if (expr.slices) {
    folding_ = true;
    try {
      Value value = evaluate(expr, scope);
      folding_ = false;
      return value;
    } catch (const Raised& error) {
      folding_ = false;
      if (error.kind == "ResourceError") throw;
    }
  }
  return evaluate(expr, scope);
}

Value Interpreter::evaluate(const Expr& expr, const ScopePtr& scope) {
  rt.budget.spend(1);
  rt.check_stack();
  rt.line = expr.line;
  const auto child = [&](size_t i) { return evaluate(*expr.children[i], scope); };
  const auto binary = [&](Value (*operation)(Runtime&, const Value&, const Value&)) {
    const Value left = child(0);
    const Value right = child(1);
    rt.line = expr.line;
    return operation(rt, left, right);
  };
  switch (expr.kind) {
    case ExprKind::constant:
      return expr.value;
    case ExprKind::name:
      if (folding_) refuse_folding();
      return lookup(scope, expr.symbol);
    case ExprKind::member:
      return get_attribute(rt, lookup(scope, expr.symbol), expr.text);
    case ExprKind::tuple:
    case ExprKind::list: {
      std::vector<Value> values;
      values.reserve(expr.children.size());
      for (size_t i = 0; i < expr.children.size(); ++i) values.push_back(child(i));
      return expr.kind == ExprKind::list ? Value::list(std::move(values)) : Value::tuple(std::move(values));
    }
    case ExprKind::dict: {
      auto dict = std::make_shared<Dict>();
      for (size_t i = 0; i + 1 < expr.children.size(); i += 2) {
        Value key = child(i);
        dict->set(rt, std::move(key), child(i + 1));
      }
      return Value(DictPtr(std::move(dict)));
    }
    case ExprKind::conditional:
      if (truth(rt, child(0))) return child(1);
      if (expr.children.size() > 2) return child(2);
      return Value::undefined(fmt::format(
          "the inline if-expression on line {} evaluated to false and no else section was defined.",
          expr.line));
    case ExprKind::logical_or: {
      Value left = child(0);
      return truth(rt, left) ? left : child(1);
    }
    case ExprKind::logical_and: {
      Value left = child(0);
      return truth(rt, left) ? child(1) : left;
    }
    case ExprKind::logical_not:
      return Value(!truth(rt, child(0)));
    case ExprKind::compare:
      return evaluate_compare(expr, scope);
    case ExprKind::add:
      return binary(add);
    case ExprKind::subtract:
      return binary(subtract);
    case ExprKind::multiply:
      return binary(multiply);
    case ExprKind::divide:
      return binary(true_divide);
    case ExprKind::floor_divide:
      return binary(floor_divide);
    case ExprKind::modulo:
      return binary(modulo);
    case ExprKind::power: {
      // jinja2 writes a negative constant base into Python source without parentheses: -2 ** n is there -(2
      // ** n).
      if (!is_constant(*expr.children[0]) || is_constant(*expr.children[1])) return binary(power);
      const Value base = child(0), exponent = child(1);
      rt.line = expr.line;
      const bool minus = base.is_number() && std::signbit(to_double(base));
      return minus ? negate(power(rt, negate(base), exponent)) : power(rt, base, exponent);
    }
    case ExprKind::concat: {
      std::string out;
      for (size_t i = 0; i < expr.children.size(); ++i) {
        out += to_text(rt, child(i));
        rt.budget.text(out.size());
      }
      return Value(std::move(out));
    }
    case ExprKind::negate:
      return negate(child(0));
    case ExprKind::positive:
      return positive(child(0));
    case ExprKind::attribute: {
      const Value object = child(0);
      rt.line = expr.line;
      return get_attribute(rt, object, expr.text);
    }
    case ExprKind::item: {
      const Value object = child(0);
      const Value key = child(1);
      rt.line = expr.line;
      return get_item(rt, object, key);
    }
    case ExprKind::slice: {
      const auto bound = [&](size_t i) { return expr.children[i] ? child(i) : Value(); };
      const Value object = child(0), start = bound(1), stop = bound(2), step = bound(3);
      rt.line = expr.line;
      if (!folding_) return get_slice(rt, object, start, stop, step);
      // Where jinja2 slices while it compiles, a failure is an undefined value.
      try {
        return get_slice(rt, object, start, stop, step);
      } catch (const Raised& error) {
        if (error.kind != "TypeError") throw;
        return Value::undefined(fmt::format("{} has no element", object_type_repr(object)));
      }
    }
    case ExprKind::call:
      if (folding_) refuse_folding();
      return evaluate_call(expr, scope, nullptr);
    case ExprKind::filter:
      return evaluate_filter(expr, scope, nullptr);
    case ExprKind::test: {
      const Value value = child(0);
      const Arguments arguments = evaluate_arguments(expr, 1, scope);
      rt.line = expr.line;
      return Value(run_test(rt, expr.text, value, arguments));
    }
  }
  return Value();
}

Value Interpreter::evaluate_compare(const Expr& expr, const ScopePtr& scope) {
  // a < b < c: each operand once, stops at the first that does not hold.
  Value left = evaluate(*expr.children[0], scope);
  for (size_t i = 0; i < expr.operators.size(); ++i) {
    Value right = evaluate(*expr.children[i + 1], scope);
    rt.line = expr.line;
    bool holds = false, unordered = false;
    switch (expr.operators[i]) {
      case CompareOp::eq:
        holds = equal(rt, left, right);
        break;
      case CompareOp::ne:
        holds = !equal(rt, left, right);
        break;
      case CompareOp::lt:
        holds = compare(rt, left, right, "<", unordered) < 0;
        break;
      case CompareOp::le:
        holds = compare(rt, left, right, "<=", unordered) <= 0;
        break;
      case CompareOp::gt:
        holds = compare(rt, left, right, ">", unordered) > 0;
        break;
      case CompareOp::ge:
        holds = compare(rt, left, right, ">=", unordered) >= 0;
        break;
      case CompareOp::in:
        holds = contains(rt, right, left);
        break;
      case CompareOp::not_in:
        holds = !contains(rt, right, left);
        break;
    }
    if (!holds || unordered) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

Arguments Interpreter::evaluate_arguments(const Expr& expr, size_t first, const ScopePtr& scope) {
  Arguments out;
  for (size_t i = first; i < expr.children.size(); ++i)
    out.positional.push_back(evaluate(*expr.children[i], scope));
  if (expr.star) {
    const Value star = evaluate(*expr.star, scope);
    if (!iterable(rt, star))
      raise("TypeError", fmt::format("Value after * must be an iterable, not {}", type_name(star)));
    for (Value& v : collect(rt, star)) out.positional.push_back(std::move(v));
  }
  for (const auto& [name, value] : expr.keywords) out.keyword.emplace_back(name, evaluate(*value, scope));
  if (expr.double_star) {
    const Value named = evaluate(*expr.double_star, scope);
    const Dict* dict = named.dict();
    if (!dict)
      raise("TypeError", fmt::format("argument after ** must be a mapping, not {}", type_name(named)));
    for (const auto& [key, value] : dict->entries()) {
      if (!key.is_text()) raise("TypeError", "keywords must be strings");
      for (const auto& [known, unused] : expr.keywords)
        if (known == key.bytes())
          raise("TypeError", fmt::format("got multiple values for keyword argument {}", repr(known)));
      out.keyword.emplace_back(key.bytes(), value);
    }
  }
  return out;
}

Value Interpreter::evaluate_call(const Expr& expr, const ScopePtr& scope, const Value* caller) {
  const Expr& callee = *expr.children[0];
  // A method of a string is called without making an object of it first.
  if (callee.kind == ExprKind::attribute && !caller) {
    const Value self = evaluate(*callee.children[0], scope);
    if (self.is_text()) {
      if (const Method method = find_text_method(callee.text)) {
        const Arguments arguments = evaluate_arguments(expr, 1, scope);
        rt.line = expr.line;
        return method(rt, self, arguments);
      }
    }
    rt.line = callee.line;
    const Value target = get_attribute(rt, self, callee.text);
    Arguments arguments = evaluate_arguments(expr, 1, scope);
    rt.line = expr.line;
    return call_value(rt, target, std::move(arguments));
  }
  const Value target = evaluate(callee, scope);
  Arguments arguments = evaluate_arguments(expr, 1, scope);
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
  const Arguments arguments = evaluate_arguments(expr, 1, scope);
  rt.line = expr.line;
  if (folding_)
    for (const char* name : {"map", "select", "reject", "selectattr", "rejectattr", "random"})
      if (expr.text == name) refuse_folding();
  const Filter filter = find_filter(expr.text);
  if (!filter) raise("TemplateRuntimeError", fmt::format("No filter named {} found.", repr(expr.text)));
  return filter(rt, value, arguments);
}

}  // namespace circuitdiff::jinja
