#include "report/report_input.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "report/samples.h"
#include "statistics/intervals.h"
#include "statistics/significance.h"

namespace circuitdiff {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void bad(const std::string& where, const std::string& field, const char* expected,
                      const json& found) {
  fail("{}: field \"{}\": {} expected, {} found; run circuitdiff compare again", where, field, expected,
       json_kind(found));
}

const json& member(const json& object, const char* name, const std::string& field, const std::string& where) {
  static const json kNull;
  if (!object.is_object()) bad(where, field, "an object", object);
  const auto it = object.find(name);
  return it == object.end() ? kNull : *it;
}

Number number_at(const json& object, const char* name, const std::string& field, const std::string& where) {
  const json& value = member(object, name, field, where);
  if (value.is_null()) return std::nullopt;
  if (!value.is_number()) bad(where, field + "." + name, "a number or null", value);
  return value.get<double>();
}

std::string text_at(const json& object, const char* name, const std::string& field,
                    const std::string& where) {
  const json& value = member(object, name, field, where);
  if (value.is_null()) return "";
  if (!value.is_string()) bad(where, field + "." + name, "a string", value);
  return value.get<std::string>();
}

MetricCell read_cell(const json& value, const std::string& field, const std::string& where) {
  MetricCell cell;
  cell.before = number_at(value, "before", field, where);
  cell.after = number_at(value, "after", field, where);
  cell.difference = number_at(value, "difference", field, where);
  cell.relative = number_at(value, "relative", field, where);
  cell.p = number_at(value, "p", field, where);
  cell.effect_size = number_at(value, "effect_size", field, where);
  cell.reason = text_at(value, "reason", field, where);
  cell.interval = text_at(value, "interval", field, where);
  const json& ci = member(value, "ci95", field, where);
  if (!ci.is_null()) {
    if (!ci.is_array() || ci.size() != 2) bad(where, field + ".ci95", "[low, high] or null", ci);
    if (ci[0].is_number() && ci[1].is_number()) {
      cell.ci_low = ci[0].get<double>();
      cell.ci_high = ci[1].get<double>();
    }
  }
  return cell;
}

std::vector<std::string> names_at(const json& root, const char* field, const std::string& where) {
  const json& value = member(root, field, field, where);
  std::vector<std::string> out;
  if (!value.is_array()) bad(where, field, "an array of names", value);
  for (const json& name : value) {
    if (!name.is_string()) bad(where, field, "an array of names", name);
    out.push_back(name.get<std::string>());
  }
  return out;
}

// [n_forward][n_backward] numbers or null, flattened.
std::vector<Number> matrix_at(const json& object, const char* name, const EdgeTable& table,
                              const std::string& where) {
  const std::string field = std::string("relative_change.") + name;
  const json& value = member(object, name, field, where);
  std::vector<Number> out(table.edges.size());
  if (value.is_null()) return out;
  const size_t rows = table.sources.size(), columns = table.destinations.size();
  if (!value.is_array() || value.size() != rows) bad(where, field, "one row a source", value);
  for (size_t s = 0; s < rows; ++s) {
    if (!value[s].is_array() || value[s].size() != columns)
      bad(where, fmt::format("{}[{}]", field, s), "one number a destination", value[s]);
    for (size_t d = 0; d < columns; ++d) {
      const json& cell = value[s][d];
      if (cell.is_null()) continue;
      if (!cell.is_number()) bad(where, fmt::format("{}[{}][{}]", field, s, d), "a number or null", cell);
      out[table.at(s, d)] = cell.get<double>();
    }
  }
  return out;
}

EdgeTable read_edges(const json& root, const std::string& where) {
  EdgeTable table;
  const json& change = member(root, "relative_change", "relative_change", where);
  if (change.is_null()) return table;
  table.sources = names_at(root, "sources", where);
  table.destinations = names_at(root, "destinations", where);
  const json& edges = member(root, "edges", "edges", where);
  if (!edges.is_array() || edges.size() != table.sources.size())
    bad(where, "edges", "one row a source", edges);
  for (const json& row : edges) {
    if (!row.is_array() || row.size() != table.destinations.size())
      bad(where, "edges", "rows of one 0 or 1 a destination", row);
    for (const json& cell : row) {
      if (!cell.is_number_integer() && !cell.is_boolean()) bad(where, "edges", "0 or 1", cell);
      table.edges.push_back(cell.is_boolean() ? cell.get<bool>() : cell.get<int>() != 0);
    }
  }
  table.before = matrix_at(change, "before", table, where);
  table.after = matrix_at(change, "after", table, where);
  table.relative = matrix_at(change, "relative", table, where);
  table.ci_low = matrix_at(change, "ci_low", table, where);
  table.ci_high = matrix_at(change, "ci_high", table, where);
  table.p = matrix_at(change, "p_adjusted", table, where);
  return table;
}

LogParts read_parts(const json& root, const std::string& where) {
  LogParts parts;
  const json& value = member(root, "decomposition", "decomposition", where);
  if (value.is_null()) return parts;
  parts.total = number_at(value, "log_ratio", "decomposition", where);
  parts.from_loss = number_at(value, "from_loss", "decomposition", where);
  parts.beyond_loss = number_at(value, "beyond_loss", "decomposition", where);
  parts.from_error = number_at(value, "from_error", "decomposition", where);
  parts.beyond_error = number_at(value, "beyond_error", "decomposition", where);
  parts.reason = text_at(value, "reason", "decomposition", where);
  return parts;
}

// One number a question; empty where any is missing.
std::vector<double> sample_values(const json& root, const char* name, const char* side,
                                  const std::string& where) {
  const std::string field = std::string("per_sample.") + name;
  const json& all = member(root, "per_sample", "per_sample", where);
  if (all.is_null()) return {};
  const json& metric = member(all, name, field, where);
  if (metric.is_null()) return {};
  const json& values = member(metric, side, field, where);
  if (values.is_null()) return {};
  if (!values.is_array()) bad(where, field + "." + side, "an array of numbers", values);
  std::vector<double> out;
  for (const json& value : values) {
    if (value.is_null()) return {};
    if (!value.is_number()) bad(where, field + "." + side, "an array of numbers", value);
    out.push_back(value.get<double>());
  }
  return out;
}

void add_relative_intervals(const json& root, Comparison& comparison, const std::string& where) {
  struct Ratio {
    const char *metric, *values, *scale;
  };
  for (const Ratio& r : {Ratio{"act_intensity", "act_intensity", nullptr},
                         Ratio{"intensity_per_nat", "edge_intensity", "mean_loss"},
                         Ratio{"intensity_per_error", "edge_intensity", "mean_error"}}) {
    const auto it = comparison.metrics.find(r.metric);
    if (it == comparison.metrics.end() || !it->second.relative) continue;
    const auto read = [&](const char* name, const char* side) {
      return name ? sample_values(root, name, side, where) : std::vector<double>{};
    };
    const auto scale_before = read(r.scale, "before"), scale_after = read(r.scale, "after");
    if (r.scale && scale_before.empty()) continue;
    if (const auto found =
            relative_interval(read(r.values, "before"), read(r.values, "after"), scale_before, scale_after)) {
      it->second.relative_low = found->low;
      it->second.relative_high = found->high;
    }
  }
}

std::vector<fs::path> folders_in(const fs::path& dir) {
  std::vector<fs::path> out;
  std::error_code error;
  for (fs::directory_iterator it(dir, error), end; it != end && !error; it.increment(error))
    if (std::error_code ignored; it->is_directory(ignored)) out.push_back(it->path());
  std::sort(out.begin(), out.end());
  return out;
}

json optional_json(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored) ? read_json_file(path) : json();
}

