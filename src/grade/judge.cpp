#include "grade/judge.h"

#include <algorithm>
#include <cstddef>
#include <unordered_set>
#include <vector>

#include "formula/compare.h"
#include "formula/letters.h"
#include "formula/reader.h"
#include "formula/tokens.h"
#include "grade/compare_texts.h"
#include "grade/extract.h"
#include "grade/labelled_parts.h"

namespace circuitdiff {
namespace {

constexpr size_t kMostCharacters = 10'000, kMostBytes = 40'000;

std::string_view trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

// Without spaces and dollar signs; one space stays between digits, where it parts two numbers ("5 3/4") and
// not thousands ("12 345").
std::string without_spaces(std::string_view text) {
  const auto digit_at = [&](size_t at) { return at < text.size() && is_digit(text[at]); };
  std::string out;
  size_t group = 0;  // digits at the end of `out`
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '$') continue;
    if (std::string_view(" \n\t\r").find(text[i]) == std::string_view::npos) {
      group = digit_at(i) ? group + 1 : 0;
      out += text[i];
      continue;
    }
    const bool thousands = group <= 3 && digit_at(i + 1) && digit_at(i + 2) && digit_at(i + 3) &&
                           !digit_at(i + 4) && (i + 4 >= text.size() || text[i + 4] != '/');
    if (group > 0 && digit_at(i + 1) && !thousands) out += ' ';
    if (group > 0 && digit_at(i + 1)) group = 0;
  }
  return out;
}

// "B", "(B)", "\text{(B)}", "B)", "B. 21": the letter; 0 where it is none.
char choice_of(std::string_view text) {
  std::string plain;
  for (const std::string_view dress :
       {"\\textbf", "\\text", "\\mathrm", "\\mathbf", "\\left", "\\right", "\\boxed"})
    if (text.find(dress) != std::string_view::npos) {
      std::string copy(text);
      for (size_t at = copy.find(dress); at != std::string::npos; at = copy.find(dress))
        copy.erase(at, dress.size());
      return choice_of(copy);
    }
  for (const char c : text)
    if (std::string_view(" \t\n{}()[]$*").find(c) == std::string_view::npos) plain += c;
  if (plain.empty() || !is_capital(plain[0])) return 0;
  if (plain.size() == 1) return plain[0];
  const size_t begin = text.find(plain[0]);
  const char next = begin + 1 < text.size() ? text[begin + 1] : ' ';
  if (next != ')' && next != '.' && next != ':') return 0;
  // "A) 21" and "A. 21", not "(A)+1".
  const size_t after = text.find_first_not_of(" )]}.:*$", begin + 2);
  if (after != std::string_view::npos &&
      std::string_view("+-*/^=<>,;|!_").find(text[after]) != std::string_view::npos)
    return 0;
  return plain[0];
}

// Whether letters of two choices stand alone in it: "(A) and (C)", "neither A nor B". An "A" that begins a
// sentence is an article.
bool names_two_choices(std::string_view text) {
  char first = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] < 'A' || text[i] > 'H') continue;
    const bool alone =
        (i == 0 || !(is_letter(text[i - 1]) || is_digit(text[i - 1]) || text[i - 1] == '\\')) &&
        (i + 1 == text.size() || !(is_letter(text[i + 1]) || is_digit(text[i + 1])));
    const bool article = text[i] == 'A' && i == 0 && i + 2 < text.size() && text[i + 1] == ' ' &&
                         is_letter(text[i + 2]) && text.substr(i + 2, 2) != "or" &&
                         text.substr(i + 2, 3) != "and";
    if (!alone || article) continue;
    if (first && text[i] != first) return true;
    first = text[i];
  }
  return false;
}

// asdiv: "9 (apples)". Brackets with words in them go; "(1)+1" stays.
std::string without_remarks(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const size_t close = text[i] == '(' ? text.find(')', i) : std::string_view::npos;
    if (close != std::string_view::npos && i + 1 < close) {
      const char first = text[i + 1];
      if (is_letter(first) && text.substr(i, close - i).find_first_of("+*/=^\\") == std::string_view::npos) {
        i = close + 1;
        continue;
      }
    }
    out += text[i++];
  }
  return out;
}

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

