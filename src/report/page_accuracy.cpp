// Which model answers more questions rightly (the paper's Table 4 with intervals): each model's share of
// right answers, and for each pair the exact test of its questions that only one of the two gets right. From
// accuracy.json and accuracy_pairs.json; empty where neither is there.
#include <fmt/format.h>

#include "report/format.h"
#include "report/html.h"
#include "report/page.h"
#include "report/sourced.h"

namespace circuitdiff::page {
namespace {

constexpr const char* kHead = "<div class=\"wide\"><table class=\"plain\"><thead><tr>";

// One model on one data set, as `grade` sums it up, as HTML; "–" where that is not recorded.
struct Share {
  std::string percent = kAbsent, interval, counts;
};

Share share_of(const json& accuracy, const std::string& model, const std::string& data) {
  Share out;
  if (!accuracy.is_object() || !accuracy.contains(model) || !accuracy[model].is_object()) return out;
  const json& sets = accuracy[model];
  if (!sets.contains(data) || !sets[data].is_object()) return out;
  const json& a = sets[data];
  if (!a.contains("accuracy") || !a["accuracy"].is_number()) return out;
  const Source from = Source("accuracy.json") / model / data;
  out.percent = sourced(a["accuracy"].get<double>(), from / "accuracy", {Form::percent});
  const json ci = a.value("wilson95", json());
  if (ci.is_array() && ci.size() == 2 && ci[0].is_number() && ci[1].is_number())
    out.interval = sourced(ci[0].get<double>(), ci[1].get<double>(), from / "wilson95", {Form::ends});
  const auto whole = [&](const char* field) {
    const double value = a.contains(field) && a[field].is_number_integer() ? a[field].get<double>() : 0;
    return sourced(value, from / field, {Form::count});
  };
  out.counts = fmt::format("{} of {}", whole("correct"), whole("n"));
  return out;
}

std::string headings(std::initializer_list<const char*> names) {
  std::string out;
  for (const char* name : names) out += fmt::format("<th scope=\"col\">{}</th>", name);
  return out + "</tr></thead><tbody>";
}

std::string share_html(const Share& s, bool better) {
  return fmt::format("<td>{0}{1}{2} <small class=\"quiet\">{3}</small></td>", better ? "<strong>" : "",
                     s.percent, better ? "</strong>" : "", s.interval);
}

std::string pairs_table(const ReportInput& input) {
  if (input.accuracy_tests.empty()) return "";
  std::string rows;
  for (const AccuracyTest& t : input.accuracy_tests) {
    const bool sure = t.survives();
    rows += fmt::format(
        "<tr><th scope=\"row\">{}</th><td>{}</td>{}{}<td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
        escape_html(t.before + " → " + t.after), named(t.data),
        share_html(share_of(input.accuracy, t.before, t.data), sure && *t.difference < 0),
        share_html(share_of(input.accuracy, t.after, t.data), sure && *t.difference > 0),
        sourced(t.difference, t.from / "difference", {Form::points}),
        sourced(static_cast<double>(t.only_before), t.from / "only_before", {Form::count}),
        sourced(static_cast<double>(t.only_after), t.from / "only_after", {Form::count}),
        sourced(t.p_adjusted, t.from / "p_adjusted", {Form::p_alone}));
  }
  return "<h3>Which model answers more questions rightly</h3>" + std::string(kHead) +
         headings({"pair", "data", "before", "after", "points", "only before", "only after", "p"}) + rows +
         "</tbody></table></div>"
         "<p class=\"caption\">Shares of right answers with 95 % Wilson intervals. <strong>Bold</strong>: "
         "the better "
         "model, where the paired test (" +
         escape_html(input.accuracy_tests.front().test) +
         " on the questions that only one of the two gets right, corrected over this table) finds a "
         "difference at "
         "5 %.</p>";
}

std::string models_table(const ReportInput& input) {
  if (!input.accuracy.is_object()) return "";
  std::string rows;
  for (const auto& [model, sets] : input.accuracy.items()) {
    if (!sets.is_object()) continue;
    for (const auto& [data, ignored] : sets.items()) {
      const Share s = share_of(input.accuracy, model, data);
      if (s.percent == kAbsent) continue;
      rows += fmt::format(
          "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td class=\"quiet\">{}</td><td>{}</td></tr>",
          escape_html(model), named(data), s.percent, s.interval, s.counts);
    }
  }
  if (rows.empty()) return "";
  return "<details class=\"more\"><summary>How many answers were right</summary>" + std::string(kHead) +
         headings({"model", "data", "right", "95 % interval", "questions"}) + rows +
         "</tbody></table></div></details>";
}

}  // namespace

std::string accuracy(const ReportInput& input) { return pairs_table(input) + models_table(input); }

}  // namespace circuitdiff::page
