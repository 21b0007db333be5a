// Builds the syntax tree from tokens, rule by rule as jinja2's parser does: same precedence, same oddities.
// Statements are in parser.cpp, expressions in parser_expression.cpp.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "jinja/ast.h"
#include "jinja/lexer.h"

namespace circuitdiff::jinja {

class Parser {
 public:
  Parser(std::vector<Token> tokens, std::string name) : tokens_(std::move(tokens)), name_(std::move(name)) {}
  std::shared_ptr<const Template> parse();

 private:
  // The token stream.
  const Token& current() const { return tokens_[at_]; }
  const Token& look() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  Token next();
  bool skip_op(std::string_view symbol);
  bool skip_name(std::string_view word);
  Token expect(TokenKind kind, const char* described);
  void expect_op(std::string_view symbol);
  [[noreturn]] void error(const std::string& message, int line = 0) const;
  [[noreturn]] void unexpected(std::string_view wanted) const;

  // Statements.
  Body parse_body(const std::vector<std::string>& end_tags);  // stops at the name of an end tag
  Body parse_block_body(const std::vector<std::string>& end_tags, int loops);
  void parse_macro_body(Stmt& stmt, const std::string& end_tag);
  StmtPtr parse_statement(const std::vector<std::string>& end_tags);
  StmtPtr parse_set();
  StmtPtr parse_for();
  StmtPtr parse_if();
  StmtPtr parse_macro();
  StmtPtr parse_call_block();
  StmtPtr parse_filter_block();
  StmtPtr parse_jump();
  void parse_signature(Signature& signature);
  StmtPtr make_statement(StmtKind kind, int line) const;
  [[noreturn]] void refuse_tag(const std::vector<std::string>& end_tags) const;

  // Expressions.
  ExprPtr parse_target(std::string_view end_word);
  ExprPtr parse_target_item();
  ExprPtr parse_parameter();
  ExprPtr parse_expression();
  ExprPtr parse_condition();
  ExprPtr parse_or();
  ExprPtr parse_logical(ExprKind kind);
  ExprPtr parse_not();
  ExprPtr parse_compare();
  ExprPtr parse_arithmetic(int level);
  ExprPtr parse_unary(bool with_filter = true);
  ExprPtr parse_primary();
  ExprPtr parse_tuple(bool with_condition, bool parenthesised);
  ExprPtr parse_items(ExprKind kind, std::string_view end);
  ExprPtr parse_postfix(ExprPtr node);
  ExprPtr parse_filter_expression(ExprPtr node);
  ExprPtr parse_subscript(ExprPtr node);
  void parse_call_arguments(Expr& into);
  ExprPtr parse_call(ExprPtr node);
  ExprPtr parse_filter(ExprPtr node, bool start_inline);
  ExprPtr parse_test(ExprPtr node);
  ExprPtr make(ExprKind kind, int line) const;
  // Adds children and the node's depth; an error where the tree becomes too deep.
  ExprPtr with(ExprPtr node, ExprPtr a, ExprPtr b = nullptr, ExprPtr c = nullptr) const;
  void adopt(Expr& node, ExprPtr child) const;
  void check_depth(Expr& node, const Expr* child) const;
  uint32_t intern(const std::string& name);

  class Nesting;

  std::vector<Token> tokens_;
  std::string name_;
  size_t at_ = 0;
  int nesting_ = 0;
  bool mentions_caller_ = false;  // the macro that is read
  int loops_ = 0;                 // around the statement, within its macro
  std::unordered_map<std::string, uint32_t> symbols_;
  std::shared_ptr<Template> template_ = std::make_shared<Template>();
};

// Counts recursion of the parser itself.
class Parser::Nesting {
 public:
  explicit Nesting(Parser& parser) : parser_(parser) {
    if (++parser_.nesting_ > kMaxNesting) parser_.error("the template is nested too deeply");
  }
  ~Nesting() { --parser_.nesting_; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;

 private:
  static constexpr int kMaxNesting = 150;
  Parser& parser_;
};

}  // namespace circuitdiff::jinja
