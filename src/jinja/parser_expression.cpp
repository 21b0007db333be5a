#include <fmt/format.h>

#include <algorithm>

#include "jinja/parser.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {

ExprPtr Parser::make(ExprKind kind, int line) const {
  auto out = std::make_unique<Expr>();
  out->kind = kind;
  out->line = line;
  out->slices = kind == ExprKind::slice;
  return out;
}

void Parser::check_depth(Expr& node, const Expr* child) const {
  if (!child) return;
  node.slices = node.slices || child->slices;
  node.depth = std::max(node.depth, child->depth + 1);
  if (node.depth > kMaxSyntaxDepth) error("an expression is nested too deeply");
}

void Parser::adopt(Expr& node, ExprPtr child) const {
  check_depth(node, child.get());
  node.children.push_back(std::move(child));
}

ExprPtr Parser::with(ExprPtr node, ExprPtr a, ExprPtr b, ExprPtr c) const {
  adopt(*node, std::move(a));
  if (b) adopt(*node, std::move(b));
  if (c) adopt(*node, std::move(c));
  return node;
}

void Parser::store(Expr& target) const {
  switch (target.kind) {
    case ExprKind::name:
      target.stores = true;
      return;
    case ExprKind::member:
      return;
    case ExprKind::tuple:
      for (const ExprPtr& child : target.children) store(*child);
      return;
    default:
      error("can't assign to this expression", target.line);
  }
}

ExprPtr Parser::parse_assign_target(bool name_only, bool with_namespace, std::string_view end_word) {
  if (name_only) {
    const Token token = expect(TokenKind::name, "name");
    for (const char* reserved : {"true", "false", "none", "True", "False", "None"})
      if (token.text == reserved) error("can't assign to 'name'", token.line);
    ExprPtr out = make(ExprKind::name, token.line);
    out->symbol = intern(token.text);
    out->stores = true;
    return out;
  }
  ExprPtr target = parse_tuple(true, true, end_word, false, with_namespace);
  store(*target);
  return target;
}

ExprPtr Parser::parse_expression(bool with_condition) {
  const Nesting nesting(*this);
  return with_condition ? parse_condition() : parse_or();
}

ExprPtr Parser::parse_condition() {
  const Nesting nesting(*this);
  int line = current().line;
  ExprPtr value = parse_or();
  while (skip_name("if")) {
    ExprPtr test = parse_or();
    ExprPtr otherwise = skip_name("else") ? parse_condition() : nullptr;
    value = with(make(ExprKind::conditional, line), std::move(test), std::move(value), std::move(otherwise));
    line = current().line;
  }
  return value;
}

ExprPtr Parser::parse_or() {
  int line = current().line;
  ExprPtr left = parse_and();
  while (skip_name("or")) {
    ExprPtr right = parse_and();
    left = with(make(ExprKind::logical_or, line), std::move(left), std::move(right));
    line = current().line;
  }
  return left;
}

ExprPtr Parser::parse_and() {
  int line = current().line;
  ExprPtr left = parse_not();
  while (skip_name("and")) {
    ExprPtr right = parse_not();
    left = with(make(ExprKind::logical_and, line), std::move(left), std::move(right));
    line = current().line;
  }
  return left;
}

ExprPtr Parser::parse_not() {
  const Nesting nesting(*this);
  if (!current().is_name("not")) return parse_compare();
  const int line = next().line;
  return with(make(ExprKind::logical_not, line), parse_not());
}

ExprPtr Parser::parse_compare() {
  const int line = current().line;
  ExprPtr first = parse_sum();
  ExprPtr out;
  while (true) {
    static constexpr std::pair<std::string_view, CompareOp> kSymbols[] = {
        {"==", CompareOp::eq}, {"!=", CompareOp::ne}, {"<", CompareOp::lt},
        {"<=", CompareOp::le}, {">", CompareOp::gt},  {">=", CompareOp::ge}};
    const auto symbol = std::find_if(std::begin(kSymbols), std::end(kSymbols),
                                     [&](const auto& entry) { return current().is_op(entry.first); });
    CompareOp op = CompareOp::in;
    if (symbol != std::end(kSymbols)) {
      op = symbol->second;
      next();
    } else if (skip_name("in")) {
      op = CompareOp::in;
    } else if (current().is_name("not") && look().is_name("in")) {
      next();
      next();
      op = CompareOp::not_in;
    } else {
      return out ? std::move(out) : std::move(first);
    }
    if (!out) out = with(make(ExprKind::compare, line), std::move(first));
    out->operators.push_back(op);
    adopt(*out, parse_sum());
  }
}

