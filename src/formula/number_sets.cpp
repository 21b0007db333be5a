#include "formula/number_sets.h"

#include <algorithm>
#include <set>

#include "formula/compare.h"
#include "formula/evaluate.h"

namespace circuitdiff {
namespace {

constexpr size_t kMostPieces = 60;

ExprPtr infinite(int sign) {
  ExprPtr e = make_node(ExprKind::infinity, {});
  return sign > 0 ? e : make_negative(std::move(e));
}

ExprPtr interval(char open, ExprPtr low, ExprPtr high, char close) {
  auto out = std::make_shared<Expr>();
  out->kind = ExprKind::list;
  out->args = {std::move(low), std::move(high)};
  out->open = open;
  out->close = close;
  return out;
}

bool is_interval(const Expr& e) { return is_list(e) && e.args.size() == 2 && e.open != 0 && e.open != '{'; }

// An end of an interval: a number, or beyond all numbers on one side.
struct End {
  ExprPtr at;
  int infinite = 0;  // -1, 0, 1
  bool closed = false;
};

struct Piece {
  End low, high;
};

std::optional<End> end_of(const ExprPtr& e, bool closed) {
  if (!contains(*e, ExprKind::infinity)) return End{e, 0, closed};
  for (const int sign : {-1, 1})
    if (canonical_text(*e) == canonical_text(*infinite(sign))) return End{e, sign, false};
  return std::nullopt;
}

// -1, 0 or 1; nullopt where it cannot be told.
std::optional<int> order(const End& a, const End& b) {
  if (a.infinite || b.infinite) return (a.infinite > b.infinite) - (a.infinite < b.infinite);
  if (const auto x = exact_value(*a.at), y = exact_value(*b.at); x && y) {
    const int sign = fmpq_cmp(x->get(), y->get());
    return (sign > 0) - (sign < 0);
  }
  constexpr slong kBits = 128;
  const Evaluation x = evaluate(*a.at, {}, kBits), y = evaluate(*b.at, {}, kBits);
  if (!x.known || !y.known || !x.value.is_finite() || !y.value.is_finite() || !acb_is_real(x.value.get()) ||
      !acb_is_real(y.value.get()))
    return std::nullopt;
  if (arb_lt(acb_realref(x.value.get()), acb_realref(y.value.get()))) return -1;
  if (arb_gt(acb_realref(x.value.get()), acb_realref(y.value.get()))) return 1;
  if (compare_values(*a.at, *b.at).verdict == Verdict::equal) return 0;
  return std::nullopt;
}

// What was written, as pieces in no order. False where an end is of no use or a piece holds nothing.
bool pieces_of(const std::vector<ExprPtr>& written, std::vector<Piece>& out) {
  for (const ExprPtr& e : written) {
    const bool set = e->open == '{';
    for (const ExprPtr& a : e->args)
      if (!is_value(*a) || contains(*a, ExprKind::plus_minus)) return false;
    for (size_t k = 0; k < (set ? e->args.size() : 1); ++k) {
      const auto low = end_of(e->args[k], set || e->open == '['),
                 high = end_of(set ? e->args[k] : e->args[1], set || e->close == ']');
      if (!low || !high) return false;
      const auto between = order(*low, *high);
      if (!between || *between > 0 || (*between == 0 && !(low->closed && high->closed))) return false;
      out.push_back({*low, *high});
    }
  }
  return out.size() <= kMostPieces;
}

}  // namespace

ExprPtr interval_of(const Expr& relation) {
  const auto is_less = [](const std::string& s) { return s == "<" || s == "<="; };
  const auto is_more = [](const std::string& s) { return s == ">" || s == ">="; };
  const auto is_variable = [](const ExprPtr& e) { return e->kind == ExprKind::symbol; };
  const auto is_bound = [](const ExprPtr& e) { return e->kind != ExprKind::symbol && is_value(*e); };
  if (relation.kind != ExprKind::relation) return nullptr;
  if (relation.name == "chain" && relation.args.size() == 2) {
    const Expr &first = *relation.args[0], &second = *relation.args[1];
    if (!is_variable(first.args[1])) return nullptr;
    if (is_less(first.name) && is_less(second.name))
      return interval(first.name == "<=" ? '[' : '(', first.args[0], second.args[1],
                      second.name == "<=" ? ']' : ')');
    if (is_more(first.name) && is_more(second.name))
      return interval(second.name == ">=" ? '[' : '(', second.args[1], first.args[0],
                      first.name == ">=" ? ']' : ')');
    return nullptr;
  }
  if (relation.args.size() != 2 || !(is_less(relation.name) || is_more(relation.name))) return nullptr;
  const bool closed = relation.name.size() == 2;
  ExprPtr bound = relation.args[1];
  bool below = is_less(relation.name);  // the variable lies below the bound
  if (!is_variable(relation.args[0])) {
    if (!is_variable(relation.args[1])) return nullptr;
    bound = relation.args[0];
    below = !below;
  }
  if (!is_bound(bound)) return nullptr;
  return below ? interval('(', infinite(-1), bound, closed ? ']' : ')')
               : interval(closed ? '[' : '(', bound, infinite(1), ')');
}

std::string bounded_symbol(const Expr& relation) {
  if (relation.kind != ExprKind::relation) return {};
  if (relation.name == "in") return relation.args[0]->kind == ExprKind::symbol ? relation.args[0]->name : "";
  const Expr& first = relation.name == "chain" ? *relation.args[0] : relation;
  for (const auto& side : {first.args[1], first.args[0]})
    if (side->kind == ExprKind::symbol) return side->name;
  return {};
}

// "x > 2 and x < 5", "x > 2, x < 5": two half-lines that cover everything are meant to hold together. With
// "or" they are not, and those that do not meet ("x < 1 and x > 3") never could.
ExprPtr both_half_lines(const Expr& list) {
  if (list.args.size() != 2 || list.name == "or") return nullptr;
  const ExprPtr a = interval_of(*list.args[0]), b = interval_of(*list.args[1]);
  if (!a || !b || bounded_symbol(*list.args[0]) != bounded_symbol(*list.args[1])) return nullptr;
  for (const auto& [below, above] : {std::pair(a, b), std::pair(b, a)}) {
    const auto from = end_of(below->args[0], false), high = end_of(below->args[1], below->close == ']');
    const auto low = end_of(above->args[0], above->open == '['), to = end_of(above->args[1], false);
    if (!from || !high || !low || !to || from->infinite >= 0 || to->infinite <= 0) continue;
    if (high->infinite || low->infinite || order(*low, *high) != -1) continue;
    return interval(above->open, above->args[0], below->args[1], below->close);
  }
  return nullptr;
}

bool intervals_of(const ExprPtr& e, std::vector<ExprPtr>& out) {
  if (is_list(*e) && e->open == 0)
    if (const ExprPtr both = both_half_lines(*e)) {
      out.push_back(both);
      return true;
    }
  if (e->kind == ExprKind::join || (is_list(*e) && e->open == 0)) {
    // "x > 2, y < 5" is no set of numbers.
    std::set<std::string> bounded;
    for (const auto& a : e->args)
      if (const std::string symbol = bounded_symbol(*a); !symbol.empty()) bounded.insert(symbol);
    if (bounded.size() > 1) return false;
    return std::all_of(e->args.begin(), e->args.end(), [&](const auto& a) { return intervals_of(a, out); });
  }
  if (e->kind == ExprKind::reals) {
    out.push_back(interval('(', infinite(-1), infinite(1), ')'));
    return true;
  }
  if (is_interval(*e)) {
    out.push_back(e);
    return true;
  }
  if (is_list(*e) && e->open == '{') {
    out.push_back(e);
    return true;
  }
  if (const ExprPtr of = interval_of(*e)) {
    out.push_back(of);
    return true;
  }
  return false;
}

std::optional<std::vector<ExprPtr>> merged_intervals(const std::vector<ExprPtr>& written) {
  std::vector<Piece> pieces;
  if (!pieces_of(written, pieces)) return std::nullopt;
  // By insertion: an order that cannot be told anywhere ends it.
  std::vector<Piece> sorted;
  for (const Piece& piece : pieces) {
    size_t at = 0;
    for (; at < sorted.size(); ++at) {
      const auto between = order(piece.low, sorted[at].low);
      if (!between) return std::nullopt;
      if (*between < 0 || (*between == 0 && piece.low.closed)) break;
    }
    sorted.insert(sorted.begin() + static_cast<std::ptrdiff_t>(at), piece);
  }
  std::vector<Piece> merged;
  for (const Piece& next : sorted) {
    if (!merged.empty()) {
      Piece& last = merged.back();
      const auto gap = order(next.low, last.high);
      if (!gap) return std::nullopt;
      if (*gap < 0 || (*gap == 0 && (next.low.closed || last.high.closed))) {
        const auto further = order(next.high, last.high);
        if (!further) return std::nullopt;
        if (*further > 0)
          last.high = next.high;
        else if (*further == 0)
          last.high.closed = last.high.closed || next.high.closed;
        continue;
      }
    }
    merged.push_back(next);
  }
  std::vector<ExprPtr> out;
  for (const Piece& p : merged) {
    if (!p.low.infinite && !p.high.infinite && *order(p.low, p.high) == 0) {
      auto point = std::make_shared<Expr>();
      point->kind = ExprKind::list;
      point->args = {p.low.at};
      point->open = '{', point->close = '}';
      out.push_back(point);
    } else {
      out.push_back(interval(p.low.closed ? '[' : '(', p.low.at, p.high.at, p.high.closed ? ']' : ')'));
    }
  }
  return out;
}

}  // namespace circuitdiff
