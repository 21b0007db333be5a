// The pieces of the page that are text: sentences, tiles, the funnel, samples, the manifest.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "records/manifest.h"
#include "report/charts.h"
#include "report/format.h"
#include "report/html.h"
#include "report/page.h"
#include "report/tables.h"
#include "report/words.h"

namespace circuitdiff::page {
namespace {

std::string with_strong_name(const std::string& sentence, const std::string& name) {
  const std::string head = "After " + name + ",";
  if (!sentence.starts_with(head)) return unbroken(escape_html(sentence));
  return "After <strong>" + escape_html(name) + "</strong>," +
         unbroken(escape_html(sentence.substr(head.size())));
}

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
                             escape_html(cell.reason.empty() ? "undefined" : cell.reason));
  const int exponent = common_exponent(std::vector<Number>{cell.before, cell.after});
  const double scale = std::pow(10.0, -exponent);
  const std::string unit = unit_text(words, exponent);
  out += fmt::format(
      "<p class=\"figures\"><span class=\"b\">{}</span> <span class=\"arrow\">→</span> <span "
      "class=\"a\">{}</span> <small>{}</small></p>",
      significant(*cell.before * scale), significant(*cell.after * scale), escape_html(unit));
  out += dots(cell);
  std::string change = signed_significant(*cell.difference * scale);
  if (cell.ci_low && cell.ci_high) change += " " + interval(*cell.ci_low * scale, *cell.ci_high * scale);
  if (cell.p_table) change += ", " + p_value(*cell.p_table);
  out += fmt::format("<p class=\"change\">{}</p>", unbroken(escape_html(change)));
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

// The strip narrows from all questions to those drawn; what is lost at each step stands below it, with the
// reason.
std::string funnel(const json& header, const ReportInput& input, const PairOnData& r) {
  if (!header.is_object() || !header.contains("counts") || !header["counts"].is_object())
    return "<p>How the questions were selected is not recorded.</p>";
  const json& counts = header["counts"];
  const std::string outcome = header.value("outcome", std::string("both-right"));
  const auto outcome_words = [&]() -> std::string {
    return outcome == "both-right"   ? "both right"
           : outcome == "both-wrong" ? "both wrong"
           : outcome == "gained"     ? "right only after"
           : outcome == "lost"       ? "right only before"
                                     : outcome;
  }();
  const auto part = [&](std::string& text, const char* name, const char* words) {
    if (const int64_t n = count_at(counts, name); n > 0)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count(n), words);
  };
  std::string no_outcome, no_length, none;
  if (outcome != "both-right") part(no_outcome, "both-right", "both right");
  if (outcome != "both-wrong") part(no_outcome, "both-wrong", "both wrong");
  if (outcome != "gained") part(no_outcome, "gained", "right only after");
  if (outcome != "lost") part(no_outcome, "lost", "right only before");
  part(no_outcome, "undecided", "undecided");
  part(no_length, "too_short", "too short");
  part(no_length, "too_long", "too long");
  part(no_length, "unbalanced", "of too different lengths");
  part(no_length, "prompt_lengths_differ", "with prompts of different lengths");
  const int64_t kept = count_at(counts, "kept"), drawn = count_at(counts, "drawn");
  std::string not_drawn = kept > drawn ? fmt::format("{} not drawn", count(kept - drawn)) : "";
  struct Step {
    std::string words;
    int64_t n;
    std::string lost;
  };
  const std::vector<Step> steps{{"asked", count_at(counts, "asked"), ""},
                                {outcome_words, count_at(counts, outcome.c_str()), no_outcome},
                                {"kept", kept, no_length},
                                {"drawn", drawn, not_drawn}};
  const auto most = static_cast<double>(std::max<int64_t>(steps.front().n, 1));
  std::string out = "<ol class=\"funnel\">";
  for (const Step& step : steps)
    out += fmt::format(
        "<li title=\"{0}\"><span class=\"bar\"><span style=\"width:{1:.1f}%\"></span></span><b>{2}</b> "
        "{3}{4}</li>",
        escape_html(step.lost.empty() ? step.words : "left out: " + step.lost),
        std::max(0.7, 100 * static_cast<double>(step.n) / most), count(step.n), escape_html(step.words),
        step.lost.empty() ? "" : "<small>less " + escape_html(step.lost) + "</small>");
  out += "</ol>";
  out += outcomes_html(header);
  std::string lengths;
  if (header.contains("t_mean") && header["t_mean"].is_number())
    lengths = fmt::format(" The mean answer has {} tokens; the cuts are shares of that.",
                          significant(header["t_mean"].get<double>()));
  const auto& pair = input.pairs[r.pair];
  return out +
         fmt::format(
             "<p class=\"caption\">From all questions of <em>{}</em> to those compared, <em>{}</em> against "
             "<em>{}</em>. Everything below is conditional on this "
             "selection: it speaks of questions that {}, with answers of similar length.{}</p>",
             escape_html(input.data[r.data].name),
             escape_html(pair.before_name.empty() ? "before" : pair.before_name),
             escape_html(pair.after_name.empty() ? "after" : pair.after_name),
             outcome == "both-right" ? "both models answer rightly" : "are " + escape_html(outcome_words),
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
  out += fmt::format("{} of {} tokens · loss {} · intensity {}", count(side.cut_tokens), count(side.tokens),
                     significant(side.loss), significant(side.intensity));
  for (size_t i = 0; i < side.edges.size(); ++i)
    out += (i ? ", " : " · strongest ") + escape_html(side.edges[i]);
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
        if (input.result(p, d))
          out += "<p>" + with_strong_name(pair_sentence(input, p, d, c), input.pairs[p].name) + "</p>";
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
                         comparison ? fmt::format(", n = {}", count(comparison->n)) : "");
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
                  : "<p class=\"facts\">reference answer " + escape_html(utf8_prefix(s.gold, 300)) + "</p>",
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
               : "<p>Other than in the paper's text:</p><ul>";
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
