#include "run/accuracy_stage.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "base/error.h"
#include "grade/grade_stage.h"
#include "records/generation.h"
#include "statistics/intervals.h"
#include "statistics/significance.h"
#include "statistics/summary.h"

namespace circuitdiff {
namespace {

namespace fs = std::filesystem;

// Answers by question, in one file.
struct GradedFile {
  fs::path path;
  std::map<std::string, SampleCount> questions;
  int64_t answers = 0, undecided = 0;
};

using Key = std::pair<std::string, std::string>;  // model, data

GradedFile read_graded(const fs::path& path) {
  GradedFile out;
  out.path = path;
  int64_t line = 0;
  for (const Generation& g : read_generations(path)) {
    ++line;
    if (g.verdict.empty())
      fail(
          "{}:{}: field \"verdict\": a graded answer expected, none found; run circuitdiff grade on the file "
          "first",
          path.string(), line);
    SampleCount& count = out.questions[g.id];
    ++count.n;
    count.correct += g.correct.value_or(false);
    ++out.answers;
    out.undecided += !g.correct;
  }
  return out;
}

AccuracyCell cell_of(const GradedFile& file) {
  AccuracyCell out;
  out.questions = static_cast<int64_t>(file.questions.size());
  out.answers = file.answers;
  out.undecided = file.undecided;
  std::vector<double> shares;
  int64_t least = INT64_MAX, most = 0, right = 0;
  for (const auto& [id, count] : file.questions) {
    shares.push_back(static_cast<double>(count.correct) / static_cast<double>(count.n));
    least = std::min(least, count.n), most = std::max(most, count.n);
    right += count.correct;
  }
  out.accuracy = mean_of(shares);
  const Interval interval =
      most == 1 ? wilson_interval(right, out.questions) : mean_interval(shares, 10'000, /*seed=*/0);
  out.low = interval.low;
  out.high = interval.high;
  out.interval = most == 1 ? "Wilson" : "bootstrap over questions";
  if (most == 1) return out;
  for (int64_t k = 1; k <= least; k *= 2) {
    double sum = 0;
    for (const auto& [id, count] : file.questions) sum += pass_at_k(count, k);
    out.pass_at_k.emplace_back(k, sum / static_cast<double>(shares.size()));
  }
  return out;
}

std::vector<fs::path> sorted_entries(const fs::path& folder) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(folder)) out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

// Two models to test against each other, and the data sets they were asked as a pair; empty: all.
struct AskedPair {
  std::string before, after;
  std::vector<std::string> data;
};

class Reader {
 public:
  explicit Reader(Progress& progress) : progress_(progress) {}

  void folder(const fs::path& dir) {
    if (!fs::is_directory(dir)) fail("{}: a folder of graded answers expected, none found", dir.string());
    const size_t before = files.size();
    if (fs::is_directory(dir / "grade")) {
      for (const fs::path& model : sorted_entries(dir / "grade"))
        if (fs::is_directory(model)) answers_of(model.filename().string(), model);
      if (fs::exists(dir / "experiment.json")) pairs_of(dir / "experiment.json");
    } else {
      answers_of(fs::weakly_canonical(dir).filename().string(), dir);
    }
    if (files.size() == before)
      fail("{}: no graded answers there (grade/MODEL/DATA.jsonl of a run, or DATA.jsonl)", dir.string());
  }

  std::map<Key, GradedFile> files;
  std::vector<std::string> models, data;
  std::vector<AskedPair> pairs;

 private:
  void answers_of(const std::string& model, const fs::path& folder) {
    for (const fs::path& path : sorted_entries(folder)) {
      if (path.extension() != ".jsonl") continue;
      const std::string set = path.stem().string();
      progress_.begin(fmt::format("{}, {}", model, set), 0, "");
      GradedFile file = read_graded(path);
      progress_.end();
      const auto [it, is_new] = files.emplace(Key{model, set}, std::move(file));
      if (!is_new)
        fail("{}: answers of {} to {} were read already, from {}", path.string(), model, set,
             it->second.path.string());
      if (std::find(models.begin(), models.end(), model) == models.end()) models.push_back(model);
      if (std::find(data.begin(), data.end(), set) == data.end()) data.push_back(set);
    }
  }

