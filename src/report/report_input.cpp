#include "report/report_input.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "report/samples.h"

namespace circuitdiff {
namespace {

namespace fs = std::filesystem;

Number number_at(const json& object, const char* name, const std::string& where) {
  const Row row(object, where);
  if (!row.has(name)) return std::nullopt;
  if (!row.at(name).is_number()) row.bad(name, "a number or null");
  return row.at(name).get<double>();
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
                   row.integer("only_before"), row.integer("only_after"), number_at(entry, "difference", at),
                   number_at(entry, "p", at), number_at(entry, "p_adjusted", at), row.string("test"),
                   Source("accuracy_pairs.json") / "pairs" / out.size()});
  }
  return out;
}

// p values corrected over all comparisons of the run.
void read_corrections(const fs::path& path, ReportInput& input) {
  const json root = optional_json(path);
  if (root.is_null()) {
    input.notes.push_back(
        "corrections.json is missing: no p value is corrected, and nothing is called sure.");
    return;
  }
  const Row row(root, path.string());
  const json& all = row.at("p_corrected");
  for (PairOnData& result : input.results)
    for (auto& [label, comparison] : result.cuts)
      for (auto& [name, cell] : comparison.metrics) {
        const json::json_pointer at = json::json_pointer() / input.pairs[result.pair].name /
                                      input.data[result.data].name / label / name;
        if (!all.contains(at) || !all[at].is_number()) continue;
        cell.p_table = all[at].get<double>();
        cell.from_p_table = Source("corrections.json") / "p_corrected" / input.pairs[result.pair].name /
                            input.data[result.data].name / label / name;
      }
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

void add_null_control(const fs::path& metrics_json, const Source& from, Comparison& c) {
  const Comparison null = read_comparison(metrics_json, from);
  for (const auto& [name, cell] : null.metrics)
    if (cell.difference && std::abs(*cell.difference) >= c.null_difference.value_or(0)) {
      c.null_difference = std::abs(*cell.difference);
      c.from_null = cell.from / "difference";
    }
}

PairOnData read_result(const fs::path& dir, size_t pair, size_t data, ReportInput& input) {
  PairOnData out;
  out.pair = pair;
  out.data = data;
  std::error_code ignored;
  const std::string name = input.pairs[pair].name + " on " + input.data[data].name;
  const std::string folder = out.folder(input);
  if (fs::exists(dir / folder / "pairs.jsonl", ignored)) {
    out.header = read_pairs_header(dir / folder / "pairs.jsonl");
    out.from_header = Source(folder + "/pairs.jsonl", /*line=*/1) / "header";
  } else {
    input.notes.push_back(name + ": no questions were selected (pairs.jsonl is missing).");
  }
  for (const std::string& cut : input.cuts) {
    const std::string metrics = folder + "/compare/" + cut + "/metrics.json";
    if (!fs::exists(dir / metrics, ignored)) {
      input.notes.push_back(
          fmt::format("{}, {}: not compared (metrics.json is missing).", name, cut_text(cut)));
      continue;
    }
    Comparison c = read_comparison(dir / metrics, Source(metrics));
    c.label = cut;
    const std::string null = folder + "/null/" + cut + "/metrics.json";
    if (fs::exists(dir / null, ignored)) add_null_control(dir / null, Source(null), c);
    const std::string noise = folder + "/noise/" + cut + ".json";
    if (fs::exists(dir / noise, ignored)) {
      c.noise = read_json_file(dir / noise);
      c.from_noise = Source(noise);
    }
    out.cuts.emplace(cut, std::move(c));
  }
  return out;
}

}  // namespace

std::string PairOnData::folder(const ReportInput& input) const {
  return "pairs/" + input.pairs[pair].name + "/" + input.data[data].name;
}

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

Comparison read_comparison(const fs::path& path, const Source& from) {
  MetricsFile file = read_metrics_file(path);
  Comparison out;
  out.from = from;
  out.n = file.n;
  for (const MetricComparison& metric : file.metrics)
    out.metrics[metric.name] = {metric, {}, from / "metrics" / metric.name, {}};
  for (PerSample& values : file.per_sample)
    for (const auto& [name, to] :
         {std::pair{"mean_loss", &out.loss}, std::pair{"edge_intensity", &out.edge_intensity}})
      if (values.name == name) *to = {std::move(values.before), std::move(values.after)};
  out.edges = {std::move(file.relative_change), std::move(file.sources), std::move(file.destinations),
               std::move(file.edges)};
  out.parts = std::move(file.decomposition);
  out.two_by_two = std::move(file.two_by_two);
  out.ids = std::move(file.ids);
  return out;
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
      input.results.push_back(read_result(dir, p, d, input));
      read_samples(dir, input, input.results.back(), decode);
      progress.advance();
    }
  progress.end();
  if (!input.results.empty()) read_corrections(dir / "corrections.json", input);
  return input;
}

}  // namespace circuitdiff
