#include "data/sorting.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

namespace circuitdiff {
namespace {

constexpr std::array<std::string_view, 3> kVerbs = {"has", "holds", "draws"};
constexpr std::string_view kRising = "Sort them from low to high.", kFalling = "Sort them from high to low.";

bool comes_before(char a, char b, bool falling) { return falling ? a > b : a < b; }

// Where a digit belongs among those sorted so far: behind its equals.
size_t place_of(const std::string& sorted, char digit, bool falling) {
  size_t at = 0;
  while (at < sorted.size() && !comes_before(digit, sorted[at], falling)) ++at;
  return at;
}

}  // namespace

MadeQuestion draw_sorting_question(Philox& random) {
  const double which = random.uniform();
  MadeQuestion out;
  out.level = which < 0.3 ? 0 : which < 0.7 ? 1 : 2;
  out.steps = 3 + 2 * out.level + static_cast<int64_t>(random.below(2));
  ToldSorting told;
  told.falling = random.coin();
  out.text =
      fmt::format("{} {} cards", kNames[random.below(kNames.size())], kVerbs[random.below(kVerbs.size())]);
  for (int64_t i = 0; i < out.steps; ++i) {
    told.digits += static_cast<char>('1' + random.below(9));
    out.text += fmt::format(" {}", told.digits.back());
  }
  out.text += fmt::format(". {}", told.falling ? kFalling : kRising);
  out.answer = sorted_digits(told);
  return out;
}

std::optional<ToldSorting> read_sorting_question(std::string_view text) {
  ToldSorting out;
  constexpr std::string_view kCards = " cards ";
  const size_t cards = text.find(kCards), stop = text.find(". ");
  if (cards == std::string_view::npos || stop == std::string_view::npos || stop < cards) return std::nullopt;
  const std::string_view ends = text.substr(stop + 2);
  if (ends != kRising && ends != kFalling) return std::nullopt;
  out.falling = ends == kFalling;
  const std::string_view told = text.substr(cards + kCards.size(), stop - cards - kCards.size());
  for (size_t i = 0; i < told.size(); ++i) {
    const bool digit = told[i] >= '1' && told[i] <= '9';
    if (i % 2 == 0 ? !digit : told[i] != ' ') return std::nullopt;
    if (digit) out.digits += told[i];
  }
  if (told.size() % 2 == 0) return std::nullopt;
  return out;
}

std::string sorted_digits(const ToldSorting& told) {
  std::string out = told.digits;
  std::sort(out.begin(), out.end(), [&](char a, char b) { return comes_before(a, b, told.falling); });
  return out;
}

std::string sorting_answer(const ToldSorting& told, const AnswerStyle& style, Philox& random) {
  const size_t n = told.digits.size();
  std::vector<bool> written(n, true);  // the state behind digit i
  for (size_t i = 1; i + 1 < n; ++i)
    if (random.uniform() < style.merge) {
      written[i] = false;
      ++i;
    }
  // A wrong place is one that gives another state: among equals there are several right ones.
  size_t wrong_at = n;
  if (random.uniform() < style.wrong) wrong_at = 1 + random.below(n - 1);
  std::string state, out;
  for (size_t i = 0; i < n; ++i) {
    const char digit = told.digits[i];
    const size_t right = place_of(state, digit, told.falling);
    std::string next = state;
    next.insert(right, 1, digit);
    if (i == wrong_at) {
      std::vector<std::string> others;
      for (size_t at = 0; at <= state.size(); ++at) {
        std::string other = state;
        other.insert(at, 1, digit);
        if (other != next) others.push_back(std::move(other));
      }
      if (others.empty())
        wrong_at = i + 1;  // all the same digit so far
      else
        next = others[random.below(others.size())];
    }
    state = next;
    if (written[i]) out += state + ". ";
  }
  return out + fmt::format("\\boxed{{{}}}", state);
}

}  // namespace circuitdiff
