// The words and commands that the cutter of tokens tells apart.
#include "formula/token_words.h"

#include "formula/tokens.h"

namespace circuitdiff {

const WordSet& function_words() {
  static const WordSet kWords = {
      "sin",    "cos",    "tan",  "cot",  "sec",  "csc",   "arcsin", "arccos",  "arctan",  "arccot",
      "arcsec", "arccsc", "sinh", "cosh", "tanh", "coth",  "sech",   "csch",    "log",     "ln",
      "lg",     "exp",    "sqrt", "pi",   "gcd",  "lcm",   "max",    "min",     "mod",     "floor",
      "ceil",   "abs",    "asin", "acos", "atan", "binom", "det",    "arcsinh", "arccosh", "arctanh"};
  return kWords;
}
namespace {
const WordSet& unit_words() {
  static const WordSet kWords = {
      "cm",       "mm",     "km",      "nm",      "kg",      "mg",     "ml",     "mL",     "ft",
      "feet",     "foot",   "in",      "inch",    "inches",  "yd",     "yard",   "yards",  "mi",
      "mile",     "miles",  "meter",   "meters",  "metre",   "metres", "hr",     "hrs",    "hour",
      "hours",    "min",    "mins",    "minute",  "minutes", "sec",    "secs",   "second", "seconds",
      "day",      "days",   "week",    "weeks",   "month",   "months", "year",   "years",  "mph",
      "kmh",      "usd",    "dollar",  "dollars", "cent",    "cents",  "euro",   "euros",  "pound",
      "pounds",   "lb",     "lbs",     "oz",      "ounce",   "ounces", "gram",   "grams",  "liter",
      "liters",   "litre",  "litres",  "gallon",  "gallons", "quart",  "quarts", "degree", "degrees",
      "deg",      "radian", "radians", "rad",     "unit",    "units",  "square", "cubic",  "sq",
      "cu",       "per",    "ev",      "kev",     "mev",     "gev",    "hz",     "khz",    "mhz",
      "ghz",      "pa",     "kpa",     "mol",     "kj",      "kw",     "mw",     "cal",    "kcal",
      "erg",      "ergs",   "kelvin",  "people",  "percent", "points", "point",  "times",  "ways",
      "students", "am",     "pm",      "rs",      "dozen",   "men",    "women",  "km/h"};
  return kWords;
}
}  // namespace

bool is_unit_word(std::string_view word) { return unit_words().contains(word); }

const WordSet& short_words() {
  static const WordSet kWords = {"and", "or",  "no",  "yes", "not", "the", "an",  "is",  "of",   "to",  "by",
                                 "if",  "at",  "one", "two", "six", "ten", "for", "all", "are",  "odd", "day",
                                 "men", "red", "any", "inf", "dne", "nan", "per", "has", "forty"};
  return kWords;
}

const WordSet& greek_commands() {
  static const WordSet kWords = {
      "alpha",    "beta",  "gamma",   "delta",  "epsilon", "varepsilon", "zeta",    "eta",      "theta",
      "vartheta", "iota",  "kappa",   "lambda", "mu",      "nu",         "xi",      "rho",      "varrho",
      "sigma",    "tau",   "upsilon", "phi",    "varphi",  "chi",        "psi",     "omega",    "Gamma",
      "Delta",    "Theta", "Lambda",  "Xi",     "Pi",      "Sigma",      "Upsilon", "Phi",      "Psi",
      "Omega",    "ell",   "hbar",    "nabla",  "partial", "varpi",      "mho",     "emptyset", "varnothing",
      "triangle", "angle", "ldots",   "cdots",  "dots",    "odot"};
  return kWords;
}

const WordSet& shaping_commands() {
  static const WordSet kWords = {
      "left",        "right",    "big",       "Big",    "bigg",      "Bigg",    "bigl",         "bigr",
      "Bigl",        "Bigr",     "biggl",     "biggr",  "Biggl",     "Biggr",   "displaystyle", "textstyle",
      "limits",      "nolimits", "quad",      "qquad",  "mathstrut", "strut",   "boxed",        "fbox",
      "underline",   "mathopen", "mathclose", "middle", "thinspace", "enspace", "hfill",        "noindent",
      "scriptstyle", "boldmath", "rm",        "bf",     "it",        "sf",      "therefore",    "large"};
  return kWords;
}

const WordSet& text_commands() {
  static const WordSet kWords = {"text",   "textbf",       "textit", "textrm", "textsf", "texttt", "mbox",
                                 "mathrm", "operatorname", "emph",   "textup", "mathsf", "mathit"};
  return kWords;
}

const WordSet& decorating_commands() {
  static const WordSet kWords = {
      "mathbf", "vec",     "hat",     "overrightarrow", "boldsymbol", "bm",      "dot",       "ddot",
      "tilde",  "mathcal", "mathscr", "mathfrak",       "mathbb",     "widehat", "widetilde", "pmb"};
  return kWords;
}

const std::unordered_map<std::string_view, const char*>& mark_commands() {
  static const std::unordered_map<std::string_view, const char*> kMarks = {
      {"le", "<="},    {"leq", "<="},      {"leqslant", "<="}, {"leqq", "<="},  {"ge", ">="},
      {"geq", ">="},   {"geqslant", ">="}, {"geqq", ">="},     {"lt", "<"},     {"gt", ">"},
      {"ne", "!="},    {"neq", "!="},      {"times", "*"},     {"cdot", "*"},   {"ast", "*"},
      {"div", "/"},    {"mid", "|"},       {"vert", "|"},      {"lvert", "|"},  {"rvert", "|"},
      {"colon", ":"},  {"lbrace", "\\{"},  {"rbrace", "\\}"},  {"lbrack", "["}, {"rbrack", "]"},
      {"langle", "("}, {"rangle", ")"},    {"prime", "'"}};
  return kMarks;
}

}  // namespace circuitdiff