// The names that the run gives to its models' folders: the last part of the path, numbered where two share
// it.
void name_models(std::vector<ReportInput::PairName>& pairs) {
  std::map<std::string, std::string> names;
  std::set<std::string> used;
  const auto name_of = [&](const std::string& folder) {
    std::error_code ignored;
    fs::path model = folder;
    if (const auto it = names.find(folder); it != names.end()) return it->second;
    model = fs::weakly_canonical(model, ignored);
    const std::string base = model.filename().string();
    std::string name = base;
    for (int i = 2; !used.insert(name).second; ++i) name = fmt::format("{}-{}", base, i);
    return names[folder] = name;
  };
  for (auto& pair : pairs) {
    if (pair.before_name.empty()) pair.before_name = name_of(pair.before);
    if (pair.after_name.empty()) pair.after_name = name_of(pair.after);
  }
}

void read_experiment_file(const fs::path& path, ReportInput& input) {
  input.experiment = read_json_file(path);
  const std::string where = path.string();
  const Row row(input.experiment, where);
  input.name = row.string_or("name", "");
  if (row.has("settings")) input.settings = row.at("settings");
  if (!input.settings.is_object()) row.bad("settings", "an object");
  for (const char* list : {"pairs", "data"})
    if (!row.at(list).is_array()) row.bad(list, "an array");
  for (const json& entry : row.at("pairs")) {
    const Row pair(entry, where + ": pairs[" + std::to_string(input.pairs.size()) + "]");
    input.pairs.push_back({pair.string("name"),
                           pair.string_or("before", ""),
                           pair.string_or("after", ""),
                           pair.string_or("before_name", ""),
                           pair.string_or("after_name", ""),
                           {}});
    if (!pair.has("data")) continue;
    for (const json& set : pair.at("data")) {
      if (!set.is_string()) pair.bad("data", "names of data sets");
      input.pairs.back().data.push_back(set.get<std::string>());
    }
  }
  for (const json& entry : row.at("data")) {
    const Row data(entry, where + ": data[" + std::to_string(input.data.size()) + "]");
    input.data.push_back({data.string("name"), data.string_or("file", ""), data.string_or("dataset", "")});
  }
  for (const auto& pair : input.pairs)
    for (const std::string& set : pair.data)
      if (std::none_of(input.data.begin(), input.data.end(), [&](const auto& d) { return d.name == set; }))
        row.bad("pairs", "names of data sets that \"data\" has");
  if (row.has("alphas"))
    for (const json& alpha : row.at("alphas")) {
      if (!alpha.is_number()) row.bad("alphas", "numbers");
      input.cuts.push_back(fmt::format("alpha-{}", alpha.get<double>()));
    }
}

