#include "run/dynamics_stage.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "base/error.h"
#include "data/question_stage.h"
#include "io/files.h"
#include "io/json.h"
#include "records/dynamics_file.h"
#include "records/manifest.h"
#include "report/dynamics.h"
#include "run/circuit_probe.h"
#include "run/named_progress.h"
#include "run/run_report.h"
#include "run/toml_values.h"
#include "run/train_file.h"
#include "train/train_stage.h"

namespace circuitdiff {
namespace {

namespace fs = std::filesystem;

struct DynamicsFile {
  std::string name;
  DynamicsOptions dynamics;
  TrainOptions train;
};

DynamicsFile read_dynamics_file(const fs::path& path) {
  toml::table file = parse_toml(path);
  const std::string where = path.string();
  DynamicsFile out;
  set_options(out.dynamics, toml_values(*file["dynamics"].as_table(), where + ": dynamics"),
              where + ": [dynamics]");
  out.name = file["name"].value_or(path.stem().string());
  file.erase("dynamics");
  file.erase("name");
  out.train = read_train_table(file, path);
  for (fs::path& other : out.dynamics.exclude)
    if (other.is_relative() && !fs::exists(other) && fs::exists(path.parent_path() / other))
      other = path.parent_path() / other;
  return out;
}

// "60-120"
std::pair<int64_t, int64_t> parse_window(const std::string& text, const std::string& where) {
  std::pair<int64_t, int64_t> out;
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, out.first);
  if (first.ec == std::errc() && first.ptr != end && *first.ptr == '-') {
    const auto last = std::from_chars(first.ptr + 1, end, out.second);
    if (last.ec == std::errc() && last.ptr == end && out.first <= out.second) return out;
  }
  usage_error("{}: windows: FIRST-LAST expected, as in \"60-120\", \"{}\" found", where, text);
}

void check_dynamics(const DynamicsFile& f, const std::string& where) {
  const DynamicsOptions& d = f.dynamics;
  if (d.temperatures.empty()) usage_error("{}: [dynamics] temperatures: at least one is needed", where);
  if (std::set(d.temperatures.begin(), d.temperatures.end()).size() != d.temperatures.size())
    usage_error("{}: [dynamics] temperatures: one stands twice", where);
  if (d.smooth < 1) usage_error("{}: [dynamics] smooth: at least 1 expected, {} found", where, d.smooth);
  if (!d.windows.empty() && d.windows.size() != d.temperatures.size())
    usage_error("{}: [dynamics] windows: {} for {} temperatures; one each, or none", where, d.windows.size(),
                d.temperatures.size());
  for (const std::string& window : d.windows) parse_window(window, where + ": [dynamics]");
  if (d.questions > 0 && !f.train.data.file.empty())
    usage_error("{}: both [data] file and [dynamics] questions are given", where);
  if (f.train.eval.every < 1) usage_error("{}: [eval] every: what is not taken cannot be watched", where);
  if (f.train.probe.every < 1) usage_error("{}: [probe] every: what is not taken cannot be watched", where);
}

std::string temperature_folder(double temperature) { return "temperature-" + temperature_text(temperature); }

// What the page draws, of one run's metrics.jsonl.
std::vector<DynamicsStep> log_of(const fs::path& metrics) {
  std::vector<DynamicsStep> out;
  read_jsonl(metrics, [&](Row&& line) {
    DynamicsStep& step = out.emplace_back();
    step.step = line.integer("step");
    for (const auto& [name, value] : line.value().items())
      if (name == "reward" || name == "reward_std" || name == "loss" || name == "entropy" || name == "kl" ||
          name == "completions/mean_length" || name == "eval/accuracy" || name.starts_with("circuit/"))
        step.figures[name] = value.is_null() ? std::nullopt : std::optional(value.get<double>());
  });
  return out;
}

int64_t rows_in(const fs::path& file, int64_t limit) {
  int64_t n = 0;
  read_jsonl(file, [&](Row&&) { ++n; });
  return limit > 0 ? std::min(n, limit) : n;
}

Manifest describe(const DynamicsFile& f, const RunOptions& o) {
  Manifest m;
  m.command = "run";
  m.options = options_json_of(f.dynamics);
  m.options.erase("exclude");
  m.options["name"] = f.name;
  m.inputs.push_back(record_file("experiment", o.experiment));
  m.inputs.push_back(record_path("model", f.train.model));
  for (size_t i = 0; i < f.dynamics.exclude.size(); ++i)
    m.inputs.push_back(record_file(fmt::format("excluded questions {}", i + 1), f.dynamics.exclude[i]));
  if (!f.train.data.file.empty()) m.inputs.push_back(record_file("questions", f.train.data.file));
  m.inputs.push_back(record_file("held-out questions", f.train.eval.file));
  m.inputs.push_back(record_file("probe", f.train.probe.sequences));
  m.options["limit"] = o.limit;
  return m;
}

// The file with what the command line says put over it; checked.
DynamicsFile resolve(const RunOptions& options) {
  DynamicsFile f = read_dynamics_file(options.experiment);
  const std::string where = options.experiment.string();
  if (!options.preset.empty()) usage_error("--preset: {} trains; a preset is for comparisons", where);
  if (options.limit < 0) usage_error("--limit: 0 or more expected, {} found", options.limit);
  check_dynamics(f, where);
  if (options.limit > 0) f.train.eval.limit = f.train.probe.limit = options.limit;
  if (options.device != "auto") f.train.device = options.device;
  if (options.threads > 0) f.train.threads = options.threads;
  return f;
}

void make_questions(const DynamicsOptions& dynamics, const fs::path& out, Progress& progress) {
  if (fs::exists(out)) return;
  QuestionOptions questions;
  questions.count = dynamics.questions;
  questions.seed = dynamics.questions_seed;
  questions.exclude = dynamics.exclude;
  questions.out = out;
  write_questions(arithmetic_questions(), questions, progress);
}

// One a temperature; every one is read and checked before the first is trained.
std::vector<TrainRequest> requests_of(const DynamicsFile& f, const fs::path& folder, bool overwrite) {
  std::vector<TrainRequest> requests;
  for (const double temperature : f.dynamics.temperatures) {
    TrainRequest request;
    request.algorithm = f.dynamics.algorithm;
    request.options = f.train;
    request.options.rollout.temperature = temperature;
    request.options.out = folder / temperature_folder(temperature);
    request.overwrite = overwrite;
    request.probe = make_circuit_probe(f.train.probe, f.train.model);
    read_train_inputs(request);
    requests.push_back(std::move(request));
  }
  return requests;
}

// Trains at every temperature; what dynamics.json holds.
Dynamics train_all(const DynamicsFile& f, const std::vector<TrainRequest>& requests, const std::string& where,
                   Progress& progress) {
  Dynamics out;
  out.name = f.name;
  out.algorithm = to_word(f.dynamics.algorithm);
  out.model = f.train.model.string();
  out.steps = f.train.steps;
  out.smooth = f.dynamics.smooth;
  out.questions = rows_in(f.train.eval.file, f.train.eval.limit);
  out.sequences = rows_in(f.train.probe.sequences, f.train.probe.limit);
  out.t_cut = f.train.probe.t_cut;
  out.temperatures = f.dynamics.temperatures;
  for (size_t t = 0; t < requests.size(); ++t) {
    const double temperature = f.dynamics.temperatures[t];
    out.windows.push_back(
        f.dynamics.windows.empty() ? std::nullopt : StepWindow(parse_window(f.dynamics.windows[t], where)));
    NamedProgress named(progress, "temperature " + temperature_text(temperature));
    const auto summary = train(requests[t], named);
    for (const auto& run : summary["runs"])
      out.runs.push_back({temperature, run["seed"].get<uint64_t>(),
                          log_of(fs::path(run["folder"].get<std::string>()) / "metrics.jsonl")});
  }
  return out;
}

// The outputs of the run itself, and the manifest of each training run.
void record_outputs(Manifest& manifest, const fs::path& folder, const std::vector<TrainRequest>& requests) {
  for (const auto& output : {folder / "dynamics.json", folder / "dynamics.csv", folder / "report.html"})
    manifest.outputs.push_back({output.filename().string(), output.filename().string(), sha256_file(output)});
  for (const TrainRequest& request : requests)
    for (const uint64_t seed : request.options.seeds) {
      const fs::path record = seed_folder(request.options, seed) / "manifest.json";
      const std::string relative = fs::relative(record, folder).string();
      manifest.outputs.push_back({relative, relative, sha256_file(record)});
    }
}

}  // namespace

