#include "report/tables.h"

#include <cmath>

#include "base/options.h"
#include "report/format.h"
#include "report/html.h"
#include "report/sourced.h"

namespace circuitdiff {
namespace {

const MetricCell* cell_of(const ReportInput& input, size_t pair, size_t data, size_t cut,
                          const char* metric) {
  const Comparison* c = input.find(pair, data, cut);
  if (!c) return nullptr;
  const auto it = c->metrics.find(metric);
  return it == c->metrics.end() ? nullptr : &it->second;
}

bool present(const ReportInput& input, const char* metric) {
  for (const PairOnData& result : input.results)
    for (const auto& [label, c] : result.cuts)
      if (c.metrics.contains(metric)) return true;
  return false;
}

const char* arrow(Expected e) { return e == Expected::up ? " ↑" : e == Expected::down ? " ↓" : ""; }

std::string csv_text(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) {
    out += c;
    if (c == '"') out += c;
  }
  return out + "\"";
}

std::string csv_number(const Number& value) { return value ? detail::print_double(*value) : ""; }

std::string markdown_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|' || c == '*' || c == '_' || c == '`' || c == '<' || c == '\\') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

// One metric of the page's table.
class Block {
 public:
  Block(const ReportInput& input, const MetricWords& words) : input_(input), words_(words) {
    std::vector<Number> values;
    for (const PairOnData& r : input.results)
      for (size_t c = 0; c < input.cuts.size(); ++c)
        if (const auto* cell = cell_of(input, r.pair, r.data, c, words.name)) {
          values.push_back(cell->before);
          values.push_back(cell->after);
        }
    exponent_ = common_exponent(values);
    scale_ = std::pow(10.0, -exponent_);
  }

  std::string html() const {
    const std::string unit = unit_text(words_, exponent_);
    std::string out = fmt::format(
        "<tbody class=\"block\"><tr class=\"block-head\"><th scope=\"rowgroup\" colspan=\"{}\"><span "
        "class=\"metric\" "
        "title=\"{}\">{}{}</span>{}</th></tr>\n",
        input_.cuts.size() + 1, escape_html(words_.definition), escape_html(words_.title),
        arrow(words_.expected), unit.empty() ? "" : " <span class=\"unit\">" + escape_html(unit) + "</span>");
    // before and after of one column on one point
    std::vector<std::vector<std::string>> before, after;
    for (size_t c = 0; c < input_.cuts.size(); ++c) {
      std::vector<Number> b, a;
      for (const PairOnData& r : input_.results) {
        const MetricCell* cell = cell_of(input_, r.pair, r.data, c, words_.name);
        b.push_back(cell ? scaled(cell->before) : Number{});
        a.push_back(cell ? scaled(cell->after) : Number{});
      }
      before.push_back(align_decimals(b));
      after.push_back(align_decimals(a));
    }
    for (size_t i = 0; i < input_.results.size(); ++i) {
      const PairOnData& r = input_.results[i];
      out += fmt::format("<tr><th scope=\"row\">{}</th>", escape_html(input_.title(r)));
      for (size_t c = 0; c < input_.cuts.size(); ++c)
        out += cell_html(cell_of(input_, r.pair, r.data, c, words_.name), before[c][i], after[c][i]);
      out += "</tr>\n";
    }
    return out + "</tbody>\n";
  }

 private:
  Number scaled(const Number& value) const { return value ? Number(*value * scale_) : value; }

  std::string cell_html(const MetricCell* cell, const std::string& before, const std::string& after) const {
    if (!cell)
      return "<td class=\"absent\" title=\"not compared\">–<span class=\"said\"> not compared</span></td>";
    if (!cell->difference) {
      const std::string reason = escape_html(cell->reason.empty() ? "undefined" : cell->reason);
      if (!cell->before && !cell->after)
        return fmt::format("<td class=\"absent\" title=\"{0}\">–<span class=\"said\"> {0}</span></td>",
                           reason);
      return fmt::format("<td>{}<small title=\"{}\">no difference: {}</small></td>",
                         values_html(*cell, before, after), reason,
                         named(cell->reason.empty() ? "undefined" : cell->reason));
    }
    std::string note = sourced(cell->difference, cell->from / "difference", {Form::change, scale_});
    if (cell->ci_low && cell->ci_high)
      note += " " + sourced(*cell->ci_low, *cell->ci_high, cell->from / "ci95", {Form::interval, scale_});
    std::string title = "difference " + plain_text(note);
    if (!cell->interval.empty()) title += " (" + cell->interval + ")";
    if (cell->p) title += ", " + p_value(*cell->p);
    if (cell->p_table) title += ", corrected " + p_value(*cell->p_table);
    if (cell->effect_size) title += ", d_z " + significant(*cell->effect_size, 2);
    if (!cell->reason.empty()) title += "; " + cell->reason;
    return fmt::format("<td{} title=\"{}\">{}<small>{}{}</small></td>",
                       cell->survives() ? " class=\"sure\"" : "", escape_html(title),
                       values_html(*cell, before, after), note,
                       cell->survives() ? "<span class=\"said\"> beyond chance</span>" : "");
  }

  // Before and after; `before` and `after` are their texts with the blanks that align them in their column.
  std::string values_html(const MetricCell& cell, const std::string& before, const std::string& after) const {
    return fmt::format(
        "<span class=\"values\"><span class=\"b\">{}</span> → <span class=\"a\">{}</span></span>",
        aligned_html(cell.before, cell.from / "before", before),
        aligned_html(cell.after, cell.from / "after", after));
  }

  std::string aligned_html(const Number& value, const Source& from, std::string_view text) const {
    const auto is_blank = [](std::string_view rest) {
      return rest.starts_with("\u2007") || rest.starts_with("\u2008");
    };
    size_t begin = 0, end = text.size();
    while (is_blank(text.substr(begin))) begin += 3;
    while (end >= begin + 3 && is_blank(text.substr(end - 3, 3))) end -= 3;
    const std::string_view core = text.substr(begin, end - begin);
    const size_t point = core.find('.');
    const int decimals = point == core.npos ? 0 : static_cast<int>(core.size() - point - 1);
    return std::string(text.substr(0, begin)) + sourced(value, from, {Form::decimals, scale_, decimals}) +
           std::string(text.substr(end));
  }

  const ReportInput& input_;
  const MetricWords& words_;
  int exponent_ = 0;
  double scale_ = 1;
};

}  // namespace

std::string table_html(const ReportInput& input, size_t first, size_t last) {
  std::string out = "<div class=\"wide\"><table class=\"numbers\"><thead><tr><th scope=\"col\">";
  out += input.results.size() > input.pairs.size() ? "pair, data set" : "pair";
  out += "</th>";
  for (const std::string& cut : input.cuts)
    out += fmt::format("<th scope=\"col\">{}</th>", escape_html(cut_text(cut)));
  out += "</tr></thead>\n";
  for (size_t i = first; i < std::min(last, metric_words().size()); ++i)
    if (present(input, metric_words()[i].name)) out += Block(input, metric_words()[i]).html();
  return out + "</table></div>\n";
}

std::string table_markdown(const ReportInput& input) {
  std::string out = outcomes_markdown(input);
  for (const MetricWords& words : metric_words()) {
    if (!present(input, words.name)) continue;
    const std::string unit = words.unit;
    out += fmt::format("### {}{}{}\n\n| pair | data |", words.title, arrow(words.expected),
                       unit.empty() ? "" : " (" + unit + ")");
    for (const std::string& cut : input.cuts) out += " " + cut_text(cut) + " |";
    out += "\n|---|---|";
    for (size_t c = 0; c < input.cuts.size(); ++c) out += "---|";
    out += "\n";
    for (const PairOnData& r : input.results) {
      out += fmt::format("| {} | {} |", markdown_text(input.pairs[r.pair].name),
                         markdown_text(input.data[r.data].name));
      for (size_t c = 0; c < input.cuts.size(); ++c) {
        const MetricCell* cell = cell_of(input, r.pair, r.data, c, words.name);
        if (!cell) {
          out += " not compared |";
          continue;
        }
        std::string text = significant(cell->before) + " → " + significant(cell->after);
        if (cell->survives()) text = "**" + text + "**";
        if (cell->difference) text += " " + signed_significant(*cell->difference);
        if (cell->ci_low && cell->ci_high) text += " " + interval(*cell->ci_low, *cell->ci_high);
        if (!cell->difference && !cell->reason.empty()) text += " (" + markdown_text(cell->reason) + ")";
        out += " " + text + " |";
      }
      out += "\n";
    }
    out += "\n";
  }
  return out +
         "Before → after, difference with its 95 % interval. Bold: beyond chance at a false discovery rate "
         "of 5 % over "
         "all cells.\n";
}

std::string table_csv(const ReportInput& input) {
  std::string out =
      "pair,data,cut,n,metric,before,after,difference,relative,relative_low,relative_high,ci_low,ci_high,"
      "interval,p,p_corrected,"
      "survives,effect_size,reason\n";
  for (const PairOnData& r : input.results)
    for (size_t c = 0; c < input.cuts.size(); ++c) {
      const Comparison* comparison = input.find(r.pair, r.data, c);
      if (!comparison) continue;
      for (const auto& [name, cell] : comparison->metrics)
        out += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n",
                           csv_text(input.pairs[r.pair].name), csv_text(input.data[r.data].name),
                           csv_text(input.cuts[c]), comparison->n, csv_text(name), csv_number(cell.before),
                           csv_number(cell.after), csv_number(cell.difference), csv_number(cell.relative),
                           csv_number(cell.relative_low), csv_number(cell.relative_high),
                           csv_number(cell.ci_low), csv_number(cell.ci_high), csv_text(cell.interval),
                           csv_number(cell.p), csv_number(cell.p_table), cell.survives() ? "true" : "false",
                           csv_number(cell.effect_size), csv_text(cell.reason));
    }
  return out;
}

std::string table_latex(const ReportInput& input) {
  const size_t columns = input.cuts.size();
  const auto number = [](const Number& value) {
    if (!value) return std::string("--");
    std::string text = significant(*value);
    if (text.starts_with(kMinus)) text = "-" + text.substr(std::string_view(kMinus).size());
    if (const size_t e = text.find('e'); e != std::string::npos)
      text = text.substr(0, e) + " \\cdot 10^{" + text.substr(e + 1) + "}";
    return "$" + text + "$";
  };
  std::string out =
      "% needs \\usepackage{booktabs}; bold: beyond chance at a false discovery rate of 5 % over all cells\n";
  out += "\\begin{tabular}{ll" + std::string(2 * columns, 'r') + "}\n\\toprule\npair & data";
  for (const std::string& cut : input.cuts) {
    const std::string text =
        cut.starts_with("alpha-") ? "$\\alpha = " + cut.substr(6) + "$" : escape_latex(cut);
    out += fmt::format(" & \\multicolumn{{2}}{{c}}{{{}}}", text);
  }
  out += " \\\\\n &";
  for (size_t c = 0; c < columns; ++c) out += " & before & after";
  out += " \\\\\n";
  for (size_t i = 0; i < metric_words().size(); ++i) {
    const MetricWords& words = metric_words()[i];
    if (!present(input, words.name)) continue;
    const char* direction = words.expected == Expected::up     ? " $\\uparrow$"
                            : words.expected == Expected::down ? " $\\downarrow$"
                                                               : "";
    out += fmt::format("\\midrule\n\\multicolumn{{{}}}{{l}}{{\\emph{{{}{}}}}} \\\\\n", 2 + 2 * columns,
                       escape_latex(words.title), direction);
    for (const PairOnData& r : input.results) {
      out += escape_latex(input.pairs[r.pair].name) + " & " + escape_latex(input.data[r.data].name);
      for (size_t c = 0; c < columns; ++c) {
        const MetricCell* cell = cell_of(input, r.pair, r.data, c, words.name);
        const std::string before = cell ? number(cell->before) : "--",
                          after = cell ? number(cell->after) : "--";
        out += " & " + before + " & ";
        out += cell && cell->survives() ? "{\\boldmath " + after + "}" : after;
      }
      out += " \\\\\n";
    }
  }
  return out + "\\bottomrule\n\\end{tabular}\n";
}

std::vector<OutcomeRow> outcome_rows(const json& pairs_header) {
  std::vector<OutcomeRow> out;
  if (!pairs_header.is_object() || !pairs_header.contains("outcomes")) return out;
  const json& outcomes = pairs_header["outcomes"];
  if (!outcomes.is_object()) return out;
  for (const auto& [word, name] :
       {std::pair{"both-right", "both right"}, std::pair{"gained", "right only after"},
        std::pair{"lost", "right only before"}, std::pair{"both-wrong", "both wrong"},
        std::pair{"undecided", "undecided"}}) {
    const auto it = outcomes.find(word);
    if (it == outcomes.end() || !it->is_object()) continue;
    OutcomeRow row{word, name};
    if (const auto n = it->find("questions"); n != it->end() && n->is_number_integer())
      row.questions = n->get<int64_t>();
    if (row.questions == 0 && row.word == "undecided") continue;
    for (const auto& [field, means] :
         {std::pair{"mean_tokens", &row.tokens}, std::pair{"mean_nll", &row.nll}})
      if (const auto list = it->find(field); list != it->end() && list->is_array() && list->size() == 2)
        for (const size_t side : {size_t{0}, size_t{1}})
          if ((*list)[side].is_number()) (*means)[side] = (*list)[side].get<double>();
    out.push_back(std::move(row));
  }
  return out;
}

std::string outcomes_html(const json& pairs_header, const Source& header) {
  const auto all = outcome_rows(pairs_header);
  if (all.empty()) return "";
  std::string rows;
  for (const OutcomeRow& row : all) {
    const Source from = header / "outcomes" / row.word;
    rows += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td>", escape_html(row.name),
                        sourced(static_cast<double>(row.questions), from / "questions", {Form::count}));
    for (const auto& [name, means] : {std::pair{"mean_tokens", &row.tokens}, {"mean_nll", &row.nll}})
      for (size_t side = 0; side < means->size(); ++side)
        rows += (*means)[side] ? fmt::format("<td>{}</td>", sourced((*means)[side], from / name / side))
                               : "<td class=\"quiet\">none</td>";
    rows += "</tr>";
  }
  return "<div class=\"wide\"><table class=\"plain\"><thead><tr><th scope=\"col\">outcome</th><th "
         "scope=\"col\">questions</th><th scope=\"col\">tokens before</th><th scope=\"col\">after</th><th "
         "scope=\"col\">nats a token before</th><th scope=\"col\">after</th></tr></thead><tbody>" +
         rows + "</tbody></table></div>";
}

std::string outcomes_markdown(const ReportInput& input) {
  std::string rows;
  for (const PairOnData& r : input.results)
    for (const OutcomeRow& row : outcome_rows(r.header)) {
      rows += fmt::format("| {} | {} | {} | {} |", markdown_text(input.pairs[r.pair].name),
                          markdown_text(input.data[r.data].name), row.name, row.questions);
      for (const auto* means : {&row.tokens, &row.nll})
        for (const Number& mean : *means) rows += mean ? " " + significant(*mean) + " |" : " – |";
      rows += "\n";
    }
  return rows.empty()
             ? ""
             : "### What became of the questions\n\n| pair | data | outcome | questions | tokens before "
               "| tokens after | nats a token before | nats a token after |\n"
               "|---|---|---|---|---|---|---|---|\n" +
                   rows + "\n";
}

std::string outcomes_csv(const ReportInput& input) {
  std::string out = "pair,data,outcome,questions,tokens_before,tokens_after,nll_before,nll_after\n";
  for (const PairOnData& r : input.results)
    for (const OutcomeRow& row : outcome_rows(r.header))
      out +=
          fmt::format("{},{},{},{},{},{},{},{}\n", csv_text(input.pairs[r.pair].name),
                      csv_text(input.data[r.data].name), row.word, row.questions, csv_number(row.tokens[0]),
                      csv_number(row.tokens[1]), csv_number(row.nll[0]), csv_number(row.nll[1]));
  return out;
}

}  // namespace circuitdiff
