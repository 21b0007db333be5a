// What the report calls things: each metric's title, unit and definition in words, and which way the paper
// expects it to go. And the sentences that a run's numbers allow: only what the tests carry is said.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "report/report_input.h"

namespace circuitdiff {

enum class Expected { nothing, up, down };

struct MetricWords {
  const char* name;        // as in metrics.json
  const char* title;       // "Activation intensity"
  const char* subject;     // inside a sentence: "activation intensity"
  const char* unit;        // "" where it has none
  Expected expected;       // by the paper
  const char* definition;  // one sentence
};

// The paper's three, its two of Figure 3, then their siblings: the order of the tables.
const std::vector<MetricWords>& metric_words();
// "nats per token", "10⁻³", "10⁻³ nats", "": the unit of figures that were divided by a power of ten.
std::string unit_text(const MetricWords& words, int exponent);
inline constexpr size_t kPaperMetrics = 5;  // the first so many are the paper's

// Whether an expected direction was seen.
enum class Direction { none, held, opposite, by_chance };
Direction direction_of(const MetricWords& words, const MetricCell& cell);

// "fell by 68 % [62, 73] (p < .001)", "shows no difference beyond chance (p = .31)", "is undefined (reason)".
// HTML with its figures sourced, as all sentences here; plain_text() makes text of it.
std::string change_phrase(const MetricCell& cell);
// The same without p and interval: "fell by 68 %".
std::string change_words(const MetricCell& cell);

// "After grpo, activation intensity fell by ...; per unit of prediction error it rose ... ."
std::string pair_sentence(const ReportInput& input, size_t pair, size_t data, size_t cut);

// What of the change of intensity the change of the loss accounts for, from ln(I_after/I_before) = ln(loss
// ratio) + ln(per-nat ratio). Empty where the parts are undefined.
std::string loss_sentence(const Comparison& comparison);

// How the run's settings differ from the paper's text, one sentence each; empty: in nothing that is recorded.
std::vector<std::string> differences_from_paper(const json& settings);

}  // namespace circuitdiff
