// The words of a mathematical answer: LaTeX or plain text, or a mixture, cut into numbers, letters, commands,
// words and marks. What only shapes the page ($, \left, \displaystyle, thin spaces, currency signs) is left
// out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "formula/number.h"

namespace circuitdiff {

enum class TokenKind {
  number,   // value; "1,000", "1{,}000", "1\,000" are one number, so is "4.5e33"
  letter,   // one symbol: "x", "\\theta" (Greek letters), "\\mathbf i", "2D" never
  command,  // "frac", "sqrt", "sin": LaTeX's, without the backslash, and names of functions in plain text
  word,     // lower-case text: "apples", "and", "cm"
  mark,     // + - * / ^ _ ( ) [ ] { } \{ \} | , ; : = < > <= >= != ! & ' % ° \\ (a matrix row's end)
  end
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;
  Rational value;
  bool decimal = false;  // written with a point or an exponent
  int decimals = 0;      // digits behind the point
  bool space = false;    // white space stands before it
  bool dollars = false;  // a number behind a dollar sign that opens no formula
  bool cross = false;    // a \times: between vectors it is no product of numbers
  bool sticky = false;   // a word written as plain letters right behind a number or letter ("5cm")
};

struct TokenOptions {
  bool thousands = true;  // "1,000" outside brackets is one number, not a list
};

// At most 12,000 tokens; more, or a number of more than 10,000 digits, give no tokens at all (only `end`).
std::vector<Token> tokens_of(std::string_view text, const TokenOptions& options = {});

// Unicode signs as LaTeX: minus signs, Greek letters, roots, comparison signs, vulgar fractions,
// superscripts.
std::string plain_latex(std::string_view text);

bool is_unit_word(std::string_view word);  // cm, feet, dollars, ...

}  // namespace circuitdiff