bool is_dynamics_file(const fs::path& path) { return parse_toml(path)["dynamics"].is_table(); }

RunResult run_dynamics(const RunOptions& options, Progress& progress) {
  DynamicsFile f = resolve(options);
  const fs::path folder = !options.out.empty()   ? options.out
                          : !f.train.out.empty() ? f.train.out
                                                 : fs::path("runs") / f.name;
  fs::create_directories(folder);
  const FileLock lock(folder / ".lock");
  Manifest manifest = describe(f, options);
  begin_or_resume(folder / "run.state.json", manifest, options.overwrite, [&] {
    for (const char* name :
         {"dynamics.json", "dynamics.csv", "report.html", "manifest.json", "questions.jsonl"})
      fs::remove(folder / name);
  });
  if (f.dynamics.questions > 0) {
    f.train.data.file = folder / "questions.jsonl";
    make_questions(f.dynamics, f.train.data.file, progress);
  }
  const std::vector<TrainRequest> requests = requests_of(f, folder, options.overwrite);
  write_dynamics(folder / "dynamics.json", train_all(f, requests, options.experiment.string(), progress));

  RunResult result;
  result.folder = folder;
  const ReportResult report = report_run(folder, ReportOptions{}, progress);
  result.report = report.page;
  result.table = folder / "dynamics.csv";
  result.sentences = report.sentences;
  result.summary = {{"report", report.page.string()}, {"sentences", report.sentences}};
  record_outputs(manifest, folder, requests);
  write_manifest(folder / "manifest.json", manifest);
  return result;
}

}  // namespace circuitdiff
