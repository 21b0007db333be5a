// Two values: exactly where both are rational, else as balls, those with symbols at several assignments.
#include <algorithm>
#include <bit>

#include "formula/compare.h"
#include "formula/compare_parts.h"
#include "formula/evaluate.h"

namespace circuitdiff {
namespace {

// Bits of the balls, tried in turn, and how far behind the point values must agree to be the same.
struct Accuracy {
  slong precisions[3];
  slong gap_bits;
};
// One comparison of every two values is strict: 1 + e^(-1000) is not 1.
constexpr Accuracy kStrict = {{128, 2048, 8192}, 1500}, kQuick = {{128, 512, 4096}, 64};
constexpr int kPositivePoints = 3, kMostSignedPoints = 8;

// What evaluating an expression once costs, in sums and products; what costs more is not evaluated at all,
// strictly, or at the last precision.
constexpr int kMostCost = 6000, kMostStrictCost = 1000, kMostLastCost = 200;
int cost(const Expr& e) {
  int out = e.kind == ExprKind::power ? 8 : 1;
  if (e.kind == ExprKind::call) out = e.name == "factorial" || e.name == "binom" ? 300 : 40;
  for (const auto& a : e.args) {
    out += cost(*a);
    if (out > kMostCost) break;
  }
  // A series costs its terms; however many, it may be tried.
  if (e.kind == ExprKind::call && (e.name == "sum" || e.name == "prod")) {
    const auto from = exact_value(*e.args[1]), to = exact_value(*e.args[2]);
    const bool few = from && to && to->small_integer() && from->small_integer() &&
                     *to->small_integer() - *from->small_integer() < 20;
    if (!few) out = std::max(out, kMostStrictCost + 1);
  }
  return out;
}

// A value for a symbol at point k: between 0.4 and 2.6 in size, the same for the same name.
Rational size_at(const std::string& name, int k) {
  uint64_t hash = 1469598103934665603ull + static_cast<uint64_t>(k) * 0x9E3779B97F4A7C15ull;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  hash ^= hash >> 31;
  hash *= 0xBF58476D1CE4E5B9ull;
  hash ^= hash >> 29;
  return Rational(static_cast<slong>(4000 + hash % 22001), 10007);
}

// Points: three with positive symbols; one with every symbol negative; then, by the bits of the symbols'
// numbers, points where any two symbols have opposite signs, either way round. So |y| + |z| is not |y + z|.
int points_for(size_t n_symbols) {
  const int splits = n_symbols > 1 ? std::bit_width(n_symbols - 1) : 0;
  return kPositivePoints + 1 + std::min(2 * splits, kMostSignedPoints);
}

Assignment values_at(const std::set<std::string>& symbols, int k) {
  Assignment out;
  unsigned index = 0;
  const int split = k - kPositivePoints - 1;  // which bit, and which way round
  for (const auto& name : symbols) {
    Rational value = size_at(name, k);
    const bool negative = k == kPositivePoints ||
                          (split >= 0 && ((index >> (split / 2)) & 1) == static_cast<unsigned>(split % 2));
    if (negative) fmpq_neg(value.get(), value.get());
    out[name] = std::move(value);
    ++index;
  }
  return out;
}

// Integers differ from all other numbers under floor and ceil.
Assignment integers_at(const std::set<std::string>& symbols) {
  Assignment out;
  slong next = 2;
  for (const auto& name : symbols) out[name] = Rational(next++);
  return out;
}

bool rounds_down_or_up(const Expr& e) {
  return (e.kind == ExprKind::call && (e.name == "floor" || e.name == "ceil")) ||
         std::any_of(e.args.begin(), e.args.end(), [](const auto& a) { return rounds_down_or_up(*a); });
}

enum class Agreement { equal, different, neither_finite, one_finite, unknown, unclear };

// Balls that overlap are equal only where what is left between them is small in itself, not only against
// their size: 10^100000 is not 10^100000 + 1.
Agreement agree_at(const Expr& a, const Expr& b, const Assignment& symbols, bool strict, int costs) {
  const Accuracy& accuracy = strict && costs <= kMostStrictCost ? kStrict : kQuick;
  const slong most = accuracy.precisions[costs <= kMostLastCost ? 2 : 1];
  for (const slong precision : accuracy.precisions) {
    if (precision > most) break;
    const bool last = precision == most;
    const Evaluation x = evaluate(a, symbols, precision), y = evaluate(b, symbols, precision);
    if (!x.known || !y.known) return Agreement::unknown;
    const bool fx = x.value.is_finite(), fy = y.value.is_finite();
    if (!fx && !fy) {
      if (last) return Agreement::neither_finite;
      continue;
    }
    if (fx != fy) {
      if (last) return Agreement::one_finite;
      continue;
    }
    if (!acb_overlaps(x.value.get(), y.value.get())) return Agreement::different;
    Ball difference;
    acb_sub(difference.get(), x.value.get(), y.value.get(), precision);
    arf_t gap;
    arf_init(gap);
    acb_get_abs_ubound_arf(gap, difference.get(), 60);
    const bool narrow = arf_cmpabs_2exp_si(gap, -accuracy.gap_bits) < 0;
    arf_clear(gap);
    if (narrow) return Agreement::equal;
  }
  return Agreement::unclear;
}

// A decimal of three or more places that is the other value rounded to its last place.
bool rounds_to(const Expr& decimal, const Expr& other) {
  if (decimal.kind != ExprKind::number || decimal.decimals < 3 || decimal.decimals > 1000) return false;
  const Evaluation x = evaluate(other, {}, 128);
  if (!x.known || !x.value.is_finite() || !acb_is_real(x.value.get())) return false;
  // |value - other| <= half a unit of the last place, a little more for a digit cut off wrongly.
  Ball d;
  acb_set_fmpq(d.get(), scaled_by_ten(decimal.value, decimal.decimals).get(), 128);
  Ball unit;
  acb_set_fmpq(unit.get(), scaled_by_ten(Rational(1), decimal.decimals).get(), 128);
  acb_mul(unit.get(), unit.get(), x.value.get(), 128);
  acb_sub(d.get(), d.get(), unit.get(), 128);
  arf_t size;
  arf_init(size);
  acb_get_abs_ubound_arf(size, d.get(), 60);
  const bool near = arf_cmp_d(size, 0.501) <= 0;
  arf_clear(size);
  return near;
}

Judgement differing(const Expr& a, const Expr& b, const char* reason) {
  if (rounds_to(a, b) || rounds_to(b, a)) return undecided("one is the other rounded");
  return different(reason);
}

bool is_infinite(const Expr& e) {
  return e.kind == ExprKind::infinity ||
         (e.kind == ExprKind::product && e.args.size() == 2 && e.args[1]->kind == ExprKind::infinity);
}

std::set<std::string> symbols_of(const Expr& a, const Expr& b) {
  std::set<std::string> out;
  collect_symbols(a, out);
  collect_symbols(b, out);
  return out;
}

Ruling compare_exactly(const Expr& a, const Expr& b) {
  const auto x = exact_value(a), y = exact_value(b);
  if (!x || !y) return {};
  if (*x == *y) return equal("the same rational number");
  const bool both_terminate =
      a.kind == ExprKind::number && a.decimal && b.kind == ExprKind::number && b.decimal;
  return both_terminate ? different("different rational numbers")
                        : differing(a, b, "different rational numbers");
}

Ruling compare_numbers(const Expr& a, const Expr& b) {
  if (!symbols_of(a, b).empty()) return {};
  switch (agree_at(a, b, {}, /*strict=*/true, cost(a) + cost(b))) {
    case Agreement::equal:
      return equal("values agree as far as computed");
    case Agreement::different:
      return differing(a, b, "different values");
    case Agreement::one_finite:
      return different("only one has a finite value");
    default:
      return undecided("a value that cannot be computed");
  }
}

Ruling compare_at_points(const Expr& a, const Expr& b) {
  const auto symbols = symbols_of(a, b);
  const int costs = cost(a) + cost(b);
  int same = 0, signed_different = 0, one_finite = 0;
  const int points = points_for(symbols.size());
  const bool steps = rounds_down_or_up(a) || rounds_down_or_up(b);
  for (int k = 0; k < points + steps; ++k) {
    const Assignment values = k < points ? values_at(symbols, k) : integers_at(symbols);
    switch (agree_at(a, b, values, /*strict=*/k == 0, costs)) {
      case Agreement::equal:
        ++same;
        break;
      case Agreement::different:
        if (k < kPositivePoints) return different("different values");
        ++signed_different;
        break;
      case Agreement::one_finite:
        ++one_finite;
        break;
      case Agreement::unknown:
        return undecided("a function that is not known");
      default:
        break;
    }
  }
  if (same > 0 && signed_different) return undecided("equal for positive symbols, not for negative ones");
  if (same > 0 && !one_finite) return equal("equal at every point tried");
  if (signed_different) return different("different values");
  if (one_finite && !same) return different("only one has a finite value");
  return undecided("values that cannot be computed");
}

using ValueRule = Rule<Expr, Expr>;
constexpr ValueRule kValueRules[] = {
    ValueRule("exact-numbers",
              "Rational numbers are compared exactly; one that is the other rounded is left open.",
              {"\\frac12", "0.5"}, compare_exactly),
    ValueRule("same-expression", "The order of terms and of factors does not matter.", {"x+y", "y+x"},
              [](const Expr& a, const Expr& b) {
                return equal_if(canonical_text(a) == canonical_text(b), "the same expression");
              }),
    ValueRule("infinities", "Infinity is not minus infinity.", {"\\infty", "-\\infty"},
              [](const Expr& a, const Expr& b) {
                return different_if(is_infinite(a) && is_infinite(b), "infinity with another sign");
              }),
    ValueRule("too-large", "What takes too long to evaluate is left open.",
              {"a!b!c!d!f!g!h!j!k!l!m!n!p!q!r!s!t!u!v!w!", "x+1"},
              [](const Expr& a, const Expr& b) {
                return undecided_if(cost(a) + cost(b) > kMostCost, "an expression too large to evaluate");
              }),
    ValueRule("too-many-symbols", "More than 60 symbols are left open.", {},
              [](const Expr& a, const Expr& b) {
                return undecided_if(symbols_of(a, b).size() > 60, "too many symbols");
              }),
    ValueRule("numbers", "Other numbers are compared as balls, to 1500 bits behind the point, or 64.",
              {"\\sqrt8", "2\\sqrt2"}, compare_numbers),
    ValueRule("symbols",
              "Expressions with symbols are compared at several points, with symbols of either sign.",
              {"\\sin 2x", "2\\sin x\\cos x"}, compare_at_points)};

}  // namespace

RuleTable value_rules() { return table_of("Two values", kValueRules); }

Judgement compare_values(const Expr& a, const Expr& b) { return judged_by(kValueRules, a, b); }

}  // namespace circuitdiff
