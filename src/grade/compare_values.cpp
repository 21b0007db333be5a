#include <bit>

#include "grade/compare.h"
#include "grade/evaluate.h"

namespace circuitdiff {
namespace {

constexpr slong kPrecisions[] = {128, 512};
constexpr int kPositivePoints = 3, kSignedPoints = 3;

// What evaluating an expression once costs, in sums and products.
constexpr int kMostCost = 6000;
int cost(const Expr& e) {
  int out = e.kind == ExprKind::call ? 40 : e.kind == ExprKind::power ? 8 : 1;
  for (const auto& a : e.args) {
    out += cost(*a);
    if (out > kMostCost) break;
  }
  return out;
}

// A value for a symbol at point k: between 0.4 and 2.6 in size, the same for the same name. Of the three
// points with signs the first has every symbol negative, the others have opposite signs: no symbol is
// positive everywhere.
Rational value_at(const std::string& name, int k, bool with_sign) {
  uint64_t hash = 1469598103934665603ull + static_cast<uint64_t>(k) * 0x9E3779B97F4A7C15ull;
  bool sign = false;  // parity of the name's bytes
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
    sign ^= std::popcount(static_cast<unsigned char>(c)) % 2 != 0;
  }
  hash ^= hash >> 31;
  hash *= 0xBF58476D1CE4E5B9ull;
  hash ^= hash >> 29;
  const auto top = static_cast<slong>(4000 + hash % 22001);
  const bool negative = with_sign && (k == kPositivePoints || sign == (k == kPositivePoints + 1));
  return Rational(negative ? -top : top, 10007);
}

enum class Agreement { equal, different, neither_finite, one_finite, unknown, unclear };

Agreement agree_at(const Expr& a, const Expr& b, const Assignment& symbols) {
  for (const slong precision : kPrecisions) {
    const Evaluation x = evaluate(a, symbols, precision), y = evaluate(b, symbols, precision);
    if (!x.known || !y.known) return Agreement::unknown;
    const bool fx = x.value.is_finite(), fy = y.value.is_finite();
    if (!fx && !fy) {
      if (precision == kPrecisions[1]) return Agreement::neither_finite;
      continue;
    }
    if (fx != fy) {
      if (precision == kPrecisions[1]) return Agreement::one_finite;
      continue;
    }
    if (!acb_overlaps(x.value.get(), y.value.get())) return Agreement::different;
    // They overlap; equal if the overlap is narrow against their size.
    Ball difference;
    acb_sub(difference.get(), x.value.get(), y.value.get(), precision);
    arf_t gap, size;
    arf_init(gap);
    arf_init(size);
    acb_get_abs_ubound_arf(gap, difference.get(), 60);
    acb_get_abs_ubound_arf(size, x.value.get(), 60);
    if (arf_cmp_si(size, 1) < 0) arf_one(size);
    arf_mul_2exp_si(gap, gap, precision * 3 / 4);
    const bool narrow = arf_cmp(gap, size) <= 0;
    arf_clear(gap);
    arf_clear(size);
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
  if (rounds_to(a, b) || rounds_to(b, a)) return {Verdict::undecided, "one is the other rounded"};
  return {Verdict::different, reason};
}

}  // namespace

Judgement compare_values(const Expr& a, const Expr& b) {
  const auto x = exact_value(a), y = exact_value(b);
  if (x && y) {
    if (*x == *y) return {Verdict::equal, "the same rational number"};
    const bool both_terminate =
        (a.kind == ExprKind::number && a.decimal && b.kind == ExprKind::number && b.decimal);
    return both_terminate ? Judgement{Verdict::different, "different rational numbers"}
                          : differing(a, b, "different rational numbers");
  }
  if (canonical_text(a) == canonical_text(b)) return {Verdict::equal, "the same expression"};
  const auto infinite = [](const Expr& e) {
    return e.kind == ExprKind::infinity ||
           (e.kind == ExprKind::product && e.args.size() == 2 && e.args[1]->kind == ExprKind::infinity);
  };
  if (infinite(a) && infinite(b)) return {Verdict::different, "infinity with another sign"};
  std::set<std::string> symbols;
  collect_symbols(a, symbols);
  collect_symbols(b, symbols);
  if (cost(a) + cost(b) > kMostCost) return {Verdict::undecided, "an expression too large to evaluate"};
  if (symbols.size() > 60) return {Verdict::undecided, "too many symbols"};
  if (symbols.empty()) {
    switch (agree_at(a, b, {})) {
      case Agreement::equal:
        return {Verdict::equal, "values agree to 96 bits or more"};
      case Agreement::different:
        return differing(a, b, "different values");
      case Agreement::one_finite:
        return {Verdict::different, "only one has a finite value"};
      case Agreement::unknown:
      case Agreement::neither_finite:
      case Agreement::unclear:
        return {Verdict::undecided, "a value that cannot be computed"};
    }
  }
  int equal = 0, different = 0, signed_different = 0, one_finite = 0, none = 0;
  for (int k = 0; k < kPositivePoints + kSignedPoints; ++k) {
    const bool with_sign = k >= kPositivePoints;
    Assignment values;
    for (const auto& name : symbols) values[name] = value_at(name, k, with_sign);
    switch (agree_at(a, b, values)) {
      case Agreement::equal:
        ++equal;
        break;
      case Agreement::different:
        ++(with_sign ? signed_different : different);
        break;
      case Agreement::one_finite:
        ++one_finite;
        break;
      case Agreement::unknown:
        return {Verdict::undecided, "a function that is not known"};
      default:
        ++none;
        break;
    }
    if (different) return {Verdict::different, "different values"};
  }
  if (equal > 0 && !signed_different && !one_finite) return {Verdict::equal, "equal at every point tried"};
  if (equal > 0 && signed_different)
    return {Verdict::undecided, "equal for positive symbols, not for negative ones"};
  if (signed_different) return {Verdict::different, "different values"};
  if (one_finite && !equal) return {Verdict::different, "only one has a finite value"};
  return {Verdict::undecided, "values that cannot be computed"};
}

}  // namespace circuitdiff
