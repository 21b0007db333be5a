// A small run's folder as the stages leave it: two questions, three sources, three destinations, numbers one
// can check by eye. Each test damages or removes what it is about.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>

#include "io/files.h"
#include "io/json.h"
#include "records/generation.h"
#include "records/metrics_file.h"
#include "records/scores.h"

namespace circuitdiff {

inline SilentProgress silent;

class RunFolder {
 public:
  explicit RunFolder(
      json pairs = json::array({{{"name", "grpo"}, {"before", "m/sft"}, {"after", "m/grpo"}}})) {
    static int made = 0;
    path = std::filesystem::temp_directory_path() / fmt::format("circuitdiff-report-{}-{}", getpid(), made++);
    std::filesystem::create_directories(path);
    experiment = {{"name", "demo"},
                  {"pairs", std::move(pairs)},
                  {"data", {{{"name", "math"}, {"file", "d.jsonl"}, {"dataset", "generic"}}}},
                  {"alphas", {0.1, 0.5}},
                  {"settings", {{"attribute", {{"graph", "qkv"}, {"gradient", "residual"}}}}}};
    write_experiment();
    write("accuracy.json",
          {{"sft", {{"math", {{"n", 4}, {"correct", 2}, {"accuracy", 0.5}, {"wilson95", {0.15, 0.85}}}}}}});
    write("manifest.json", {{"command", "run"},
                            {"options", json::object()},
                            {"inputs", json::array()},
                            {"outputs", json::array()}});
    json corrected;
    for (const json& pair : experiment["pairs"]) {
      fill(pair["name"].get<std::string>());
      for (const char* cut : {"alpha-0.1", "alpha-0.5"})
        corrected[pair["name"].get<std::string>()]["math"][cut] = {
            {"act_intensity", 0.0005}, {"dist_kurtosis", 0.0025}, {"intensity_per_error", 0.016},
            {"node_entropy", 0.025},   {"info_complexity", 0.4},  {"diversity", nullptr}};
    }
    write("corrections.json", {{"method", "Benjamini-Hochberg"}, {"tests", 10}, {"p_corrected", corrected}});
  }
  ~RunFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  void write_experiment() const { write("experiment.json", experiment); }
  void write(const std::filesystem::path& file, const json& value) const {
    write_text(file, value.dump() + "\n");
  }
  void write_text(const std::filesystem::path& file, const std::string& text) const {
    std::filesystem::create_directories((path / file).parent_path());
    write_file_atomically(path / file, text);
  }
  std::filesystem::path metrics(const std::string& cut = "alpha-0.5") const {
    return path / "pairs/grpo/math/compare" / cut / "metrics.json";
  }
  json read_metrics(const std::string& cut = "alpha-0.5") const { return read_json_file(metrics(cut)); }
  void write_metrics(const json& value, const std::string& cut = "alpha-0.5") const {
    write_file_atomically(metrics(cut), value.dump());
  }
  void write_answers(const std::string& model, const std::string& answer,
                     const std::string& prompt = "How many?") const {
    std::vector<Generation> rows;
    for (const char* id : {"q1", "q2"}) {
      Generation g;
      g.id = id;
      g.prompt = prompt;
      g.prompt_tokens = {1, 2};
      g.answer = answer;
      g.answer_tokens = {5, 6, 7, 8};
      g.finish_reason = "stop";
      g.gold = "7";
      g.verdict = "equal";
      g.correct = true;
      rows.push_back(g);
    }
    std::filesystem::create_directories(path / "grade" / model);
    write_generations(path / "grade" / model / "math.jsonl", rows);
  }

  std::filesystem::path path;
  json experiment;

  static MetricComparison cell(const char* name, double before, double after, double p) {
    const double d = after - before;
    return {name, before, after, d, d / before, d - 0.5, d + 0.5, "BCa", p, p, std::nullopt, ""};
  }

