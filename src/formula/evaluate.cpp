#include "formula/evaluate.h"

#include <unordered_map>

namespace circuitdiff {
namespace {

constexpr slong kMostTerms = 1000;            // of a sum or product over an index
constexpr slong kMostExponentBits = 400;      // of an exact integer power
constexpr slong kMostMagnitudeBits = 10'000;  // of an argument of exp, sin, gamma: 2^this

using Unary = void (*)(acb_t, const acb_t, slong);

const std::unordered_map<std::string, Unary>& unary_functions() {
  static const std::unordered_map<std::string, Unary> kFunctions = {
      {"sin", acb_sin},       {"cos", acb_cos},       {"tan", acb_tan},     {"cot", acb_cot},
      {"sec", acb_sec},       {"csc", acb_csc},       {"sinh", acb_sinh},   {"cosh", acb_cosh},
      {"tanh", acb_tanh},     {"coth", acb_coth},     {"sech", acb_sech},   {"csch", acb_csch},
      {"arcsin", acb_asin},   {"arccos", acb_acos},   {"arctan", acb_atan}, {"arcsinh", acb_asinh},
      {"arccosh", acb_acosh}, {"arctanh", acb_atanh}, {"ln", acb_log}};
  return kFunctions;
}

class Evaluator {
 public:
  Evaluator(const Assignment& symbols, slong precision) : symbols_(symbols), prec_(precision) {}

  Ball value(const Expr& e) {
    Ball out;
    switch (e.kind) {
      case ExprKind::number:
        acb_set_fmpq(out.get(), e.value.get(), prec_);
        return out;
      case ExprKind::symbol: {
        const auto it = symbols_.find(e.name);
        if (it == symbols_.end()) return unknown();
        acb_set_fmpq(out.get(), it->second.get(), prec_);
        return out;
      }
      case ExprKind::pi:
        acb_const_pi(out.get(), prec_);
        return out;
      case ExprKind::e:
        arb_const_e(acb_realref(out.get()), prec_);
        return out;
      case ExprKind::i:
        acb_onei(out.get());
        return out;
      case ExprKind::sum:
        for (const auto& a : e.args) acb_add(out.get(), out.get(), value(*a).get(), prec_);
        return out;
      case ExprKind::product:
        acb_one(out.get());
        for (const auto& a : e.args) acb_mul(out.get(), out.get(), value(*a).get(), prec_);
        return out;
      case ExprKind::power:
        return power(*e.args[0], *e.args[1]);
      case ExprKind::percent:
        acb_div_ui(out.get(), value(*e.args[0]).get(), 100, prec_);
        return out;
      case ExprKind::degree: {
        Ball pi;
        acb_const_pi(pi.get(), prec_);
        acb_mul(out.get(), value(*e.args[0]).get(), pi.get(), prec_);
        acb_div_ui(out.get(), out.get(), 180, prec_);
        return out;
      }
      case ExprKind::ratio:
        if (e.args.size() != 2) return unknown();
        acb_div(out.get(), value(*e.args[0]).get(), value(*e.args[1]).get(), prec_);
        return out;
      case ExprKind::based:
        acb_set_fmpq(out.get(), e.value.get(), prec_);
        return out;
      case ExprKind::call:
        return call(e);
      case ExprKind::infinity:
        return undefined();
      default:
        return unknown();
    }
  }

  bool known = true;

 private:
  static Ball undefined() {
    Ball out;
    acb_indeterminate(out.get());
    return out;
  }
  Ball unknown() {
    known = false;
    return undefined();
  }
  static bool moderate(const Ball& x) {
    return x.is_finite() && arf_cmpabs_2exp_si(arb_midref(acb_realref(x.get())), kMostMagnitudeBits) < 0 &&
           arf_cmpabs_2exp_si(arb_midref(acb_imagref(x.get())), kMostMagnitudeBits) < 0;
  }
  static bool negative_real(const Ball& x) {
    return acb_is_real(x.get()) && arb_is_negative(acb_realref(x.get()));
  }

