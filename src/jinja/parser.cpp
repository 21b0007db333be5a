#include "jinja/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "jinja/analysis.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {

std::shared_ptr<const Template> parse_template(std::string_view source, const std::string& name) {
  return Parser(tokenize(source, name), name).parse();
}

std::shared_ptr<const Template> Parser::parse() {
  template_->name = name_;
  template_->body = parse_body({});
  analyse(*template_);
  return template_;
}

Token Parser::next() {
  Token token = current();
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool Parser::skip_op(std::string_view symbol) {
  if (!current().is_op(symbol)) return false;
  next();
  return true;
}

bool Parser::skip_name(std::string_view word) {
  if (!current().is_name(word)) return false;
  next();
  return true;
}

void Parser::error(const std::string& message, int line) const {
  syntax_error(name_, line ? line : current().line, message);
}

void Parser::unexpected(const std::string& wanted) const {
  if (current().kind == TokenKind::end)
    error(fmt::format("unexpected end of template, expected '{}'.", wanted));
  error(fmt::format("expected token '{}', got {}", wanted, repr(describe(current()))));
}

Token Parser::expect(TokenKind kind, const char* described) {
  if (current().kind != kind) unexpected(described);
  return next();
}

void Parser::expect_op(std::string_view symbol) {
  if (!skip_op(symbol)) unexpected(std::string(symbol));
}

void Parser::expect_name(std::string_view word) {
  if (!skip_name(word)) unexpected(std::string(word));
}

uint32_t Parser::intern(const std::string& name) {
  const auto [at, added] = symbols_.emplace(name, static_cast<uint32_t>(template_->names.size()));
  if (added) template_->names.push_back(name);
  return at->second;
}

StmtPtr Parser::make_statement(StmtKind kind, int line) const {
  auto out = std::make_unique<Stmt>();
  out->kind = kind;
  out->line = line;
  return out;
}

void Parser::unknown_tag(const std::string* tag) const {
  std::string message =
      tag ? fmt::format("Encountered unknown tag '{}'.", *tag) : "Unexpected end of template.";
  if (!end_tags_.empty()) {
    std::string looking;
    for (const std::string& end : end_tags_.back()) looking += (looking.empty() ? "'" : " or '") + end + "'";
    bool known = false;
    for (const auto& ends : end_tags_)
      known = known || (tag && std::find(ends.begin(), ends.end(), *tag) != ends.end());
    message += known ? fmt::format(
                           " You probably made a nesting mistake. Jinja is expecting this tag, but currently "
                           "looking for {}.",
                           looking)
                     : fmt::format(" Jinja was looking for the following tags: {}.", looking);
  }
  if (!tags_.empty())
    message += fmt::format(" The innermost block that needs to be closed is '{}'.", tags_.back());
  error(message);
}

Body Parser::parse_body(const std::vector<std::string>& end_tags) {
  const Nesting nesting(*this);
  Body body;
  StmtPtr output;
  const auto flush = [&] {
    if (output) body.push_back(std::move(output));
  };
  const auto print = [&](int line) -> Stmt& {
    if (!output) output = make_statement(StmtKind::output, line);
    return *output;
  };
  if (!end_tags.empty()) end_tags_.push_back(end_tags);
  while (current().kind != TokenKind::end) {
    if (current().kind == TokenKind::data) {
      flush();
      StmtPtr data = make_statement(StmtKind::data, current().line);
      data->text = next().text;
      body.push_back(std::move(data));
    } else if (current().kind == TokenKind::variable_begin) {
      const int line = next().line;
      print(line).expressions.push_back(parse_full_tuple());
      expect(TokenKind::variable_end, "end of print statement");
    } else {
      flush();
      expect(TokenKind::block_begin, "begin of statement block");
      if (current().kind == TokenKind::name &&
          std::find(end_tags.begin(), end_tags.end(), current().text) != end_tags.end()) {
        end_tags_.pop_back();
        return body;
      }
      body.push_back(parse_statement());
      expect(TokenKind::block_end, "end of statement block");
    }
  }
  flush();
  if (!end_tags.empty()) unknown_tag(nullptr);
  return body;
}

Body Parser::parse_block_body(const std::vector<std::string>& end_tags) {
  skip_op(":");
  expect(TokenKind::block_end, "end of statement block");
  return parse_body(end_tags);
}

StmtPtr Parser::parse_statement() {
  if (current().kind != TokenKind::name) error("tag name expected");
  const std::string tag = current().text;
  const int line = current().line;
  tags_.push_back(tag);
  StmtPtr out;
  if (tag == "for") {
    out = parse_for();
  } else if (tag == "if") {
    out = parse_if();
  } else if (tag == "set") {
    out = parse_set();
  } else if (tag == "macro") {
    out = parse_macro();
  } else if (tag == "call") {
    out = parse_call_block();
  } else if (tag == "generation") {
    out = parse_generation();
  } else if (tag == "filter") {
    out = parse_filter_block();
  } else if (tag == "with") {
    out = parse_with();
  } else if (tag == "block") {
    out = parse_block();
  } else if (tag == "print") {
    out = parse_print();
  } else if (tag == "include" || tag == "import" || tag == "from" || tag == "extends") {
    out = parse_load();
  } else if (tag == "break" || tag == "continue") {
    next();
    out = make_statement(tag == "break" ? StmtKind::break_loop : StmtKind::continue_loop, line);
  } else if (tag == "autoescape") {
    error("autoescape is not supported in a chat template");
  } else {
    tags_.pop_back();
    unknown_tag(&tag);
  }
  tags_.pop_back();
  return out;
}

StmtPtr Parser::parse_set() {
  const int line = next().line;
  ExprPtr target = parse_assign_target(false, true);
  if (skip_op("=")) {
    StmtPtr out = make_statement(StmtKind::assign, line);
    out->target = std::move(target);
    out->iter = parse_full_tuple();
    return out;
  }
  StmtPtr out = make_statement(StmtKind::assign_block, line);
  out->target = std::move(target);
  out->iter = parse_filter(nullptr, false);
  out->body = parse_block_body({"endset"});
  next();
  return out;
}

StmtPtr Parser::parse_for() {
  StmtPtr out = make_statement(StmtKind::loop, next().line);
  out->target = parse_assign_target(false, false, "in");
  expect_name("in");
  out->iter = parse_tuple(false, false, "recursive", false, false);
  if (skip_name("if")) out->test = parse_expression();
  out->recursive = skip_name("recursive");
  out->body = parse_block_body({"endfor", "else"});
  if (next().text == "else") {
    out->otherwise = parse_block_body({"endfor"});
    next();
  }
  return out;
}

StmtPtr Parser::parse_if() {
  StmtPtr out = make_statement(StmtKind::condition, next().line);
  while (true) {
    Branch branch;
    branch.test = parse_tuple(false, false, {}, false, false);
    branch.body = parse_block_body({"elif", "else", "endif"});
    out->branches.push_back(std::move(branch));
    const std::string tag = next().text;
    if (tag == "elif") continue;
    if (tag == "else") {
      Branch otherwise;
      otherwise.body = parse_block_body({"endif"});
      next();
      out->branches.push_back(std::move(otherwise));
    }
    return out;
  }
}

StmtPtr Parser::parse_with() {
  StmtPtr out = make_statement(StmtKind::with, next().line);
  while (current().kind != TokenKind::block_end) {
    if (!out->targets.empty()) expect_op(",");
    out->targets.push_back(parse_assign_target(false, false));
    expect_op("=");
    out->expressions.push_back(parse_expression());
  }
  out->body = parse_block_body({"endwith"});
  next();
  return out;
}

void Parser::parse_signature(Signature& signature) {
  expect_op("(");
  while (!current().is_op(")")) {
    if (!signature.parameters.empty()) expect_op(",");
    const ExprPtr parameter = parse_assign_target(true, false);
    const std::string& name = template_->names[parameter->symbol];
    if (std::find(signature.names.begin(), signature.names.end(), name) != signature.names.end())
      error(fmt::format("duplicate argument '{}' in function definition", name));
    signature.parameters.push_back(parameter->symbol);
    signature.names.push_back(name);
    if (skip_op("=")) {
      signature.defaults.push_back(parse_expression());
    } else if (!signature.defaults.empty()) {
      error("non-default argument follows default argument");
    }
  }
  expect_op(")");
}

StmtPtr Parser::parse_macro() {
  StmtPtr out = make_statement(StmtKind::macro, next().line);
  const ExprPtr name = parse_assign_target(true, false);
  out->symbol = name->symbol;
  out->text = template_->names[name->symbol];
  parse_signature(out->signature);
  out->body = parse_block_body({"endmacro"});
  next();
  return out;
}

StmtPtr Parser::parse_call_block() {
  StmtPtr out = make_statement(StmtKind::call_block, next().line);
  if (current().is_op("(")) parse_signature(out->signature);
  out->iter = parse_expression();
  if (out->iter->kind != ExprKind::call) error("expected call", out->line);
  out->body = parse_block_body({"endcall"});
  next();
  return out;
}

StmtPtr Parser::parse_generation() {
  StmtPtr out = make_statement(StmtKind::call_block, next().line);
  out->body = parse_block_body({"endgeneration"});
  next();
  return out;
}

StmtPtr Parser::parse_filter_block() {
  StmtPtr out = make_statement(StmtKind::filter_block, next().line);
  out->iter = parse_filter(nullptr, true);
  out->body = parse_block_body({"endfilter"});
  next();
  return out;
}

StmtPtr Parser::parse_block() {
  StmtPtr out = make_statement(StmtKind::block, next().line);
  out->text = expect(TokenKind::name, "name").text;
  out->scoped = skip_name("scoped");
  out->required = skip_name("required");
  if (current().is_op("-"))
    error(
        "Block names in Jinja have to be valid Python identifiers and may not contain hyphens, use an "
        "underscore "
        "instead.");
  out->body = parse_block_body({"endblock"});
  next();
  if (out->required)
    for (const StmtPtr& inner : out->body)
      if (inner->kind != StmtKind::data || !strip(inner->text).empty())
        error("Required blocks can only contain comments or whitespace");
  skip_name(out->text);
  return out;
}

StmtPtr Parser::parse_print() {
  StmtPtr out = make_statement(StmtKind::output, next().line);
  while (current().kind != TokenKind::block_end) {
    if (!out->expressions.empty()) expect_op(",");
    out->expressions.push_back(parse_expression());
  }
  return out;
}

// There is nothing to load from: the statement is read to its end and fails only where it is reached.
StmtPtr Parser::parse_load() {
  StmtPtr out = make_statement(StmtKind::load, current().line);
  out->text = next().text;
  while (current().kind != TokenKind::block_end && current().kind != TokenKind::end) next();
  return out;
}

}  // namespace circuitdiff::jinja