std::vector<AccuracyTest> read_accuracy_tests(const fs::path& path) {
  const std::string where = path.string();
  const json root = read_json_file(path);
  if (!Row(root, where).at("pairs").is_array()) Row(root, where).bad("pairs", "an array");
  std::vector<AccuracyTest> out;
  for (const json& entry : root["pairs"]) {
    const std::string at = where + ": pairs[" + std::to_string(out.size()) + "]";
    const Row row(entry, at);
    out.push_back({row.string("before"), row.string("after"), row.string("data"), row.integer("questions"),
                   row.integer("only_before"), row.integer("only_after"),
                   number_at(entry, "difference", "difference", at), number_at(entry, "p", "p", at),
                   number_at(entry, "p_adjusted", "p_adjusted", at), row.string("test")});
  }
  return out;
}

// Without experiment.json: what lies in pairs/.
void discover(const fs::path& dir, ReportInput& input) {
  input.name = fs::weakly_canonical(dir).filename().string();
  std::set<std::string> data;
  for (const fs::path& pair : folders_in(dir / "pairs")) {
    input.pairs.push_back({pair.filename().string(), "", "", "", "", {}});
    for (const fs::path& d : folders_in(pair)) data.insert(d.filename().string());
  }
  for (const std::string& d : data) input.data.push_back({d, "", ""});
  input.notes.push_back("experiment.json is missing: names are those of the folders, settings are unknown.");
}

// Columns: the experiment's cuts, then whatever else was compared, by value.
void find_cuts(const fs::path& dir, ReportInput& input) {
  std::vector<std::string> found;
  for (const fs::path& pair : folders_in(dir / "pairs"))
    for (const fs::path& data : folders_in(pair))
      for (const fs::path& cut : folders_in(data / "compare")) found.push_back(cut.filename().string());
  std::sort(found.begin(), found.end());
  for (const std::string& label : found)
    if (std::find(input.cuts.begin(), input.cuts.end(), label) == input.cuts.end())
      input.cuts.push_back(label);
  // A cut that was asked for and lies nowhere has no column.
  std::erase_if(input.cuts, [&](const std::string& label) {
    return std::find(found.begin(), found.end(), label) == found.end();
  });
  std::stable_sort(input.cuts.begin(), input.cuts.end(), [](const auto& a, const auto& b) {
    const bool alpha_a = a.starts_with("alpha-"), alpha_b = b.starts_with("alpha-");
    return alpha_a != alpha_b ? alpha_a : cut_number(a) < cut_number(b);
  });
}

Number largest_difference(const fs::path& metrics_json) {
  const Comparison null = read_comparison(metrics_json);
  Number out;
  for (const auto& [name, cell] : null.metrics)
    if (cell.difference) out = std::max(out.value_or(0), std::abs(*cell.difference));
  return out;
}

PairOnData read_result(const fs::path& folder, size_t pair, size_t data, const ReportInput& input,
                       std::vector<std::string>& notes) {
  PairOnData out;
  out.pair = pair;
  out.data = data;
  std::error_code ignored;
  const std::string name = input.pairs[pair].name + " on " + input.data[data].name;
  if (fs::exists(folder / "pairs.jsonl", ignored))
    out.header = read_pairs_header(folder / "pairs.jsonl");
  else
    notes.push_back(name + ": no questions were selected (pairs.jsonl is missing).");
  for (const std::string& cut : input.cuts) {
    const fs::path metrics = folder / "compare" / cut / "metrics.json";
    if (!fs::exists(metrics, ignored)) {
      notes.push_back(fmt::format("{}, {}: not compared (metrics.json is missing).", name, cut_text(cut)));
      continue;
    }
    Comparison c = read_comparison(metrics);
    c.label = cut;
    const fs::path null = folder / "null" / cut / "metrics.json";
    if (fs::exists(null, ignored)) c.null_difference = largest_difference(null);
    const fs::path noise = folder / "noise" / (cut + ".json");
    if (fs::exists(noise, ignored)) c.noise = read_json_file(noise);
    out.cuts.emplace(cut, std::move(c));
  }
  return out;
}

}  // namespace

