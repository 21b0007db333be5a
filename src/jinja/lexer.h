// Splits template source into tokens as jinja2's lexer does with trim_blocks and lstrip_blocks, without line
// statements and line comments: text outside tags, tags and their whitespace control, comments, raw blocks,
// literals.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "jinja/value.h"

namespace circuitdiff::jinja {

enum class TokenKind {
  data,
  variable_begin,
  variable_end,
  block_begin,
  block_end,
  name,
  string,
  integer,
  real,
  op,
  end,
};

struct Token {
  TokenKind kind = TokenKind::end;
  int line = 1;
  std::string text;  // of data, names, strings and operators
  Value value;       // of numbers

  bool is_op(std::string_view symbol) const { return kind == TokenKind::op && text == symbol; }
  bool is_name(std::string_view word) const { return kind == TokenKind::name && text == word; }
};

// "end of print statement", "name", ...: how jinja2's messages call it.
std::string describe(const Token& token);

// Throws Error "NAME:LINE: ...".
std::vector<Token> tokenize(std::string_view source, const std::string& name);

[[noreturn]] void syntax_error(const std::string& name, int line, const std::string& message);

}  // namespace circuitdiff::jinja
