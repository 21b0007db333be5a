// Builds the syntax tree from tokens, rule by rule as jinja2's parser does: same precedence, same oddities.
// Statements are in parser.cpp, expressions in parser_expression.cpp. What can be said about a finished tree
// is in analysis.h.
#pragma once

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
  void expect_name(std::string_view word);
  [[noreturn]] void error(const std::string& message, int line = 0) const;
  [[noreturn]] void unexpected(const std::string& wanted) const;

  // Statements.
  Body parse_body(const std::vector<std::string>& end_tags);  // stops at the name of an end tag
  Body parse_block_body(const std::vector<std::string>& end_tags);
  StmtPtr parse_statement();
  StmtPtr parse_set();
  StmtPtr parse_for();
  StmtPtr parse_if();
  StmtPtr parse_with();
  StmtPtr parse_macro();
  StmtPtr parse_call_block();
  StmtPtr parse_filter_block();
  StmtPtr parse_block();
  StmtPtr parse_print();
  StmtPtr parse_load();
  StmtPtr parse_generation();
  void parse_signature(Signature& signature);
  StmtPtr make_statement(StmtKind kind, int line) const;
  [[noreturn]] void unknown_tag(const std::string* tag) const;

  // Expressions.
  ExprPtr parse_assign_target(bool name_only, bool with_namespace, std::string_view end_word = {});
  ExprPtr parse_expression(bool with_condition = true);
  ExprPtr parse_condition();
  ExprPtr parse_or();
  ExprPtr parse_and();
  ExprPtr parse_not();
  ExprPtr parse_compare();
  ExprPtr parse_sum();
  ExprPtr parse_concat();
  ExprPtr parse_product();
  ExprPtr parse_power();
  ExprPtr parse_unary(bool with_filter = true);
  ExprPtr parse_primary(bool with_namespace = false);
  ExprPtr parse_tuple(bool simplified, bool with_condition, std::string_view end_word, bool parenthesised,
                      bool with_namespace);
  ExprPtr parse_full_tuple() { return parse_tuple(false, true, {}, false, false); }
  ExprPtr parse_list();
  ExprPtr parse_dict();
  ExprPtr parse_postfix(ExprPtr node);
  ExprPtr parse_filter_expression(ExprPtr node);
  ExprPtr parse_subscript(ExprPtr node);
  ExprPtr parse_subscribed();
  void parse_call_arguments(Expr& into);
  ExprPtr parse_call(ExprPtr node);
  ExprPtr parse_filter(ExprPtr node, bool start_inline);
  ExprPtr parse_test(ExprPtr node);
  ExprPtr make(ExprKind kind, int line) const;
  // Adds children and the node's depth; an error where the tree becomes too deep.
  ExprPtr with(ExprPtr node, ExprPtr a, ExprPtr b = nullptr, ExprPtr c = nullptr) const;
  void adopt(Expr& node, ExprPtr child) const;
  void check_depth(Expr& node, const Expr* child) const;
  void store(Expr& target) const;  // marks the names in a target; an error if it cannot be assigned to
  uint32_t intern(const std::string& name);

  class Nesting;

  std::vector<Token> tokens_;
  std::string name_;
  size_t at_ = 0;
  int nesting_ = 0;
  std::vector<std::string> tags_;                   // open statements
  std::vector<std::vector<std::string>> end_tags_;  // what each of them waits for
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
