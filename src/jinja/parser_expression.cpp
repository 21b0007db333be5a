#include "jinja/operators.h"
#include "jinja/parser.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {
namespace {

// The operators between two values, those that bind more tightly at the higher level.
struct Operator {
  std::string_view symbol;
  int level;
  Operation operation;
};
constexpr Operator kOperators[] = {{"+", 0, add},      {"-", 0, subtract},    {"~", 1, concatenate},
                                   {"*", 2, multiply}, {"/", 2, true_divide}, {"//", 2, floor_divide},
                                   {"%", 2, modulo}};
constexpr int kHighestLevel = 2;

constexpr std::pair<std::string_view, Comparison> kComparisons[] = {{"==", eq}, {"!=", ne}, {"<", lt},
                                                                    {"<=", le}, {">", gt},  {">=", ge}};

bool is_reserved(std::string_view name) {
  for (const std::string_view word : {"true", "false", "none", "True", "False", "None"})
    if (name == word) return true;
  return false;
}

}  // namespace

// The name of a macro, of a parameter, or of a variable that is assigned to.
ExprPtr Parser::parse_parameter() {
  const Token token = expect(TokenKind::name, "name");
  if (is_reserved(token.text)) error(fmt::format("can't assign to '{}'", token.text), token.line);
  if (token.text == "loop" && loops_ > 0) error("can't assign to the special variable 'loop'", token.line);
  ExprPtr out = make(ExprKind::name, token.line);
  out->symbol = intern(token.text);
  out->stores = true;
  return out;
}

ExprPtr Parser::parse_target_item() {
  const Nesting nesting(*this);
  if (skip_op("(")) {
    ExprPtr out = parse_target(")");
    expect_op(")");
    return out;
  }
  if (current().kind != TokenKind::name) error("can't assign to this expression");
  ExprPtr out = parse_parameter();
  if (skip_op(".")) {
    out->kind = ExprKind::member;
    out->stores = false;
    out->text = expect(TokenKind::name, "name").text;
  }
  return out;
}

// What is assigned to: a name, a namespace's attribute, or several of them up to `end`.
ExprPtr Parser::parse_target(std::string_view end) {
  const int line = current().line;
  ExprPtr first = parse_target_item();
  if (!current().is_op(",")) return first;
  ExprPtr out = with(make(ExprKind::tuple, line), std::move(first));
  while (skip_op(",") && !current().is_op(end) && !current().is_name(end)) adopt(*out, parse_target_item());
  return out;
}

