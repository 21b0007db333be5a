#include "grade/judge_readings.h"

#include <algorithm>
#include <unordered_set>

#include "base/text.h"
#include "formula/compare.h"
#include "formula/letters.h"
#include "formula/reader.h"
#include "grade/compare_texts.h"
#include "grade/extract.h"

namespace circuitdiff {
namespace {

// "\\text{Area} = 12", "The total cost is 12": what words of at least two letters name. Empty where the text
// is of another form or its words turn the meaning.
std::string_view value_named_in_words(std::string_view text) {
  const size_t equals = text.find('='), is = text.find(" is ");
  const size_t at = std::min(equals, is);
  if (at == std::string_view::npos || at == 0) return {};
  const std::string_view name = text.substr(0, at), value = trim(text.substr(at + (at == is ? 4 : 1)));
  if (value.find(" is ") != std::string_view::npos || value.find('=') != std::string_view::npos) return {};
  for (const char c : name)
    if (!is_letter(c) && std::string_view(" {}\\").find(c) == std::string_view::npos) return {};
  static const std::unordered_set<std::string_view> kTurns = {
      "not", "no", "never", "if", "unless", "least", "most", "than", "but", "wrong", "false"};
  const auto words = words_of(name);
  if (std::none_of(words.begin(), words.end(), [](const auto& w) { return w.size() > 1; })) return {};
  if (std::any_of(words.begin(), words.end(), [](const auto& w) { return kTurns.contains(w); })) return {};
  return value;
}

// Two texts and what the reader makes of them.
struct Readings {
  std::string_view prediction, gold;
  ReadAnswer a, b;
};

Readings readings_of(std::string_view prediction, std::string_view gold) {
  Readings out{prediction, gold, read_answer(prediction), read_answer(gold)};
  if (out.a.expr || !out.b.expr) return out;
  // A sentence that names its answer, in the box or behind a mark.
  const Extraction again = extract_answer(prediction, {});
  if (again.rule == ExtractionRule::answer_is) out.a = read_answer(*again.text);
  if (!out.a.expr)
    if (const std::string_view value = value_named_in_words(prediction); !value.empty())
      out.a = read_answer(value);
  return out;
}

Ruling judge_prediction_in_words(const Readings& r) {
  if (!r.b.expr) return {};
  Judgement text = compare_texts(r.prediction, r.gold);
  if (text.verdict == Verdict::equal) return text;
  return different("the answer is no mathematics (" + r.a.problem + ")");
}

Ruling judge_reference_in_words(const Readings& r) {
  if (!r.a.expr) return {};
  Judgement text = compare_texts(r.prediction, r.gold);
  if (text.verdict != Verdict::different) return text;
  // A number against a text with formulas in it cannot be right unless the text says that number.
  const bool no_formulas = r.b.problem == "words" || r.b.problem == "nothing to read";
  return Judgement{no_formulas ? Verdict::different : Verdict::undecided,
                   "the reference is no mathematics (" + r.b.problem + ")"};
}

Ruling judge_words(const Readings& r) {
  Judgement text = compare_texts(r.prediction, r.gold);
  const auto has_formulas = [](std::string_view s) { return s.find('\\') != std::string_view::npos; };
  if (text.verdict == Verdict::different && (has_formulas(r.prediction) || has_formulas(r.gold)) &&
      (r.a.problem != "words" || r.b.problem != "words"))
    return undecided("neither can be read (" + r.a.problem + "; " + r.b.problem + ")");
  return text;
}

using ReadingRow = Rule<Readings>;
constexpr ReadingRow kReadingRules[] = {
    ReadingRow("two-formulas", "Two formulas are compared as formulas.", {"\\frac12", "0.5"},
               [](const Readings& r) -> Ruling {
                 if (!r.a.expr || !r.b.expr) return {};
                 return compare_answers(r.a.expr, r.b.expr);
               }),
    ReadingRow("answer-in-words", "Words are no formula, unless both texts have the same words.",
               {"east of the river", "5"}, judge_prediction_in_words),
    ReadingRow("reference-in-words", "A formula is right if the reference's words say it.",
               {"5", "east of the river"}, judge_reference_in_words),
    ReadingRow("words", "Texts that are no formulas are compared by their words.", {"Monday", "monday"},
               judge_words)};

// A cross product stands in it.
bool has_cross_product(const Expr& e) {
  return (e.kind == ExprKind::symbol && e.name.starts_with("\\times ")) ||
         std::any_of(e.args.begin(), e.args.end(), [](const auto& a) { return has_cross_product(*a); });
}

// u x v beside uv, which says no kind of product, and is the same where u and v are numbers.
bool differ_by_cross_product(std::string_view prediction, std::string_view gold) {
  constexpr std::string_view kTimes = "\\times", kDot = "\\cdot";
  if ((prediction.find(kTimes) == std::string_view::npos && gold.find(kTimes) == std::string_view::npos) ||
      prediction.find(kDot) != std::string_view::npos || gold.find(kDot) != std::string_view::npos)
    return false;
  const ReadAnswer a = read_answer(prediction), b = read_answer(gold);
  if (!a.expr || !b.expr || has_cross_product(*a.expr) == has_cross_product(*b.expr)) return false;
  const ReadAnswer x = read_answer(prediction, {.cross = false}), y = read_answer(gold, {.cross = false});
  return x.expr && y.expr && compare_answers(x.expr, y.expr).verdict == Verdict::equal;
}

// Two texts with the verdict on them as they stand.
struct AsWritten {
  std::string_view prediction, gold;
  Judgement judgement;
};

// Equal by another reading of the same texts.
Ruling equal_read_as(const AsWritten& t, const ReadOptions& for_prediction, const ReadOptions& for_gold,
                     const char* how) {
  const ReadAnswer a = read_answer(t.prediction, for_prediction), b = read_answer(t.gold, for_gold);
  if (!a.expr || !b.expr) return {};
  Judgement out = compare_answers(a.expr, b.expr);
  if (out.verdict != Verdict::equal) return {};
  out.reason += how;
  return out;
}

using TextRow = Rule<AsWritten>;
constexpr TextRow kTextRules[] = {
    TextRow("as-written", "Texts that are equal as they are read are equal.", {"\\frac12", "0.5"},
            [](const AsWritten& t) -> Ruling {
              if (t.judgement.verdict != Verdict::equal) return {};
              return t.judgement;
            }),
    TextRow("commas", "1,200 may be two numbers, if both answers have commas.", {"1,200", "200, 1"},
            [](const AsWritten& t) -> Ruling {
              const auto has_comma = [](std::string_view s) { return s.find(',') != std::string_view::npos; };
              if (!has_comma(t.prediction) || !has_comma(t.gold)) return {};
              return equal_read_as(t, {.thousands = false}, {.thousands = false},
                                   " (commas read as separators)");
            }),
    TextRow("letter-units", "Letters behind the prediction's number may be its unit.", {"5 h", "5"},
            [](const AsWritten& t) -> Ruling {
              if (t.prediction.find(' ') == std::string_view::npos) return {};
              return equal_read_as(t, {.letter_units = true}, {}, " (letters read as units)");
            }),
    TextRow("cross-product", "A cross product on one side alone may be a plain product.",
            {"\\vec a\\times\\vec b", "\\vec a\\vec b"},
            [](const AsWritten& t) {
              return undecided_if(
                  t.judgement.verdict == Verdict::different && differ_by_cross_product(t.prediction, t.gold),
                  "a cross product on one side only");
            }),
    TextRow("not-equal", "Other texts are judged as they are read.", {"2", "3"},
            [](const AsWritten& t) -> Ruling { return t.judgement; })};

}  // namespace

Judgement judge_readings(std::string_view prediction, std::string_view gold) {
  return judged_by(kTextRules,
                   AsWritten{prediction, gold, judged_by(kReadingRules, readings_of(prediction, gold))});
}

std::vector<RuleTable> reading_rules() {
  std::vector<RuleTable> out = {table_of("Two readings", kTextRules),
                                table_of("Formulas or words", kReadingRules), text_rules()};
  for (RuleTable& table : formula_rules()) out.push_back(std::move(table));
  return out;
}

}  // namespace circuitdiff
