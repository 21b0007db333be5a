#include "data/arithmetic_answer.h"

#include <fmt/format.h>

#include <array>
#include <optional>

namespace circuitdiff {
namespace {

std::optional<int64_t> apply_step(int64_t value, const ToldStep& step) {
  switch (step.operation) {
    case '+':
      return value + step.operand;
    case '-':
      return value - step.operand;
    case '*':
      return value * step.operand;
    default:
      if (value % step.operand != 0) return std::nullopt;
      return value / step.operand;
  }
}

// The answer with equation `wrong_at` off by `off` (-1: none); nullopt where a later step then has no result.
std::optional<std::string> write_answer(const ToldStory& story, const std::vector<bool>& merged,
                                        int64_t wrong_at, int64_t off, int64_t& equations) {
  std::string out;
  int64_t value = story.start;
  equations = 0;
  const auto state = [&](const std::string& left, int64_t right) {
    value = equations++ == wrong_at ? right + off : right;
    out += fmt::format("{}={}. ", left, value);
    return value >= 1;
  };
  for (size_t i = 0; i < story.told.size(); ++i) {
    const ToldStep& step = story.told[i];
    if (step.operation == 'p' || step.operation == 't') {  // the other's number, then both together
      const int64_t mine = value;
      const bool times = step.operation == 't';
      if (!state(fmt::format("{}{}{}", mine, times ? '*' : '+', step.operand),
                 times ? mine * step.operand : mine + step.operand))
        return std::nullopt;
      if (!state(fmt::format("{}+{}", mine, value), mine + value)) return std::nullopt;
      continue;
    }
    const auto first = apply_step(value, step);
    if (!first) return std::nullopt;
    if (!merged[i]) {
      if (!state(fmt::format("{}{}{}", value, step.operation, step.operand), *first)) return std::nullopt;
      continue;
    }
    const ToldStep& next = story.told[++i];
    const auto second = apply_step(*first, next);
    if (!second) return std::nullopt;
    const bool grouped = next.operation == '*' || next.operation == '/';
    const std::string inner = fmt::format("{}{}{}", value, step.operation, step.operand);
    if (!state(fmt::format("{}{}{}", grouped ? "(" + inner + ")" : inner, next.operation, next.operand),
               *second))
      return std::nullopt;
  }
  return out + fmt::format("\\boxed{{{}}}", value);
}

}  // namespace

std::string arithmetic_answer(const ToldStory& story, const AnswerStyle& style, Philox& random) {
  const auto plain = [](const ToldStep& s) { return s.operation != 'p' && s.operation != 't'; };
  std::vector<bool> merged(story.told.size(), false);
  for (size_t i = 0; i + 1 < story.told.size(); ++i)
    if (plain(story.told[i]) && plain(story.told[i + 1]) && random.uniform() < style.merge)
      merged[i++] = true;
  int64_t equations = 0;
  const std::string right = *write_answer(story, merged, -1, 0, equations);
  if (random.uniform() >= style.wrong) return right;
  constexpr std::array<int64_t, 8> kOff{1, -1, 2, -2, 3, -3, 10, -10};
  for (int attempt = 0; attempt < 20; ++attempt) {
    const auto at = static_cast<int64_t>(random.below(static_cast<uint64_t>(equations)));
    int64_t ignored = 0;
    if (const auto wrong = write_answer(story, merged, at, kOff[random.below(kOff.size())], ignored))
      return *wrong;
  }
  return right;
}

}  // namespace circuitdiff
