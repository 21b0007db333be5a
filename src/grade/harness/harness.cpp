#include "grade/harness/harness.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <vector>

#include "base/text.h"
#include "formula/compare.h"
#include "formula/evaluate.h"
#include "formula/letters.h"
#include "formula/reader.h"
#include "grade/harness/text.h"

namespace circuitdiff {
namespace {

constexpr double kRelativeTolerance = 1e-4;
constexpr int kMostDepth = 6;  // entries within entries

std::string trimmed(std::string_view text) { return std::string(trim(text)); }
std::string lower(std::string text) {
  for (char& c : text) c = circuitdiff::lower(c);
  return text;
}

// Python's float(), commas left out; "%" divides by a hundred.
std::optional<double> digits_of(const std::string& text) {
  std::string plain;
  for (const char c : text)
    if (c != ',') plain += c;
  plain = trimmed(plain);
  const auto number = [](const std::string& s) -> std::optional<double> {
    const size_t at = !s.empty() && (s[0] == '-' || s[0] == '+') ? 1 : 0;
    const std::string word = lower(s.substr(at));
    const bool special = word == "inf" || word == "infinity" || word == "nan";
    if (!special && (at >= s.size() || s.find_first_not_of("0123456789.eE+-") != std::string::npos ||
                     s.find_first_of("0123456789") == std::string::npos))
      return std::nullopt;
    char* end = nullptr;
    const double value = std::strtod(s.c_str(), &end);
    if (end != s.c_str() + s.size()) return std::nullopt;
    return value;
  };
  if (const auto value = number(plain)) return value;
  if (!plain.empty() && plain.back() == '%') {
    plain.pop_back();
    if (!plain.empty() && plain.back() == '\\') plain.pop_back();
    if (const auto value = number(plain)) return *value / 100;
  }
  return std::nullopt;
}

// math.isclose(a, b, rel_tol=1e-4)
bool close(double a, double b) {
  if (a == b) return true;
  if (std::isinf(a) || std::isinf(b) || std::isnan(a) || std::isnan(b)) return false;
  return std::abs(a - b) <= kRelativeTolerance * std::max(std::abs(a), std::abs(b));
}

// --- what the computer algebra system decides ---

ExprPtr constants_as_symbols(const ExprPtr& e) {
  switch (e->kind) {
    case ExprKind::pi:
      return make_symbol("pi");
    case ExprKind::i:
      return make_symbol("i");
    case ExprKind::e:
      return make_symbol("e");
    case ExprKind::degree:
      return constants_as_symbols(e->args.front());
    default:
      break;
  }
  if (e->args.empty()) return e;
  auto out = std::make_shared<Expr>(*e);
  for (auto& a : out->args) a = constants_as_symbols(a);
  return out;
}

std::optional<double> double_of(const Expr& e) {
  std::set<std::string> symbols;
  collect_symbols(e, symbols);
  if (!symbols.empty()) return std::nullopt;
  const Evaluation x = evaluate(e, {}, 128);
  if (!x.known || !x.value.is_finite() || !arb_contains_zero(acb_imagref(x.value.get()))) return std::nullopt;
  return arf_get_d(arb_midref(acb_realref(x.value.get())), ARF_RND_NEAR);
}

// What the harness's LaTeX parser reads of a text: a prefix, up to a comma, a bracket that never opened or a
// union; runs of letters are products, "3e8" is 3 e 8. nullopt where it gives up.
std::optional<std::string> parsed_prefix(const std::string& text) {
  static const std::vector<std::string> kUnknown = {
      "{,}",      "\\cfrac", "\\choose", "\\bf",  "\\text", "\\displaystyle", "\\underline",
      "\\mathrm", "\\mbox",  "Bmatrix",  "\\gcd", "\\max",  "\\overline",     "\\mathbb"};
  for (const auto& command : kUnknown)
    if (text.find(command) != std::string::npos) return std::nullopt;
  std::string out;
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (static_cast<unsigned char>(c) >= 0x80) return std::nullopt;
    if (c == '\\') {
      if (text.compare(i, 4, "\\cup") == 0) break;
      out += c;
      size_t end = i + 1;
      while (end < text.size() && is_letter(text[end])) ++end;
      if (end == i + 1 && end < text.size()) ++end;
      const std::string name = text.substr(i + 1, end - i - 1);
      out += name;
      if ((name == "begin" || name == "end") && text.find('}', end) != std::string::npos) {
        depth += name == "begin" ? 1 : -1;
        const size_t close = text.find('}', end);
        out += text.substr(end, close + 1 - end);
        end = close + 1;
      }
      i = end - 1;
      continue;
    }
    if (c == '{' || c == '(' || c == '[') ++depth;
    if ((c == '}' || c == ')' || c == ']') && --depth < 0) break;
    const auto digit_at = [&](size_t at) { return at < text.size() && is_digit(text[at]); };
    const bool thousands = c == ',' && i > 0 && digit_at(i - 1) && digit_at(i + 1) && digit_at(i + 2) &&
                           digit_at(i + 3) && !digit_at(i + 4);
    if (c == ',' && depth == 0 && !thousands) break;
    if (c == '_' && i > 0 && digit_at(i - 1)) {
      if (i + 1 < text.size() && text[i + 1] == '{') break;
      return std::nullopt;
    }
    if (is_letter(c)) {
      out += ' ';
      out += c;
      out += ' ';
    } else {
      out += c;
    }
  }
  while (!out.empty() && std::string_view("/+-* ").find(out.back()) != std::string_view::npos) out.pop_back();
  if (out.empty() || out[0] == '=') return std::nullopt;
  return out;
}

bool symbolic_equal(const std::string& a, const std::string& b) {
  // "{1,2}" is a set of the program's language.
  const auto is_set = [](const std::string& s) {
    return s.size() > 2 && s.front() == '{' && s.back() == '}' && s.find('\\') == std::string::npos;
  };
  if (is_set(a) && is_set(b)) {
    const ReadAnswer x = read_answer(a, {.thousands = false}), y = read_answer(b, {.thousands = false});
    return x.expr && y.expr && compare_answers(x.expr, y.expr).verdict == Verdict::equal;
  }
  const auto prefix_a = parsed_prefix(a), prefix_b = parsed_prefix(b);
  if (!prefix_a || !prefix_b) return false;
  const ReadOptions options{.thousands = true, .mixed = false};
  const ReadAnswer x = read_answer(*prefix_a, options), y = read_answer(*prefix_b, options);
  if (!x.expr || !y.expr) return false;
  const ExprPtr p = constants_as_symbols(x.expr), q = constants_as_symbols(y.expr);
  if (p->kind != q->kind && (p->kind == ExprKind::relation || q->kind == ExprKind::relation)) return false;
  if (p->kind == ExprKind::relation) {
    // Relations are equal if their sides differ by the same, whatever the sign between them.
    if (p->args.size() != 2 || q->args.size() != 2 || p->name == "chain" || q->name == "chain")
      return canonical_text(*p) == canonical_text(*q);
    const auto gap = [](const Expr& e) {
      return make_node(ExprKind::power, {make_node(ExprKind::sum, {e.args[0], make_negative(e.args[1])}),
                                         make_number(Rational(2))});
    };
    return compare_answers(gap(*p), gap(*q)).verdict == Verdict::equal;
  }
  const auto comparable = [](const Expr& e) { return e.kind != ExprKind::list && e.kind != ExprKind::join; };
  if (!comparable(*p) || !comparable(*q)) return false;
  if (compare_answers(p, q).verdict == Verdict::equal) return true;
  const auto u = double_of(*p), v = double_of(*q);
  return u && v && close(*u, *v);
}

bool in_brackets(const std::string& text) {
  const size_t open = text.find_first_of("([");
  return open == 0 && text.find_first_of(")]", 2) != std::string::npos;
}
bool starts(const std::string& text, std::string_view what) {
  return text.compare(0, what.size(), what) == 0;
}
bool ends(const std::string& text, std::string_view what) {
  return text.size() >= what.size() && text.compare(text.size() - what.size(), what.size(), what) == 0;
}
std::string without(std::string text, std::string_view characters) {
  std::erase_if(text, [&](char c) { return characters.find(c) != std::string_view::npos; });
  return text;
}
std::string stripped(const std::string& text, std::string_view characters) {
  const size_t begin = text.find_first_not_of(characters);
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(characters) - begin + 1);
}

