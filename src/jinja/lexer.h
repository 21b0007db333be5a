// Splits template source into tokens as jinja2's lexer does with trim_blocks and lstrip_blocks: text outside
// tags, tags and their whitespace control, comments, raw blocks, literals. Left out: line statements, names
// beyond ASCII, numbers that are not decimal.
#pragma once

#include <optional>
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
  std::string text;  // as it stands in the template, or what a message calls it
  Value value;       // of numbers

  bool is_op(std::string_view symbol) const { return kind == TokenKind::op && text == symbol; }
  bool is_name(std::string_view word) const { return kind == TokenKind::name && text == word; }
};

// Throws Error "NAME:LINE: ...".
std::vector<Token> tokenize(std::string_view source, const std::string& name);

[[noreturn]] void syntax_error(const std::string& name, int line, const std::string& message);

}  // namespace circuitdiff::jinja
