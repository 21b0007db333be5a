// The pieces of the page that are text: sentences, tiles, the funnel, samples, the manifest.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "records/manifest.h"
#include "report/charts.h"
#include "report/format.h"
#include "report/html.h"
#include "report/page.h"
#include "report/sourced.h"
#include "report/tables.h"
#include "report/words.h"

namespace circuitdiff::page {
namespace {

// Before and after as two dots on a line from zero, the interval of the difference as a bar at the value
// after.
std::string dots(const MetricCell& cell) {
  double low = std::min({0.0, *cell.before, *cell.after}), high = std::max({0.0, *cell.before, *cell.after});
  const bool has_ci = cell.ci_low && cell.ci_high;
  if (has_ci) {
    low = std::min(low, *cell.before + *cell.ci_low);
    high = std::max(high, *cell.before + *cell.ci_high);
  }
  if (!(high > low)) return "";
  const auto x = [&](double v) { return 5 + 190 * (v - low) / (high - low); };
  std::string out = "<svg class=\"dots\" viewBox=\"0 0 200 18\" aria-hidden=\"true\" focusable=\"false\">";
  out += fmt::format(
      "<line class=\"axis\" x1=\"5\" x2=\"195\" y1=\"9\" y2=\"9\"/><line class=\"axis\" x1=\"{0:.1f}\" "
      "x2=\"{0:.1f}\" y1=\"4\" y2=\"14\"/>",
      x(0));
  out += fmt::format("<line class=\"link\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"9\" y2=\"9\"/>", x(*cell.before),
                     x(*cell.after));
  if (has_ci)
    out += fmt::format("<line class=\"ci\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"15\" y2=\"15\"/>",
                       x(*cell.before + *cell.ci_low), x(*cell.before + *cell.ci_high));
  out += fmt::format(
      "<circle class=\"b\" cx=\"{:.1f}\" cy=\"9\" r=\"4\"/><circle class=\"a\" cx=\"{:.1f}\" cy=\"9\" "
      "r=\"4\"/></svg>",
      x(*cell.before), x(*cell.after));
  return out;
}

std::string tile(const MetricWords& words, const MetricCell& cell) {
  std::string out = fmt::format("<div class=\"tile\" title=\"{}\"><h3>{}</h3>", escape_html(words.definition),
                                escape_html(words.title));
  if (!cell.difference)
    return out + fmt::format("<p class=\"absent\">– <small>{}</small></p></div>",
                             named(cell.reason.empty() ? "undefined" : cell.reason));
  const int exponent = common_exponent(std::vector<Number>{cell.before, cell.after});
  const double scale = std::pow(10.0, -exponent);
  const std::string unit = unit_text(words, exponent);
  out += fmt::format(
      "<p class=\"figures\"><span class=\"b\">{}</span> <span class=\"arrow\">→</span> <span "
      "class=\"a\">{}</span> <small class=\"unit\">{}</small></p>",
      sourced(cell.before, cell.from / "before", {Form::number, scale}),
      sourced(cell.after, cell.from / "after", {Form::number, scale}), escape_html(unit));
  out += dots(cell);
  std::string change = sourced(cell.difference, cell.from / "difference", {Form::change, scale});
  if (cell.ci_low && cell.ci_high)
    change += " " + sourced(*cell.ci_low, *cell.ci_high, cell.from / "ci95", {Form::interval, scale});
  if (cell.p_table) change += ", " + sourced(cell.p_table, cell.from_p_table, {Form::p});
  out += fmt::format("<p class=\"change\">{}</p>", change);
  const char* direction = words.expected == Expected::up ? "↑" : "↓";
  switch (direction_of(words, cell)) {
    case Direction::held:
      out += fmt::format("<p class=\"verdict held\">{} as in the paper</p>", direction);
      break;
    case Direction::opposite:
      out += fmt::format("<p class=\"verdict\">{} in the paper; the opposite here</p>", direction);
      break;
    case Direction::by_chance:
      out += fmt::format("<p class=\"verdict\">{} in the paper; no difference beyond chance here</p>",
                         direction);
      break;
    case Direction::none:
      out += "<p class=\"verdict\">not in the paper</p>";
  }
  return out + "</div>";
}

int64_t count_at(const json& counts, const char* name) {
  const auto it = counts.find(name);
  return it != counts.end() && it->is_number_integer() ? it->get<int64_t>() : 0;
}

const char* outcome_words(const std::string& outcome) {
  return outcome == "both-right"   ? "both right"
         : outcome == "both-wrong" ? "both wrong"
         : outcome == "gained"     ? "right only after"
         : outcome == "lost"       ? "right only before"
                                   : outcome.c_str();
}

// One width of the strip: how many questions are left, and what was lost on the way there, as HTML.
struct FunnelStep {
  std::string words;
  const char* name;  // in the header's counts
  std::string lost;
};

std::vector<FunnelStep> funnel_steps(const json& counts, const Source& from, const std::string& outcome) {
  using Part = std::pair<const char*, const char*>;
  const auto parts = [&](std::initializer_list<Part> all) {
    std::string out;
    for (const auto& [name, words] : all)
      if (const int64_t n = count_at(counts, name); n > 0 && outcome != name)
        out += fmt::format("{}{} {}", out.empty() ? "" : ", ",
                           sourced(static_cast<double>(n), from / name, {Form::count}), words);
    return out;
  };
  const int64_t kept = count_at(counts, "kept"), drawn = count_at(counts, "drawn");
  const std::string not_drawn = kept > drawn
                                    ? sourced(static_cast<double>(kept), from / "kept",
                                              static_cast<double>(drawn), from / "drawn", Form::less) +
                                          " not drawn"
                                    : "";
  return {{"asked", "asked", ""},
          {outcome_words(outcome), outcome.c_str(),
           parts({{"both-right", "both right"},
                  {"both-wrong", "both wrong"},
                  {"gained", "right only after"},
                  {"lost", "right only before"},
                  {"undecided", "undecided"}})},
          {"kept", "kept",
           parts({{"too_short", "too short"},
                  {"too_long", "too long"},
                  {"unbalanced", "of too different lengths"},
                  {"prompt_lengths_differ", "with prompts of different lengths"}})},
          {"drawn", "drawn", not_drawn}};
}

// The strip narrows from all questions to those drawn; what is lost at each step stands below it, with the
// reason.
std::string funnel(const json& header, const ReportInput& input, const PairOnData& r) {
  if (!header.is_object() || !header.contains("counts") || !header["counts"].is_object())
    return "<p>How the questions were selected is not recorded.</p>";
  const json& counts = header["counts"];
  const Source from = r.from_header / "counts";
  const std::string outcome = header.value("outcome", std::string("both-right"));
  const auto steps = funnel_steps(counts, from, outcome);
  const auto most = static_cast<double>(std::max<int64_t>(count_at(counts, "asked"), 1));
  std::string out = "<ol class=\"funnel\">";
  for (const FunnelStep& step : steps) {
    const auto n = static_cast<double>(count_at(counts, step.name));
    out += fmt::format(
        "<li title=\"{0}\"><span class=\"bar\"><span style=\"width:{1:.1f}%\"></span></span><b>{2}</b> "
        "{3}{4}</li>",
        escape_html(step.lost.empty() ? step.words : "left out: " + plain_text(step.lost)),
        std::max(0.7, 100 * n / most), sourced(n, from / step.name, {Form::count}), escape_html(step.words),
        step.lost.empty() ? "" : "<small>less " + step.lost + "</small>");
  }
  out += "</ol>";
  out += outcomes_html(header, r.from_header);
  std::string lengths;
  if (header.contains("t_mean") && header["t_mean"].is_number())
    lengths = fmt::format(" The mean answer has {} tokens; the cuts are shares of that.",
                          sourced(header["t_mean"].get<double>(), r.from_header / "t_mean"));
  const auto& pair = input.pairs[r.pair];
  return out + fmt::format(
                   "<p class=\"caption\">From all questions of <em>{}</em> to those compared, <em>{}</em> "
                   "against <em>{}</em>. Everything below is conditional on this selection: it speaks of "
                   "questions that {}, with answers of similar length.{}</p>",
                   escape_html(input.data[r.data].name),
                   escape_html(pair.before_name.empty() ? "before" : pair.before_name),
                   escape_html(pair.after_name.empty() ? "after" : pair.after_name),
                   outcome == "both-right" ? "both models answer rightly"
                                           : "are " + escape_html(outcome_words(outcome)),
                   lengths);
}

constexpr size_t kShownAfterCut = 600;  // bytes of an answer beyond its cut

std::string answer_html(const SampleSide& side, const char* which) {
  const std::string_view answer = side.answer;
  const size_t cut = std::min(side.cut_bytes, answer.size());
  const std::string_view rest = answer.substr(cut);
  const std::string_view shown = utf8_prefix(rest, kShownAfterCut);
  std::string out = fmt::format(
      "<div class=\"answer {}\"><h4>{}{}</h4><p class=\"text\"><mark>{}</mark>", which[0] == 'b' ? "b" : "a",
      which, side.correct ? (*side.correct ? " <small>right</small>" : " <small>wrong</small>") : "",
      escape_html(answer.substr(0, cut)));
  if (side.cut_tokens < side.tokens)
    out += fmt::format("<span class=\"cut\" title=\"{}\">{}</span><span class=\"rest\">{}</span>",
                       side.cut_is_exact ? "cut here" : "cut about here: placed by the share of tokens",
                       side.cut_is_exact ? "┊" : "┊≈", escape_html(shown));
  if (shown.size() < rest.size())
    out += fmt::format(" <small>… {} more bytes</small>",
                       count(static_cast<int64_t>(rest.size() - shown.size())));
  out += "</p><p class=\"facts\">";
  const std::string tokens = sourced(static_cast<double>(side.tokens), side.from_tokens, {Form::length});
  out +=
      fmt::format("{} of {} tokens · loss {} · intensity {}",
                  side.cut_tokens < side.tokens
                      ? sourced(static_cast<double>(side.cut_tokens), side.from_cut_tokens, {Form::count})
                      : tokens,
                  tokens, sourced(side.loss, side.from_loss), sourced(side.intensity, side.from_intensity));
  for (size_t i = 0; i < side.edges.size(); ++i) out += (i ? ", " : " · strongest ") + named(side.edges[i]);
  return out + "</p></div>";
}

}  // namespace

Choice first_choice(const ReportInput& input) {
  // The longest cut: most of what was computed. The first pair and data set that have it.
  for (size_t c = input.cuts.size(); c-- > 0;)
    for (const PairOnData& r : input.results)
      if (input.find(r.pair, r.data, c)) return {r.pair, r.data, c};
  return {};
}

std::string choice_attributes(const ReportInput& input, size_t pair, size_t data, size_t cut) {
  const Choice first = first_choice(input);
  std::string out;
  bool hidden = false;
  const auto add = [&](const char* name, size_t value, size_t chosen) {
    if (value == kAny) return;
    out += fmt::format(" data-{}=\"{}\"", name, value);
    hidden = hidden || value != chosen;
  };
  add("pair", pair, first.pair);
  add("data", data, first.data);
  add("cut", cut, first.cut);
  return out + (hidden ? " hidden" : "");
}

std::string sentences(const ReportInput& input) {
  std::string out;
  for (size_t d = 0; d < input.data.size(); ++d)
    for (size_t c = 0; c < input.cuts.size(); ++c) {
      out += fmt::format("<div class=\"sentences\"{}>", choice_attributes(input, kAny, d, c));
      for (size_t p = 0; p < input.pairs.size(); ++p)
        if (input.result(p, d)) out += "<p>" + pair_sentence(input, p, d, c) + "</p>";
      const std::string where =
          input.data.size() > 1 ? fmt::format("On {}, at {}.", input.data[d].name, cut_text(input.cuts[c]))
                                : fmt::format("At {}.", cut_text(input.cuts[c]));
      out += "<p class=\"caption\">" + escape_html(where) +
             " Brackets: 95 % bootstrap interval of that change, over questions. p: "
             "permutation test, corrected over the "
             "whole table.</p></div>\n";
    }
  if (input.cuts.empty()) out += "<p>Nothing was compared yet, so there is nothing to say.</p>";
  if (!input.notes.empty()) {
    out += "<details class=\"notes\"><summary>What is missing here</summary><ul>";
    for (const std::string& note : input.notes) out += "<li>" + escape_html(note) + "</li>";
    out += "</ul></details>\n";
  }
  return out;
}

std::string tiles(const ReportInput& input) {
  std::string out;
  for (const PairOnData& r : input.results)
    for (size_t c = 0; c < input.cuts.size(); ++c) {
      const Comparison* comparison = input.find(r.pair, r.data, c);
      out += fmt::format("<div{}><h3 class=\"tiles-head\">{} <small>{}{}</small></h3>",
                         choice_attributes(input, r.pair, r.data, c), escape_html(input.pairs[r.pair].name),
                         escape_html(cut_text(input.cuts[c])),
                         comparison ? ", n = " + sourced(static_cast<double>(comparison->n),
                                                         comparison->from / "n", {Form::count})
                                    : "");
      if (!comparison) {
        out += "<p>Not compared.</p></div>\n";
        continue;
      }
      out += "<div class=\"tiles\">";
      for (const char* name :
           {"act_intensity", "info_complexity", "dist_kurtosis", "diversity", "intensity_per_error"}) {
        const auto it = comparison->metrics.find(name);
        if (it == comparison->metrics.end()) continue;
        for (const MetricWords& w : metric_words())
          if (std::string_view(w.name) == name) out += tile(w, it->second);
      }
      out += "</div></div>\n";
    }
  return out;
}

std::string compared(const ReportInput& input) {
  std::string out;
  for (const PairOnData& r : input.results)
    out += fmt::format("<div{}>{}</div>\n", choice_attributes(input, r.pair, r.data, kAny),
                       funnel(r.header, input, r));
  return out + accuracy(input);
}

std::string samples(const ReportInput& input) {
  std::string out;
  for (const PairOnData& r : input.results)
    for (size_t c = 0; c < input.cuts.size(); ++c) {
      std::string items;
      for (const Sample& s : r.samples)
        if (s.cut == c)
          items += fmt::format(
              "<article class=\"sample\"><h3>{}</h3><p class=\"question\">{}</p>{}<div "
              "class=\"answers\">{}{}</div></article>",
              escape_html(s.id), escape_html(utf8_prefix(s.prompt, 1500)),
              s.gold.empty()
                  ? ""
                  : "<p class=\"facts\">reference answer " + named(utf8_prefix(s.gold, 300)) + "</p>",
              answer_html(s.before, "before"), answer_html(s.after, "after"));
      if (!items.empty())
        out += fmt::format("<div{}>{}</div>\n", choice_attributes(input, r.pair, r.data, c), items);
    }
  if (!out.empty())
    out =
        "<p>Questions at even steps from the largest fall of intensity to the largest rise. The marked part "
        "of an answer is what the loss was "
        "taken over; a model is scored on its own answer.</p>\n" +
        out;
  return out;
}

std::string made(const ReportInput& input) {
  std::string out;
  const auto differences = differences_from_paper(input.settings);
  if (!input.settings.empty()) {
    out += differences.empty()
               ? "<p>Settings are those of the paper's text in everything that is recorded.</p>"
               : "<p>Other than in the paper's text:</p><ul class=\"settings\">";
    for (const std::string& line : differences) out += "<li>" + escape_html(line) + "</li>";
    if (!differences.empty()) out += "</ul>";
  }
  out +=
      "<p>These are statements about two checkpoints on these questions. A claim about an algorithm needs "
      "several seeds or several pairs.</p>\n";
  out +=
      "<p>To repeat it, put the settings below into an experiment file and run</p><pre>circuitdiff run "
      "EXPERIMENT.toml</pre>\n";
  const auto folded = [&](const char* title, const json& value) {
    if (value.is_null()) return;
    out += fmt::format("<details><summary>{}</summary><pre tabindex=\"0\">{}</pre></details>\n", title,
                       escape_html(value.dump(2, ' ', false, json::error_handler_t::replace)));
  };
  folded("Settings", input.experiment);
  folded("Manifest: inputs and outputs by SHA-256, options, times", input.manifest);
  return out + fmt::format(
                   "<p class=\"caption\">circuitdiff {}. Charts by Vega-Lite. This page loads nothing from a "
                   "network.</p>\n",
                   kVersion);
}

}  // namespace circuitdiff::page