bool equal_at(const std::string& raw_prediction, const std::string& raw_reference, int depth);

bool equal_matrices(const std::string& a, const std::string& b, int depth) {
  constexpr size_t kBegin = 15, kEnd = 13;  // \begin{pmatrix}, \end{pmatrix}
  const auto lines = [](const std::string& text) {
    std::vector<std::string> out;
    for (auto& line : split_at(text.substr(kBegin, text.size() - kBegin - kEnd), "\\\\"))
      if (!trimmed(line).empty()) out.push_back(trimmed(line));
    return out;
  };
  const auto x = lines(a), y = lines(b);
  if (x.size() != y.size()) return false;
  for (size_t r = 0; r < x.size(); ++r) {
    const auto p = split_at(x[r], "&"), q = split_at(y[r], "&");
    if (p.size() != q.size()) return false;
    for (size_t c = 0; c < p.size(); ++c)
      if (!equal_at(p[c], q[c], depth + 1)) return false;
  }
  return true;
}

// \{1,2\} or (1,2) as a matrix of one row, or of several if it is a tuple of tuples.
std::string as_pmatrix(const std::string& text) {
  std::string out;
  for (size_t open = text.find('{'); open != std::string::npos;) {
    const size_t close = text.find('}', open);
    if (close == std::string::npos) break;
    std::string m = stripped(text.substr(open + 1, close - open - 1), "{}");
    std::string entries;
    for (const char c : m) entries += c == ',' ? std::string("\\\\") : std::string(1, c);
    out += (out.empty() ? "" : ", ") + ("\\begin{pmatrix}" + entries + "\\end{pmatrix}");
    open = text.find('{', close);
  }
  return out;
}

