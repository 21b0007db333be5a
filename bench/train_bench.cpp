// One update (forward, backward with the gradients of all weights, clipping, AdamW) on packed answers beside
// the matrix products that no method can avoid, in one process, in turns.
//   train_bench MODEL [answers=16] [prompt=96] [answer=104] [repeats=3] [tokens_per_batch=8192] [--json FILE]
// Of MODEL only the configuration counts: weights are drawn. The limit: forward, input gradient and weight
// gradient of every linear map on every row, and of lm_head on the answers' rows.
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/randn.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>

#include "base/random.h"
#include "kernels/environment.h"
#include "kernels/product.h"
#include "process_memory.h"
#include "result_row.h"
#include "shape_name.h"
#include "train/optimizer.h"
#include "train/packed_model.h"

namespace circuitdiff {
namespace {

constexpr int64_t kHeadRows = 256;  // of lm_head at once, in the limit

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// `plain`: by at::matmul and its kin, as any program on this libtorch makes them; else by the products that
// training takes on this processor.
double gemm_limit(const Parameters& p, int64_t rows, int64_t answers, bool plain) {
  const auto product = [&](const TrainedLinear& w, const Tensor& x, const Tensor& dy) {
    if (plain) {
      x.matmul(w.weight.t());
      dy.matmul(w.weight);
      Tensor(w.weight_grad).addmm_(dy.t(), x);
    } else {
      linear_rows(x, w.weight);
      linear_rows_backward(dy, w.weight);
      add_weight_gradient(w.weight_grad, dy, x);
    }
  };
  const auto input = [&](int64_t n, int64_t width) { return at::randn({n, width}, p.values().options()); };
  const ModelConfig& c = p.config();
  const TrainedLayer& first = p.layer(0);
  const Tensor x = input(rows, c.d_model), mixed = input(rows, c.n_heads * c.d_head),
               m = input(rows, c.d_mlp), d_qkv = input(rows, first.qkv.weight.size(0)),
               d_gate_up = input(rows, 2 * c.d_mlp), h = input(kHeadRows, c.d_model),
               d_logits = input(kHeadRows, c.d_vocab);
  return seconds_of([&] {
    for (int64_t l = 0; l < c.n_layers; ++l) {
      const TrainedLayer& layer = p.layer(l);
      product(layer.qkv, x, d_qkv);
      product(layer.o, mixed, x);
      product(layer.gate_up, x, d_gate_up);
      product(layer.down, m, x);
    }
    for (int64_t begin = 0; begin < answers; begin += kHeadRows) {
      const int64_t n = std::min(kHeadRows, answers - begin);
      product(p.head(), h.narrow(0, 0, n), d_logits.narrow(0, 0, n));
    }
  });
}

struct Bench {
  Parameters parameters;
  Optimizer optimizer;
  std::vector<std::vector<int64_t>> tokens;
  std::vector<PackedBatch> batches;
  int64_t rows = 0, answers = 0;

  Bench(const std::shared_ptr<const Checkpoint>& checkpoint, const ParameterSettings& settings, int64_t count,
        int64_t prompt, int64_t answer, int64_t tokens_per_batch)
      : parameters(checkpoint, settings), optimizer(parameters, {}) {
    Philox random(1);
    std::vector<PackedSequence> some;
    int64_t held = 0;
    tokens.reserve(static_cast<size_t>(count));
    const auto pack = [&] {
      if (!some.empty())
        batches.push_back(pack_sequences(parameters.config(), some, parameters.values().options()));
      some.clear();
      held = 0;
    };
    for (int64_t i = 0; i < count; ++i) {
      // Lengths as answers have them: from half to one and a half of `answer`.
      const int64_t n =
          prompt + answer / 2 + static_cast<int64_t>(random.below(static_cast<uint64_t>(answer)));
      std::vector<int64_t> row;
      for (int64_t t = 0; t < n; ++t)
        row.push_back(static_cast<int64_t>(random.below(static_cast<uint64_t>(parameters.config().d_vocab))));
      if (held + n - 1 > tokens_per_batch) pack();
      tokens.push_back(std::move(row));
      some.push_back({tokens.back(), prompt});
      held += n - 1;
      rows += n - 1;
      answers += n - prompt;
    }
    pack();
  }

