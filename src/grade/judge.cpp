#include "grade/judge.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "base/text.h"
#include "formula/letters.h"
#include "formula/tokens.h"
#include "grade/compare_texts.h"
#include "grade/extract.h"
#include "grade/judge_readings.h"
#include "grade/labelled_parts.h"

namespace circuitdiff {
namespace {

constexpr size_t kMostCharacters = 10'000, kMostBytes = 40'000;

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

// "(a) 1 (b) 2": part by part.
Judgement judge_parts(const std::vector<LabelledPart>& a, const std::vector<LabelledPart>& b) {
  const auto same_label = [](const auto& x, const auto& y) { return x.label == y.label; };
  if (!std::equal(a.begin(), a.end(), b.begin(), b.end(), same_label)) return different("other parts");
  Judgement out = equal("the same parts");
  for (size_t k = 0; k < a.size(); ++k) {
    const Judgement part = judge_readings(a[k].text, b[k].text);
    if (part.verdict == Verdict::different) return different("(" + a[k].label + "): " + part.reason);
    if (part.verdict == Verdict::undecided) out = undecided("(" + a[k].label + "): " + part.reason);
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

// What is judged: the texts as they came, and as plain LaTeX.
struct Texts {
  std::string_view raw_prediction, raw_gold, dataset;
  std::string prediction, gold;

  bool is_too_long() const { return raw_prediction.size() > kMostBytes || raw_gold.size() > kMostBytes; }
};

Texts texts_of(std::string_view prediction, std::string_view gold, std::string_view dataset) {
  Texts out{prediction, gold, dataset};
  if (out.is_too_long()) return out;
  out.prediction = plain_latex(trim(prediction));
  out.gold = plain_latex(trim(gold));
  if (dataset == "asdiv")
    for (std::string* text : {&out.gold, &out.prediction})
      if (const std::string plain = without_remarks(*text); std::any_of(plain.begin(), plain.end(), is_digit))
        *text = trim(plain);
  return out;
}

// The letter that the reference asks for; 0 where it asks for none.
char letter_asked(const Texts& t) {
  const char letter = choice_of(t.gold);
  return letter && !names_two_choices(t.gold) && (is_multiple_choice(t.dataset) || letter <= 'H') ? letter
                                                                                                  : 0;
}

Ruling judge_two_choices(const Texts& t) {
  return undecided_if(letter_asked(t) && names_two_choices(t.prediction) &&
                          (choice_of(t.prediction) || is_multiple_choice(t.dataset)),
                      "more than one choice");
}

Ruling judge_choice(const Texts& t) {
  const char letter = letter_asked(t);
  if (!letter) return {};
  char chosen = choice_of(t.prediction);
  if (is_multiple_choice(t.dataset)) {
    const std::string& text = t.prediction;
    if (text.size() == 1 && text[0] >= 'a' && text[0] <= 'e') chosen = static_cast<char>(text[0] - 'a' + 'A');
    if (!chosen) {
      const Extraction again = extract_answer(text, t.dataset);
      if (again.rule == ExtractionRule::choice) chosen = again.text->front();
      if (again.rule == ExtractionRule::answer_is) chosen = choice_of(*again.text);
    }
  } else if (!chosen) {
    return {};
  }
  if (chosen == letter) return equal("the same choice");
  return different(chosen ? "another choice" : "no choice");
}

struct Parts {
  std::vector<LabelledPart> prediction, gold;
  bool sure;  // "(a)3(b)4" has parts, or is a product
};
Parts parts_in(const Texts& t) {
  Parts out{labelled_parts(t.prediction, false), labelled_parts(t.gold, false), true};
  out.sure = !out.prediction.empty() || !out.gold.empty();
  if (out.prediction.empty()) out.prediction = labelled_parts(t.prediction, true);
  if (out.gold.empty()) out.gold = labelled_parts(t.gold, true);
  return out;
}

Ruling judge_by_parts(const Texts& t) {
  const Parts parts = parts_in(t);
  if (parts.prediction.empty() || parts.gold.empty()) return {};
  Judgement by_part = judge_parts(parts.prediction, parts.gold);
  if (!parts.sure && by_part.verdict == Verdict::different &&
      judge_readings(t.prediction, t.gold).verdict != Verdict::different)
    return undecided("parts with labels, or a product");
  return by_part;
}

Ruling judge_as_texts(const Texts& t);

using AnswerRule = Rule<Texts>;
constexpr AnswerRule kAnswerRules[] = {
    AnswerRule("too-long", "A text of more than 40,000 bytes is equal to the same bytes alone.", {},
               [](const Texts& t) -> Ruling {
                 if (!t.is_too_long()) return {};
                 return t.raw_prediction == t.raw_gold ? equal("the same text")
                                                       : undecided("a text too long to read");
               }),
    AnswerRule("no-reference", "Without a reference nothing is decided.", {"2", ""},
               [](const Texts& t) { return undecided_if(t.gold.empty(), "no reference answer"); }),
    AnswerRule("no-answer", "Nothing is no answer.", {"", "2"},
               [](const Texts& t) { return different_if(t.prediction.empty(), "an empty answer"); }),
    AnswerRule("same-text", "The same text but for spaces and dollar signs is the same answer.",
               {"$x+1$", "x + 1"},
               [](const Texts& t) {
                 return equal_if(without_spaces(t.prediction) == without_spaces(t.gold), "the same text");
               }),
    AnswerRule("too-long-to-read", "No text of more than 10,000 characters is read.", {},
               [](const Texts& t) {
                 return undecided_if(t.prediction.size() > kMostCharacters || t.gold.size() > kMostCharacters,
                                     "a text too long to read");
               }),
    AnswerRule("two-choices", "An answer that names two choices is left open.", {"(A) or (C)", "A", "aqua"},
               judge_two_choices),
    AnswerRule("choice",
               "Where the reference is a choice's letter, the letter that the answer chooses decides.",
               {"B) 21%", "B", "aqua"}, judge_choice),
    AnswerRule("labelled-parts", "Answers with labelled parts agree part by part.",
               {"(a) 1 (b) 2", "(a) 1; (b) 2.0"}, judge_by_parts),
    AnswerRule("other-texts", "Other answers are read.", {"\\frac12", "0.5"}, judge_as_texts)};

constexpr AnswerRule kDoubts[] = {
    AnswerRule("labels-on-one-side", "Labels of parts on one side alone leave the answer open.",
               {"(a)3(b)4", "12ab"},
               [](const Texts& t) {
                 const Parts parts = parts_in(t);
                 return undecided_if(!parts.prediction.empty() || !parts.gold.empty(),
                                     "parts with labels on one side only");
               }),
    AnswerRule("choices-joined", "Choices joined by 'and' may not be choices joined by 'or'.",
               {"(1) and (2)", "(1) or (2)"}, [](const Texts& t) {
                 return undecided_if(join_choices_otherwise(t.prediction, t.gold),
                                     "choices joined by and, by or");
               })};

Ruling judge_as_texts(const Texts& t) {
  Judgement out = judge_readings(t.prediction, t.gold);
  if (out.verdict == Verdict::equal)
    if (Ruling doubt = first_ruling(kDoubts, t)) return doubt;
  return out;
}

}  // namespace

Judgement judge(std::string_view prediction, std::string_view gold, std::string_view dataset) {
  return judged_by(kAnswerRules, texts_of(prediction, gold, dataset));
}

std::vector<RuleTable> judge_rules() {
  std::vector<RuleTable> out = {table_of("Two answers", kAnswerRules),
                                table_of("Equal answers in doubt", kDoubts)};
  for (RuleTable& table : reading_rules()) out.push_back(std::move(table));
  return out;
}

}  // namespace circuitdiff
