#include "report/words.h"

#include <cmath>
#include <cstdlib>

#include "report/format.h"
#include "report/html.h"
#include "report/sourced.h"

namespace circuitdiff {
namespace {

const char* kNats = "nats";

std::string power_text(int exponent) {
  static const char* const kDigits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string out = exponent < 0 ? "10⁻" : "10";
  for (const char c : std::to_string(std::abs(exponent))) out += kDigits[c - '0'];
  return out;
}

const char* fell_or_rose(double change) { return change < 0 ? "fell" : "rose"; }

}  // namespace

const std::vector<MetricWords>& metric_words() {
  static const std::vector<MetricWords> words{
      {"act_intensity", "Activation intensity", "activation intensity", "", Expected::up,
       "Mean absolute score of all cells of the matrices, over all questions (the paper's eq. 13)."},
      {"info_complexity", "Information complexity", "information complexity", kNats, Expected::up,
       "Entropy of the histogram of all absolute scores (eq. 14). Its bins end at the largest score, so one "
       "outlier moves it."},
      {"dist_kurtosis", "Distribution kurtosis", "distribution kurtosis", "", Expected::down,
       "Excess kurtosis of each question's scores, averaged (eq. 15): how much a few edges stand out."},
      {"diversity", "Diversity", "diversity", "", Expected::up,
       "One minus the mean correlation between the score matrices of two questions (Fig. 3a)."},
      {"node_entropy", "Node entropy", "node entropy", kNats, Expected::up,
       "Entropy of a source's outgoing absolute scores, averaged over sources and questions (Fig. 3b)."},
      {"node_entropy_normalised", "Node entropy, normalised", "normalised node entropy", "",
       Expected::nothing,
       "Node entropy divided by the largest it could be: ln of the number of a source's edges."},
      {"info_complexity_fixed", "Information complexity, fixed bins",
       "information complexity over fixed bins", kNats, Expected::nothing,
       "As eq. 14, with the same bins for before and after."},
      {"entropy_log", "Entropy over log bins", "entropy over log bins", kNats, Expected::nothing,
       "As eq. 14, with equal bins of the logarithm, the same for before and after."},
      {"gini", "Gini coefficient", "the Gini coefficient", "", Expected::nothing,
       "0: all edges score alike; 1: one edge has everything. Averaged over questions."},
      {"effective_edges", "Effective edges", "the number of effective edges", "", Expected::nothing,
       "exp of the entropy of the edges' shares: how many equal edges would be spread as widely."},
      {"top1_share", "Share of the top 1 %", "the share of the strongest 1 % of edges", "", Expected::nothing,
       "What share of all absolute score the strongest 1 % of edges hold."},
      {"mean_loss", "Loss", "the loss", "nats per token", Expected::nothing,
       "Mean of −ln p over the tokens scored: how unsure the model is of its own answer."},
      {"mean_error", "Prediction error", "the prediction error", "", Expected::nothing,
       "Mean of 1 − p over the tokens scored. It bounds the gradient of the loss at the logits."},
      {"intensity_per_nat", "Intensity per nat of loss", "intensity per nat of loss", "", Expected::nothing,
       "Sum of intensities over sum of losses: what is left of the intensity once the loss is divided out."},
      {"intensity_per_error", "Intensity per unit of error", "intensity per unit of prediction error", "",
       Expected::nothing, "Sum of intensities over sum of prediction errors."},
  };
  return words;
}

std::string unit_text(const MetricWords& words, int exponent) {
  std::string out = exponent ? power_text(exponent) : "";
  if (*words.unit) out += (out.empty() ? "" : " ") + std::string(words.unit);
  return out;
}

Direction direction_of(const MetricWords& words, const MetricCell& cell) {
  if (words.expected == Expected::nothing || !cell.difference) return Direction::none;
  if (!cell.survives()) return Direction::by_chance;
  return (*cell.difference > 0) == (words.expected == Expected::up) ? Direction::held : Direction::opposite;
}

std::string change_words(const MetricCell& cell) {
  if (!cell.difference) return "is undefined";
  const char* verb = fell_or_rose(*cell.difference);
  if (cell.relative && cell.before && *cell.before > 0)
    return fmt::format("{} by {}", verb, sourced(cell.relative, cell.from / "relative", {Form::percent}));
  return fmt::format("{} by {}", verb, sourced(cell.difference, cell.from / "difference", {Form::size}));
}

std::string change_phrase(const MetricCell& cell) {
  if (!cell.difference)
    return fmt::format("is undefined ({})",
                       cell.reason.empty() ? "no reason given" : escape_html(cell.reason));
  if (!cell.p_table) return change_words(cell) + " (not tested)";
  if (*cell.difference == 0) return "is unchanged";
  const std::string p = sourced(cell.p_table, cell.from_p_table, {Form::p});
  if (!cell.survives()) return fmt::format("shows no difference beyond chance ({} after correction)", p);
  std::string out = change_words(cell);
  const double sign = *cell.difference < 0 ? -1 : 1;  // a fall by 70 % is a change by -70 %
  const bool in_percent = cell.relative && cell.before && *cell.before > 0;
  if (in_percent && cell.relative_low && cell.relative_high)
    out += " " + sourced(*cell.relative_low, *cell.relative_high, cell.from / "relative_ci95",
                         {Form::interval, 100 * sign});
  else if (!in_percent && cell.ci_low && cell.ci_high)
    out += " " + sourced(*cell.ci_low, *cell.ci_high, cell.from / "ci95", {Form::interval, sign});
  return out + fmt::format(" ({})", p);
}

std::string pair_sentence(const ReportInput& input, size_t pair, size_t data, size_t cut) {
  const std::string after =
      "After <strong class=\"name\">" + escape_html(input.pairs[pair].name) + "</strong>, ";
  const Comparison* c = input.find(pair, data, cut);
  if (!c) return after + "there is nothing to say: it was not compared.";
  const auto metric = [&](const char* name) -> const MetricCell* {
    const auto it = c->metrics.find(name);
    return it == c->metrics.end() ? nullptr : &it->second;
  };
  const MetricCell* intensity = metric("act_intensity");
  if (!intensity) return after + "activation intensity was not computed.";
  std::string out = after + "activation intensity " + change_phrase(*intensity);
  const MetricCell* scaled = metric("intensity_per_error");
  const char* scale = "prediction error";
  if (!scaled || !scaled->difference) scaled = metric("intensity_per_nat"), scale = "loss";
  if (scaled && scaled->difference)
    out += fmt::format("; per unit of {} it {}", scale, change_phrase(*scaled));
  return out + ".";
}

std::string loss_sentence(const Comparison& c) {
  const IntensityDecomposition& parts = c.parts;
  if (!parts.log_ratio || !parts.from_loss || !parts.beyond_loss) return "";
  const double total = *parts.log_ratio, loss = *parts.from_loss, rest = *parts.beyond_loss;
  const Source from = c.from / "decomposition";
  const std::string total_text = sourced(total, from / "log_ratio", {Form::fold}),
                    loss_text = sourced(loss, from / "from_loss", {Form::fold}),
                    rest_text = sourced(rest, from / "beyond_loss", {Form::fold});
  const auto it = c.metrics.find("act_intensity");
  if (it == c.metrics.end() || !it->second.survives())
    return fmt::format(
        "Intensity itself shows no difference beyond chance. The loss {} {}, intensity per nat of loss {} "
        "{}.",
        fell_or_rose(loss), loss_text, fell_or_rose(rest), rest_text);
  const std::string parts_text = fmt::format("the loss {} {}, and per nat of loss the intensity {} {}",
                                             fell_or_rose(loss), loss_text, fell_or_rose(rest), rest_text);
  if (loss * total > 0 && rest * total <= 0)
    return fmt::format(
        "Intensity {} {} because the loss does: {}. All of the change goes with the loss, the rest works "
        "against it.",
        total < 0 ? "falls" : "rises", total_text, parts_text);
  if (loss * total > 0 && std::abs(loss) >= 0.8 * std::abs(total))
    return fmt::format("Intensity {} {}, nearly all of it because the loss does: {}.",
                       total < 0 ? "falls" : "rises", total_text, parts_text);
  if (loss * total > 0)
    return fmt::format(
        "Of the change of intensity ({} {}), {} goes with the loss (in logarithms): {}.", fell_or_rose(total),
        total_text, sourced(loss, from / "from_loss", total, from / "log_ratio", Form::quotient), parts_text);
  return fmt::format(
      "Intensity {} {} although the loss {} {}; per nat of loss it {} {}: the change is not one of the loss.",
      fell_or_rose(total), total_text, fell_or_rose(loss), loss_text, fell_or_rose(rest), rest_text);
}

std::vector<std::string> differences_from_paper(const json& settings) {
  struct Rule {
    const char *stage, *key;
    json paper;
    const char* words;  // {} is what stands here
  };
  static const std::vector<Rule> rules{
      {"attribute", "graph", "block",
       "The graph is \"{}\": queries, keys and values of a block are destinations of their own, as in the "
       "published code (paper: one a block)."},
      {"attribute", "gradient", "residual",
       "Gradients are taken at the \"{}\" input ahead of its norm, as in the published code (paper: with "
       "respect to the whole stream)."},
      {"attribute", "edges", "paper",
       "Edges: \"{}\" that exist are scored, as in the published code (paper: the set of eq. 7)."},
      {"attribute", "method", "eap", "Edges are scored by \"{}\" (paper: eap)."},
      {"attribute", "objective", "nll",
       "What is differentiated is \"{}\" (paper: the negative log-likelihood of the model's own answer)."},
      {"attribute", "t_cut_rule", "paper",
       "The cut follows the rule \"{}\" (paper: a share of the mean length of both models' answers)."},
      {"select", "filter", "paper",
       "Length filter \"{}\" (paper: a lower bound on the answer before, an upper bound on the answer "
       "after)."},
      {"select", "outcome", "both-right", "Questions taken: {} (paper: both-right)."},
      {"select", "sampler", "python",
       "Questions are drawn by \"{}\" (published code: CPython's random.sample)."},
      {"select", "n_pairs", 100, "At most {} questions a cell (paper: 100)."},
      {"compare", "cells", "matrix",
       "The paper's metrics are taken over \"{}\" (paper: all cells of the matrix)."},
  };
  std::vector<std::string> out;
  for (const Rule& rule : rules) {
    if (!settings.contains(rule.stage) || !settings[rule.stage].is_object()) continue;
    const json& stage = settings[rule.stage];
    if (!stage.contains(rule.key) || stage[rule.key].is_null() || stage[rule.key] == rule.paper) continue;
    const json& value = stage[rule.key];
    std::string text = rule.words;
    const std::string shown = value.is_string() ? value.get<std::string>() : value.dump();
    text.replace(text.find("{}"), 2, shown);
    out.push_back(text);
  }
  if (settings.contains("attribute") && settings["attribute"].is_object() &&
      settings["attribute"].contains("t_cut") && settings["attribute"]["t_cut"].is_number() &&
      settings["attribute"]["t_cut"] > 0)
    out.push_back("Every answer is cut at " + settings["attribute"]["t_cut"].dump() +
                  " tokens (paper: a share of the mean length).");
  return out;
}

}  // namespace circuitdiff
