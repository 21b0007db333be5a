#include "formula/expression.h"

#include <algorithm>

namespace circuitdiff {
namespace {

constexpr slong kMostBits = 30'000;  // of an exact value
constexpr slong kMostFactorial = 3000;

std::optional<Rational> exact_power(const Rational& base, const Rational& exponent) {
  const auto n = exponent.small_integer();
  if (!n || (base.is_zero() && *n <= 0)) return std::nullopt;
  const slong size = *n < 0 ? -*n : *n;
  if (size > kMostBits || base.bits() * size > kMostBits) return std::nullopt;
  Rational out;
  fmpq_pow_si(out.get(), base.get(), *n);
  return out;
}

std::optional<Rational> exact_call(const std::string& name, const std::vector<Rational>& a) {
  Rational out;
  const auto integer = [&](size_t k) { return a[k].small_integer(); };
  if (name == "abs" && a.size() == 1) {
    fmpq_abs(out.get(), a[0].get());
    return out;
  }
  if ((name == "floor" || name == "ceil") && a.size() == 1) {
    const auto divide = name == "floor" ? fmpz_fdiv_q : fmpz_cdiv_q;
    divide(fmpq_numref(out.get()), fmpq_numref(a[0].get()), fmpq_denref(a[0].get()));
    return out;
  }
  if ((name == "max" || name == "min") && !a.empty()) {
    out = a[0];
    for (const auto& x : a)
      if ((fmpq_cmp(x.get(), out.get()) > 0) == (name == "max")) out = x;
    return out;
  }
  if ((name == "gcd" || name == "lcm") && a.size() == 2 && a[0].is_integer() && a[1].is_integer()) {
    (name == "gcd" ? fmpz_gcd : fmpz_lcm)(fmpq_numref(out.get()), fmpq_numref(a[0].get()),
                                          fmpq_numref(a[1].get()));
    return out;
  }
  if (name == "factorial" && a.size() == 1 && integer(0) && *integer(0) >= 0 &&
      *integer(0) <= kMostFactorial) {
    fmpz_fac_ui(fmpq_numref(out.get()), static_cast<ulong>(*integer(0)));
    return out;
  }
  if (name == "double factorial" && a.size() == 1 && integer(0) && *integer(0) >= 0 &&
      *integer(0) <= kMostFactorial) {
    // (2k)!! = 2^k k!, (2k+1)!! = (2k+1)! / (2k)!!
    const auto n = static_cast<ulong>(*integer(0));
    fmpz_fac_ui(fmpq_numref(out.get()), n / 2);
    fmpz_mul_2exp(fmpq_numref(out.get()), fmpq_numref(out.get()), n / 2);
    if (n % 2 == 1) {
      Rational all;
      fmpz_fac_ui(fmpq_numref(all.get()), n);
      fmpq_div(out.get(), all.get(), out.get());
    }
    return out;
  }
  if (name == "binom" && a.size() == 2 && integer(0) && integer(1) && *integer(0) >= 0 && *integer(1) >= 0 &&
      *integer(0) <= kMostFactorial) {
    fmpz_bin_uiui(fmpq_numref(out.get()), static_cast<ulong>(*integer(0)), static_cast<ulong>(*integer(1)));
    return out;
  }
  if (name == "mod" && a.size() == 2 && a[0].is_integer() && a[1].is_integer() && a[1].sign() > 0) {
    fmpz_mod(fmpq_numref(out.get()), fmpq_numref(a[0].get()), fmpq_numref(a[1].get()));
    return out;
  }
  return std::nullopt;
}

}  // namespace

ExprPtr make_number(Rational value) {
  auto out = std::make_shared<Expr>();
  out->kind = ExprKind::number;
  out->value = std::move(value);
  return out;
}

ExprPtr make_symbol(std::string name) {
  auto out = std::make_shared<Expr>();
  out->kind = ExprKind::symbol;
  out->name = std::move(name);
  return out;
}

ExprPtr make_node(ExprKind kind, std::vector<ExprPtr> args, std::string name) {
  auto out = std::make_shared<Expr>();
  out->kind = kind;
  out->args = std::move(args);
  out->name = std::move(name);
  return out;
}

ExprPtr make_negative(ExprPtr a) {
  if (a->kind == ExprKind::number) {
    auto out = std::make_shared<Expr>(*a);
    fmpq_neg(out->value.get(), out->value.get());
    return out;
  }
  if (a->kind == ExprKind::percent || a->kind == ExprKind::degree) {
    auto out = std::make_shared<Expr>(*a);
    out->args.front() = make_negative(out->args.front());
    return out;
  }
  return make_node(ExprKind::product, {make_number(Rational(-1)), std::move(a)});
}

std::string canonical_text(const Expr& e) {
  const auto joined = [&](bool sorted) {
    std::vector<std::string> parts;
    for (const auto& a : e.args) parts.push_back(canonical_text(*a));
    if (sorted) std::sort(parts.begin(), parts.end());
    std::string out;
    for (const auto& p : parts) out += (out.empty() ? "" : ",") + p;
    return out;
  };
  switch (e.kind) {
    case ExprKind::number:
      return e.value.text();
    case ExprKind::symbol:
      return "'" + e.name;
    case ExprKind::pi:
      return "pi";
    case ExprKind::e:
      return "e";
    case ExprKind::i:
      return "i";
    case ExprKind::infinity:
      return "inf";
    case ExprKind::reals:
      return "R";
    case ExprKind::sum:
      return "+(" + joined(true) + ")";
    case ExprKind::product:
      return "*(" + joined(true) + ")";
    case ExprKind::power:
      return "^(" + joined(false) + ")";
    case ExprKind::call:
    case ExprKind::plus_minus:
    case ExprKind::relation:
      return e.name + "(" + joined(false) + ")";
    case ExprKind::percent:
      return "%(" + joined(false) + ")";
    case ExprKind::degree:
      return "deg(" + joined(false) + ")";
    case ExprKind::ratio:
      return ":(" + joined(false) + ")";
    case ExprKind::based:
      return "based " + e.name + "(" + joined(false) + ")";
    case ExprKind::join:
      return "U(" + joined(true) + ")";
    case ExprKind::matrix:
      return "M" + std::to_string(e.rows) + "(" + joined(false) + ")";
    case ExprKind::list:
      return std::string(1, e.open ? e.open : '<') + joined(e.open == 0 || e.open == '{') +
             std::string(1, e.close ? e.close : '>');
  }
  return {};
}

void collect_symbols(const Expr& e, std::set<std::string>& out) {
  if (e.kind == ExprKind::symbol) out.insert(e.name);
  for (const auto& a : e.args) collect_symbols(*a, out);
}

bool contains(const Expr& e, ExprKind kind) {
  return e.kind == kind ||
         std::any_of(e.args.begin(), e.args.end(), [&](const auto& a) { return contains(*a, kind); });
}

ExprPtr with_sign(const ExprPtr& e, int sign) {
  if (!contains(*e, ExprKind::plus_minus)) return e;
  if (e->kind == ExprKind::plus_minus) {
    const ExprPtr inner = with_sign(e->args.front(), sign);
    return (e->name == "+-") == (sign > 0) ? inner : make_negative(inner);
  }
  auto out = std::make_shared<Expr>(*e);
  for (auto& a : out->args) a = with_sign(a, sign);
  return out;
}

std::optional<Rational> exact_value(const Expr& e) {
  const auto fits = [](const Rational& x) { return x.bits() <= kMostBits; };
  switch (e.kind) {
    case ExprKind::number:
      return e.value;
    case ExprKind::sum: {
      Rational out;
      for (const auto& a : e.args) {
        const auto x = exact_value(*a);
        if (!x) return std::nullopt;
        fmpq_add(out.get(), out.get(), x->get());
        if (!fits(out)) return std::nullopt;
      }
      return out;
    }
    case ExprKind::product: {
      Rational out(1);
      for (const auto& a : e.args) {
        const auto x = exact_value(*a);
        if (!x) return std::nullopt;
        fmpq_mul(out.get(), out.get(), x->get());
        if (!fits(out)) return std::nullopt;
      }
      return out;
    }
    case ExprKind::power: {
      const auto base = exact_value(*e.args[0]), exponent = exact_value(*e.args[1]);
      if (!base || !exponent) return std::nullopt;
      return exact_power(*base, *exponent);
    }
    case ExprKind::percent: {
      auto x = exact_value(*e.args[0]);
      if (x) *x = scaled_by_ten(std::move(*x), -2);
      return x;
    }
    case ExprKind::call: {
      std::vector<Rational> values;
      for (const auto& a : e.args) {
        const auto x = exact_value(*a);
        if (!x) return std::nullopt;
        values.push_back(*x);
      }
      return exact_call(e.name, values);
    }
    default:
      return std::nullopt;
  }
}

}  // namespace circuitdiff