  // The run names its models' folders; where it does not, they are the last parts of the models' paths. A
  // pair is tested on the data sets it was asked.
  void pairs_of(const fs::path& experiment) {
    const json root = read_json_file(experiment);
    const auto name_of = [&](const json& pair, const char* side) {
      if (!pair.is_object() || !pair.contains(side) || !pair[side].is_string())
        fail("{}: field \"pairs\": objects with \"before\" and \"after\" expected", experiment.string());
      if (const auto it = pair.find(std::string(side) + "_name"); it != pair.end() && it->is_string())
        return it->get<std::string>();
      return fs::weakly_canonical(fs::path(pair[side].get<std::string>())).filename().string();
    };
    if (!root.is_object() || !root.contains("pairs") || !root["pairs"].is_array())
      fail("{}: field \"pairs\": a list expected", experiment.string());
    for (const json& pair : root["pairs"]) {
      const std::pair found{name_of(pair, "before"), name_of(pair, "after")};
      const auto known = [&](const std::string& m) {
        return std::find(models.begin(), models.end(), m) != models.end();
      };
      if (found.first == found.second) continue;  // the null pair: nothing to test
      if (!known(found.first) || !known(found.second)) continue;
      AskedPair asked{found.first, found.second, {}};
      if (const auto sets = pair.find("data"); sets != pair.end() && !sets->is_null()) {
        if (!sets->is_array() ||
            !std::all_of(sets->begin(), sets->end(), [](const json& set) { return set.is_string(); }))
          fail("{}: field \"pairs\": \"data\": names of data sets expected", experiment.string());
        asked.data = sets->get<std::vector<std::string>>();
      }
      pairs.push_back(std::move(asked));
    }
  }

  Progress& progress_;
};

std::pair<std::string, std::string> parse_pair(const std::string& text,
                                               const std::vector<std::string>& models) {
  const size_t colon = text.find(':');
  if (colon == std::string::npos) usage_error("--pairs: BEFORE:AFTER expected, \"{}\" found", text);
  const std::pair out{text.substr(0, colon), text.substr(colon + 1)};
  for (const std::string& model : {out.first, out.second})
    if (std::find(models.begin(), models.end(), model) == models.end())
      unknown_option("--pairs: the models read", model, models);
  return out;
}

std::optional<AccuracyPair> test_pair(const std::map<Key, GradedFile>& files, const std::string& before,
                                      const std::string& after, const std::string& data) {
  const auto b = files.find({before, data}), a = files.find({after, data});
  if (b == files.end() || a == files.end()) return std::nullopt;
  std::vector<SampleCount> of_before, of_after;
  for (const auto& [id, count] : b->second.questions)
    if (const auto it = a->second.questions.find(id); it != a->second.questions.end()) {
      of_before.push_back(count);
      of_after.push_back(it->second);
    }
  if (of_before.empty())
    fail("{} and {} have no question in common", b->second.path.string(), a->second.path.string());
  return AccuracyPair{before, after, data, paired_accuracy(of_before, of_after), 1};
}

}  // namespace

AccuracyTable read_accuracy(const AccuracyOptions& options, Progress& progress) {
  if (options.dirs.empty()) usage_error("accuracy: at least one folder is needed");
  Reader reader(progress);
  for (const std::string& dir : options.dirs) reader.folder(dir);
  AccuracyTable out;
  out.models = reader.models;
  out.data = reader.data;
  for (const std::string& model : out.models)
    for (const std::string& data : out.data) {
      const auto it = reader.files.find({model, data});
      out.cells.push_back(it == reader.files.end() ? std::nullopt : std::optional(cell_of(it->second)));
    }
  auto pairs = reader.pairs;
  if (!options.pairs.empty()) pairs.clear();
  for (const std::string& text : options.pairs) {
    const auto [before, after] = parse_pair(text, out.models);
    pairs.push_back({before, after, {}});
  }
  std::set<std::tuple<std::string, std::string, std::string>> seen;
  for (const AskedPair& pair : pairs)
    for (const std::string& data : pair.data.empty() ? out.data : pair.data)
      if (seen.emplace(pair.before, pair.after, data).second)
        if (auto tested = test_pair(reader.files, pair.before, pair.after, data))
          out.pairs.push_back(*tested);
  std::vector<std::optional<double>> p;
  for (const AccuracyPair& pair : out.pairs) p.push_back(pair.result.p);
  const auto adjusted = benjamini_hochberg(p);
  for (size_t i = 0; i < p.size(); ++i) out.pairs[i].p_adjusted = *adjusted[i];
  return out;
}

}  // namespace circuitdiff
