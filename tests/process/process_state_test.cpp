// The library lives in somebody else's process: no stage leaves anything of the process's own changed.
#include <ATen/Parallel.h>
#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "attribute/score_stage.h"
#include "run/run_stage.h"
#include "support/temp_folder.h"
#include "train/train_stage.h"

namespace circuitdiff {
namespace {

struct ProcessState {
  c10::Allocator* allocator = c10::GetCPUAllocator();
  int threads = at::get_num_threads();
  std::vector<void (*)(int)> signals;
  std::vector<int> flushes_denormals;  // of each of libtorch's threads
  std::vector<std::string> environment;

  ProcessState() {
    for (int number = 1; number < NSIG; ++number) {
      struct sigaction action {};
      signals.push_back(sigaction(number, nullptr, &action) == 0 ? action.sa_handler : nullptr);
    }
    flushes_denormals.resize(static_cast<size_t>(threads));
    at::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
      const volatile float smallest = std::numeric_limits<float>::min(), half = smallest * 0.5F;
      for (int64_t i = begin; i < end; ++i) flushes_denormals[static_cast<size_t>(i)] = half == 0.0F;
    });
    for (char** variable = environ; *variable; ++variable) environment.emplace_back(*variable);
  }
};

void expect_same(const ProcessState& before, const std::string& stage) {
  const ProcessState now;
  EXPECT_EQ(now.allocator, before.allocator) << stage;
  EXPECT_EQ(now.threads, before.threads) << stage;
  EXPECT_EQ(now.signals, before.signals) << stage;
  EXPECT_EQ(now.flushes_denormals, before.flushes_denormals) << stage;
  EXPECT_EQ(now.environment, before.environment) << stage;
}

// Compares at the beginning of every phase of a run: what is changed within a stage is its own, but none may
// begin with what another left.
class WatchingProgress : public SilentProgress {
 public:
  explicit WatchingProgress(const ProcessState& before) : before_(before) {}
  void begin(std::string_view phase, int64_t, std::string_view, int64_t) override {
    EXPECT_EQ(c10::GetCPUAllocator(), before_.allocator) << phase;
    phases.emplace_back(phase);
  }
  std::vector<std::string> phases;

 private:
  const ProcessState& before_;
};

TEST(Stages, LeaveTheProcessAsItWas) {
  const test::TempFolder folder;
  const std::string models = std::string(CIRCUITDIFF_SOURCE_DIR) + "/models/",
                    data = std::string(CIRCUITDIFF_SOURCE_DIR) + "/data/arithmetic_analysis.jsonl";
  at::set_num_threads(2);
  const ProcessState before;
  {
    std::ofstream(folder / "experiment.toml")
        << "name = \"state\"\n[[pair]]\nname = \"grpo\"\nbefore = \"" << models << "arith-sft\"\nafter = \""
        << models << "arith-grpo\"\nchat = true\n[[data]]\nname = \"analysis\"\nfile = \"" << data
        << "\"\ndataset = \"generic\"\n[generate]\nmax_new_tokens = 96\n[attribute]\nalpha = [0.3]\n";
    RunOptions options;
    options.experiment = folder / "experiment.toml", options.out = folder / "run";
    options.limit = 24, options.threads = 1, options.device = "cpu";
    WatchingProgress progress(before);
    run_experiment(options, progress);
    EXPECT_TRUE(std::filesystem::exists(folder / "run" / "report.html"));
    EXPECT_GE(progress.phases.size(), 3U);
    expect_same(before, "run");
  }
  SilentProgress silent;
  {
    std::ofstream(folder / "sequences.jsonl") << R"({"id": "0", "tokens": [5, 6, 7, 8, 9], "prompt_len": 2})"
                                              << "\n";
    ScoreOptions options;
    options.model = models + "arith-sft", options.sequences = folder / "sequences.jsonl";
    options.out = folder / "scores.safetensors", options.threads = 1, options.device = "cpu";
    score(options, silent);
    expect_same(before, "score");
  }
  {
    TrainRequest request;
    request.algorithm = AlgorithmName::grpo;
    TrainOptions& o = request.options;
    o.model = models + "arith-sft", o.out = folder / "trained", o.data.file = data,
    o.data.dataset = "generic";
    o.steps = 1, o.data.batch = 2, o.rollout.max_new_tokens = 24, o.threads = 1, o.device = "cpu";
    train(request, silent);
    expect_same(before, "train");
  }
}

}  // namespace
}  // namespace circuitdiff
