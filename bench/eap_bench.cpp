// Edge attribution of one chunk beside the matrix products that no method can avoid, in one process,
// interleaved; memory each in a process of its own.
//   eap_bench MODEL [prompt=160] [answer=60] [repeats=3] [dtype=float32] [cases=0123] [--json FILE]
// The limit: forward and input gradient of every linear map of one sample, lm_head on the answer's rows only.
// It is timed before and after every case: where neighbours slow the machine for a minute, each case over the
// mean of the two tells more than the best of each over the run.
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/randn.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "attribute/eap.h"
#include "base/error.h"
#include "base/random.h"
#include "kernels/environment.h"
#include "kernels/product.h"
#include "process_memory.h"
#include "result_row.h"
#include "shape_name.h"

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

struct Case {
  std::string name;
  bool keep;
  std::vector<AttributionSample> samples;
  Cost best;
  std::vector<Cost> runs;    // a sample
  std::vector<Cost> paired;  // each of them over the mean of the limits before and after it
};

// "1.48 (1.45 - 1.60)": the median, the least and the most of one field.
std::string median_of(const std::vector<Cost>& costs, double Cost::*field) {
  std::vector<double> values;
  for (const Cost& c : costs) values.push_back(c.*field);
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return fmt::format("{:.2f} ({:.2f} - {:.2f})", (values[(n - 1) / 2] + values[n / 2]) / 2, values.front(),
                     values.back());
}

struct Arguments {
  std::string model;
  int64_t prompt = 160, answer = 60, repeats = 3;
  std::string dtype = "float32";
  std::string cases = "0123";  // those to run, by their places in the table
};

// All there are, those that are not asked for too.
std::vector<Case> cases_of(const Arguments& o, const Decoder& decoder) {
  Philox random(1);
  const auto samples = [&](int64_t count, std::vector<int64_t> cuts) {
    std::vector<AttributionSample> out;
    for (int64_t i = 0; i < count; ++i) {
      AttributionSample s{std::to_string(i), {}, o.prompt, cuts};
      for (int64_t t = 0; t < o.prompt + o.answer; ++t)
        s.tokens.push_back(
            static_cast<int64_t>(random.below(static_cast<uint64_t>(decoder.config().d_vocab))));
      out.push_back(s);
    }
    return out;
  };
  const int64_t a = o.answer;
  const std::vector<int64_t> four{std::max<int64_t>(1, a * 3 / 50), a / 5, a * 3 / 5, a};
  return {{"one sample, one cut, recomputed", false, samples(1, {a}), {}, {}, {}},
          {"one sample, one cut, kept", true, samples(1, {a}), {}, {}, {}},
          {"one sample, four cuts, kept", true, samples(1, four), {}, {}, {}},
          {"four packed, one cut, kept", true, samples(4, {a}), {}, {}, {}}};
}

Decoder open(const Arguments& o) {
  const auto checkpoint = Checkpoint::open(o.model);
  const auto choice = parse_value<DtypeChoice>("dtype", o.dtype);
  return Decoder(checkpoint, at::kCPU, resolve_dtype(choice, at::kCPU, *checkpoint));
}

// MiB above the weights of one case in a process of its own: of its first run, and of one more, when
// generated code and libraries' own memory are there (bench/peers/attribution.py measures peers so, behind a
// run on a tiny model).
int print_memory(const Arguments& o, size_t which) {
  const at::NoGradGuard no_grad;
  const Decoder decoder = open(o);
  const Case c = cases_of(o, decoder).at(which);
  std::array<double, 2> above{};
  for (double& most : above) {
    std::ofstream("/proc/self/clear_refs") << "5";
    const double before = mib("RssAnon:");
    attribute_chunk(decoder, {}, c.samples, {c.keep, {}});
    most = mib("VmHWM:") - mib("RssFile:") - before;
  }
  fmt::print("{:.1f} {:.1f}\n", above[0], above[1]);
  return 0;
}

// As one word of a shell's command.
std::string quoted(const std::string& word) {
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::array<double, 2> memory_of(const Arguments& o, size_t which) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  const std::string command = fmt::format("{} {} {} {} --memory-of={} {}", quoted(self), quoted(o.model),
                                          o.prompt, o.answer, which, quoted(o.dtype));
  FILE* child = popen(command.c_str(), "r");
  std::array<double, 2> above{};
  const bool is_read = child && std::fscanf(child, "%lf %lf", &above[0], &above[1]) == 2;
  if (!child || pclose(child) != 0 || !is_read) fail("{}: gave no figure of memory", command);
  return above;
}

// Of every case; of the limit by at::matmul, and by the products taken here.
struct Timings {
  std::string shape;
  std::vector<Case> cases;
  Cost limit, own_limit;
  std::vector<double> limits;    // seconds of wall time, of every run
  std::vector<Cost> own_paired;  // the second over the first, timed one behind the other
};

