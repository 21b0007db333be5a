#include "metrics/compare_tables.h"

#include <fmt/format.h>

#include <array>
#include <vector>

#include "io/ordered_json.h"
#include "metrics/compare_stage.h"

namespace circuitdiff {
namespace {

std::string rounded(const ordered_json& value) {
  return value.is_null() ? "" : fmt::format("{:.4g}", value.get<double>());
}

std::string rounded_interval(const ordered_json& ci) {
  return ci.is_null() ? "" : fmt::format("[{}, {}]", rounded(ci[0]), rounded(ci[1]));
}

std::string percent(const ordered_json& relative) {
  return relative.is_null() ? "" : fmt::format("{:+.3g} %", 100 * relative.get<double>());
}

std::string p_text(const ordered_json& p) {
  return p.is_null() ? "" : fmt::format("{:.2g}", p.get<double>());
}

std::string reason_text(const ordered_json& m) {
  return m["reason"].is_null() ? "" : m["reason"].get<std::string>();
}

struct Column {
  const char* head;
  bool right;  // a number, aligned right
};
constexpr std::array kColumns{
    Column{"metric", false},    Column{"before", true},        Column{"after", true},
    Column{"difference", true}, Column{"95 % interval", true}, Column{"relative", true},
    Column{"p", true},          Column{"p adjusted", true},    Column{"d_z", true},
    Column{"note", false}};

std::vector<std::vector<std::string>> rows_of(const ordered_json& metrics) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [name, m] : metrics.items())
    rows.push_back({name, rounded(m["before"]), rounded(m["after"]), rounded(m["difference"]),
                    rounded_interval(m["ci95"]), percent(m["relative"]), p_text(m["p"]),
                    p_text(m["p_adjusted"]), rounded(m["effect_size"]), reason_text(m)});
  return rows;
}

std::string latex_escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\')
      out += "\\textbackslash{}";
    else if (c == '~' || c == '^')
      out += fmt::format("\\{}{{}}", c);
    else if (std::string_view("_%&#${}").find(c) != std::string_view::npos)
      out += fmt::format("\\{}", c);
    else
      out += c;
  }
  return out;
}

std::string exact(const ordered_json& value) { return value.is_null() ? "" : value.dump(); }

std::string quoted(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

}  // namespace

std::string table_markdown(const ordered_json& comparison) {
  std::string out = fmt::format(
      "{} questions, {} x {} cells ({}), {} edges; 95 % bootstrap intervals ({} resamples), two-sided "
      "permutation p "
      "({} swaps), Benjamini-Hochberg over the rows.\n\n",
      comparison["n"].get<int64_t>(), comparison["n_forward"].get<int64_t>(),
      comparison["n_backward"].get<int64_t>(), comparison["options"]["cells"].get<std::string>(),
      comparison["n_edges"].get<int64_t>(), comparison["options"]["bootstrap"].get<int64_t>(),
      comparison["options"]["permutations"].get<int64_t>());
  for (const Column& c : kColumns) out += fmt::format("| {} ", c.head);
  out += "|\n";
  for (const Column& c : kColumns) out += c.right ? "|---:" : "|---";
  out += "|\n";
  for (const auto& row : rows_of(comparison["metrics"])) {
    for (const std::string& cell : row) out += "| " + cell + (cell.empty() ? "" : " ");
    out += "|\n";
  }
  return out;
}

std::string table_csv(const ordered_json& comparison) {
  std::string out =
      "metric,before,after,difference,relative,relative_low,relative_high,ci95_low,ci95_high,interval,p,p_"
      "adjusted,effect_size,reason\n";
  for (const auto& [name, m] : comparison["metrics"].items()) {
    const auto text = [](const ordered_json& v) { return v.is_null() ? "" : quoted(v.get<std::string>()); };
    const auto ends = [](const ordered_json& interval) {
      return interval.is_null() ? std::string(",") : exact(interval[0]) + "," + exact(interval[1]);
    };
    out += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{}\n", name, exact(m["before"]), exact(m["after"]),
                       exact(m["difference"]), exact(m["relative"]), ends(m["relative_ci95"]),
                       ends(m["ci95"]), text(m["interval"]), exact(m["p"]), exact(m["p_adjusted"]),
                       exact(m["effect_size"]), text(m["reason"]));
  }
  return out;
}

std::string table_latex(const ordered_json& comparison) {
  std::string out = "% needs \\usepackage{booktabs}\n\\begin{tabular}{";
  for (const Column& c : kColumns) out += c.right ? 'r' : 'l';
  out += "}\n\\toprule\n";
  const auto line = [&](const std::vector<std::string>& cells) {
    for (size_t i = 0; i < cells.size(); ++i) out += (i ? " & " : "") + latex_escaped(cells[i]);
    out += " \\\\\n";
  };
  std::vector<std::string> heads;
  for (const Column& c : kColumns) heads.emplace_back(c.head);
  line(heads);
  out += "\\midrule\n";
  for (const auto& row : rows_of(comparison["metrics"])) line(row);
  return out + "\\bottomrule\n\\end{tabular}\n";
}

std::string comparison_text(const ordered_json& result) {
  auto rows = rows_of(result["metrics"]);
  std::vector<std::string> heads;
  for (const Column& c : kColumns) heads.emplace_back(c.head);
  rows.insert(rows.begin(), heads);
  std::vector<size_t> widths(kColumns.size(), 0);
  for (const auto& row : rows)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string out = fmt::format("{} questions\n", result["n"].get<int64_t>());
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i)
      line += kColumns[i].right ? fmt::format("{:>{}}  ", row[i], widths[i])
                                : fmt::format("{:<{}}  ", row[i], widths[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

}  // namespace circuitdiff