ExprPtr Parser::parse_sum() {
  int line = current().line;
  ExprPtr left = parse_concat();
  while (current().is_op("+") || current().is_op("-")) {
    const ExprKind kind = next().text == "+" ? ExprKind::add : ExprKind::subtract;
    ExprPtr right = parse_concat();
    left = with(make(kind, line), std::move(left), std::move(right));
    line = current().line;
  }
  return left;
}

ExprPtr Parser::parse_concat() {
  const int line = current().line;
  ExprPtr first = parse_product();
  if (!current().is_op("~")) return first;
  ExprPtr out = with(make(ExprKind::concat, line), std::move(first));
  while (skip_op("~")) adopt(*out, parse_product());
  return out;
}

ExprPtr Parser::parse_product() {
  int line = current().line;
  ExprPtr left = parse_power();
  while (true) {
    ExprKind kind = ExprKind::multiply;
    if (current().is_op("/")) {
      kind = ExprKind::divide;
    } else if (current().is_op("//")) {
      kind = ExprKind::floor_divide;
    } else if (current().is_op("%")) {
      kind = ExprKind::modulo;
    } else if (!current().is_op("*")) {
      return left;
    }
    next();
    ExprPtr right = parse_power();
    left = with(make(kind, line), std::move(left), std::move(right));
    line = current().line;
  }
}

ExprPtr Parser::parse_power() {
  int line = current().line;
  ExprPtr left = parse_unary();
  while (skip_op("**")) {  // to the left, unlike Python
    ExprPtr right = parse_unary();
    left = with(make(ExprKind::power, line), std::move(left), std::move(right));
    line = current().line;
  }
  return left;
}

ExprPtr Parser::parse_unary(bool with_filter) {
  const Nesting nesting(*this);
  const int line = current().line;
  ExprPtr node;
  if (skip_op("-")) {
    node = with(make(ExprKind::negate, line), parse_unary(false));
  } else if (skip_op("+")) {
    node = with(make(ExprKind::positive, line), parse_unary(false));
  } else {
    node = parse_primary();
  }
  node = parse_postfix(std::move(node));
  return with_filter ? parse_filter_expression(std::move(node)) : std::move(node);
}

ExprPtr Parser::parse_primary(bool with_namespace) {
  const Token token = current();
  switch (token.kind) {
    case TokenKind::name: {
      next();
      if (token.text == "true" || token.text == "True" || token.text == "false" || token.text == "False") {
        ExprPtr out = make(ExprKind::constant, token.line);
        out->value = Value(token.text == "true" || token.text == "True");
        return out;
      }
      if (token.text == "none" || token.text == "None") return make(ExprKind::constant, token.line);
      const bool member = with_namespace && skip_op(".");
      ExprPtr out = make(member ? ExprKind::member : ExprKind::name, token.line);
      out->symbol = intern(token.text);
      if (member) out->text = expect(TokenKind::name, "name").text;
      return out;
    }
    case TokenKind::string: {
      std::string text;
      while (current().kind == TokenKind::string) text += next().text;
      ExprPtr out = make(ExprKind::constant, token.line);
      out->value = Value(std::move(text));
      return out;
    }
    case TokenKind::integer:
    case TokenKind::real: {
      ExprPtr out = make(ExprKind::constant, token.line);
      out->value = next().value;
      return out;
    }
    default:
      break;
  }
  if (skip_op("(")) {
    ExprPtr out = parse_tuple(false, true, {}, true, false);
    expect_op(")");
    return out;
  }
  if (token.is_op("[")) return parse_list();
  if (token.is_op("{")) return parse_dict();
  error(fmt::format("unexpected {}", repr(describe(token))));
}

