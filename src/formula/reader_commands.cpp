// LaTeX commands of an answer: roots, functions, matrices, sums and products over an index.
#include <map>
#include <unordered_set>

#include "formula/answer_reader.h"

namespace circuitdiff {

bool is_function(const std::string& name) {
  static const std::unordered_set<std::string> kNames = {
      "sin",    "cos",    "tan",  "cot",  "sec",  "csc",  "arcsin",  "arccos",  "arctan", "arccot",
      "arcsec", "arccsc", "sinh", "cosh", "tanh", "coth", "sech",    "csch",    "log",    "ln",
      "lg",     "exp",    "gcd",  "lcm",  "max",  "min",  "floor",   "ceil",    "abs",    "asin",
      "acos",   "atan",   "arg",  "Re",   "Im",   "det",  "arcsinh", "arccosh", "arctanh"};
  return kNames.contains(name);
}

namespace {

// Operations and arrows that are not read; as symbols their sides would be factors in any order.
bool is_no_value(const std::string& name) {
  if ((name.ends_with("arrow") && !name.starts_with("over")) || name.ends_with("mapsto")) return true;
  static const std::unordered_set<std::string_view> kWords = {
      "int",    "iint",      "oint",    "lim",   "cap",   "setminus",  "bigcup", "bigcap", "circ",
      "choose", "over",      "mod",     "pmod",  "bmod",  "text",      "not",    "forall", "exists",
      "land",   "lor",       "wedge",   "vee",   "neg",   "lnot",      "oplus",  "otimes", "ominus",
      "star",   "sqcup",     "sqcap",   "uplus", "amalg", "backslash", "to",     "gets",   "implies",
      "iff",    "impliedby", "because", "nless", "ngtr",  "nleq",      "ngeq",   "ncong"};
  return kWords.contains(name);
}

}  // namespace

// Relations whose sides are not exchanged: what is compared with them is compared side by side.
bool is_relation(const std::string& name) {
  static const std::unordered_set<std::string_view> kWords = {
      "ni",     "notin", "nmid",   "perp",  "sim",    "nsim",    "subset", "supset",   "prec",
      "preceq", "succ",  "succeq", "ll",    "gg",     "lll",     "ggg",    "asymp",    "propto",
      "models", "vdash", "dashv",  "vDash", "bowtie", "lesssim", "gtrsim", "parallel", "nparallel"};
  static const std::unordered_set<std::string_view> kSets = {"subseteq",   "subsetneq",  "nsubseteq",
                                                             "subsetneqq", "supseteq",   "supsetneq",
                                                             "nsupseteq",  "sqsubseteq", "sqsupseteq"};
  return kWords.contains(name) || kSets.contains(name);
}

ExprPtr AnswerReader::command(const std::string& name) {
  if (name == "frac") {
    ExprPtr top = argument(), bottom = argument();
    return make_node(ExprKind::product, {std::move(top), inverse(std::move(bottom))});
  }
  if (name == "sqrt") return root();
  if (name == "radical") return make_node(ExprKind::power, {base(), make_number(Rational(1, 2))});
  if (name == "binom") {
    ExprPtr n = argument(), k = argument();
    return make_node(ExprKind::call, {std::move(n), std::move(k)}, "binom");
  }
  if (name == "pi") return make_node(ExprKind::pi, {});
  if (name == "infty") return make_node(ExprKind::infinity, {});
  if (name == "lfloor" || name == "lceil") {
    ExprPtr e = sum();
    if (!is_command(name == "lfloor" ? "rfloor" : "rceil")) unreadable("a floor that never closes");
    ++at_;
    return make_node(ExprKind::call, {std::move(e)}, name == "lfloor" ? "floor" : "ceil");
  }
  if (name.rfind("begin:", 0) == 0) return matrix(name.substr(6));
  if (name == "sum" || name == "prod") return series(name);
  if (name == "overline" || name == "bar") return make_symbol("\\overline " + subscript());
  if (name == "operatorname") unreadable("an operator");
  if (is_function(name)) return function(name);
  if (is_no_value(name)) unreadable("\\" + name);
  return make_symbol("\\" + name);
}

ExprPtr AnswerReader::root() {
  ExprPtr degree;
  if (take_mark("[")) {
    degree = sum();
    expect("]");
  }
  // "sqrt(2)" in plain text: base() reads the brackets.
  ExprPtr e = argument();
  if (!degree) return make_node(ExprKind::power, {std::move(e), make_number(Rational(1, 2))});
  return make_node(ExprKind::power, {std::move(e), inverse(std::move(degree))});
}

// sin x, sin^2 x, \log_2 8, \ln|x|, max(a, b): without brackets the argument is
// what stands up to the next operator.
ExprPtr AnswerReader::function(std::string name) {
  ExprPtr exponent, log_base;
  while (is_mark("^") || is_mark("_")) {
    const bool power = is_mark("^");
    ++at_;
    if (power) {
      int sign = 1;
      if (take_mark("-")) sign = -1;
      exponent = is_mark("{") ? argument() : base();
      if (sign < 0) exponent = make_negative(std::move(exponent));
    } else {
      log_base = argument();
    }
  }
  if ((name == "max" || name == "min") && !relation_sign().empty()) return make_symbol("\\" + name);
  std::vector<ExprPtr> args;
  if (is_mark("(") || is_mark("[") || is_mark("{")) {
    ExprPtr e = base();
    if (e->kind == ExprKind::list && (name == "max" || name == "min" || name == "gcd" || name == "lcm"))
      args = e->args;
    else
      args = {std::move(e)};
  } else if (is_mark("|") && bars_ == 0) {
    args = {absolute()};
  } else {
    args = {open_argument()};
  }
  static const std::map<std::string, std::string> kOther = {
      {"asin", "arcsin"}, {"acos", "arccos"}, {"atan", "arctan"}};
  if (const auto it = kOther.find(name); it != kOther.end()) name = it->second;
  if (exponent && exponent->kind == ExprKind::number && exponent->value == Rational(-1) &&
      name.rfind("arc", 0) != 0 && name != "ln" && name != "log" && name != "exp") {
    name = "arc" + name;
    exponent = nullptr;
  }
  if (name == "exp") {
    ExprPtr out = make_node(ExprKind::power, {make_node(ExprKind::e, {}), args.front()});
    return exponent ? make_node(ExprKind::power, {out, exponent}) : out;
  }
  if (name == "log" || name == "lg") {
    name = "log";
    args.push_back(log_base ? log_base : make_number(Rational(10)));
  } else if (log_base) {
    unreadable("a subscript of " + name);
  }
  ExprPtr out = make_node(ExprKind::call, std::move(args), name);
  return exponent ? make_node(ExprKind::power, {out, exponent}) : out;
}

ExprPtr AnswerReader::matrix(const std::string& environment) {
  static const std::unordered_set<std::string> kMatrices = {"pmatrix", "bmatrix", "matrix", "vmatrix",
                                                            "Bmatrix", "Vmatrix", "array",  "smallmatrix"};
  if (!kMatrices.contains(environment)) unreadable("\\begin{" + environment + "}");
  auto out = std::make_shared<Expr>();
  out->kind = ExprKind::matrix;
  const int bars = std::exchange(bars_, 0);
  size_t in_row = 0;
  while (!(peek().kind == TokenKind::command && peek().text.rfind("end:", 0) == 0)) {
    if (at_end()) unreadable("a matrix that never ends");
    if (is_command("hline")) {
      ++at_;
      continue;
    }
    out->args.push_back(item());
    ++in_row;
    if (out->args.size() > kMostAnswerItems) unreadable("a matrix too large");
    if (take_mark("&")) continue;
    const bool row_ends = take_mark("\\\\");
    if (!row_ends && !(peek().kind == TokenKind::command && peek().text.rfind("end:", 0) == 0))
      unreadable("a matrix entry");
    if (out->columns == 0) out->columns = in_row;
    if (out->columns != in_row) unreadable("rows of different length");
    ++out->rows;
    in_row = 0;
  }
  ++at_;
  bars_ = bars;
  if (out->args.empty()) unreadable("an empty matrix");
  if (environment == "vmatrix") return make_node(ExprKind::call, {out}, "det");
  return out;
}

ExprPtr AnswerReader::series(const std::string& name) {
  ExprPtr variable, from, to;
  bool index_is_i = false;
  for (int k = 0; k < 2; ++k) {
    const bool below = is_mark("_");
    if (!below && !is_mark("^")) unreadable("a series without bounds");
    ++at_;
    ExprPtr bound = argument();
    if (below) {
      if (bound->kind != ExprKind::relation || bound->name != "=" || bound->args.size() != 2)
        unreadable("a series without a start");
      variable = bound->args[0];
      from = bound->args[1];
      if (variable->kind == ExprKind::i) variable = make_symbol("i");
      index_is_i = variable->kind == ExprKind::symbol && variable->name == "i";
      if (variable->kind != ExprKind::symbol) unreadable("a series over no symbol");
    } else {
      to = std::move(bound);
    }
  }
  if (!from || !to) unreadable("a series without bounds");
  const bool outer = std::exchange(i_is_symbol_, i_is_symbol_ || index_is_i);
  ExprPtr body = term();
  i_is_symbol_ = outer;
  return make_node(ExprKind::call, {variable, from, to, std::move(body)}, name);
}

}  // namespace circuitdiff
