#include "data/arithmetic.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/error.h"
#include "data/made_question.h"

namespace circuitdiff {
namespace {

constexpr std::array<std::string_view, 12> kItems = {"apples", "books", "coins", "pens", "cards", "shells",
                                                     "stamps", "eggs",  "nuts",  "cups", "toys",  "balls"};
constexpr std::array<std::string_view, 3> kOpenings = {"has", "starts with", "owns"};
constexpr int64_t kLeastOperand = 2, kLeastStart = 2;
constexpr int64_t kLeastAside = 5, kMostAside = 20;  // degrees and ages
constexpr double kAside = 0.1, kComparison = 0.25, kTimesComparison = 1.0 / 3;

template <class T, size_t n>
const T& pick(Philox& random, const std::array<T, n>& values) {
  return values[random.below(n)];
}
int64_t between(Philox& random, int64_t low, int64_t high) {
  return low + static_cast<int64_t>(random.below(static_cast<uint64_t>(high - low + 1)));
}
std::string_view other_than(Philox& random, std::string_view name) {
  std::string_view other = pick(random, kNames);
  while (other == name) other = pick(random, kNames);
  return other;
}

// One step of the story: what is told and what is left after it.
struct Step {
  std::string sentence;
  int64_t value = 0;
};

std::optional<Step> draw_step(Philox& random, const ArithmeticLimits& limits, std::string_view who,
                              int64_t value, uint64_t kind) {
  if (kind < 3) {
    const int64_t n = between(random, kLeastOperand, limits.operand);
    const auto way = random.below(3);
    if (way == 0) return Step{fmt::format("{} buys {} more.", who, n), value + n};
    if (way == 1)
      return Step{fmt::format("{} gives {} {} more.", other_than(random, who), who, n), value + n};
    return Step{fmt::format("{} finds {}.", who, n), value + n};
  }
  if (kind < 6) {
    const int64_t n = between(random, kLeastOperand, limits.operand);
    const auto way = random.below(3);
    if (way == 0) return Step{fmt::format("{} loses {}.", who, n), value - n};
    if (way == 1) return Step{fmt::format("{} gives {} to {}.", who, n, other_than(random, who)), value - n};
    return Step{fmt::format("{} sells {}.", who, n), value - n};
  }
  const int64_t n = between(random, kLeastOperand, limits.multiplier);
  if (kind < 8) {
    if (n <= 3 && random.coin())
      return Step{fmt::format("{} {} them.", who, n == 2 ? "doubles" : "triples"), value * n};
    return Step{fmt::format("{} gets {} times as many.", who, n), value * n};
  }
  if (value % n != 0) return std::nullopt;  // divisions are exact
  return Step{fmt::format("{} makes {} bags and keeps one.", who, n), value / n};
}

// The comparison that ends a story: another person's number, then both together.
std::optional<Step> draw_comparison(Philox& random, const ArithmeticLimits& limits, std::string_view who,
                                    int64_t value) {
  const std::string_view other = other_than(random, who);
  if (random.uniform() < kTimesComparison) {
    const int64_t n = between(random, kLeastOperand, limits.multiplier);
    return Step{fmt::format("{} has {} times as many.", other, n), value + value * n};
  }
  const int64_t n = between(random, kLeastOperand, limits.operand);
  return Step{fmt::format("{} has {} more than {}.", other, n, who), value + value + n};
}

// A step, or the comparison, whose result is in bounds: a few operands for a kind of step, then another kind.
std::optional<Step> draw_allowed(Philox& random, const ArithmeticLimits& limits, std::string_view who,
                                 int64_t value, bool comparison) {
  uint64_t kind = 0;
  for (int attempt = 0; attempt < 60; ++attempt) {
    if (attempt % 4 == 0) kind = random.below(9);  // + - * / in 3 : 3 : 2 : 1
    auto step = comparison ? draw_comparison(random, limits, who, value)
                           : draw_step(random, limits, who, value, kind);
    if (step && step->value >= 1 && step->value <= limits.result) return step;
  }
  return std::nullopt;
}

// nullopt where the story has run into a corner and is to be begun anew.
std::optional<ArithmeticQuestion> try_story(Philox& random, int64_t level) {
  const ArithmeticLimits& limits = arithmetic_limits(level);
  ArithmeticQuestion out;
  out.level = level;
  out.steps = between(random, limits.least_steps, limits.most_steps);
  const std::string_view who = pick(random, kNames), item = pick(random, kItems);
  int64_t value = between(random, kLeastStart, limits.start);
  out.text = fmt::format("{} {} {} {}.", who, pick(random, kOpenings), value, item);
  if (random.uniform() < kAside) {
    const int64_t n = between(random, kLeastAside, kMostAside);
    out.text += random.coin() ? fmt::format(" It is {} degrees.", n)
                              : fmt::format(" {} is {}.", other_than(random, who), n);
  }
  bool in_all = false;
  for (int64_t left = out.steps; left > 0 && !in_all; --left) {
    in_all = left == 2 && random.uniform() < kComparison;
    const auto step = draw_allowed(random, limits, who, value, in_all);
    if (!step) return std::nullopt;
    out.text += " " + step->sentence;
    value = step->value;
  }
  out.text += fmt::format(" How many {} {}?", item, in_all ? "in all" : "now");
  out.answer = value;
  return out;
}

// Reading a story back. Sentences are matched word by word against patterns in which # is a number, @ the
// teller, * some other person and $ the items.
struct Match {
  int64_t number = 0;
  bool fits = false;
};
std::vector<std::string_view> words_of(std::string_view sentence) {
  std::vector<std::string_view> out;
  for (size_t begin = 0; begin <= sentence.size();) {
    const size_t space = std::min(sentence.find(' ', begin), sentence.size());
    out.push_back(sentence.substr(begin, space - begin));
    begin = space + 1;
  }
  return out;
}
Match match(const std::vector<std::string_view>& sentence, std::string_view pattern, std::string_view who,
            std::string_view item) {
  const auto expected = words_of(pattern);
  Match out;
  if (sentence.size() != expected.size()) return out;
  for (size_t i = 0; i < sentence.size(); ++i) {
    const std::string_view word = sentence[i];
    if (expected[i] == "#") {
      if (word.empty() || word.size() > 3 || word.front() == '0' ||
          !std::all_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; }))
        return out;
      for (const char c : word) out.number = out.number * 10 + (c - '0');
    } else if (expected[i] == "*") {
      if (word == who || std::find(kNames.begin(), kNames.end(), word) == kNames.end()) return out;
    } else if (word != (expected[i] == "@" ? who : expected[i] == "$" ? item : expected[i])) {
      return out;
    }
  }
  out.fits = true;
  return out;
}