  Ball power(const Expr& base_expr, const Expr& exponent_expr) {
    const Ball base = value(base_expr);
    Ball out;
    if (!base.is_finite()) return undefined();
    if (const auto exponent = exact_value(exponent_expr)) {
      if (exponent->is_integer()) {
        if (exponent->bits() > kMostExponentBits) return undefined();
        if (acb_contains_zero(base.get()) && exponent->sign() <= 0) return undefined();
        acb_pow_fmpz(out.get(), base.get(), fmpq_numref(exponent->get()), prec_);
        return out;
      }
      if (acb_is_zero(base.get())) {
        if (exponent->sign() > 0) return out;
        return undefined();
      }
      // a^(p/q) of a negative real with odd q: (-1)^p |a|^(p/q).
      if (negative_real(base) && fmpz_is_odd(fmpq_denref(exponent->get()))) {
        Ball size, x;
        acb_neg(size.get(), base.get());
        acb_set_fmpq(x.get(), exponent->get(), prec_);
        acb_pow(out.get(), size.get(), x.get(), prec_);
        if (fmpz_is_odd(fmpq_numref(exponent->get()))) acb_neg(out.get(), out.get());
        return out;
      }
      if (fmpz_equal_si(fmpq_denref(exponent->get()), 2) && exponent->bits() < 60) {
        // Square roots: exact on what is real.
        acb_sqrt(out.get(), base.get(), prec_);
        acb_pow_fmpz(out.get(), out.get(), fmpq_numref(exponent->get()), prec_);
        return out;
      }
      if (exponent->bits() > kMostExponentBits) return undefined();
      Ball x;
      acb_set_fmpq(x.get(), exponent->get(), prec_);
      acb_pow(out.get(), base.get(), x.get(), prec_);
      return out;
    }
    const Ball exponent = value(exponent_expr);
    if (!moderate(exponent)) return undefined();
    if (base_expr.kind == ExprKind::e)
      acb_exp(out.get(), exponent.get(), prec_);
    else
      acb_pow(out.get(), base.get(), exponent.get(), prec_);
    return out;
  }

  Ball series(const Expr& e) {
    const auto from = exact_value(*e.args[1]), to = exact_value(*e.args[2]);
    if (!from || !to || !from->small_integer() || !to->small_integer()) return unknown();
    const slong low = from->small_integer().value_or(0), high = to->small_integer().value_or(0);
    const bool sum = e.name == "sum";
    Ball out;
    if (!sum) acb_one(out.get());
    if (high - low >= kMostTerms) return sum ? unknown() : undefined();
    Assignment symbols = symbols_;
    for (slong k = low; k <= high; ++k) {
      if (++terms_ > kMostTerms) return undefined();
      symbols[e.args[0]->name] = Rational(k);
      Evaluator inner(symbols, prec_);
      inner.terms_ = terms_;
      const Ball term = inner.value(*e.args[3]);
      terms_ = inner.terms_;
      known = known && inner.known;
      (sum ? acb_add : acb_mul)(out.get(), out.get(), term.get(), prec_);
    }
    return out;
  }

