// Equations and inequalities as answers: what they say, and when two of them say the same.
#include <algorithm>
#include <functional>
#include <optional>

#include "formula/compare.h"
#include "formula/compare_parts.h"
#include "formula/letters.h"
#include "formula/number_sets.h"

namespace circuitdiff {

bool is_equation(const Expr& e) { return e.kind == ExprKind::relation && e.name == "="; }

namespace {

// What one speaks of the length or size of: "AB", "\\vec a", "z", "f(x)", "k". The unknowns of equations, x,
// y and t with or without an index, are left out: |x| = 3 says two values of x.
bool has_length(const Expr& e) {
  if (e.kind != ExprKind::symbol) return e.kind != ExprKind::call && is_name(e);
  const bool unknown = std::string_view("xyt").find(e.name[0]) != std::string_view::npos;
  return !(unknown && (e.name.size() == 1 || e.name[1] == '_'));
}

}  // namespace

// A side that only names what the other side says: "x", "f(x)", "AB", "(x, y)".
bool is_name(const Expr& e) {
  if (e.kind == ExprKind::symbol) return true;
  if (e.kind == ExprKind::e || e.kind == ExprKind::i) return true;  // used as names here
  if (e.kind == ExprKind::call)
    return e.name == "max" || e.name == "min" || e.name == "arg" ||
           (e.name == "abs" && has_length(*e.args[0]));
  const auto is_letter = [](const Expr& a) {
    return a.kind == ExprKind::symbol || a.kind == ExprKind::e || a.kind == ExprKind::i;
  };
  if (e.kind == ExprKind::product && e.args.size() == 2 && e.args[1]->kind == ExprKind::power &&
      e.args[1]->args[1]->kind == ExprKind::number && e.args[1]->args[1]->value == Rational(-1))
    return is_name(*e.args[0]) && is_name(*e.args[1]->args[0]);  // dy/dx, AB/CD
  if (e.kind == ExprKind::product || is_list(e))
    return std::all_of(e.args.begin(), e.args.end(), [&](const auto& a) { return is_letter(*a); });
  return false;
}

bool says_a_size(const Expr& e) {
  return is_equation(e) && e.args.size() == 2 && e.args[0]->kind == ExprKind::call &&
         e.args[0]->name == "abs" && is_name(*e.args[0]->args[0]);
}

bool has_symbols(const Expr& e) {
  std::set<std::string> symbols;
  collect_symbols(e, symbols);
  return !symbols.empty();
}

// What an equation says as an answer: "x = 5" says 5, "2 + 3 = 5" says 5 if it is true. Null: nothing of the
// kind.
ExprPtr said_by(const Expr& equation, bool& contradicts) {
  contradicts = false;
  const Expr& first = *equation.args.front();
  // "x = 7/9 ~ 0.78" says 7/9; "x ~ 0.78" says 0.78.
  size_t n = std::max<size_t>(equation.exact_sides, 1);
  if (n == 1 && (is_name(first) || equation.exact_sides == 0)) n = equation.args.size();
  const ExprPtr& final_side = equation.args[n - 1];
  if (n == 2 && is_name(first)) return final_side;
  if (n == 2 && equation.args.size() == 2 && is_name(*final_side) && !has_symbols(first))
    return equation.args.front();  // "5 = x"
  // A chain: what stands last, if the values agree.
  size_t from = 0;  // names in front
  while (from + 1 < n && is_name(*equation.args[from])) ++from;
  for (size_t k = from; k + 1 < n; ++k) {
    if (!is_value(*equation.args[k]) || !is_value(*final_side)) return nullptr;
    if (has_symbols(*equation.args[k])) return nullptr;
    const Verdict verdict = compare_values(*equation.args[k], *final_side).verdict;
    if (verdict == Verdict::different) contradicts = true;
  }
  return final_side;
}

namespace {

ExprPtr left_minus_right(const Expr& equation) {
  return make_node(ExprKind::sum, {equation.args[0], make_negative(equation.args[1])});
}

// a = 0 and b = 0 say the same if a/b is a constant other than 0.
Judgement compare_zero_sets(const Expr& a, const Expr& b) {
  std::set<std::string> symbols_a, symbols_b;
  collect_symbols(a, symbols_a);
  collect_symbols(b, symbols_b);
  if (symbols_a != symbols_b) return different("equations in different symbols");
  if (symbols_a.empty()) return undecided("equations without symbols");
  const ExprPtr ratio =
      make_node(ExprKind::product,
                {std::make_shared<Expr>(a),
                 make_node(ExprKind::power, {std::make_shared<Expr>(b), make_number(Rational(-1))})});
  // The ratio with every symbol renamed is the ratio at other points.
  const std::function<ExprPtr(const ExprPtr&)> renamed = [&](const ExprPtr& e) -> ExprPtr {
    if (e->kind == ExprKind::symbol) return make_symbol(e->name + " at another point");
    if (e->args.empty()) return e;
    auto out = std::make_shared<Expr>(*e);
    for (auto& x : out->args) x = renamed(x);
    return out;
  };
  const Judgement same = compare_values(*ratio, *renamed(ratio));
  if (same.verdict == Verdict::equal) return equal("equivalent equations");
  if (same.verdict == Verdict::different) return different("different equations");
  return same;
}

// "f('x,'y)": a function and its arguments. nullopt: no call.
struct Call {
  std::string function;
  // The arguments, where each is a symbol of its own and they are few; else none.
  std::vector<std::string> symbols;
};
constexpr size_t kMostArguments = 8;
std::optional<Call> call_of(const Expr& e) {
  const size_t open = e.name.find('(');
  if (e.kind != ExprKind::symbol || open == std::string::npos || open == 0 || e.name.back() != ')')
    return std::nullopt;
  Call out{e.name.substr(0, open), {}};
  for (size_t at = open + 1; at < e.name.size();) {
    const size_t end = std::min(e.name.find(',', at), e.name.size() - 1);
    const std::string argument = e.name.substr(at, end - at);
    if (argument.size() < 2 || argument[0] != '\'' ||
        argument.find_first_of("+*^(", 1) != std::string::npos ||
        std::find(out.symbols.begin(), out.symbols.end(), argument.substr(1)) != out.symbols.end() ||
        out.symbols.size() == kMostArguments)
      return Call{out.function, {}};
    out.symbols.push_back(argument.substr(1));
    at = end + 1;
  }
  return out;
}

ExprPtr with_symbol(const ExprPtr& e, const std::string& from, const std::string& to) {
  if (e->kind == ExprKind::symbol) return e->name == from ? make_symbol(to) : e;
  if (e->args.empty()) return e;
  auto out = std::make_shared<Expr>(*e);
  for (auto& a : out->args) a = with_symbol(a, from, to);
  return out;
}

// `e` with a call's arguments by their places.
ExprPtr by_place(ExprPtr e, const Call& call) {
  for (size_t k = 0; k < call.symbols.size(); ++k)
    e = with_symbol(e, call.symbols[k], "argument " + std::to_string(k));
  return e;
}

// Names of the same kind that are not the same: f(1) and f(2), A and B, (x, y) and (y, x), AB and CD.
bool names_differ(const Expr& a, const Expr& b) {
  if (!is_name(a) || !is_name(b) || canonical_text(a) == canonical_text(b)) return false;
  const auto f = call_of(a), g = call_of(b);
  if (f && g)
    return f->function != g->function || f->symbols.empty() || f->symbols.size() != g->symbols.size();
  if (f || g) return (f ? f : g)->symbols.empty();
  return a.kind == b.kind;
}

// The relation with its sides exchanged; nothing where that is none of the same kind.
std::string turned(const std::string& sign) {
  static const std::pair<const char*, const char*> kTurned[] = {{"<", ">"},
                                                                {"<=", ">="},
                                                                {"\\subset", "\\supset"},
                                                                {"\\subseteq", "\\supseteq"},
                                                                {"\\subsetneq", "\\supsetneq"},
                                                                {"\\prec", "\\succ"},
                                                                {"\\ll", "\\gg"},
                                                                {"\\perp", "\\perp"},
                                                                {"\\parallel", "\\parallel"},
                                                                {"\\sim", "\\sim"}};
  for (const auto& [one, other] : kTurned) {
    if (sign == one) return other;
    if (sign == other) return one;
  }
  return sign[0] == '\\' ? std::string() : sign;
}

// The names that a chain of equations begins with.
bool share_a_name(const Expr& a, const Expr& b) {
  for (const auto& x : a.args) {
    if (!is_name(*x)) break;
    for (const auto& y : b.args) {
      if (!is_name(*y)) break;
      if (!names_differ(*x, *y)) return true;
    }
  }
  return !is_name(*a.args[0]) || !is_name(*b.args[0]);
}

// "max f": the function whose value an equation gives; empty where it gives none.
std::string named_function(const Expr& equation) {
  const Expr& e = *equation.args[0];
  return e.kind == ExprKind::call && is_name(e) ? e.name : std::string();
}

bool is_plain(const Expr& relation) {  // two sides
  return relation.args.size() == 2;
}
bool has_plain_values(const Expr& relation) {
  return is_plain(relation) && is_value(*relation.args[0]) && is_value(*relation.args[1]);
}

Ruling compare_right_sides(const ExprPtr& a, const ExprPtr& b) {
  if (!is_plain(*a) || !is_plain(*b)) return {};
  if (compare_items(a->args[0], b->args[0]).verdict != Verdict::equal) return {};
  Judgement right = compare_items(a->args[1], b->args[1]);
  if (right.verdict == Verdict::different && is_value(*a->args[1]) && is_value(*b->args[1])) return {};
  return right;
}

Ruling compare_functions(const ExprPtr& a, const ExprPtr& b) {
  if (!has_plain_values(*a) || !has_plain_values(*b)) return {};
  const auto f = call_of(*a->args[0]), g = call_of(*b->args[0]);
  if (!f || !g) return {};
  if (names_differ(*a->args[0], *b->args[0])) return different("values of another function or argument");
  return compare_items(by_place(a->args[1], *f), by_place(b->args[1], *g));
}

Ruling compare_function_and_name(const ExprPtr& a, const ExprPtr& b) {
  if (!has_plain_values(*a) || !has_plain_values(*b)) return {};
  const auto defines = [](const Expr& x, const Expr& other) {
    const auto primes = [](const std::string& s) { return std::count(s.begin(), s.end(), '\''); };
    const auto call = call_of(x);
    return call && !call->symbols.empty() && is_name(other) && primes(call->function) == primes(other.name);
  };
  if (!defines(*a->args[0], *b->args[0]) && !defines(*b->args[0], *a->args[0])) return {};
  return compare_items(a->args[1], b->args[1]);
}

Ruling compare_what_both_say(const ExprPtr& a, const ExprPtr& b) {
  bool wrong_a = false, wrong_b = false;
  const ExprPtr x = said_by(*a, wrong_a), y = said_by(*b, wrong_b);
  if (!x || !y || wrong_a || wrong_b) return {};
  Judgement said = compare_items(x, y);
  if (said.verdict == Verdict::equal && !share_a_name(*a, *b)) return undecided("the same of other names");
  return said;
}

using Row = Rule<ExprPtr, ExprPtr>;
constexpr Row kEquationRules[] = {
    Row("other-function", "The maximum is not the minimum.", {"\\max f = 3", "\\min f = 3"},
        [](const ExprPtr& a, const ExprPtr& b) {
          const std::string f = named_function(*a), g = named_function(*b);
          return different_if(!f.empty() && !g.empty() && f != g, "values of another function");
        }),
    Row("same-left-side", "Behind equal left sides the right sides decide.", {"x = 1/2", "x = 0.5"},
        compare_right_sides),
    Row("functions", "Functions are the same whatever their argument is called.",
        {"f(n) = n+1", "f(x) = x+1"}, compare_functions),
    Row("function-and-name", "f(x) and y define the same function.", {"f(x) = x+1", "y = x+1"},
        compare_function_and_name),
    Row("same-solutions", "Equations whose zero forms have a constant ratio say the same.",
        {"2x+3y=6", "4x+6y=12"},
        [](const ExprPtr& a, const ExprPtr& b) -> Ruling {
          if (!has_plain_values(*a) || !has_plain_values(*b)) return {};
          return compare_zero_sets(*left_minus_right(*a), *left_minus_right(*b));
        }),
    Row("what-both-say", "Other equations are compared by what they say.", {"x = 1 + 1 = 2", "x = 2"},
        compare_what_both_say),
    Row("side-by-side", "Equations are the same if all their sides are.", {"x+1=y+1=z", "x+1=y+1=1z"},
        [](const ExprPtr& a, const ExprPtr& b) -> Ruling {
          Judgement sides = compare_in_order(a->args, b->args, "sides");
          if (sides.verdict != Verdict::equal) return {};
          return sides;
        }),
    Row("other-equations", "Equations that say nothing alike are left open.", {"x=2=3", "y=4"},
        [](const ExprPtr&, const ExprPtr&) -> Ruling {
          return undecided("equations that cannot be compared");
        })};

Judgement compare_equations(const ExprPtr& a, const ExprPtr& b) { return judged_by(kEquationRules, a, b); }

Ruling compare_membership_and_bound(const ExprPtr& a, const ExprPtr& b) {
  if ((a->name == "in") == (b->name == "in")) return {};
  const std::string in_a = bounded_symbol(*a), in_b = bounded_symbol(*b);
  if (!in_a.empty() && !in_b.empty() && in_a != in_b) return different("relations of different symbols");
  return a->name == "in" ? compare_items(a->args[1], b) : compare_items(a, b->args[1]);
}

Ruling compare_chains(const ExprPtr& a, const ExprPtr& b) {
  if (a->name != "chain" && b->name != "chain") return {};
  if (a->name != b->name) return different("relations of different form");
  return compare_in_order(a->args, b->args, "inequalities");
}

Ruling compare_memberships(const ExprPtr& a, const ExprPtr& b) {
  if (a->name != "in" || b->name != "in") return {};
  Judgement sets = compare_items(a->args[1], b->args[1]);
  const Expr &x = *a->args[0], &y = *b->args[0];
  const auto is_symbol = [](const Expr& e) { return e.kind == ExprKind::symbol; };
  if (x.name == y.name ? canonical_text(x) == canonical_text(y) : is_symbol(x) && x.name.empty()) return sets;
  if (is_symbol(x) && is_symbol(y) && !y.name.empty()) return different("memberships of different symbols");
  if (sets.verdict == Verdict::equal && !(is_symbol(y) && y.name.empty()))
    return undecided("memberships of other names");
  return sets;
}

Ruling compare_same_relations(const ExprPtr& a, const ExprPtr& b) {
  const bool same =
      a->name == b->name && compare_in_order(a->args, b->args, "sides").verdict == Verdict::equal;
  return equal_if(
      same || (a->name == turned(b->name) &&
               compare_in_order(a->args, {b->args[1], b->args[0]}, "sides").verdict == Verdict::equal),
      "the same relation");
}

Ruling compare_relations_of_sets(const ExprPtr& a, const ExprPtr& b) {
  if (a->name[0] != '\\') return {};
  Judgement sides = compare_in_order(a->args, b->args, "sides");
  return sides.verdict == Verdict::undecided ? sides : different("other sides");
}

Ruling compare_boundaries(const ExprPtr& a, const ExprPtr& b) {
  if (!has_plain_values(*a) || !has_plain_values(*b)) return undecided("relations that cannot be compared");
  Judgement zero = compare_zero_sets(*left_minus_right(*a), *left_minus_right(*b));
  if (zero.verdict == Verdict::equal && a->name != "!=")
    return undecided("inequalities of the same boundary");
  return zero;
}

constexpr Row kRelationRules[] = {
    Row("two-equations", "Two equations are compared as equations.", {"x = 1/2", "x = 0.5"},
        for_both<is_equation, compare_equations>),
    Row("membership-and-bound", "A membership is compared by its set with another relation.",
        {"x\\in(2,\\infty)", "x>2"}, compare_membership_and_bound),
    Row("chains", "Chains of inequalities agree link by link.", {"a<b<c<d", "a<b<c<2d/2"}, compare_chains),
    Row("memberships", "Two memberships are compared by their sets, if they name the same.",
        {"x\\in[1,2]", "x\\in[1,2.0]"}, compare_memberships),
    Row("several-sides", "Other relations of more than two sides are left open.", {"x=y=2", "x<y"},
        [](const ExprPtr& a, const ExprPtr& b) {
          return undecided_if(!is_plain(*a) || !is_plain(*b), "relations that cannot be compared");
        }),
    Row("same-relation", "A relation is the same with its sides exchanged, if its sign is turned.",
        {"a<b", "b>a"}, compare_same_relations),
    Row("other-relation", "Relations of another kind are not the same.", {"a<b", "a\\le b"},
        [](const ExprPtr& a, const ExprPtr& b) {
          return different_if(a->name != b->name && a->name != turned(b->name), "different relations");
        }),
    Row("relations-of-sets", "Relations of sets and lines need the same sides.",
        {"A\\subset B", "A\\subset C"}, compare_relations_of_sets),
    Row("same-boundary",
        "Inequalities with another boundary are not the same; with the same one they may be.",
        {"2x+2y<4", "x+y<2"}, compare_boundaries)};

}  // namespace

std::vector<RuleTable> relation_rules() {
  return {table_of("Two relations", kRelationRules), table_of("Two equations", kEquationRules)};
}

Judgement compare_relations(const ExprPtr& a, const ExprPtr& b) { return judged_by(kRelationRules, a, b); }

}  // namespace circuitdiff