struct Told {
  std::string_view pattern;
  char operation;  // + - * / change the teller's number; p and t are comparisons (plus, times); 0 an aside
  int64_t operand = 0;  // where the sentence has no number
};
constexpr std::array<Told, 14> kSentences = {{{"@ buys # more", '+'},
                                              {"* gives @ # more", '+'},
                                              {"@ finds #", '+'},
                                              {"@ loses #", '-'},
                                              {"@ gives # to *", '-'},
                                              {"@ sells #", '-'},
                                              {"@ doubles them", '*', 2},
                                              {"@ triples them", '*', 3},
                                              {"@ gets # times as many", '*'},
                                              {"@ makes # bags and keeps one", '/'},
                                              {"* has # more than @", 'p'},
                                              {"* has # times as many", 't'},
                                              {"It is # degrees", 0},
                                              {"* is #", 0}}};

std::optional<int64_t> apply(char operation, int64_t value, int64_t n) {
  switch (operation) {
    case '+':
      return value + n;
    case '-':
      return value - n;
    case '*':
      return value * n;
    case '/':
      if (n == 0 || value % n != 0) return std::nullopt;
      return value / n;
    case 'p':
      return value + value + n;
    default:
      return value + value * n;
  }
}

}  // namespace

const ArithmeticLimits& arithmetic_limits(int64_t level) {
  static constexpr std::array<ArithmeticLimits, kArithmeticLevels> kLimits = {
      {{9, 5, 2, 15, 2, 2}, {12, 9, 3, 30, 2, 3}, {30, 20, 5, 99, 3, 4}}};
  if (level < 0 || level >= kArithmeticLevels) fail("arithmetic: level 0, 1 or 2 expected, {} found", level);
  return kLimits[static_cast<size_t>(level)];
}

ArithmeticQuestion draw_arithmetic_question(Philox& random) {
  const double u = random.uniform();
  const int64_t level = u < 0.3 ? 0 : u < 0.7 ? 1 : 2;
  while (true)
    if (auto question = try_story(random, level)) return *std::move(question);
}

std::optional<ToldStory> read_arithmetic_story(std::string_view text) {
  if (text.empty() || text.back() != '?') return std::nullopt;
  std::vector<std::string_view> sentences;
  for (size_t begin = 0;;) {
    const size_t end = text.find(". ", begin);
    sentences.push_back(
        text.substr(begin, end == std::string_view::npos ? text.size() - 1 - begin : end - begin));
    if (end == std::string_view::npos) break;
    begin = end + 2;
  }
  const auto opening = words_of(sentences.front());
  if (sentences.size() < 3 || opening.size() < 4 || opening.size() > 5) return std::nullopt;
  const std::string_view who = opening.front(), item = opening.back();
  if (std::find(kNames.begin(), kNames.end(), who) == kNames.end() ||
      std::find(kItems.begin(), kItems.end(), item) == kItems.end())
    return std::nullopt;
  std::optional<int64_t> value;
  for (const auto verb : kOpenings)
    if (const Match m = match(opening, fmt::format("@ {} # $", verb), who, item); m.fits) value = m.number;
  if (!value) return std::nullopt;

  ToldStory out;
  out.start = *value;
  out.smallest = INT64_MAX;
  bool compared = false;
  for (size_t i = 1; i + 1 < sentences.size(); ++i) {
    const auto words = words_of(sentences[i]);
    const Told* told = nullptr;
    int64_t number = 0;
    for (const auto& candidate : kSentences)
      if (const Match m = match(words, candidate.pattern, who, item); m.fits) {
        told = &candidate;
        number = candidate.operand ? candidate.operand : m.number;
      }
    if (!told || compared) return std::nullopt;  // a comparison ends the story
    if (told->operation == 0) {
      if (i != 1) return std::nullopt;  // an aside follows the opening
      continue;
    }
    compared = told->operation == 'p' || told->operation == 't';
    value = apply(told->operation, *value, number);
    if (!value || *value < 1 || *value > 1'000'000) return std::nullopt;
    out.told.push_back({told->operation, number});
    out.steps += compared ? 2 : 1;
    out.largest = std::max(out.largest, *value);
    out.smallest = std::min(out.smallest, *value);
  }
  if (!match(words_of(sentences.back()), compared ? "How many $ in all" : "How many $ now", who, item).fits ||
      out.steps == 0)
    return std::nullopt;
  out.answer = *value;
  return out;
}

}  // namespace circuitdiff