  Ball call(const Expr& e) {
    if (e.name == "sum" || e.name == "prod") return series(e);
    if (e.name == "det") return determinant(*e.args[0]);
    if (const auto exact = exact_value(e)) {
      Ball out;
      acb_set_fmpq(out.get(), exact->get(), prec_);
      return out;
    }
    std::vector<Ball> a;
    for (const auto& arg : e.args) {
      a.push_back(value(*arg));
      if (!moderate(a.back())) return undefined();
    }
    Ball out;
    const auto it = unary_functions().find(e.name);
    if (it != unary_functions().end()) {
      if (e.name == "ln" && acb_contains_zero(a[0].get())) return undefined();
      it->second(out.get(), a[0].get(), prec_);
      return out;
    }
    if (e.name == "arccot" || e.name == "arcsec" || e.name == "arccsc") {
      acb_inv(out.get(), a[0].get(), prec_);
      (e.name == "arccot" ? acb_atan : e.name == "arcsec" ? acb_acos : acb_asin)(out.get(), out.get(), prec_);
      return out;
    }
    if (e.name == "log") {
      if (acb_contains_zero(a[0].get()) || acb_contains_zero(a[1].get())) return undefined();
      Ball base;
      acb_log(out.get(), a[0].get(), prec_);
      acb_log(base.get(), a[1].get(), prec_);
      acb_div(out.get(), out.get(), base.get(), prec_);
      return out;
    }
    if (e.name == "abs") {
      acb_abs(acb_realref(out.get()), a[0].get(), prec_);
      return out;
    }
    if (e.name == "floor" || e.name == "ceil") {
      if (!acb_is_real(a[0].get())) return unknown();
      (e.name == "floor" ? arb_floor : arb_ceil)(acb_realref(out.get()), acb_realref(a[0].get()), prec_);
      return out;
    }
    if (e.name == "factorial") return gamma_of_next(a[0]);
    if (e.name == "binom") {  // n! / (k! (n-k)!)
      Ball rest;
      acb_sub(rest.get(), a[0].get(), a[1].get(), prec_);
      const Ball n = gamma_of_next(a[0]), k = gamma_of_next(a[1]), other = gamma_of_next(rest);
      acb_div(out.get(), n.get(), k.get(), prec_);
      acb_div(out.get(), out.get(), other.get(), prec_);
      return out;
    }
    if ((e.name == "max" || e.name == "min") && !a.empty()) {
      out = a[0];
      for (const auto& x : a) {
        if (!acb_is_real(x.get())) return unknown();
        (e.name == "max" ? arb_max : arb_min)(acb_realref(out.get()), acb_realref(out.get()),
                                              acb_realref(x.get()), prec_);
      }
      return out;
    }
    return unknown();
  }

  Ball gamma_of_next(const Ball& x) {
    Ball out;
    acb_add_ui(out.get(), x.get(), 1, prec_);
    if (arf_cmpabs_2exp_si(arb_midref(acb_realref(out.get())), 40) > 0) return undefined();
    acb_gamma(out.get(), out.get(), prec_);
    return out;
  }

  Ball determinant(const Expr& m) {
    Ball out;
    // \det A has no matrix to work on.
    if (m.kind != ExprKind::matrix || m.rows != m.columns || m.rows > 3) return unknown();
    const auto at = [&](size_t r, size_t c) { return value(*m.args[r * m.columns + c]); };
    if (m.rows == 1) return at(0, 0);
    const auto two = [&](size_t r, size_t s, size_t c, size_t d) {
      Ball x, y;
      acb_mul(x.get(), at(r, c).get(), at(s, d).get(), prec_);
      acb_mul(y.get(), at(r, d).get(), at(s, c).get(), prec_);
      acb_sub(x.get(), x.get(), y.get(), prec_);
      return x;
    };
    if (m.rows == 2) return two(0, 1, 0, 1);
    for (size_t c = 0; c < 3; ++c) {
      Ball x;
      acb_mul(x.get(), at(0, c).get(), two(1, 2, c == 0 ? 1 : 0, c == 2 ? 1 : 2).get(), prec_);
      (c == 1 ? acb_sub : acb_add)(out.get(), out.get(), x.get(), prec_);
    }
    return out;
  }

  const Assignment& symbols_;
  slong prec_;
  slong terms_ = 0;
};

}  // namespace

Evaluation evaluate(const Expr& e, const Assignment& symbols, slong precision_bits) {
  Evaluator evaluator(symbols, precision_bits);
  Evaluation out;
  out.value = evaluator.value(e);
  out.known = evaluator.known;
  return out;
}

}  // namespace circuitdiff