ExprPtr Parser::parse_expression() {
  const Nesting nesting(*this);
  return parse_condition();
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

ExprPtr Parser::parse_or() { return parse_logical(ExprKind::logical_or); }

ExprPtr Parser::parse_logical(ExprKind kind) {
  const bool is_or = kind == ExprKind::logical_or;
  const auto operand = [&] { return is_or ? parse_logical(ExprKind::logical_and) : parse_not(); };
  int line = current().line;
  ExprPtr left = operand();
  while (skip_name(is_or ? "or" : "and")) {
    left = with(make(kind, line), std::move(left), operand());
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
  ExprPtr first = parse_arithmetic(0);
  ExprPtr out;
  while (true) {
    const auto* symbol = std::find_if(std::begin(kComparisons), std::end(kComparisons),
                                      [&](const auto& entry) { return current().is_op(entry.first); });
    Comparison comparison = is_in;
    if (symbol != std::end(kComparisons)) {
      comparison = symbol->second;
    } else if (current().is_name("not") && look().is_name("in")) {
      next();
      comparison = is_not_in;
    } else if (!current().is_name("in")) {
      return out ? std::move(out) : std::move(first);
    }
    next();
    if (!out) out = with(make(ExprKind::compare, line), std::move(first));
    out->comparisons.push_back(comparison);
    adopt(*out, parse_arithmetic(0));
  }
}

ExprPtr Parser::parse_arithmetic(int level) {
  if (level > kHighestLevel) return parse_unary();
  int line = current().line;
  ExprPtr left = parse_arithmetic(level + 1);
  while (true) {
    const auto* op = std::find_if(std::begin(kOperators), std::end(kOperators), [&](const Operator& o) {
      return o.level == level && current().is_op(o.symbol);
    });
    if (op == std::end(kOperators)) return left;
    next();
    left = with(make(ExprKind::arithmetic, line), std::move(left), parse_arithmetic(level + 1));
    left->operation = op->operation;
    line = current().line;
  }
}

ExprPtr Parser::parse_unary(bool with_filter) {
  const Nesting nesting(*this);
  const int line = current().line;
  if (current().is_op("+")) error(unsupported("operator", "unary +"));
  ExprPtr node = skip_op("-") ? with(make(ExprKind::negate, line), parse_unary(false)) : parse_primary();
  node = parse_postfix(std::move(node));
  if (with_filter) node = parse_filter_expression(std::move(node));
  if (current().is_op("**")) error(unsupported("operator", "**"));
  return node;
}

ExprPtr Parser::parse_primary() {
  const Token token = current();
  ExprPtr out = make(ExprKind::constant, token.line);
  switch (token.kind) {
    case TokenKind::name:
      next();
      if (is_reserved(token.text)) {
        if ((token.text[0] | 0x20) != 'n') out->value = Value((token.text[0] | 0x20) == 't');
        return out;
      }
      out->kind = ExprKind::name;
      out->symbol = intern(token.text);
      mentions_caller_ = mentions_caller_ || token.text == "caller";
      return out;
    case TokenKind::string: {
      std::string text;
      while (current().kind == TokenKind::string) text += next().text;
      out->value = Value(std::move(text));
      return out;
    }
    case TokenKind::integer:
    case TokenKind::real:
      out->value = next().value;
      return out;
    default:
      break;
  }
  if (skip_op("(")) {
    out = parse_tuple(/*with_condition=*/true, /*parenthesised=*/true);
    expect_op(")");
    return out;
  }
  if (token.is_op("[")) return parse_items(ExprKind::list, "]");
  if (token.is_op("{")) return parse_items(ExprKind::dict, "}");
  error(fmt::format("unexpected {}", repr(token.text)));
}

ExprPtr Parser::parse_tuple(bool with_condition, bool parenthesised) {
  const Nesting nesting(*this);
  int line = current().line;
  std::vector<ExprPtr> items;
  bool is_tuple = false;
  while (true) {
    if (!items.empty()) expect_op(",");
    if (current().kind == TokenKind::variable_end || current().kind == TokenKind::block_end ||
        current().is_op(")") || (!with_condition && current().is_name("recursive")))
      break;
    items.push_back(with_condition ? parse_condition() : parse_or());
    if (!current().is_op(",")) break;
    is_tuple = true;
    line = current().line;
  }
  if (!is_tuple) {
    if (!items.empty()) return std::move(items[0]);
    if (!parenthesised) error(fmt::format("Expected an expression, got {}", repr(current().text)));
  }
  ExprPtr out = make(ExprKind::tuple, line);
  for (ExprPtr& item : items) adopt(*out, std::move(item));
  return out;
}

// A list or a dict up to its closing bracket.
ExprPtr Parser::parse_items(ExprKind kind, std::string_view end) {
  ExprPtr out = make(kind, next().line);
  while (!current().is_op(end)) {
    if (!out->children.empty()) expect_op(",");
    if (current().is_op(end)) break;
    adopt(*out, parse_expression());
    if (kind == ExprKind::list) continue;
    expect_op(":");
    adopt(*out, parse_expression());
  }
  expect_op(end);
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
      node = parse_filter(std::move(node), /*start_inline=*/false);
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
  const auto bound_follows = [&] { return !current().is_op("]") && !current().is_op(":"); };
  ExprPtr start, stop, step;
  if (bound_follows()) start = parse_expression();
  const bool is_slice = current().is_op(":");
  if (skip_op(":") && bound_follows()) stop = parse_expression();
  if (is_slice && skip_op(":") && bound_follows()) step = parse_expression();
  if (current().is_op(",")) error(unsupported("subscript", "[a, b]"));
  expect_op("]");
  if (!start && !is_slice) error("Expected an expression, got ']'", token.line);
  ExprPtr out = with(make(is_slice ? ExprKind::slice : ExprKind::item, token.line), std::move(node));
  adopt(*out, std::move(start));
  if (!is_slice) return out;
  adopt(*out, std::move(stop));
  adopt(*out, std::move(step));
  return out;
}

void Parser::parse_call_arguments(Expr& into) {
  expect_op("(");
  for (bool first = true; !current().is_op(")"); first = false) {
    if (!first) expect_op(",");
    if (current().is_op(")")) break;
    if (current().is_op("**")) error(unsupported("argument", "**"));
    const bool star = skip_op("*");
    const bool named = !star && current().kind == TokenKind::name && look().is_op("=");
    const std::string name = named ? next().text : "";
    if (named) next();
    for (const auto& [known, unused] : into.keywords)
      if (known == name) error(fmt::format("keyword argument repeated: {}", name));
    if (!named && (into.star || (!into.keywords.empty() && !star)))
      error("invalid syntax for function call expression");
    ExprPtr value = parse_expression();
    check_depth(into, value.get());
    if (star) {
      into.star = std::move(value);
    } else if (named) {
      into.keywords.emplace_back(name, std::move(value));
    } else {
      into.children.push_back(std::move(value));
    }
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
