#include "run/run_stage.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>

#include "attribute/attribute_stage.h"
#include "base/error.h"
#include "io/files.h"
#include "records/manifest.h"
#include "records/question.h"
#include "run/accuracy_stage.h"
#include "run/experiment.h"
#include "run/named_progress.h"
#include "run/noise_stage.h"
#include "run/run_report.h"

namespace circuitdiff {
namespace {

namespace fs = std::filesystem;

// Folder names of the models: the last part of the path, with an adapter its last part behind a '+'; made
// distinct where two models share it.
std::map<ModelSource, std::string> model_names(const Experiment& e) {
  std::vector<ModelSource> models;
  for (const PairSpec& p : e.pairs)
    for (const ModelSource& m : {p.before, p.after})
      if (std::find(models.begin(), models.end(), m) == models.end()) models.push_back(m);
  std::map<ModelSource, std::string> out;
  std::set<std::string> used;
  for (const ModelSource& m : models) {
    std::string base = fs::weakly_canonical(m.model).filename().string();
    if (!m.adapter.empty()) base += "+" + fs::weakly_canonical(m.adapter).filename().string();
    std::string name = base;
    for (int i = 2; !used.insert(name).second; ++i) name = fmt::format("{}-{}", base, i);
    out[m] = name;
  }
  return out;
}

std::shared_ptr<const Checkpoint> open_model(const ModelSource& source) {
  return Checkpoint::open(source.model, source.adapter);
}

Manifest describe(const Experiment& e, const RunOptions& o) {
  Manifest m;
  m.command = "run";
  m.options = e.to_json();
  m.options["limit"] = o.limit;
  // Files are compared by content; the paths they were found under may change.
  for (json& pair : m.options["pairs"])
    for (const char* key : {"before", "after", "before_adapter", "after_adapter"}) pair.erase(key);
  for (json& data : m.options["data"]) data.erase("file");
  for (const PairSpec& p : e.pairs) {
    const auto record = [&](const std::string& side, const ModelSource& source) {
      m.inputs.push_back(record_path(side + " model of " + p.name, source.model));
      if (!source.adapter.empty())
        m.inputs.push_back(record_path(side + " adapter of " + p.name, source.adapter));
    };
    record("before", p.before);
    record("after", p.after);
  }
  for (const DataSpec& d : e.data) m.inputs.push_back(record_file("questions of " + d.name, d.file));
  return m;
}

class Run {
  // Runs one stage and adds to its seconds. First, since its return type is found from its body.
  template <class Work>
  auto timed(const std::string& stage, Work work) {
    check_interrupt();
    const auto start = std::chrono::steady_clock::now();
    struct Add {
      json& seconds;
      const std::string& name;
      std::chrono::steady_clock::time_point from;
      ~Add() {
        const double spent = std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count();
        seconds[name] = seconds.value(name, 0.0) + spent;
      }
    } add{seconds_, stage, start};
    return work();
  }

 public:
  Run(const RunOptions& options, Experiment experiment, fs::path folder, Progress& progress)
      : options_(options),
        e_(std::move(experiment)),
        folder_(std::move(folder)),
        progress_(progress),
        names_(model_names(e_)) {}

  RunResult go() {
    result_.folder = folder_;
    Manifest manifest = describe(e_, options_);
    manifest.details = resolved();
    begin_or_resume(folder_ / "run.state.json", manifest, options_.overwrite, [&] { clear(); });
    write_file_atomically(folder_ / "experiment.json", experiment_json().dump(2) + "\n");
    for (const DataSpec& data : e_.data)
      for (const PairSpec& pair : e_.pairs)
        if (pair.answers(data))
          for (const ModelSource& model : {pair.before, pair.after}) answer(pair, model, data);
    write_file_atomically(folder_ / "accuracy.json", result_.summary["accuracy"].dump(2) + "\n");
    AccuracyOptions accuracy;
    accuracy.dirs = {folder_.string()};
    write_file_atomically(
        folder_ / "accuracy_pairs.json",
        json{{"pairs", accuracy_json(read_accuracy(accuracy, progress_))["pairs"]}}.dump(2) + "\n");
    for (const PairSpec& pair : e_.pairs)
      for (const DataSpec& data : e_.data)
        if (pair.answers(data)) compare_pair(pair, data);
    if (e_.noise_control())
      for (const PairSpec& pair : e_.pairs) noise_pair(pair);

    manifest.details["seconds"] = seconds_;
    manifest.details["problems"] = result_.problems;
    manifest.outputs = outputs();
    write_manifest(folder_ / "manifest.json", manifest);  // the page shows it; its own hash is added below
    result_.sentences =
        timed("report", [&] { return report_run(folder_, ReportOptions{}, progress_); }).sentences;
    manifest.details["seconds"] = seconds_;
    manifest.outputs = outputs();
    write_manifest(folder_ / "manifest.json", manifest);
    result_.report = folder_ / "report.html";
    result_.table = folder_ / "table.md";
    return result_;
  }

