// The accuracy table in the formats of `accuracy --format`: models down, benchmarks
// across, then one line a paired test.
#include <algorithm>
#include <cmath>

#include "report/format.h"
#include "report/html.h"
#include "run/accuracy_stage.h"

namespace circuitdiff {
namespace {

using nlohmann::ordered_json;

std::string share_text(double share) { return fmt::format("{:.1f}", 100 * share); }
std::string cell_text(const AccuracyCell& c) {
  return fmt::format("{} [{}, {}]", share_text(c.accuracy), share_text(c.low), share_text(c.high));
}

// The better model of some pair on this benchmark whose test survives the correction.
bool is_bold(const AccuracyTable& t, const std::string& model, const std::string& data) {
  return std::any_of(t.pairs.begin(), t.pairs.end(), [&](const AccuracyPair& p) {
    return p.data == data && p.carried() && (p.result.difference > 0 ? p.after : p.before) == model;
  });
}

std::string points(double difference) {
  return fmt::format("{}{:.1f}", difference < 0 ? "-" : "+", 100 * std::abs(difference));
}

std::string counts_text(const PairedAccuracy& r) {
  if (r.test != "exact McNemar") return fmt::format("{} questions", r.n);
  return fmt::format("{} questions: {} both, {} only before, {} only after", r.n, r.both, r.only_before,
                     r.only_after);
}

const char* kNote =
    "Accuracies in percent with 95 % intervals (Wilson; over questions by bootstrap where a question has "
    "several "
    "answers). Bold: the better of a pair where the paired test (exact McNemar; sign flips for several "
    "answers), "
    "corrected over the table (Benjamini-Hochberg), is at .05 or below. Undecided answers count as wrong.";

std::string markdown(const AccuracyTable& t) {
  std::string out = "| model |", rule = "|---|";
  for (const std::string& d : t.data) out += " " + d + " |", rule += "---|";
  out += "\n" + rule + "\n";
  for (size_t m = 0; m < t.models.size(); ++m) {
    out += "| " + t.models[m] + " |";
    for (size_t d = 0; d < t.data.size(); ++d) {
      const auto& cell = t.at(m, d);
      const std::string text = cell ? cell_text(*cell) : "";
      out += is_bold(t, t.models[m], t.data[d]) ? " **" + text + "** |" : " " + text + " |";
    }
    out += "\n";
  }
  if (!t.pairs.empty()) {
    out +=
        "\n| before | after | data | difference | p | p corrected | test |\n|---|---|---|---|---|---|---|\n";
    for (const AccuracyPair& p : t.pairs)
      out += fmt::format("| {} | {} | {} | {} | {:.3g} | {:.3g} | {}, {} |\n", p.before, p.after, p.data,
                         points(p.result.difference), p.result.p, p.p_adjusted, p.result.test,
                         counts_text(p.result));
  }
  return out + "\n" + kNote + "\n";
}

std::string latex(const AccuracyTable& t) {
  std::string out = "\\begin{tabular}{l" + std::string(t.data.size(), 'c') + "}\n\\toprule\nmodel";
  for (const std::string& d : t.data) out += " & " + escape_latex(d);
  out += " \\\\\n\\midrule\n";
  for (size_t m = 0; m < t.models.size(); ++m) {
    out += escape_latex(t.models[m]);
    for (size_t d = 0; d < t.data.size(); ++d) {
      const auto& cell = t.at(m, d);
      if (!cell) {
        out += " & --";
        continue;
      }
      const std::string value = share_text(cell->accuracy);
      out += fmt::format(" & {} {{\\scriptsize[{}, {}]}}",
                         is_bold(t, t.models[m], t.data[d]) ? "\\textbf{" + value + "}" : value,
                         share_text(cell->low), share_text(cell->high));
    }
    out += " \\\\\n";
  }
  return out + "\\bottomrule\n\\end{tabular}\n% " + kNote + "\n";
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::string csv(const AccuracyTable& t) {
  std::string out = "model,data,questions,answers,undecided,accuracy,low,high,interval\n";
  for (size_t m = 0; m < t.models.size(); ++m)
    for (size_t d = 0; d < t.data.size(); ++d)
      if (const auto& c = t.at(m, d))
        out += fmt::format("{},{},{},{},{},{},{},{},{}\n", csv_field(t.models[m]), csv_field(t.data[d]),
                           c->questions, c->answers, c->undecided, c->accuracy, c->low, c->high, c->interval);
  out += "\nbefore,after,data,questions,difference,p,p_adjusted,test\n";
  for (const AccuracyPair& p : t.pairs)
    out +=
        fmt::format("{},{},{},{},{},{},{},{}\n", csv_field(p.before), csv_field(p.after), csv_field(p.data),
                    p.result.n, p.result.difference, p.result.p, p.p_adjusted, p.result.test);
  return out;
}

std::string plain(const AccuracyTable& t) {
  std::vector<std::string> heads{"model"};
  heads.insert(heads.end(), t.data.begin(), t.data.end());
  std::vector<std::vector<std::string>> rows;
  for (size_t m = 0; m < t.models.size(); ++m) {
    rows.push_back({t.models[m]});
    for (size_t d = 0; d < t.data.size(); ++d) {
      const auto& cell = t.at(m, d);
      rows.back().push_back(!cell ? kAbsent
                                  : cell_text(*cell) + (is_bold(t, t.models[m], t.data[d]) ? " *" : ""));
    }
  }
  std::string out = render_table(heads, rows);
  if (!t.pairs.empty()) {
    rows.clear();
    for (const AccuracyPair& p : t.pairs)
      rows.push_back({p.before + " -> " + p.after, p.data, points(p.result.difference),
                      fmt::format("{:.3g}", p.result.p), fmt::format("{:.3g}", p.p_adjusted),
                      p.result.test + ", " + counts_text(p.result)});
    out += "\n" + render_table({"pair", "data", "points", "p", "p corrected", "test"}, rows);
  }
  return out + "\n95 % intervals; * the better of a pair where the corrected test carries it (p <= .05)\n";
}

}  // namespace

ordered_json accuracy_json(const AccuracyTable& t) {
  ordered_json out{{"models", t.models},
                   {"data", t.data},
                   {"cells", ordered_json::array()},
                   {"pairs", ordered_json::array()}};
  for (size_t m = 0; m < t.models.size(); ++m)
    for (size_t d = 0; d < t.data.size(); ++d) {
      const auto& c = t.at(m, d);
      if (!c) continue;
      ordered_json passes = ordered_json::object();
      for (const auto& [k, value] : c->pass_at_k) passes[std::to_string(k)] = value;
      out["cells"].push_back({{"model", t.models[m]},
                              {"data", t.data[d]},
                              {"questions", c->questions},
                              {"answers", c->answers},
                              {"undecided", c->undecided},
                              {"accuracy", c->accuracy},
                              {"ci95", {c->low, c->high}},
                              {"interval", c->interval},
                              {"pass_at_k", passes}});
    }
  for (const AccuracyPair& p : t.pairs)
    out["pairs"].push_back({{"before", p.before},
                            {"after", p.after},
                            {"data", p.data},
                            {"questions", p.result.n},
                            {"both", p.result.both},
                            {"only_before", p.result.only_before},
                            {"only_after", p.result.only_after},
                            {"neither", p.result.neither},
                            {"difference", p.result.difference},
                            {"p", p.result.p},
                            {"p_adjusted", p.p_adjusted},
                            {"test", p.result.test}});
  return out;
}

std::string accuracy_table_text(const AccuracyTable& table, TableFormat format) {
  switch (format) {
    case TableFormat::markdown:
      return markdown(table);
    case TableFormat::latex:
      return latex(table);
    case TableFormat::csv:
      return csv(table);
    case TableFormat::json_text:
      return accuracy_json(table).dump(2) + "\n";
    case TableFormat::text:
      break;
  }
  return plain(table);
}

}  // namespace circuitdiff
