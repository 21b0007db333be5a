// How the judge decides: ordered tables of rules. The first rule of a table that applies decides; many hand
// parts of the answers to another table. A table of doubts takes an equal verdict back. docs/grading.md shows
// all tables, with a counter-example where there is one, and a test holds it to them.
#pragma once

#include <cstddef>
#include <iterator>
#include <vector>

#include "formula/verdict.h"

namespace circuitdiff {

struct RuleExample {
  const char* prediction = nullptr;  // null: an example would be too long to read
  const char* gold = nullptr;
  const char* dataset = "math";
};

struct RuleText {
  const char* name;
  const char* says;  // one sentence
  RuleExample example;
};

// `Sides` is what the rule looks at: two expressions, two texts.
template <class... Sides>
struct Rule : RuleText {
  using Decide = Ruling (*)(const Sides&...);
  constexpr Rule(const char* name_, const char* says_, RuleExample example_, Decide decide_)
      : RuleText{name_, says_, example_}, decide(decide_) {}
  Decide decide;
};

template <size_t n, class... Sides>
Ruling first_ruling(const Rule<Sides...> (&rules)[n], const Sides&... sides) {
  for (const auto& rule : rules)
    if (Ruling out = rule.decide(sides...)) {
      out->rules.push_back(rule.name);
      return out;
    }
  return std::nullopt;
}

// By the first rule that applies; the last one of `rules` always does.
template <size_t n, class... Sides>
Judgement judged_by(const Rule<Sides...> (&rules)[n], const Sides&... sides) {
  return first_ruling(rules, sides...).value();
}

// The same, but an equal verdict is left to the first doubt that applies.
template <size_t n, size_t m, class... Sides>
Judgement judged_by(const Rule<Sides...> (&rules)[n], const Rule<Sides...> (&doubts)[m],
                    const Sides&... sides) {
  Judgement out = judged_by(rules, sides...);
  if (out.verdict == Verdict::equal)
    if (Ruling doubt = first_ruling(doubts, sides...)) return *std::move(doubt);
  return out;
}

struct RuleTable {
  const char* title;
  std::vector<RuleText> rules;
};

template <size_t n, class... Sides>
RuleTable table_of(const char* title, const Rule<Sides...> (&rules)[n]) {
  return {title, {std::begin(rules), std::end(rules)}};
}

}  // namespace circuitdiff