 private:
  // What "auto" stands for here, and what computed it.
  json resolved() const {
    const at::Device device = resolve_device(options_.device);
    const auto checkpoint = open_model(e_.pairs.front().before);
    return {{"device", device.str()},
            {"dtype",
             {{"generate", dtype_name(resolve_dtype(e_.generate.dtype, device, *checkpoint))},
              {"attribute", dtype_name(resolve_dtype(e_.attribute.dtype, device, *checkpoint))}}},
            {"torch", torch_version()}};
  }

  // With the folder names of the models, under which their answers lie.
  json experiment_json() const {
    json out = e_.to_json();
    for (size_t i = 0; i < e_.pairs.size(); ++i) {
      out["pairs"][i]["before_name"] = names_.at(e_.pairs[i].before);
      out["pairs"][i]["after_name"] = names_.at(e_.pairs[i].after);
    }
    return out;
  }

  void clear() const {
    for (const char* part : {"generate", "grade", "pairs"}) fs::remove_all(folder_ / part);
    for (const char* part :
         {"experiment.json", "accuracy.json", "accuracy_pairs.json", "corrections.json", "manifest.json",
          "report.html", "table.md", "table.csv", "table.tex", "outcomes.csv"})
      fs::remove(folder_ / part);
  }

  fs::path graded(const ModelSource& model, const DataSpec& data) const {
    return folder_ / "grade" / names_.at(model) / (data.name + ".jsonl");
  }

  // Generates and grades one model's answers to one data set; a model of several pairs answers once.
  void answer(const PairSpec& pair, const ModelSource& model, const DataSpec& data) {
    const std::string key = names_.at(model) + "/" + data.name;
    if (!answered_.insert(key).second) return;
    NamedProgress named(progress_, names_.at(model) + ", " + data.name);
    GenerateOptions g = e_.generate;
    g.model = model.model;
    g.adapter = model.adapter;
    g.data = data.file;
    g.dataset = data.dataset;
    g.out = folder_ / "generate" / names_.at(model) / (data.name + ".jsonl");
    if (pair.chat) g.chat = true;
    if (!pair.prompt.empty()) g.prompt = pair.prompt;
    g.device = options_.device;
    if (options_.threads > 0) g.threads = options_.threads;
    if (options_.limit > 0) g.limit = options_.limit;
    timed("generate", [&] { generate(g, named); });
    GradeOptions judge = e_.grade;
    judge.in = g.out;
    judge.out = graded(model, data);
    // Grading is cheap beside what it would take to know that it need not be done again.
    const auto summary = timed("grade", [&] { return grade_file(judge, named); });
    result_.summary["accuracy"][names_.at(model)][data.name] = summary;
  }

  void compare_pair(const PairSpec& pair, const DataSpec& data) {
    const std::string name = pair.name + ", " + data.name;
    NamedProgress named(progress_, name);
    const fs::path folder = folder_ / "pairs" / pair.name / data.name;
    try {
      SelectOptions s = e_.select;
      s.before = graded(pair.before, data);
      s.after = graded(pair.after, data);
      s.out = folder / "pairs.jsonl";
      result_.summary["selection"][pair.name][data.name] =
          timed("select", [&] { return select_file(s, named); });
      const auto before = attribute_side(pair, data, "before", pair.before, PairSide::before);
      const auto after = attribute_side(pair, data, "after", pair.after, PairSide::after);
      std::vector<fs::path> before_on_after, after_on_before;
      if (e_.cross())
        before_on_after = attribute_side(pair, data, "before-on-after", pair.before, PairSide::after);
      if (e_.cross() || e_.noise_control())
        after_on_before = attribute_side(pair, data, "after-on-before", pair.after, PairSide::before);
      if (e_.noise_control()) {
        NoiseWork work;
        work.folder = folder / "noise";
        work.attribute = attribute_options(pair, data, PairSide::before);
        work.before = before;
        work.after = after_on_before;
        noise_work_[pair.name].push_back(work);
      }
      for (size_t i = 0; i < before.size(); ++i) {
        CompareOptions c = e_.compare;
        c.before = before[i];
        c.after = after[i];
        if (e_.cross()) {
          c.before_on_after = before_on_after[i];
          c.after_on_before = after_on_before[i];
        }
        result_.summary["metrics"][pair.name][data.name][label_of(before[i])] =
            compare_once(c, folder / "compare" / label_of(before[i]), named);
        if (!e_.null_control()) continue;
        c.after = c.before;
        c.before_on_after.clear();
        c.after_on_before.clear();
        compare_once(c, folder / "null" / label_of(before[i]), named);
      }
    } catch (const Interrupted&) {
      throw;
    } catch (const UsageError&) {
      throw;
    } catch (const Error& error) {
      // One empty cell must not take the others with it.
      result_.problems.push_back(fmt::format("{}: {}", name, error.what()));
      named.warn(error.what());
    }
  }