 private:
  void fill(const std::string& pair) const {
    const std::filesystem::path base = std::filesystem::path("pairs") / pair / "math";
    write(base / "pairs.jsonl",
          {{"header",
            {{"outcome", "both-right"},
             {"t_mean", 4.0},
             {"outcomes",
              {{"both-right", {{"questions", 20}, {"mean_tokens", {4.5, 5.25}}, {"mean_nll", {0.125, 0.5}}}},
               {"lost", {{"questions", 3}, {"mean_tokens", {6.0, 7.0}}, {"mean_nll", {nullptr, nullptr}}}}}},
             {"counts",
              {{"asked", 40},
               {"both-right", 20},
               {"both-wrong", 12},
               {"gained", 5},
               {"lost", 3},
               {"too_long", 4},
               {"kept", 16},
               {"drawn", 2}}}}}});
    for (const char* cut : {"alpha-0.1", "alpha-0.5"}) {
      std::filesystem::create_directories(path / base / "compare" / cut);
      write_metrics_file(path / base / "compare" / cut / "metrics.json", comparison());
      for (const char* side : {"before", "after"}) {
        Scores s;
        s.n = 2, s.n_forward = 3, s.n_backward = 3;
        s.scores = {1, 2, 0, 0, 3, 4, 0, 0, 5, 2, 2, 0, 0, 2, 2, 0, 0, 2};
        s.loss = {0.5, 0.25};
        s.error = {0.4, 0.2};
        s.t_cut = {2, 2};
        s.edges = {1, 1, 0, 0, 1, 1, 0, 0, 1};
        s.sources = {"input", "a0", "m0"}, s.destinations = {"a0<q>", "m0", "logits"}, s.ids = {"q1", "q2"};
        const auto file = path / base / "attribute" / side / ("scores." + std::string(cut) + ".safetensors");
        std::filesystem::create_directories(file.parent_path());
        write_scores(file, s);
      }
    }
    write_answers("sft", "3+4=7");
    write_answers("grpo", "so 7");
  }

  static MetricsFile comparison() {
    MetricsFile f;
    f.n = 2, f.n_forward = 3, f.n_backward = 3, f.n_edges = 5;
    f.sources = {"input", "a0", "m0"}, f.destinations = {"a0<q>", "m0", "logits"}, f.ids = {"q1", "q2"};
    f.edges = {1, 1, 0, 0, 1, 1, 0, 0, 1};
    f.node_entropy = {{0.5, 0.25, 0.0}, {0.5, 0.25, 0.0}};
    f.metrics = {cell("act_intensity", 8, 2, 0.0001),  cell("info_complexity", 1.5, 1.25, 0.4),
                 cell("dist_kurtosis", 50, 30, 0.001), {"diversity"},
                 cell("node_entropy", 1, 2, 0.02),     cell("intensity_per_error", 2, 3, 0.01)};
    f.metrics[3].reason = "n = 1 <question>";
    f.per_sample = {{"mean_loss", {0.5, 0.25}, {0.5, 0.25}}, {"edge_intensity", {3.0, 2.0}, {3.0, 2.0}}};
    f.decomposition.log_ratio = -1.386;
    f.decomposition.from_loss = -1.8;
    f.decomposition.beyond_loss = 0.414;
    constexpr std::nullopt_t kNone = std::nullopt;
    EdgeChanges& c = f.relative_change;
    c.before = c.p = c.p_adjusted = c.p_familywise = {2.0, 2.0, kNone, kNone, 2.0, 4.0, kNone, kNone, 1.0};
    c.after = {1.0, 4.0, kNone, kNone, 1.0, 2.0, kNone, kNone, 0.0};
    c.relative = c.ci_low = c.ci_high = {-0.5, 1.0, kNone, kNone, -0.5, -0.5, kNone, kNone, -1.0};
    for (size_t cell = 0; cell < f.edges.size(); ++cell) {
      const bool edge = f.edges[cell];
      c.spread_before.push_back(edge ? std::vector<double>{1, 2, 3, 4, 5} : std::vector<double>{});
      c.spread_after.push_back(edge ? std::vector<double>{0, 1, 2, 3, 4} : std::vector<double>{});
    }
    c.log2_clip = 1.0;
    c.log2_clip_beside_whole = 1.5;
    return f;
  }
};

}  // namespace circuitdiff