  double update(bool recompute, double& of_optimizer) {
    PackedModel model(parameters, recompute);
    double optimizing = 0;
    const double all = seconds_of([&] {
      for (const PackedBatch& batch : batches) {
        const auto now = model.forward(batch, 1, true, true);
        model.backward(batch, std::vector<double>(now.logps.size(), -1e-3));
      }
      optimizing = seconds_of([&] {
        optimizer.clip();
        optimizer.step(1);
      });
    });
    of_optimizer = std::min(of_optimizer, optimizing);
    return all;
  }
};

int run(int argc, char** argv, const ResultFile& results) {
  const at::NoGradGuard no_grad;
  const auto number = [&](int i, int64_t otherwise) { return argc > i ? std::atoll(argv[i]) : otherwise; };
  const int64_t repeats = number(5, 3);
  ParameterSettings settings;
  settings.random_weights = true;
  Bench bench(Checkpoint::open(argv[1]), settings, number(2, 16), number(3, 96), number(4, 104),
              number(6, 8192));
  double plain = 1e30, own = 1e30, kept = 1e30, recomputed = 1e30, optimizing = 1e30;
  const double state = mib("RssAnon:");
  double above_kept = 0, above_recomputed = 0;
  std::vector<double> kept_runs, recomputed_runs;
  const auto update = [&](bool recompute, double& best, double& above) {
    std::ofstream("/proc/self/clear_refs") << "5";
    const double seconds = bench.update(recompute, optimizing);
    best = std::min(best, seconds);
    (recompute ? recomputed_runs : kept_runs).push_back(seconds);
    above = std::max(above, mib("VmHWM:") - mib("RssFile:") - state);
  };
  for (int64_t r = 0; r < repeats; ++r) {
    plain = std::min(plain, gemm_limit(bench.parameters, bench.rows, bench.answers, /*plain=*/true));
    own = std::min(own, gemm_limit(bench.parameters, bench.rows, bench.answers, /*plain=*/false));
    update(false, kept, above_kept);
    update(true, recomputed, above_recomputed);
  }
  const ModelConfig& c = bench.parameters.config();
  const auto matrices =
      static_cast<double>(bench.parameters.trained() - c.d_vocab * c.d_model * (c.tied_head ? 1 : 2));
  const double flops = 6 * (matrices * static_cast<double>(bench.rows) +
                            static_cast<double>(c.d_vocab * c.d_model * bench.answers));
  fmt::print("{} rows, {} of answers, {} micro-batches, {} threads\n", bench.rows, bench.answers,
             bench.batches.size(), at::get_num_threads());
  const auto line = [&](const char* what, double seconds, double above) {
    fmt::print(
        "{:<36} {:7.2f} s {:7.0f} GFLOP/s   {:5.2f} of the limit by at::matmul, {:5.2f} by our products",
        what, seconds, flops / seconds / 1e9, plain / seconds, own / seconds);
    if (above > 0) fmt::print("   {:5.0f} MiB above weights, gradients and moments", above);
    fmt::print("\n");
  };
  line("limit by at::matmul", plain, 0);
  line("limit by the products taken here", own, 0);
  line("update, everything kept", kept, above_kept);
  line("update, recomputed", recomputed, above_recomputed);
  fmt::print("{:<36} {:7.2f} s\n", "of it clipping and AdamW", optimizing);
  for (const bool recompute : {false, true}) {
    const std::string what = fmt::format("update, {}, {} packed rows, {}", shape_name(c), bench.rows,
                                         recompute ? "recomputed" : "everything kept");
    const double best = recompute ? recomputed : kept;
    results.add({"training",
                 what,
                 "s",
                 recompute ? recomputed_runs : kept_runs,
                 "at::matmul alone",
                 plain,
                 {best / plain}});
    results.add({"memory",
                 what + ", above weights, gradients and moments",
                 "MiB",
                 {recompute ? above_recomputed : above_kept},
                 "",
                 {},
                 {}});
  }
  return 0;
}

}  // namespace
}  // namespace circuitdiff

int main(int argc, char** argv) {
  circuitdiff::limit_product_code();
  const circuitdiff::ResultFile results(argc, argv);
  if (argc < 2) {
    fmt::print(
        stderr,
        "usage: train_bench MODEL [answers] [prompt] [answer] [repeats] [tokens_per_batch] [--json FILE]\n");
    return 2;
  }
  return circuitdiff::run(argc, argv, results);
}