  // The noisy copies of a pair's before-model serve all its data sets.
  void noise_pair(const PairSpec& pair) {
    NamedProgress named(progress_, pair.name + ", noise");
    try {
      const auto failed = timed("noise", [&] {
        const auto before = open_model(pair.before), after = open_model(pair.after);
        return run_noise_control(*before, *after, folder_ / "pairs" / pair.name / "noisy-copy",
                                 e_.noise_copies, e_.compare.seed, e_.compare, noise_work_[pair.name], named);
      });
      for (const std::string& failure : failed)
        result_.problems.push_back(fmt::format("{}: {}", pair.name, failure));
    } catch (const Interrupted&) {
      throw;
    } catch (const Error& error) {
      result_.problems.push_back(fmt::format("{}, noise: {}", pair.name, error.what()));
      named.warn(error.what());
    }
  }

  AttributeOptions attribute_options(const PairSpec& pair, const DataSpec& data, PairSide side) const {
    AttributeOptions a = e_.attribute;
    a.pairs = folder_ / "pairs" / pair.name / data.name / "pairs.jsonl";
    a.side = side;
    a.device = options_.device;
    if (options_.threads > 0) a.threads = options_.threads;
    return a;
  }

  std::vector<fs::path> attribute_side(const PairSpec& pair, const DataSpec& data, const std::string& label,
                                       const ModelSource& model, PairSide side) {
    NamedProgress named(progress_, fmt::format("{}, {}, {}", pair.name, data.name, label));
    AttributeOptions a = attribute_options(pair, data, side);
    a.model = model.model;
    a.adapter = model.adapter;
    a.out = folder_ / "pairs" / pair.name / data.name / "attribute" / label;
    const AttributeResult r = timed("attribute", [&] { return attribute(a, named); });
    for (const std::string& failure : r.failed)
      result_.problems.push_back(fmt::format("{}, {}, {}: {}", pair.name, data.name, label, failure));
    return r.outputs;
  }

  // "scores.alpha-0.1.safetensors" -> "alpha-0.1"
  static std::string label_of(const fs::path& scores) {
    const std::string name = scores.filename().string();
    return name.substr(7, name.size() - 7 - std::string(".safetensors").size());
  }

  nlohmann::ordered_json compare_once(CompareOptions c, const fs::path& out, Progress& named) {
    c.out = out;
    return timed("compare", [&] { return compare_files(c, named); });
  }

  std::vector<FileRecord> outputs() const {
    std::vector<FileRecord> out;
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder_))
      if (entry.is_regular_file()) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    for (const fs::path& file : files) {
      const std::string name = file.filename().string();
      if (file == folder_ / "manifest.json" || name == "run.state.json" || name.ends_with(".lock")) continue;
      const std::string relative = fs::relative(file, folder_).string();
      out.push_back({relative, relative, sha256_file(file)});
    }
    return out;
  }

  const RunOptions& options_;
  Experiment e_;
  fs::path folder_;
  Progress& progress_;
  std::map<ModelSource, std::string> names_;
  std::set<std::string> answered_;
  std::map<std::string, std::vector<NoiseWork>> noise_work_;  // by pair
  json seconds_ = json::object();
  RunResult result_;
};

}  // namespace

RunResult run_experiment(const RunOptions& options, Progress& progress) {
  if (options.experiment.empty()) usage_error("run: EXPERIMENT.toml is missing");
  if (options.limit < 0) usage_error("--limit: 0 or more expected, {} found", options.limit);
  Experiment experiment = read_experiment(options.experiment, options.preset);
  resolve_device(options.device);
  // Every model is opened before the first question is asked: a damaged one
  // should not be found out an hour later.
  for (const PairSpec& pair : experiment.pairs) {
    open_model(pair.before);
    open_model(pair.after);
  }
  for (const DataSpec& data : experiment.data)
    read_questions(
        data.file, data.dataset,
        {experiment.generate.id_field, experiment.generate.question_field, experiment.generate.answer_field},
        options.limit);
  const fs::path folder = options.out.empty() ? fs::path("runs") / experiment.name : options.out;
  fs::create_directories(folder);
  const FileLock lock(folder / ".lock");
  return Run(options, std::move(experiment), folder, progress).go();
}

}  // namespace circuitdiff
