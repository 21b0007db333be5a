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

}  // namespace

Judgement compare_relations(const ExprPtr& a, const ExprPtr& b) {
  if (is_equation(*a) && is_equation(*b)) {
    const bool plain = a->args.size() == 2 && b->args.size() == 2;
    const auto function = [](const Expr& e) {
      return e.kind == ExprKind::call && is_name(e) ? e.name : std::string();
    };
    const std::string named_a = function(*a->args[0]), named_b = function(*b->args[0]);
    if (!named_a.empty() && !named_b.empty() && named_a != named_b)
      return different("values of another function");  // the max and the min of f
    if (plain && compare_items(a->args[0], b->args[0]).verdict == Verdict::equal) {
      const Judgement right = compare_items(a->args[1], b->args[1]);
      if (right.verdict != Verdict::different || !is_value(*a->args[1]) || !is_value(*b->args[1]))
        return right;
    }
    if (plain && std::all_of(a->args.begin(), a->args.end(), [](const auto& e) { return is_value(*e); }) &&
        std::all_of(b->args.begin(), b->args.end(), [](const auto& e) { return is_value(*e); })) {
      const auto f = call_of(*a->args[0]), g = call_of(*b->args[0]);
      if (f && g) {
        // f(x) = x + 1 and f(n) = n + 1 define the same; f(1) = 2 and f(2) = 2, g(1) = 2 do not.
        if (names_differ(*a->args[0], *b->args[0]))
          return different("values of another function or argument");
        return compare_items(by_place(a->args[1], *f), by_place(b->args[1], *g));
      }
      // f(x) = x + 1 and y = x + 1 define the same, f'(x) = 2x and y' = 2x too.
      const auto defines = [](const std::optional<Call>& call, const Expr& other) {
        const auto primes = [](const std::string& s) { return std::count(s.begin(), s.end(), '\''); };
        return call && !call->symbols.empty() && is_name(other) &&
               primes(call->function) == primes(other.name);
      };
      if (defines(f, *b->args[0]) || defines(g, *a->args[0])) return compare_items(a->args[1], b->args[1]);
      return compare_zero_sets(*left_minus_right(*a), *left_minus_right(*b));
    }
    bool wrong_a = false, wrong_b = false;
    const ExprPtr x = said_by(*a, wrong_a), y = said_by(*b, wrong_b);
    if (x && y && !wrong_a && !wrong_b) {
      const Judgement said = compare_items(x, y);
      return said.verdict == Verdict::equal && !share_a_name(*a, *b) ? undecided("the same of other names")
                                                                     : said;
    }
    if (a->args.size() == b->args.size()) {
      const Judgement all = compare_in_order(a->args, b->args, "sides");
      if (all.verdict == Verdict::equal) return all;
    }
    return undecided("equations that cannot be compared");
  }
  if ((a->name == "in") != (b->name == "in")) {
    const std::string in_a = bounded_symbol(*a), in_b = bounded_symbol(*b);
    if (!in_a.empty() && !in_b.empty() && in_a != in_b) return different("relations of different symbols");
    return a->name == "in" ? compare_items(a->args[1], b) : compare_items(a, b->args[1]);
  }
  const ExprPtr x = interval_of(*a), y = interval_of(*b);
  if (x && y) return compare_items(x, y);
  if (a->name == "chain" || b->name == "chain") {
    if (a->name != b->name) return different("relations of different form");
    return compare_in_order(a->args, b->args, "inequalities");
  }
  if (a->name == "in" && b->name == "in") {
    const Judgement sets = compare_items(a->args[1], b->args[1]);
    const Expr &x_in = *a->args[0], &y_in = *b->args[0];
    if (x_in.name == y_in.name ? canonical_text(x_in) == canonical_text(y_in)
                               : x_in.kind == ExprKind::symbol && x_in.name.empty())
      return sets;
    if (x_in.kind == ExprKind::symbol && y_in.kind == ExprKind::symbol && !y_in.name.empty())
      return different("memberships of different symbols");
    return sets.verdict == Verdict::equal && !(y_in.kind == ExprKind::symbol && y_in.name.empty())
               ? undecided("memberships of other names")
               : sets;
  }
  if (a->args.size() != 2 || b->args.size() != 2) return undecided("relations that cannot be compared");
  const Judgement sides = compare_in_order(a->args, b->args, "sides");
  if (a->name == b->name && sides.verdict == Verdict::equal) return equal("the same relation");
  const std::vector<ExprPtr> swapped = {b->args[1], b->args[0]};
  if (a->name == turned(b->name) && compare_in_order(a->args, swapped, "sides").verdict == Verdict::equal)
    return equal("the same relation");
  if (a->name != b->name && a->name != turned(b->name)) return different("different relations");
  if (a->name[0] == '\\') return sides.verdict == Verdict::undecided ? sides : different("other sides");
  if (!is_value(*a->args[0]) || !is_value(*a->args[1]) || !is_value(*b->args[0]) || !is_value(*b->args[1]))
    return undecided("relations that cannot be compared");
  const Judgement zero = compare_zero_sets(*left_minus_right(*a), *left_minus_right(*b));
  return zero.verdict == Verdict::equal && a->name != "!=" ? undecided("inequalities of the same boundary")
                                                           : zero;
}

}  // namespace circuitdiff