ExprPtr Parser::parse_tuple(bool simplified, bool with_condition, std::string_view end_word,
                            bool parenthesised, bool with_namespace) {
  int line = current().line;
  std::vector<ExprPtr> items;
  bool is_tuple = false;
  while (true) {
    if (!items.empty()) expect_op(",");
    if (current().kind == TokenKind::variable_end || current().kind == TokenKind::block_end ||
        current().is_op(")") || (!end_word.empty() && current().is_name(end_word)))
      break;
    items.push_back(simplified ? parse_primary(with_namespace) : parse_expression(with_condition));
    if (!current().is_op(",")) break;
    is_tuple = true;
    line = current().line;
  }
  if (!is_tuple) {
    if (!items.empty()) return std::move(items[0]);
    if (!parenthesised) error(fmt::format("Expected an expression, got {}", repr(describe(current()))));
  }
  ExprPtr out = make(ExprKind::tuple, line);
  for (ExprPtr& item : items) adopt(*out, std::move(item));
  return out;
}

ExprPtr Parser::parse_list() {
  ExprPtr out = make(ExprKind::list, next().line);
  while (!current().is_op("]")) {
    if (!out->children.empty()) expect_op(",");
    if (current().is_op("]")) break;
    adopt(*out, parse_expression());
  }
  expect_op("]");
  return out;
}

ExprPtr Parser::parse_dict() {
  ExprPtr out = make(ExprKind::dict, next().line);
  while (!current().is_op("}")) {
    if (!out->children.empty()) expect_op(",");
    if (current().is_op("}")) break;
    adopt(*out, parse_expression());
    expect_op(":");
    adopt(*out, parse_expression());
  }
  expect_op("}");
  return out;
}

ExprPtr Parser::parse_postfix(ExprPtr node) {
  while (true) {
    if (current().is_op(".") || current().is_op("[")) {
      node = parse_subscript(std::move(node));
    } else if (current().is_op("(")) {
      node = parse_call(std::move(node));
    } else {
      return node;
    }
  }
}

ExprPtr Parser::parse_filter_expression(ExprPtr node) {
  while (true) {
    if (current().is_op("|")) {
      node = parse_filter(std::move(node), false);
    } else if (current().is_name("is")) {
      node = parse_test(std::move(node));
    } else if (current().is_op("(")) {
      node = parse_call(std::move(node));
    } else {
      return node;
    }
  }
}

ExprPtr Parser::parse_subscript(ExprPtr node) {
  const Token token = next();
  if (token.text == ".") {
    const Token name = next();
    if (name.kind == TokenKind::name) {
      ExprPtr out = with(make(ExprKind::attribute, token.line), std::move(node));
      out->text = name.text;
      return out;
    }
    if (name.kind != TokenKind::integer) error("expected name or number", name.line);
    ExprPtr index = make(ExprKind::constant, name.line);
    index->value = name.value;
    return with(make(ExprKind::item, token.line), std::move(node), std::move(index));
  }
  std::vector<ExprPtr> keys;
  while (!current().is_op("]")) {
    if (!keys.empty()) expect_op(",");
    keys.push_back(parse_subscribed());
  }
  expect_op("]");
  // A bare start:stop:step has three children; the subscribed object becomes the first of four.
  const auto is_bare = [](const ExprPtr& key) {
    return key->kind == ExprKind::slice && key->children.size() == 3;
  };
  if (keys.size() == 1 && is_bare(keys[0])) {
    check_depth(*keys[0], node.get());
    keys[0]->children.insert(keys[0]->children.begin(), std::move(node));
    return std::move(keys[0]);
  }
  if (keys.size() == 1) return with(make(ExprKind::item, token.line), std::move(node), std::move(keys[0]));
  ExprPtr tuple = make(ExprKind::tuple, token.line);
  for (ExprPtr& key : keys) {
    if (is_bare(key)) error("a slice among several subscripts is not supported", token.line);
    adopt(*tuple, std::move(key));
  }
  return with(make(ExprKind::item, token.line), std::move(node), std::move(tuple));
}

