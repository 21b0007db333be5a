#include "metrics/compare_stage.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "io/files.h"
#include "io/ordered_json.h"
#include "metrics/compare_tables.h"
#include "metrics/comparison.h"
#include "metrics/edge_change.h"
#include "metrics/two_by_two.h"
#include "records/manifest.h"
#include "records/metrics_file.h"
#include "records/scores.h"

namespace circuitdiff {
namespace {

// One file with the samples that it is compared on.
struct Side {
  std::string role;  // "before", "after", "before_on_after", "after_on_before"
  std::filesystem::path path;
  Scores scores;
  std::vector<size_t> chosen;  // sample of the file for each compared question

  bool has(const char* metadata) const {
    const auto it = scores.metadata.find(metadata);
    return it != scores.metadata.end() && !it->second.empty();
  }
  std::string name() const { return path.string(); }
  ScoreMatrices view() const {
    return {scores.n,     scores.n_forward, scores.n_backward, scores.scores,
            scores.edges, scores.loss,      scores.error};
  }
};

void check_names(const Side& a, const Side& b, const char* what, const std::vector<std::string>& of_a,
                 const std::vector<std::string>& of_b) {
  if (!a.has(what) || !b.has(what)) return;  // a file without names takes the other's
  for (size_t i = 0; i < of_a.size(); ++i)
    if (of_a[i] != of_b[i])
      fail("{}: metadata \"{}\": entry {} is {} here and {} in {}", b.name(), what, i, in_quotes(of_b[i]),
           in_quotes(of_a[i]), a.name());
}

void check_same_graph(const Side& a, const Side& b) {
  const Scores& x = a.scores;
  const Scores& y = b.scores;
  if (x.n_forward != y.n_forward || x.n_backward != y.n_backward)
    fail("{}: tensor \"scores\": shape [n, {}, {}] expected, as {} has, [n, {}, {}] found", b.name(),
         x.n_forward, x.n_backward, a.name(), y.n_forward, y.n_backward);
  for (size_t c = 0; c < x.edges.size(); ++c)
    if (x.edges[c] != y.edges[c])
      fail("{}: tensor \"edges\": cell [{}, {}] is {} here and {} in {}", b.name(),
           static_cast<int64_t>(c) / x.n_backward, static_cast<int64_t>(c) % x.n_backward, y.edges[c],
           x.edges[c], a.name());
  check_names(a, b, "sources", x.sources, y.sources);
  check_names(a, b, "destinations", x.destinations, y.destinations);
}

std::string metadata_of(const Side& side, const char* key) {
  const auto it = side.scores.metadata.find(key);
  return it == side.scores.metadata.end() ? "" : it->second;
}

// Scores of different methods are different quantities, and the 2 x 2 needs each model on each text: said,
// not refused, since files of other makers name things as they like.
void warn_of_settings(const std::vector<Side>& sides, std::vector<std::string>& warnings) {
  const auto expect_same = [&](const Side& a, const Side& b, const char* key) {
    const std::string x = metadata_of(a, key);
    const std::string y = metadata_of(b, key);
    if (!x.empty() && !y.empty() && x != y)
      warnings.push_back(fmt::format("{} is {} in the {} file and {} in the {} file", key, in_quotes(x),
                                     a.role, in_quotes(y), b.role));
  };
  for (size_t f = 1; f < sides.size(); ++f)
    for (const char* key :
         {"method", "graph", "gradient", "objective", "edge_set", "alpha", "t_cut", "dtype"})
      expect_same(sides.front(), sides[f], key);
  if (sides.size() < 4) return;
  const Side& before = sides[0];
  const Side& after = sides[1];
  const Side& before_on_after = sides[2];
  const Side& after_on_before = sides[3];
  expect_same(before, before_on_after, "model");
  expect_same(after, after_on_before, "model");
  expect_same(after, before_on_after, "text");
  expect_same(before, after_on_before, "text");
}

// Chooses the samples that all files have, in the order of the first.
void pair_samples(std::vector<Side>& sides, std::vector<std::string>& warnings) {
  const Side& first = sides.front();
  const bool by_id = std::all_of(sides.begin(), sides.end(), [](const Side& s) { return s.has("ids"); });
  if (!by_id) {
    for (Side& side : sides) {
      if (side.scores.n != first.scores.n)
        fail(
            "{}: {} samples expected, as {} has, {} found (without \"ids\" in both samples are paired by "
            "place)",
            side.name(), first.scores.n, first.name(), side.scores.n);
      for (int64_t k = 0; k < side.scores.n; ++k) side.chosen.push_back(static_cast<size_t>(k));
    }
    if (std::any_of(sides.begin(), sides.end(), [](const Side& s) { return s.has("ids"); }))
      warnings.push_back("not every file has ids: samples are paired by place");
    return;
  }
  std::vector<std::map<std::string, size_t>> places(sides.size());
  for (size_t f = 0; f < sides.size(); ++f)
    for (size_t k = 0; k < sides[f].scores.ids.size(); ++k) places[f].emplace(sides[f].scores.ids[k], k);
  for (const std::string& id : first.scores.ids) {
    if (!std::all_of(places.begin(), places.end(), [&](const auto& p) { return p.contains(id); })) continue;
    for (size_t f = 0; f < sides.size(); ++f) sides[f].chosen.push_back(places[f].at(id));
  }
  if (first.chosen.empty())
    fail("{} and {} have no sample in common (ids {} ... and {} ...)", first.name(), sides[1].name(),
         in_quotes(first.scores.ids.front()), in_quotes(sides[1].scores.ids.front()));
  for (const Side& side : sides)
    if (const size_t missing = side.scores.ids.size() - side.chosen.size())
      warnings.push_back(fmt::format("{} of {} samples of {} left out: not in every file", missing,
                                     side.scores.ids.size(), valid_utf8(side.name())));
}

// Keeps the chosen samples, in their order; M and every figure are those of what is compared.
void keep_chosen(Side& side) {
  Scores& s = side.scores;
  const auto cells = static_cast<size_t>(s.n_forward * s.n_backward);
  std::vector<double> scores;
  std::vector<double> loss;
  std::vector<double> error;
  std::vector<std::string> ids;
  scores.reserve(side.chosen.size() * cells);
  for (const size_t k : side.chosen) {
    scores.insert(scores.end(), s.scores.begin() + static_cast<int64_t>(k * cells),
                  s.scores.begin() + static_cast<int64_t>((k + 1) * cells));
    loss.push_back(s.loss[k]);
    if (!s.error.empty()) error.push_back(s.error[k]);
    ids.push_back(s.ids[k]);
  }
  s.scores = std::move(scores);
  s.loss = std::move(loss);
  s.error = std::move(error);
  s.ids = std::move(ids);
  s.n = static_cast<int64_t>(side.chosen.size());
}

std::vector<Side> read_sides(const CompareOptions& o) {
  std::vector<Side> sides{{"before", o.before, {}, {}}, {"after", o.after, {}, {}}};
  if (!o.before_on_after.empty()) {
    sides.push_back({"before_on_after", o.before_on_after, {}, {}});
    sides.push_back({"after_on_before", o.after_on_before, {}, {}});
  }
  for (Side& side : sides) {
    check_interrupt();
    side.scores = read_scores(side.path);
    if (&side != &sides.front()) check_same_graph(sides.front(), side);
  }
  return sides;
}

std::vector<ComparedFile> compared_files(const std::vector<Side>& sides,
                                         const std::vector<int64_t>& samples) {
  std::vector<ComparedFile> out;
  for (size_t f = 0; f < sides.size(); ++f) {
    ComparedFile& file = out.emplace_back();
    file.name = sides[f].role;
    file.file = valid_utf8(sides[f].name());
    file.sha256 = sha256_file(sides[f].path);
    file.samples = samples[f];
    file.unpaired = samples[f] - sides[f].scores.n;
    file.metadata = sides[f].scores.metadata;
    for (const char* key : {"ids", "sources", "destinations"}) file.metadata.erase(key);
  }
  return out;
}

// Names out of the first file that has them; numbers where none does.
const Scores& named_file(const std::vector<Side>& sides, const char* what) {
  for (const Side& side : sides)
    if (side.has(what)) return side.scores;
  return sides.front().scores;
}

MetricsFile compare_sides(const std::vector<Side>& sides, const std::vector<int64_t>& samples,
                          std::vector<std::string> warnings, const CompareOptions& options) {
  const ScoreMatrices before = sides[0].view();
  const ScoreMatrices after = sides[1].view();
  const Scores& first = sides.front().scores;
  MetricsFile out;
  out.version = kVersion;
  out.n = first.n;
  out.n_forward = first.n_forward;
  out.n_backward = first.n_backward;
  out.n_edges = std::count(first.edges.begin(), first.edges.end(), 1);
  out.inputs = compared_files(sides, samples);
  out.options = {to_word(options.cells), options.bins, options.bootstrap, options.permutations, options.seed};
  out.warnings = std::move(warnings);
  out.metrics = compare_metrics(before, after, options);
  out.decomposition = decompose_intensity(before, after);
  if (sides.size() == 4)
    out.two_by_two = compare_two_by_two(before, after, sides[2].view(), sides[3].view(), options);
  out.sources = named_file(sides, "sources").sources;
  out.destinations = named_file(sides, "destinations").destinations;
  out.edges = first.edges;
  out.relative_change = edge_changes(before, after, options);
  out.ids = first.ids;
  auto values_before = sample_values(before, options);
  auto values_after = sample_values(after, options);
  for (size_t i = 0; i < values_before.size(); ++i)
    out.per_sample.push_back(
        {values_before[i].name, std::move(values_before[i].values), std::move(values_after[i].values)});
  out.node_entropy = {node_entropy_by_source(before, options.cells),
                      node_entropy_by_source(after, options.cells)};
  out.correlation = {correlation_summary(before, options.cells), correlation_summary(after, options.cells)};
  return out;
}

}  // namespace

void check_compare(const CompareOptions& o) {
  const auto needed = [](const char* flag, const std::filesystem::path& path, const char* what) {
    if (path.empty()) usage_error("{}: {} expected", flag, what);
  };
  needed("--before", o.before, "a scores file");
  needed("--after", o.after, "a scores file");
  needed("--out", o.out, "a folder");
  if (o.before_on_after.empty() != o.after_on_before.empty())
    usage_error("--before-on-after and --after-on-before go together: {} is missing",
                o.before_on_after.empty() ? "--before-on-after" : "--after-on-before");
  check_metric_options(o);
}

nlohmann::ordered_json compare_files(const CompareOptions& options, Progress& progress) {
  check_compare(options);
  progress.begin("compare", 0, "");
  std::vector<Side> sides = read_sides(options);
  std::vector<std::string> warnings;
  std::vector<int64_t> samples;
  for (const Side& side : sides) samples.push_back(side.scores.n);
  warn_of_settings(sides, warnings);
  pair_samples(sides, warnings);
  for (Side& side : sides) keep_chosen(side);
  for (const std::string& warning : warnings) progress.warn(warning);

  const MetricsFile file = compare_sides(sides, samples, std::move(warnings), options);
  check_interrupt();
  std::error_code error;
  std::filesystem::create_directories(options.out, error);
  if (error) fail("{}: {}", options.out.string(), error.message());
  const auto write = [&](const char* name, const std::string& text) {
    write_file_atomically(options.out / name, text);
  };
  const ordered_json out = metrics_file_json(file);
  write("table.md", table_markdown(out));
  write("table.csv", table_csv(out));
  write("table.tex", table_latex(out));
  write_metrics_file(options.out / "metrics.json", file);
  progress.end();
  return {{"n", out["n"]}, {"metrics", out["metrics"]}, {"two_by_two", out["two_by_two"]}};
}

}  // namespace circuitdiff
