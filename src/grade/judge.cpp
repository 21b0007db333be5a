#include "grade/judge.h"

#include <flint/fmpq.h>

#include <cctype>
#include <optional>

namespace circuitdiff {
namespace {

// An exact rational number.
class Rational {
 public:
  Rational() { fmpq_init(value_); }
  ~Rational() { fmpq_clear(value_); }
  Rational(const Rational& other) {
    fmpq_init(value_);
    fmpq_set(value_, other.value_);
  }
  Rational& operator=(const Rational&) = delete;
  fmpq* get() { return value_; }
  const fmpq* get() const { return value_; }

 private:
  fmpq_t value_;
};

std::string stripped(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '$' || c == ',') continue;
    if (c == '\\' && i + 1 < text.size() && (text[i + 1] == '$' || text[i + 1] == '%')) continue;
    if (c == '%') continue;
    out += c;
  }
  while (!out.empty() && out.back() == '.') out.pop_back();
  for (const std::string_view command : {"\\dfrac", "\\tfrac"})
    for (size_t at = out.find(command); at != std::string::npos; at = out.find(command))
      out.replace(at, command.size(), "\\frac");
  return out;
}

constexpr size_t kMostDigits = 2000;

bool read_decimal(std::string_view text, fmpq* value) {
  std::string digits;
  size_t decimals = 0;
  bool point = false, negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  for (const char c : text) {
    if (c == '.' && !point) {
      point = true;
    } else if (c >= '0' && c <= '9') {
      digits += c;
      decimals += point;
    } else {
      return false;
    }
  }
  if (digits.empty() || digits.size() > kMostDigits) return false;
  const std::string fraction = (negative ? "-" : "") + digits + "/1" + std::string(decimals, '0');
  if (fmpq_set_str(value, fraction.c_str(), 10) != 0) return false;
  fmpq_canonicalise(value);
  return true;
}

std::optional<Rational> read_rational(std::string_view text) {
  Rational out;
  if (read_decimal(text, out.get())) return out;
  bool negative = false;
  if (!text.empty() && text[0] == '-') {
    negative = true;
    text.remove_prefix(1);
  }
  std::string_view top, bottom;
  if (text.substr(0, 6) == "\\frac{" && text.back() == '}') {
    const size_t middle = text.find("}{");
    if (middle == std::string_view::npos) return std::nullopt;
    top = text.substr(6, middle - 6);
    bottom = text.substr(middle + 2, text.size() - middle - 3);
  } else if (const size_t slash = text.find('/'); slash != std::string_view::npos) {
    top = text.substr(0, slash);
    bottom = text.substr(slash + 1);
  }
  Rational a, b;
  if (!read_decimal(top, a.get()) || !read_decimal(bottom, b.get()) || fmpq_is_zero(b.get()))
    return std::nullopt;
  fmpq_div(out.get(), a.get(), b.get());
  if (negative) fmpq_neg(out.get(), out.get());
  return out;
}

}  // namespace

const char* verdict_name(Verdict verdict) {
  return verdict == Verdict::equal ? "equal" : verdict == Verdict::different ? "different" : "undecided";
}

Judgement judge(std::string_view prediction, std::string_view gold, std::string_view /*dataset*/) {
  const std::string a = stripped(prediction), b = stripped(gold);
  const auto x = read_rational(a), y = read_rational(b);
  if (x && y)
    return fmpq_equal(x->get(), y->get()) ? Judgement{Verdict::equal, "same rational number"}
                                          : Judgement{Verdict::different, "different rational numbers"};
  if (a == b) return {Verdict::equal, "same text"};
  return {Verdict::different, "different text"};
}

}  // namespace circuitdiff