// One subscript; a slice has its three bounds as children, to which parse_subscript adds the object in front.
ExprPtr Parser::parse_subscribed() {
  const int line = current().line;
  const auto bound_follows = [&] { return !current().is_op("]") && !current().is_op(","); };
  ExprPtr start, stop, step;
  if (!current().is_op(":")) {
    start = parse_expression();
    if (!current().is_op(":")) return start;
  }
  next();
  if (!current().is_op(":") && bound_follows()) stop = parse_expression();
  if (skip_op(":") && bound_follows()) step = parse_expression();
  ExprPtr out = make(ExprKind::slice, line);
  adopt(*out, std::move(start));
  adopt(*out, std::move(stop));
  adopt(*out, std::move(step));
  return out;
}

void Parser::parse_call_arguments(Expr& into) {
  const int line = current().line;
  expect_op("(");
  bool need_comma = false;
  const auto ensure = [&](bool condition) {
    if (!condition) error("invalid syntax for function call expression", line);
  };
  while (!current().is_op(")")) {
    if (need_comma) {
      expect_op(",");
      if (current().is_op(")")) break;
    }
    if (skip_op("*")) {
      ensure(!into.star && !into.double_star);
      into.star = parse_expression();
      check_depth(into, into.star.get());
    } else if (skip_op("**")) {
      ensure(!into.double_star);
      into.double_star = parse_expression();
      check_depth(into, into.double_star.get());
    } else if (current().kind == TokenKind::name && look().is_op("=")) {
      ensure(!into.double_star);
      const std::string name = next().text;
      next();
      for (const auto& [known, unused] : into.keywords)
        if (known == name) error(fmt::format("keyword argument repeated: {}", name));
      ExprPtr value = parse_expression();
      check_depth(into, value.get());
      into.keywords.emplace_back(name, std::move(value));
    } else {
      ensure(!into.star && !into.double_star && into.keywords.empty());
      adopt(into, parse_expression());
    }
    need_comma = true;
  }
  expect_op(")");
}

ExprPtr Parser::parse_call(ExprPtr node) {
  ExprPtr out = with(make(ExprKind::call, current().line), std::move(node));
  parse_call_arguments(*out);
  return out;
}

// `node` is null where a filter block or a set block begins a chain.
ExprPtr Parser::parse_filter(ExprPtr node, bool start_inline) {
  while (current().is_op("|") || start_inline) {
    if (!start_inline) next();
    const Token token = expect(TokenKind::name, "name");
    ExprPtr out = make(ExprKind::filter, token.line);
    out->text = token.text;
    while (skip_op(".")) out->text += "." + expect(TokenKind::name, "name").text;
    adopt(*out, std::move(node));
    if (current().is_op("(")) parse_call_arguments(*out);
    node = std::move(out);
    start_inline = false;
  }
  return node;
}

ExprPtr Parser::parse_test(ExprPtr node) {
  const int line = next().line;
  const bool negated = skip_name("not");
  ExprPtr out = make(ExprKind::test, line);
  out->text = expect(TokenKind::name, "name").text;
  while (skip_op(".")) out->text += "." + expect(TokenKind::name, "name").text;
  adopt(*out, std::move(node));
  const Token& token = current();
  if (token.is_op("(")) {
    parse_call_arguments(*out);
  } else if ((token.kind == TokenKind::name || token.kind == TokenKind::string ||
              token.kind == TokenKind::integer || token.kind == TokenKind::real || token.is_op("[") ||
              token.is_op("{")) &&
             !token.is_name("else") && !token.is_name("or") && !token.is_name("and")) {
    if (token.is_name("is")) error("You cannot chain multiple tests with is");
    adopt(*out, parse_postfix(parse_primary()));
  }
  return negated ? with(make(ExprKind::logical_not, line), std::move(out)) : std::move(out);
}

}  // namespace circuitdiff::jinja
