#include "train/reward.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>

#include "grade/extract.h"
#include "grade/judge.h"

namespace circuitdiff {
namespace {

std::string trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\n"), end = text.find_last_not_of(" \t\n");
  return begin == std::string_view::npos ? "" : std::string(text.substr(begin, end - begin + 1));
}

// The number that a text is, commas and a leading $ left out.
std::optional<double> plain_number(std::string_view text) {
  std::string s = trimmed(text);
  std::erase(s, ',');
  std::erase(s, '$');
  if (s.empty()) return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(s.c_str(), &end);
  if (*end != '\0' || !std::isfinite(value)) return std::nullopt;
  return value;
}

double graded(const std::optional<std::string>& extracted, Verdict verdict, std::string_view gold) {
  if (!extracted) return 0;
  if (trimmed(*extracted) == trimmed(gold)) return 3;
  if (verdict == Verdict::equal) return 1;
  const auto found = plain_number(*extracted), wanted = plain_number(gold);
  if (!found) return verdict == Verdict::undecided ? 0 : -0.5;
  if (!wanted) return -0.5;
  const double off = std::abs(*found - *wanted), scale = std::abs(*wanted);
  if (off <= 0.01 * scale) return 0.5;
  if (off <= 0.05 * scale) return 0.1;
  return -0.5;
}

}  // namespace

RewardedAnswer reward_answer(const RewardOptions& o, std::string_view answer, std::string_view gold,
                             std::string_view dataset, double coin) {
  const Extraction extraction = extract_answer(answer, dataset);
  Verdict verdict = Verdict::different;
  if (extraction.text) verdict = judge(*extraction.text, gold, dataset).verdict;
  RewardedAnswer out;
  out.correct = verdict == Verdict::equal;
  out.undecided = verdict == Verdict::undecided;
  if (o.kind == RewardKind::graded) {
    out.reward = graded(extraction.text, verdict, gold) * (o.inverted ? -1 : 1);
    return out;
  }
  bool wanted = out.correct;
  if (o.kind == RewardKind::format) wanted = extraction.rule == ExtractionRule::boxed;
  if (o.kind == RewardKind::random) wanted = coin < 0.5;
  out.reward = wanted != o.inverted ? o.correct : o.wrong;
  return out;
}

}  // namespace circuitdiff
