// Edge attribution of one chunk beside the matrix products that no method can avoid, in one process,
// interleaved.
//   eap_bench MODEL [prompt=160] [answer=60] [repeats=3]
// The limit: forward and input gradient of every linear map of one sample, lm_head on the answer's rows only.
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/randn.h>
#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>

#include "attribute/eap.h"
#include "base/random.h"

namespace circuitdiff {
namespace {

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double mib(const char* key) {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line))
    if (line.rfind(key, 0) == 0) return std::atof(line.c_str() + std::string(key).size() + 1) / 1024;
  return 0;
}

double gemm_limit(const Decoder& decoder, int64_t rows, int64_t answer) {
  const ModelConfig& c = decoder.config();
  const auto input = [&](int64_t r, int64_t width) { return at::randn({r, width}, decoder.options()); };
  const Tensor x = input(rows, c.d_model), a = input(rows, c.n_heads * c.d_head),
               k = input(rows, c.n_kv_heads * c.d_head), m = input(rows, c.d_mlp),
               h = input(answer, c.d_model);
  return seconds_of([&] {
    for (int64_t l = 0; l < c.n_layers; ++l) {
      const LayerWeights w = decoder.weights().layer(l);
      for (const Tensor& weight : {w.q_proj, w.k_proj, w.v_proj, w.gate_proj, w.up_proj})
        x.matmul(weight.t());
      a.matmul(w.o_proj.t());
      m.matmul(w.down_proj.t());
      a.matmul(w.q_proj);
      k.matmul(w.k_proj);
      k.matmul(w.v_proj);
      x.matmul(w.o_proj);
      m.matmul(w.gate_proj);
      m.matmul(w.up_proj);
      x.matmul(w.down_proj);
    }
    h.matmul(decoder.weights().lm_head().t()).matmul(decoder.weights().lm_head());
  });
}

int run(int argc, char** argv) {
  const at::NoGradGuard no_grad;
  const auto number = [&](int i, int64_t otherwise) { return argc > i ? std::atoll(argv[i]) : otherwise; };
  const int64_t prompt = number(2, 160), answer = number(3, 60), repeats = number(4, 3);
  const Decoder decoder(Checkpoint::open(argv[1]), at::kCPU, at::kFloat);
  Philox random(1);
  const auto samples = [&](int64_t count, std::vector<int64_t> cuts) {
    std::vector<AttributionSample> out;
    for (int64_t i = 0; i < count; ++i) {
      AttributionSample s{std::to_string(i), {}, prompt, cuts};
      for (int64_t t = 0; t < prompt + answer; ++t)
        s.tokens.push_back(
            static_cast<int64_t>(random.below(static_cast<uint64_t>(decoder.config().d_vocab))));
      out.push_back(s);
    }
    return out;
  };
  struct Case {
    std::string name;
    bool keep;
    std::vector<AttributionSample> samples;
    double best = 1e30, above = 0;
  };
  const int64_t a = answer;
  const std::vector<int64_t> four{std::max<int64_t>(1, a * 3 / 50), a / 5, a * 3 / 5, a};
  std::vector<Case> cases{{"one sample, one cut, recomputed", false, samples(1, {a})},
                          {"one sample, one cut, kept", true, samples(1, {a})},
                          {"one sample, four cuts, kept", true, samples(1, four)},
                          {"four packed, one cut, kept", true, samples(4, {a})}};
  double limit = 1e30;
  for (int64_t r = 0; r < repeats; ++r) {
    limit = std::min(limit, gemm_limit(decoder, prompt + answer - 1, answer));
    for (Case& c : cases) {
      malloc_trim(0);
      std::ofstream("/proc/self/clear_refs") << "5";
      const double before = mib("RssAnon:");
      c.best = std::min(c.best, seconds_of([&] { attribute_chunk(decoder, {}, c.samples, c.keep); }));
      c.above = std::max(c.above, mib("VmHWM:") - mib("RssFile:") - before);
    }
  }
  fmt::print("GEMM limit of one sample: {:.2f} s, {} threads\n", limit, at::get_num_threads());
  for (const Case& c : cases)
    fmt::print("{:<33} {:7.2f} s   {:5.2f} x limit a sample   {:6.0f} MiB above the weights\n", c.name,
               c.best, c.best / limit / static_cast<double>(c.samples.size()), c.above);
  return 0;
}

}  // namespace
}  // namespace circuitdiff

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: eap_bench MODEL [prompt] [answer] [repeats]\n");
    return 2;
  }
  return circuitdiff::run(argc, argv);
}