Judgement judge_mathematics(std::string_view prediction, std::string_view gold, const ReadOptions& options) {
  ReadAnswer a = read_answer(prediction, options);
  const ReadAnswer b = read_answer(gold, options);
  if (!a.expr && b.expr) {
    // A sentence that names its answer, in the box or behind a mark.
    const Extraction again = extract_answer(prediction, {});
    if (again.rule == ExtractionRule::answer_is) a = read_answer(*again.text, options);
    if (!a.expr)
      if (const std::string_view value = value_named_in_words(prediction); !value.empty())
        a = read_answer(value, options);
  }
  if (a.expr && b.expr) return compare_answers(a.expr, b.expr);
  if (b.expr) {
    Judgement text = compare_texts(prediction, gold);
    if (text.verdict == Verdict::equal) return text;
    return {Verdict::different, "the answer is no mathematics (" + a.problem + ")"};
  }
  if (a.expr) {
    const Judgement text = compare_texts(prediction, gold);
    if (text.verdict != Verdict::different) return text;
    // A number against a text with formulas in it cannot be right unless the text says that number.
    return {b.problem == "words" || b.problem == "nothing to read" ? Verdict::different : Verdict::undecided,
            "the reference is no mathematics (" + b.problem + ")"};
  }
  Judgement text = compare_texts(prediction, gold);
  const bool formulas =
      prediction.find('\\') != std::string_view::npos || gold.find('\\') != std::string_view::npos;
  if (text.verdict == Verdict::different && formulas && (a.problem != "words" || b.problem != "words"))
    text = {Verdict::undecided, "neither can be read (" + a.problem + "; " + b.problem + ")"};
  return text;
}

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

// By every reading of the two texts.
Judgement judge_readings(std::string_view prediction, std::string_view gold) {
  Judgement out = judge_mathematics(prediction, gold, {});
  if (out.verdict == Verdict::equal) return out;
  // Other readings of the same text: 1,200 as two numbers; letters behind the prediction's number as its
  // unit.
  const auto again = [&](const ReadOptions& for_prediction, const ReadOptions& for_gold, const char* how) {
    if (out.verdict == Verdict::equal) return;
    const ReadAnswer a = read_answer(prediction, for_prediction), b = read_answer(gold, for_gold);
    if (!a.expr || !b.expr) return;
    const Judgement other = compare_answers(a.expr, b.expr);
    if (other.verdict == Verdict::equal) out = {Verdict::equal, other.reason + how};
  };
  const bool commas =
      prediction.find(',') != std::string_view::npos && gold.find(',') != std::string_view::npos;
  if (commas) again({.thousands = false}, {.thousands = false}, " (commas read as separators)");
  if (prediction.find(' ') != std::string_view::npos)
    again({.letter_units = true}, {}, " (letters read as units)");
  if (out.verdict == Verdict::different && differ_by_cross_product(prediction, gold))
    return {Verdict::undecided, "a cross product on one side only"};
  return out;
}

// "(a) 1 (b) 2": part by part.
Judgement judge_parts(const std::vector<LabelledPart>& a, const std::vector<LabelledPart>& b) {
  const auto same_label = [](const auto& x, const auto& y) { return x.label == y.label; };
  if (!std::equal(a.begin(), a.end(), b.begin(), b.end(), same_label))
    return {Verdict::different, "other parts"};
  Judgement out{Verdict::equal, "the same parts"};
  for (size_t k = 0; k < a.size(); ++k) {
    const Judgement part = judge_readings(a[k].text, b[k].text);
    if (part.verdict == Verdict::different)
      return {Verdict::different, "(" + a[k].label + "): " + part.reason};
    if (part.verdict == Verdict::undecided)
      out = {Verdict::undecided, "(" + a[k].label + "): " + part.reason};
  }
  return out;
}