// The limit and all cases find their memory in one pool, as all chunks of a run but the first do.
Timings measure(const Arguments& o) {
  const Decoder decoder = open(o);
  Timings t{shape_name(decoder.config()), cases_of(o, decoder), {}, {}, {}, {}};
  const auto limit = [&](bool plain) {
    const Cost cost = gemm_limit(decoder, o.prompt + o.answer - 1, o.answer, plain);
    (plain ? t.limit : t.own_limit).keep_least(cost);
    if (plain) t.limits.push_back(cost.wall);
    return cost;
  };
  limit(true);  // which reads the weights' pages
  for (int64_t r = 0; r < o.repeats; ++r) {
    const Cost own = limit(false);
    Cost before = limit(true);
    t.own_paired.push_back({own.wall / before.wall, own.processor / before.processor});
    for (const char which : o.cases) {
      Case& c = t.cases.at(static_cast<size_t>(which - '0'));
      const Cost cost = cost_of([&] { attribute_chunk(decoder, {}, c.samples, {c.keep, {}}); });
      const Cost after = limit(true);
      const double samples = 0.5 * static_cast<double>(c.samples.size());
      c.best.keep_least(cost);
      c.runs.push_back({cost.wall / (2 * samples), cost.processor / (2 * samples)});
      c.paired.push_back({cost.wall / (before.wall + after.wall) / samples,
                          cost.processor / (before.processor + after.processor) / samples});
      before = after;
    }
  }
  return t;
}

std::vector<double> walls(const std::vector<Cost>& costs) {
  std::vector<double> out;
  for (const Cost& c : costs) out.push_back(c.wall);
  return out;
}

double middle(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

void add_rows(const ResultFile& results, const Arguments& o, const Timings& t, const Case& c, double mib) {
  const std::string what = fmt::format("{}, {} + {} tokens, {}{}", t.shape, o.prompt, o.answer, c.name,
                                       o.dtype == "float32" ? "" : ", " + o.dtype);
  results.add({"attribution-cpu", what, "s a sample", walls(c.runs), "at::matmul alone", middle(t.limits),
               walls(c.paired)});
  results.add({"memory", what + ", above the weights", "MiB", {mib}, "", {}, {}});
}

int run(const Arguments& o, const ResultFile& results) {
  const at::NoGradGuard no_grad;
  const Timings timings = measure(o);
  const auto& [shape, cases, limit, own_limit, limits, own_paired] = timings;
  fmt::print("{:<34} {:>9} {:>9}   {:>15}   {:>20} {:>20}   {}\n", "", "wall", "processor", "x limit, best",
             "median, wall", "processor", "MiB above weights: first, next run");
  fmt::print("{:<34} {:7.2f} s {:7.2f} s   {} threads\n", "GEMM limit of one sample", limit.wall,
             limit.processor, at::get_num_threads());
  fmt::print("{:<34} {:7.2f} s {:7.2f} s   {:10.2f} {:4.2f}   {:>20} {:>20}\n", "by the products taken here",
             own_limit.wall, own_limit.processor, own_limit.wall / limit.wall,
             own_limit.processor / limit.processor, median_of(own_paired, &Cost::wall),
             median_of(own_paired, &Cost::processor));
  for (size_t i = 0; i < cases.size(); ++i) {
    const Case& c = cases[i];
    if (c.paired.empty()) continue;
    const auto n = static_cast<double>(c.samples.size());
    const auto [first, next] = memory_of(o, i);
    fmt::print("{:<34} {:7.2f} s {:7.2f} s   {:10.2f} {:4.2f}   {:>20} {:>20}   {:5.0f} {:5.0f}\n", c.name,
               c.best.wall, c.best.processor, c.best.wall / limit.wall / n,
               c.best.processor / limit.processor / n, median_of(c.paired, &Cost::wall),
               median_of(c.paired, &Cost::processor), first, next);
    add_rows(results, o, timings, c, next);
  }
  return 0;
}

}  // namespace
}  // namespace circuitdiff

int main(int argc, char** argv) {
  circuitdiff::limit_product_code();
  const circuitdiff::ResultFile results(argc, argv);
  if (argc < 2 || (argc > 6 && std::string(argv[6]).find_first_not_of("0123") != std::string::npos)) {
    fmt::print(stderr, "usage: eap_bench MODEL [prompt] [answer] [repeats] [dtype] [cases] [--json FILE]\n");
    return 2;
  }
  circuitdiff::Arguments o{argv[1]};
  if (argc > 2) o.prompt = std::atoll(argv[2]);
  if (argc > 3) o.answer = std::atoll(argv[3]);
  if (argc > 5) o.dtype = argv[5];
  if (argc > 6) o.cases = argv[6];
  const std::string fourth = argc > 4 ? argv[4] : "3", memory = "--memory-of=";
  if (fourth.rfind(memory, 0) == 0)
    return circuitdiff::print_memory(o, std::stoul(fourth.substr(memory.size())));
  o.repeats = std::atoll(fourth.c_str());
  return circuitdiff::run(o, results);
}
