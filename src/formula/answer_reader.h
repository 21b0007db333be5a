// The recursive descent behind read_answer(): one class, its functions by what they read. reader.cpp has
// lists, equations, sums and products; reader_factors.cpp powers, brackets and what stands in them;
// reader_units.cpp what stands behind a value; reader_numbers.cpp literals, mixed numbers and numbers in
// words; reader_commands.cpp LaTeX commands, functions, matrices, series; reader_notations.cpp what is told
// apart from plain algebra.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formula/reader.h"
#include "formula/tokens.h"

namespace circuitdiff {

// Why a text is no mathematics; caught by read_answer().
struct Unreadable {
  std::string reason;
};
[[noreturn]] inline void unreadable(std::string reason) { throw Unreadable{std::move(reason)}; }

inline constexpr int kMostReaderDepth = 120;
inline constexpr size_t kMostAnswerItems = 400;  // of one list

// Names that are functions when letters or a command spell them.
bool is_function(const std::string& name);

// LaTeX's relations beyond = < > and \in: "subset", "perp".
bool is_relation(const std::string& name);

// What the word multiplies by: "million"; 0 where it is none.
slong multiplier_word(std::string_view word);

class AnswerReader {
 public:
  AnswerReader(std::string_view text, const ReadOptions& options)
      : options_(options), tokens_(tokens_of(text, {options.thousands})) {}
  ExprPtr run();

 private:
  // --- tokens ---
  const Token& peek(size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  Token& last() { return tokens_[tokens_.size() - 2]; }
  bool at_end() const { return peek().kind == TokenKind::end; }
  bool is_mark(std::string_view text, size_t ahead = 0) const {
    return peek(ahead).kind == TokenKind::mark && peek(ahead).text == text;
  }
  bool is_command(std::string_view text, size_t ahead = 0) const {
    return peek(ahead).kind == TokenKind::command && peek(ahead).text == text;
  }
  bool is_word(std::string_view text) const { return peek().kind == TokenKind::word && peek().text == text; }
  bool take_mark(std::string_view text) {
    if (!is_mark(text)) return false;
    ++at_;
    return true;
  }
  void expect(std::string_view text) {
    if (!take_mark(text)) unreadable("no " + std::string(text));
  }
  struct Depth {
    explicit Depth(AnswerReader& r) : reader(r) {
      if (++reader.depth_ > kMostReaderDepth) unreadable("nested too deeply");
    }
    ~Depth() { --reader.depth_; }
    AnswerReader& reader;
  };

  void refuse_other_notations() const;
  void unbalanced_choice();
  ExprPtr whole_based();
  static ExprPtr based(const std::string& digits, slong base);
  bool take_separator(std::string* joined = nullptr);
  std::vector<ExprPtr> items(std::string* joined = nullptr);
  bool closes() const {
    return is_mark(")") || is_mark("]") || is_mark("}") || is_mark("\\}") ||
           (peek().kind == TokenKind::command && peek().text.rfind("end:", 0) == 0);
  }
  ExprPtr answer();
  std::string relation_sign();
  ExprPtr item();
  ExprPtr set_union();
  ExprPtr ratio();
  ExprPtr with_unit(ExprPtr e);
  ExprPtr sum();
  bool starts_factor() const;
  static ExprPtr inverse(ExprPtr e) {
    return make_node(ExprKind::power, {std::move(e), make_number(Rational(-1))});
  }
  ExprPtr term();
  bool is_times_letter() const;
  bool words_in_brackets();
  ExprPtr mixed(ExprPtr f, size_t begin);
  bool take_unit();
  bool take_letter_unit(const std::vector<ExprPtr>& factors);
  ExprPtr factor();
  static ExprPtr primed(ExprPtr e);
  ExprPtr raised(ExprPtr e);
  std::string subscript();
  ExprPtr with_subscript(ExprPtr e);
  ExprPtr argument();
  ExprPtr group_content();
  ExprPtr base();
  ExprPtr literal(const Token& t);
  ExprPtr letter(const Token& t);
  ExprPtr angle();
  std::pair<std::string, size_t> primes_ahead() const;
  bool relation_in_brackets() const;
  std::optional<slong> number_in_words();
  ExprPtr word();
  ExprPtr bracketed();
  ExprPtr braced();
  ExprPtr absolute();
  ExprPtr command(const std::string& name);
  ExprPtr root();
  ExprPtr function(std::string name);
  ExprPtr open_argument();
  ExprPtr matrix(const std::string& environment);
  ExprPtr series(const std::string& name);

  ReadOptions options_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
  int bars_ = 0;              // open |
  bool i_is_symbol_ = false;  // the index of a series
  std::string unit_;
};

}  // namespace circuitdiff