// "(1) and (2)" beside "(1) or (2)": choices, unlike roots, are not the same by either word.
bool join_choices_otherwise(std::string_view prediction, std::string_view gold) {
  const auto begins_with_choice = [](std::string_view text) {
    const size_t close = text.find(')');
    return text.starts_with('(') && close >= 2 && close <= 4 &&
           std::all_of(text.begin() + 1, text.begin() + static_cast<std::ptrdiff_t>(close),
                       [](char c) { return is_letter(c) || is_digit(c); });
  };
  if (!begins_with_choice(prediction) || !begins_with_choice(gold)) return false;
  const auto says = [](std::string_view text, std::string_view word) {
    const auto words = words_of(text);
    return std::find(words.begin(), words.end(), word) != words.end();
  };
  return says(prediction, "or") != says(gold, "or");
}

// By their parts where both texts have them, else as they stand.
Judgement judge_labelled(std::string_view prediction, std::string_view gold) {
  auto parts = labelled_parts(prediction, false), gold_parts = labelled_parts(gold, false);
  const bool sure = !parts.empty() || !gold_parts.empty();
  // "(a)3(b)4" has parts, or is a product.
  if (parts.empty()) parts = labelled_parts(prediction, true);
  if (gold_parts.empty()) gold_parts = labelled_parts(gold, true);
  if (!parts.empty() && !gold_parts.empty()) {
    Judgement by_part = judge_parts(parts, gold_parts);
    if (!sure && by_part.verdict == Verdict::different &&
        judge_readings(prediction, gold).verdict != Verdict::different)
      return {Verdict::undecided, "parts with labels, or a product"};
    return by_part;
  }
  Judgement out = judge_readings(prediction, gold);
  if (out.verdict == Verdict::equal && (!parts.empty() || !gold_parts.empty()))
    return {Verdict::undecided, "parts with labels on one side only"};
  if (out.verdict == Verdict::equal && join_choices_otherwise(prediction, gold))
    return {Verdict::undecided, "choices joined by and, by or"};
  return out;
}

}  // namespace

Judgement judge(std::string_view raw_prediction, std::string_view raw_gold, std::string_view dataset) {
  if (raw_prediction.size() > kMostBytes || raw_gold.size() > kMostBytes)
    return raw_prediction == raw_gold ? Judgement{Verdict::equal, "the same text"}
                                      : Judgement{Verdict::undecided, "a text too long to read"};
  std::string prediction = plain_latex(trim(raw_prediction)), gold = plain_latex(trim(raw_gold));
  if (gold.empty()) return {Verdict::undecided, "no reference answer"};
  if (prediction.empty()) return {Verdict::different, "an empty answer"};
  if (dataset == "asdiv") {
    const auto says_something = [](const std::string& text) {
      return std::any_of(text.begin(), text.end(), is_digit);
    };
    if (const std::string plain = without_remarks(gold); says_something(plain)) gold = trim(plain);
    if (const std::string plain = without_remarks(prediction); says_something(plain))
      prediction = trim(plain);
  }
  if (without_spaces(prediction) == without_spaces(gold)) return {Verdict::equal, "the same text"};
  if (prediction.size() > kMostCharacters || gold.size() > kMostCharacters)
    return {Verdict::undecided, "a text too long to read"};
  if (const char letter = choice_of(gold);
      letter && !names_two_choices(gold) && (is_multiple_choice(dataset) || letter <= 'H')) {
    char chosen = choice_of(prediction);
    if (names_two_choices(prediction) && (chosen || is_multiple_choice(dataset)))
      return {Verdict::undecided, "more than one choice"};
    if (is_multiple_choice(dataset) && prediction.size() == 1 && prediction[0] >= 'a' && prediction[0] <= 'e')
      chosen = static_cast<char>(prediction[0] - 'a' + 'A');
    if (chosen)
      return chosen == letter ? Judgement{Verdict::equal, "the same choice"}
                              : Judgement{Verdict::different, "another choice"};
    if (is_multiple_choice(dataset)) {
      const Extraction again = extract_answer(prediction, dataset);
      if (again.rule == ExtractionRule::choice)
        return again.text->front() == letter ? Judgement{Verdict::equal, "the same choice"}
                                             : Judgement{Verdict::different, "another choice"};
      if (again.rule == ExtractionRule::answer_is) chosen = choice_of(*again.text);
      if (chosen == letter) return {Verdict::equal, "the same choice"};
      return {Verdict::different, chosen ? "another choice" : "no choice"};
    }
  }
  return judge_labelled(prediction, gold);
}

}  // namespace circuitdiff
