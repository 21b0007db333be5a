// Edge attribution of one chunk beside the matrix products that no method can avoid, in one process,
// interleaved.
//   eap_bench MODEL [prompt=160] [answer=60] [repeats=3] [dtype=float32]
// The limit: forward and input gradient of every linear map of one sample, lm_head on the answer's rows only.
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/randn.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "attribute/eap.h"
#include "base/heap.h"
#include "base/random.h"
#include "model/product.h"
#include "process_memory.h"

namespace circuitdiff {
namespace {

// Wall time, and processor time of all threads: where other work shares the machine, the second tells more.
struct Cost {
  double wall = 1e30, processor = 1e30;
  void keep_least(const Cost& other) {
    wall = std::min(wall, other.wall);
    processor = std::min(processor, other.processor);
  }
};

double processor_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

Cost cost_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  const double before = processor_seconds();
  work();
  return {std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
          processor_seconds() - before};
}

// `plain`: by at::matmul, as any program on this libtorch makes them; else by the products that attribution
// takes on this processor.
Cost gemm_limit(const Decoder& decoder, int64_t rows, int64_t answer, bool plain) {
  const ModelConfig& c = decoder.config();
  const auto input = [&](int64_t r, int64_t width) { return at::randn({r, width}, decoder.options()); };
  const Tensor x = input(rows, c.d_model), a = input(rows, c.n_heads * c.d_head),
               k = input(rows, c.n_kv_heads * c.d_head), m = input(rows, c.d_mlp),
               h = input(answer, c.d_model);
  const auto forward = [plain](const Tensor& t, const Tensor& w) {
    return plain ? t.matmul(w.t()) : linear_rows(t, w);
  };
  const auto backward = [plain](const Tensor& t, const Tensor& w) {
    return plain ? t.matmul(w) : linear_rows_backward(t, w);
  };
  return cost_of([&] {
    for (int64_t l = 0; l < c.n_layers; ++l) {
      const LayerWeights w = decoder.weights().layer(l);
      for (const Tensor& weight : {w.q_proj, w.k_proj, w.v_proj, w.gate_proj, w.up_proj}) forward(x, weight);
      forward(a, w.o_proj);
      forward(m, w.down_proj);
      backward(a, w.q_proj);
      backward(k, w.k_proj);
      backward(k, w.v_proj);
      backward(x, w.o_proj);
      backward(m, w.gate_proj);
      backward(m, w.up_proj);
      backward(x, w.down_proj);
    }
    backward(forward(h, decoder.weights().lm_head()), decoder.weights().lm_head());
  });
}

int run(int argc, char** argv) {
  const at::NoGradGuard no_grad;
  const auto number = [&](int i, int64_t otherwise) { return argc > i ? std::atoll(argv[i]) : otherwise; };
  const int64_t prompt = number(2, 160), answer = number(3, 60), repeats = number(4, 3);
  const auto checkpoint = Checkpoint::open(argv[1]);
  const auto choice = parse_value<DtypeChoice>("dtype", argc > 5 ? argv[5] : "float32");
  const Decoder decoder(checkpoint, at::kCPU, resolve_dtype(choice, at::kCPU, *checkpoint));
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
    Cost best;
    double above = 0;
  };
  const int64_t a = answer;
  const std::vector<int64_t> four{std::max<int64_t>(1, a * 3 / 50), a / 5, a * 3 / 5, a};
  std::vector<Case> cases{{"one sample, one cut, recomputed", false, samples(1, {a})},
                          {"one sample, one cut, kept", true, samples(1, {a})},
                          {"one sample, four cuts, kept", true, samples(1, four)},
                          {"four packed, one cut, kept", true, samples(4, {a})}};
  Cost limit, own_limit;
  for (int64_t r = 0; r < repeats; ++r) {
    limit.keep_least(gemm_limit(decoder, prompt + answer - 1, answer, /*plain=*/true));
    own_limit.keep_least(gemm_limit(decoder, prompt + answer - 1, answer, /*plain=*/false));
    for (Case& c : cases) {
      give_back_heap();
      std::ofstream("/proc/self/clear_refs") << "5";
      const double before = mib("RssAnon:");
      c.best.keep_least(cost_of([&] { attribute_chunk(decoder, {}, c.samples, {c.keep, {}}); }));
      c.above = std::max(c.above, mib("VmHWM:") - mib("RssFile:") - before);
    }
  }
  fmt::print("{:<34} {:>9} {:>9}   {:>22}   {}\n", "", "wall", "processor", "x limit a sample (both)",
             "above weights");
  fmt::print("{:<34} {:7.2f} s {:7.2f} s   {} threads\n", "GEMM limit of one sample", limit.wall,
             limit.processor, at::get_num_threads());
  fmt::print("{:<34} {:7.2f} s {:7.2f} s   {:10.2f} {:10.2f}\n", "by the products taken here", own_limit.wall,
             own_limit.processor, own_limit.wall / limit.wall, own_limit.processor / limit.processor);
  for (const Case& c : cases) {
    const auto n = static_cast<double>(c.samples.size());
    fmt::print("{:<34} {:7.2f} s {:7.2f} s   {:10.2f} {:10.2f}     {:6.0f} MiB\n", c.name, c.best.wall,
               c.best.processor, c.best.wall / limit.wall / n, c.best.processor / limit.processor / n,
               c.above);
  }
  return 0;
}

}  // namespace
}  // namespace circuitdiff

int main(int argc, char** argv) {
  circuitdiff::keep_heap_small();
  if (argc < 2) {
    fmt::print(stderr, "usage: eap_bench MODEL [prompt] [answer] [repeats] [dtype]\n");
    return 2;
  }
  return circuitdiff::run(argc, argv);
}
