#include "jinja/parser.h"

#include "jinja/text.h"

namespace circuitdiff::jinja {

std::shared_ptr<const Template> parse_template(std::string_view source, const std::string& name) {
  return Parser(tokenize(source, name), name).parse();
}

std::shared_ptr<const Template> Parser::parse() {
  template_->name = name_;
  template_->body = parse_body({});
  find_hidden_names(*template_);
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

void Parser::unexpected(std::string_view wanted) const {
  if (current().kind == TokenKind::end)
    error(fmt::format("unexpected end of template, expected '{}'.", wanted));
  error(fmt::format("expected token '{}', got {}", wanted, repr(current().text)));
}

Token Parser::expect(TokenKind kind, const char* described) {
  if (current().kind != kind) unexpected(described);
  return next();
}

void Parser::expect_op(std::string_view symbol) {
  if (!skip_op(symbol)) unexpected(symbol);
}

uint32_t Parser::intern(const std::string& name) {
  const auto [at, added] = symbols_.emplace(name, static_cast<uint32_t>(template_->names.size()));
  if (added) template_->names.push_back(name);
  return at->second;
}

ExprPtr Parser::make(ExprKind kind, int line) const {
  auto out = std::make_unique<Expr>();
  out->kind = kind;
  out->line = line;
  return out;
}

void Parser::check_depth(Expr& node, const Expr* child) const {
  if (!child) return;
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

StmtPtr Parser::make_statement(StmtKind kind, int line) const {
  auto out = std::make_unique<Stmt>();
  out->kind = kind;
  out->line = line;
  return out;
}

// A tag that begins no statement that is kept, or the end of the template inside a statement.
void Parser::refuse_tag(const std::vector<std::string>& end_tags) const {
  const bool ended = current().kind == TokenKind::end;
  for (const std::string_view known :
       {"with", "block", "include", "import", "from", "extends", "print", "autoescape"})
    if (current().is_name(known)) error(unsupported("statement", known));
  std::string looking;
  for (const std::string& end : end_tags) looking += (looking.empty() ? "'" : " or '") + end + "'";
  if (!end_tags.empty()) looking = fmt::format(" Jinja was looking for the following tags: {}.", looking);
  error(
      (ended ? "Unexpected end of template." : fmt::format("Encountered unknown tag '{}'.", current().text)) +
      looking);
}

Body Parser::parse_body(const std::vector<std::string>& end_tags) {
  const Nesting nesting(*this);
  Body body;
  while (current().kind != TokenKind::end) {
    const int line = current().line;
    if (current().kind == TokenKind::data) {
      body.push_back(make_statement(StmtKind::data, line));
      body.back()->text = next().text;
    } else if (current().kind == TokenKind::variable_begin) {
      next();
      body.push_back(make_statement(StmtKind::output, line));
      body.back()->expressions.push_back(parse_tuple(/*with_condition=*/true, /*parenthesised=*/false));
      expect(TokenKind::variable_end, "end of print statement");
    } else {
      expect(TokenKind::block_begin, "begin of statement block");
      if (std::find(end_tags.begin(), end_tags.end(), current().text) != end_tags.end()) return body;
      body.push_back(parse_statement(end_tags));
      expect(TokenKind::block_end, "end of statement block");
    }
  }
  if (!end_tags.empty()) refuse_tag(end_tags);
  return body;
}

// A body with `loops` loops around it.
Body Parser::parse_block_body(const std::vector<std::string>& end_tags, int loops) {
  skip_op(":");
  expect(TokenKind::block_end, "end of statement block");
  std::swap(loops, loops_);
  Body body = parse_body(end_tags);
  std::swap(loops, loops_);
  return body;
}

StmtPtr Parser::parse_statement(const std::vector<std::string>& end_tags) {
  using Rule = StmtPtr (Parser::*)();
  static const std::unordered_map<std::string_view, Rule> rules{
      {"for", &Parser::parse_for},
      {"if", &Parser::parse_if},
      {"set", &Parser::parse_set},
      {"macro", &Parser::parse_macro},
      {"call", &Parser::parse_call_block},
      {"generation", &Parser::parse_call_block},
      {"filter", &Parser::parse_filter_block},
      {"break", &Parser::parse_jump},
      {"continue", &Parser::parse_jump},
  };
  if (current().kind != TokenKind::name) error("tag name expected");
  const auto rule = rules.find(current().text);
  if (rule == rules.end()) refuse_tag(end_tags);
  return (this->*rule->second)();
}

StmtPtr Parser::parse_set() {
  StmtPtr out = make_statement(StmtKind::assign, next().line);
  out->target = parse_target("=");
  if (skip_op("=")) {
    out->iter = parse_tuple(/*with_condition=*/true, /*parenthesised=*/false);
    return out;
  }
  out->kind = StmtKind::assign_block;
  out->iter = parse_filter(nullptr, /*start_inline=*/false);
  out->body = parse_block_body({"endset"}, loops_);
  next();
  return out;
}

StmtPtr Parser::parse_for() {
  StmtPtr out = make_statement(StmtKind::loop, next().line);
  ++loops_;  // "loop" is no target
  out->target = parse_target("in");
  --loops_;
  if (!skip_name("in")) unexpected("in");
  out->iter = parse_tuple(/*with_condition=*/false, /*parenthesised=*/false);
  if (skip_name("if")) out->test = parse_expression();
  if (current().is_name("recursive")) error(unsupported("loop marker", "recursive"));
  out->body = parse_block_body({"endfor", "else"}, loops_ + 1);
  if (next().text == "else") {
    out->otherwise = parse_block_body({"endfor"}, loops_);
    next();
  }
  return out;
}

StmtPtr Parser::parse_if() {
  StmtPtr out = make_statement(StmtKind::condition, next().line);
  while (true) {
    Branch branch;
    branch.test = parse_tuple(/*with_condition=*/false, /*parenthesised=*/false);
    branch.body = parse_block_body({"elif", "else", "endif"}, loops_);
    out->branches.push_back(std::move(branch));
    const std::string tag = next().text;
    if (tag == "elif") continue;
    if (tag == "else") {
      Branch otherwise;
      otherwise.body = parse_block_body({"endif"}, loops_);
      next();
      out->branches.push_back(std::move(otherwise));
    }
    return out;
  }
}

void Parser::parse_signature(Signature& signature) {
  expect_op("(");
  while (!current().is_op(")")) {
    if (!signature.parameters.empty()) expect_op(",");
    const uint32_t symbol = parse_parameter()->symbol;
    if (std::find(signature.parameters.begin(), signature.parameters.end(), symbol) !=
        signature.parameters.end())
      error(fmt::format("duplicate argument '{}' in function definition", template_->names[symbol]));
    signature.parameters.push_back(symbol);
    if (skip_op("=")) {
      signature.defaults.push_back(parse_expression());
    } else if (!signature.defaults.empty()) {
      error("non-default argument follows default argument");
    }
  }
  expect_op(")");
}

// Of a macro or call block, and whether it mentions `caller`, also inside others.
void Parser::parse_macro_body(Stmt& stmt, const std::string& end_tag) {
  const bool outside = std::exchange(mentions_caller_, false);
  stmt.body = parse_block_body({end_tag}, /*loops=*/0);
  next();
  stmt.signature.uses_caller = mentions_caller_;
  mentions_caller_ = mentions_caller_ || outside;
}

StmtPtr Parser::parse_macro() {
  StmtPtr out = make_statement(StmtKind::macro, next().line);
  out->symbol = parse_parameter()->symbol;
  out->text = template_->names[out->symbol];
  parse_signature(out->signature);
  parse_macro_body(*out, "endmacro");
  return out;
}

// {% call(a, b) m() %} and {% generation %}, which calls its body itself.
StmtPtr Parser::parse_call_block() {
  const Token tag = next();
  StmtPtr out = make_statement(StmtKind::call_block, tag.line);
  if (tag.text == "call") {
    if (current().is_op("(")) parse_signature(out->signature);
    out->iter = parse_expression();
    if (out->iter->kind != ExprKind::call) error("expected call", out->line);
  }
  parse_macro_body(*out, "end" + tag.text);
  return out;
}

StmtPtr Parser::parse_filter_block() {
  StmtPtr out = make_statement(StmtKind::filter_block, next().line);
  out->iter = parse_filter(nullptr, /*start_inline=*/true);
  out->body = parse_block_body({"endfilter"}, loops_);
  next();
  return out;
}

StmtPtr Parser::parse_jump() {
  const Token tag = next();
  if (loops_ == 0) error(fmt::format("'{}' outside loop", tag.text), tag.line);
  return make_statement(tag.text == "break" ? StmtKind::break_loop : StmtKind::continue_loop, tag.line);
}

}  // namespace circuitdiff::jinja
