// Decoding speed of one checkpoint: `sequences` answers of `new_tokens` tokens after prompts of
// `prompt_tokens`, greedy unless a
// temperature is given, none of them ended early. Prints the shortest and the median step of decoding in
// milliseconds and what the prompts took, one JSON object.
//   generate_bench MODEL SEQUENCES PROMPT_TOKENS NEW_TOKENS [THREADS] [DTYPE] [DEVICE] [TEMPERATURE] [TOP_P]
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <string>

#include "base/random.h"
#include "generate/batch.h"
#include "model/decoder.h"

int main(int argc, char** argv) {
  using namespace circuitdiff;
  if (argc < 5) {
    std::fprintf(stderr,
                 "generate_bench MODEL SEQUENCES PROMPT_TOKENS NEW_TOKENS [THREADS] [DTYPE] [DEVICE] "
                 "[TEMPERATURE] [TOP_P]\n");
    return 2;
  }
  const at::NoGradGuard no_grad;
  const std::string dtype = argc > 6 ? argv[6] : "float32", where = argc > 7 ? argv[7] : "cpu";
  const int64_t sequences = std::stoll(argv[2]), prompt = std::stoll(argv[3]), fresh = std::stoll(argv[4]);
  const auto checkpoint = Checkpoint::open(argv[1]);
  const auto engine = make_engine(checkpoint, resolve_device(where),
                                  dtype == "bfloat16"  ? at::kBFloat16
                                  : dtype == "float64" ? at::kDouble
                                                       : at::kFloat,
                                  argc > 5 ? std::stoll(argv[5]) : 0);
  Philox random(1, 2);
  std::vector<Request> requests;
  for (int64_t i = 0; i < sequences; ++i) {
    Request r{std::to_string(i), 0, {}, fresh};
    for (int64_t t = 0; t < prompt; ++t)
      r.prompt.push_back(static_cast<int64_t>(random.below(static_cast<uint64_t>(engine->d_vocab()))));
    requests.push_back(std::move(r));
  }
  const Sampling sampling{.temperature = argc > 8 ? std::stod(argv[8]) : 0,
                          .top_p = argc > 9 ? std::stod(argv[9]) : 1};
  using Clock = std::chrono::steady_clock;
  Clock::time_point last = Clock::now();
  double reading = 0, cpu = 0;
  std::clock_t last_cpu = std::clock();
  std::vector<double> steps;
  BatchHooks hooks;
  hooks.finished = [](size_t, Answer&&) {};
  hooks.stepped = [&](int64_t read, int64_t made) {
    const Clock::time_point now = Clock::now();
    const double ms = std::chrono::duration<double, std::milli>(now - last).count();
    last = now;
    const std::clock_t now_cpu = std::clock();
    if (read == 0 && made == sequences)
      steps.push_back(ms), cpu += 1000.0 * static_cast<double>(now_cpu - last_cpu) / CLOCKS_PER_SEC;
    else
      reading += ms;
    last_cpu = now_cpu;
  };
  generate_answers(*engine, nullptr, requests, sampling, {}, {sequences, engine->free_bytes()}, hooks);
  std::sort(steps.begin(), steps.end());
  double sum = 0;
  for (const double ms : steps) sum += ms;
  const auto n = static_cast<double>(steps.size());
  fmt::print(
      "{{\"sequences\": {}, \"steps\": {}, \"shortest_ms\": {:.3f}, \"median_ms\": {:.3f}, "
      "\"mean_ms\": {:.3f}, \"mean_cpu_ms\": {:.3f}, \"prompts_ms\": {:.1f}}}\n",
      sequences, steps.size(), steps.front(), steps[steps.size() / 2], sum / n, cpu / n, reading);
}