const PairOnData* ReportInput::result(size_t pair, size_t data_set) const {
  for (const PairOnData& r : results)
    if (r.pair == pair && r.data == data_set) return &r;
  return nullptr;
}

std::string ReportInput::title(const PairOnData& result) const {
  const std::string& pair = pairs[result.pair].name;
  return results.size() == pairs.size() ? pair : pair + ", " + data[result.data].name;
}

const Comparison* ReportInput::find(size_t pair, size_t data_set, size_t cut) const {
  const PairOnData* of = result(pair, data_set);
  if (!of) return nullptr;
  const auto it = of->cuts.find(cuts[cut]);
  return it == of->cuts.end() ? nullptr : &it->second;
}

double cut_number(const std::string& label) {
  try {
    return std::stod(label.substr(label.find('-') + 1));
  } catch (const std::exception&) {
    return 0;
  }
}

std::string cut_text(const std::string& label) {
  if (label.starts_with("alpha-")) return "α = " + label.substr(6);
  if (label.starts_with("tcut-")) return "T_cut = " + label.substr(5);
  return label;
}

Comparison read_comparison(const fs::path& path) {
  const std::string where = path.string();
  const json root = read_json_file(path);
  Comparison out;
  const json& metrics = member(root, "metrics", "metrics", where);
  if (!metrics.is_object()) bad(where, "metrics", "an object", metrics);
  for (const auto& [name, value] : metrics.items())
    out.metrics[name] = read_cell(value, "metrics." + name, where);
  out.n = static_cast<int64_t>(number_at(root, "n", "n", where).value_or(0));
  out.edges = read_edges(root, where);
  out.parts = read_parts(root, where);
  out.correlation = member(root, "correlation", "correlation", where);
  out.two_by_two = member(root, "two_by_two", "two_by_two", where);
  add_relative_intervals(root, out, where);
  return out;
}

void correct_over_table(ReportInput& input) {
  std::vector<MetricCell*> cells;
  std::vector<Number> p;
  for (PairOnData& result : input.results)
    for (auto& [label, comparison] : result.cuts)
      for (auto& [name, cell] : comparison.metrics) {
        cells.push_back(&cell);
        p.push_back(cell.p);
      }
  const auto adjusted = benjamini_hochberg(p);
  for (size_t i = 0; i < cells.size(); ++i) cells[i]->p_table = adjusted[i];
}

ReportInput read_report_input(const fs::path& dir, Progress& progress, const DecodeTokens& decode) {
  std::error_code ignored;
  if (!fs::is_directory(dir, ignored)) fail("{}: the folder of a run expected, none found", dir.string());
  ReportInput input;
  if (fs::exists(dir / "experiment.json", ignored))
    read_experiment_file(dir / "experiment.json", input);
  else if (fs::is_directory(dir / "pairs", ignored))
    discover(dir, input);
  else
    fail("{}: neither experiment.json nor pairs/ is in it; is this the folder of circuitdiff run?",
         dir.string());
  name_models(input.pairs);
  find_cuts(dir, input);
  input.accuracy = optional_json(dir / "accuracy.json");
  if (const fs::path tests = dir / "accuracy_pairs.json"; fs::exists(tests, ignored))
    input.accuracy_tests = read_accuracy_tests(tests);
  input.manifest = optional_json(dir / "manifest.json");
  if (input.manifest.is_null()) input.notes.push_back("manifest.json is missing: the run has not ended.");
  const auto asked = [&](size_t p, size_t d) {
    const auto& sets = input.pairs[p].data;
    return sets.empty() || std::find(sets.begin(), sets.end(), input.data[d].name) != sets.end();
  };
  int64_t comparisons = 0;
  for (size_t p = 0; p < input.pairs.size(); ++p)
    for (size_t d = 0; d < input.data.size(); ++d) comparisons += asked(p, d);
  progress.begin("reading results", comparisons, "comparisons");
  for (size_t p = 0; p < input.pairs.size(); ++p)
    for (size_t d = 0; d < input.data.size(); ++d) {
      if (!asked(p, d)) continue;
      check_interrupt();
      const fs::path folder = dir / "pairs" / input.pairs[p].name / input.data[d].name;
      input.results.push_back(read_result(folder, p, d, input, input.notes));
      read_samples(dir, folder, input, input.results.back(), decode);
      progress.advance();
    }
  progress.end();
  correct_over_table(input);
  return input;
}

}  // namespace circuitdiff