bool equal_at(const std::string& raw_prediction, const std::string& raw_reference, int depth) {
  if (depth > kMostDepth) return false;
  if (lower(trimmed(raw_prediction)) == lower(trimmed(raw_reference))) return true;
  if (raw_reference.size() == 1 && raw_reference[0] >= 'A' && raw_reference[0] <= 'E' &&
      harness_choice(raw_prediction) == raw_reference)
    return true;
  const auto u = digits_of(raw_prediction), v = digits_of(raw_reference);
  if (u && v) return close(*u, *v / 100) || close(*u, *v) || close(*u, *v * 100);
  if (raw_prediction.empty()) return false;
  const std::string prediction = trimmed(raw_prediction);
  std::string reference = trimmed(raw_reference);
  if (prediction.find("pmatrix") != std::string::npos && reference.find("pmatrix") == std::string::npos)
    reference = as_pmatrix(reference);

  std::string a = prediction, b = reference;
  if ((starts(a, "[") && ends(a, "]") && !starts(b, "(")) ||
      (starts(a, "(") && ends(a, ")") && !starts(b, "["))) {
    a = stripped(a, "[]()");
    b = stripped(b, "[]()");
  }
  if (lower(without(a, "{}()")) == lower(without(b, "{}()"))) return true;

  if (in_brackets(prediction) && in_brackets(reference)) {
    const auto x = split_at(prediction.substr(1, prediction.size() - 2), ","),
               y = split_at(reference.substr(1, reference.size() - 2), ",");
    bool all = x.size() == y.size();
    for (size_t k = 0; k < x.size() && all; ++k) all = equal_at(x[k], y[k], depth + 1);
    if (all) return true;
  }
  const auto is_matrix = [](const std::string& s) {
    return starts(s, "\\begin{pmatrix}") && ends(s, "\\end{pmatrix}");
  };
  if (is_matrix(prediction) && is_matrix(reference) && equal_matrices(prediction, reference, depth))
    return true;

  const auto p = split_at(prediction, "="), q = split_at(reference, "=");
  if (p.size() == 2 && q.size() == 2) {
    const std::string x = trimmed(p[0]) + " - (" + trimmed(p[1]) + ")",
                      y = trimmed(q[0]) + " - (" + trimmed(q[1]) + ")";
    if (symbolic_equal(x, y) || symbolic_equal("-(" + x + ")", y)) return true;
  } else if (p.size() == 2 && trimmed(p[0]).size() <= 2 && q.size() == 1) {
    if (equal_at(p[1], reference, depth + 1)) return true;
  } else if (q.size() == 2 && trimmed(q[0]).size() <= 2 && p.size() == 1) {
    if (equal_at(prediction, q[1], depth + 1)) return true;
  }
  return symbolic_equal(prediction, reference);
}

bool only_choices(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'E'; });
}

}  // namespace

bool harness_equal(const std::string& prediction, const std::string& reference) {
  return equal_at(prediction, reference, 0);
}

HarnessJudgement harness_judge(std::string_view answer, std::string_view gold, std::string_view dataset) {
  HarnessJudgement out;
  out.extracted = harness_extract(answer, dataset);
  const std::string reference = harness_gold(gold, dataset);
  const auto one_choice = [](const std::string& s) { return s.size() == 1 && only_choices(s); };
  if (one_choice(reference) && !one_choice(out.extracted)) {
    out.extracted = harness_choice(answer);
  } else if (!reference.empty() && only_choices(reference) && !only_choices(out.extracted)) {
    std::erase_if(out.extracted, [](char c) { return c < 'A' || c > 'E'; });
  }
  const bool equal = harness_equal(out.extracted, reference);
  out.judgement = {equal ? Verdict::equal : Verdict::different,
                   equal ? "equal by the harness's rules" : "different by the harness's rules"};
  return out;
}

}  // namespace circuitdiff
