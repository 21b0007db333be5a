// Attribution on a GPU: samples a second, the share of the device's own peak, memory beside the weights, and
// where the time goes. The peak is a large product measured in the same run; operations are those of the
// forward pass and the input gradient, nothing that is computed twice.
//   gpu_bench MODEL [prompt=160] [answer=60] [chunks=1,4,16,32] [dtype=bfloat16] [--json FILE]
#include <ATen/DeviceAccelerator.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/randn.h>
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <sstream>

#include "attribute/contraction.h"
#include "attribute/forecast.h"
#include "attribute/layout.h"
#include "base/random.h"
#include "kernels/environment.h"
#include "kernels/fused.h"
#include "kernels/gpu/device_jobs.h"
#include "kernels/product.h"
#include "model/layer_stream.h"
#include "result_row.h"
#include "shape_name.h"

namespace circuitdiff {
namespace {

void wait_for(at::Device device) { at::empty({1}, at::TensorOptions().device(device)).fill_(0).item(); }

double seconds_of(at::Device device, int64_t repeats, const std::function<void()>& work) {
  wait_for(device);
  const auto start = std::chrono::steady_clock::now();
  for (int64_t r = 0; r < repeats; ++r) work();
  wait_for(device);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() /
         static_cast<double>(repeats);
}

double best_of(at::Device device, int64_t times, int64_t repeats, const std::function<void()>& work) {
  work();
  double best = 1e30;
  for (int64_t t = 0; t < times; ++t) best = std::min(best, seconds_of(device, repeats, work));
  return best;
}

double peak_rate(at::Device device, at::ScalarType dtype) {
  const auto options = at::TensorOptions().device(device).dtype(dtype);
  const int64_t n = dtype == at::kBFloat16 ? 8192 : 4096;
  const Tensor a = at::randn({n, n}, options), b = at::randn({n, n}, options);
  return 2.0 * static_cast<double>(n) * static_cast<double>(n * n) / best_of(device, 3, 10, [&] { a.mm(b); });
}

int64_t allocated(at::Device device, bool peak) {
  const auto stats = at::getDeviceAllocator(device.type())->getDeviceStats(device.index());
  const auto& bytes = stats.allocated_bytes[0];  // of all pools
  return peak ? bytes.peak : bytes.current;
}

std::vector<AttributionSample> random_samples(const Decoder& decoder, int64_t count, int64_t prompt,
                                              std::vector<int64_t> cuts) {
  Philox random(1);
  std::vector<AttributionSample> out;
  for (int64_t i = 0; i < count; ++i) {
    AttributionSample s{std::to_string(i), {}, prompt, cuts};
    for (int64_t t = 0; t < prompt + cuts.back(); ++t)
      s.tokens.push_back(static_cast<int64_t>(random.below(static_cast<uint64_t>(decoder.config().d_vocab))));
    out.push_back(s);
  }
  return out;
}

// Of the linear maps, forward and input gradient, and lm_head at the answer, for one sample at one cut.
double operations(const ModelConfig& c, int64_t prompt, int64_t answer) {
  const double layer =
      static_cast<double>(c.d_model) * static_cast<double>(c.d_head * (2 * c.n_heads + 2 * c.n_kv_heads)) +
      3.0 * static_cast<double>(c.d_model) * static_cast<double>(c.d_mlp);
  return 4.0 *
         (static_cast<double>(prompt + answer - 1) * layer * static_cast<double>(c.n_layers) +
          static_cast<double>(answer) * static_cast<double>(c.d_model) * static_cast<double>(c.d_vocab));
}

// "NVIDIA H200", as the driver says.
std::string device_name() {
  FILE* child = popen("nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null", "r");
  char line[128] = "";
  const bool is_read = child && std::fgets(line, sizeof line, child);
  if (child) pclose(child);
  return is_read ? std::string(line, std::string(line).find_last_not_of(" \n") + 1) : "a GPU";
}

// What all cases of a run have in common.
struct Run {
  double work = 0, peak = 0;  // operations of a sample; operations a second of the device
  int64_t prompt = 0, answer = 0;
  const ResultFile& results;
};

void report(const Decoder& decoder, const std::string& name, const std::vector<AttributionSample>& samples,
            const ChunkPlan& means, const Forecast& forecast, const Run& run) {
  const auto [work, peak, prompt, answer, results] = run;
  const at::Device device = decoder.device();
  const int64_t weights = means.read_ahead ? 0 : forecast.weight_bytes;
  const auto gib = [](int64_t bytes) { return static_cast<double>(bytes) / (1 << 30); };
  // The allocator's pieces and libtorch's own tables take some of what is there.
  const auto in_all =
      static_cast<int64_t>(at::getDeviceAllocator(device.type())->getMemoryInfo(device.index()).second);
  const int64_t there = in_all / 10 * 9;
  if (forecast.peak_bytes > there) {
    fmt::print("{:<44} not run: {:.2f} GiB with the weights, {:.2f} here\n", name, gib(forecast.peak_bytes),
               gib(there));
    return;
  }
  attribute_chunk(decoder, {}, samples, means);
  at::getDeviceAllocator(device.type())->resetPeakStats(device.index());
  const double best = best_of(device, 2, 1, [&] { attribute_chunk(decoder, {}, samples, means); });
  const int64_t above = allocated(device, true) - weights;
  const auto n = static_cast<double>(samples.size());
  fmt::print(
      "{:<44} {:8.4f} s {:8.2f} a second {:6.1f} TFLOP/s {:5.1f} % of peak {:7.2f} GiB (forecast {:.2f}, "
      "{:.3f} s)\n",
      name, best, n / best, n * work / best / 1e12, 100 * n * work / best / peak, gib(above),
      gib(forecast.peak_bytes - weights), forecast.seconds);
  std::fflush(stdout);
  const std::string what =
      fmt::format("{}, {} + {} tokens, {}", shape_name(decoder.config()), prompt, answer, name);
  const std::string device_words = device_name();
  results.add({"attribution-gpu",
               what,
               "samples a second",
               {n / best},
               "matrix product of 8192",
               {},
               {n * work / best / peak}},
              device_words);
  results.add({"memory",
               what + ", above the weights",
               "GiB",
               {gib(above)},
               "the forecast",
               gib(forecast.peak_bytes - weights),
               {static_cast<double>(above) / static_cast<double>(forecast.peak_bytes - weights)}},
              device_words);
}

void parts(const Decoder& decoder, const std::vector<AttributionSample>& samples) {
  const ModelConfig& c = decoder.config();
  const at::Device device = decoder.device();
  Layout layout = lay_out(samples);
  place_on(layout.packing, device);
  const int64_t rows = layout.packing.rows();
  const LayerWeights w = decoder.weights().layer(0);
  const RopeTable rope = packed_rope(c, layout.packing, decoder.options());
  const auto wide = decoder.options().dtype(at::kFloat);
  const Tensor x = at::randn({rows, c.d_model}, wide), g = at::randn({rows, c.d_model}, wide);
  const auto wide_rows = [&] { return at::randn({rows, c.d_mlp}, decoder.options()); };
  const Tensor gate = wide_rows(), up = wide_rows(), d = wide_rows();
  const Tensor dh = at::randn({rows, c.d_model}, decoder.options());
  const auto show = [&](const char* name, double bytes, double flops, const std::function<void()>& work) {
    const double s = best_of(device, 3, 20, work);
    fmt::print("  {:<34} {:8.1f} us", name, s * 1e6);
    if (bytes > 0) fmt::print("  {:6.2f} TB/s", bytes / s / 1e12);
    if (flops > 0) fmt::print("  {:6.1f} TFLOP/s", flops / s / 1e12);
    fmt::print("\n");
  };
  const double r = static_cast<double>(rows), dm = static_cast<double>(c.d_model),
               mlp = static_cast<double>(c.d_mlp), q = static_cast<double>(c.n_heads * c.d_head);
  fmt::print("parts of a layer, {} rows in {} sequences:\n", rows, layout.packing.sequences.size());
  show("product d_model -> d_mlp", 0, 2 * r * dm * mlp, [&] { linear_rows(dh, w.gate_proj); });
  show("its input gradient", 0, 2 * r * dm * mlp, [&] { linear_rows_backward(d, w.gate_proj); });
  show("product d_model -> d_model", 0, 2 * r * dm * q, [&] { linear_rows(dh, w.q_proj); });
  show("its input gradient", 0, 2 * r * dm * q, [&] { linear_rows_backward(dh, w.o_proj); });
  Tensor h, inverse, out;
  show("norm", r * dm * 6, 0, [&] { fused_norm(x, w.input_layernorm, 1e-5, h, inverse); });
  const Tensor into = at::empty_like(x);
  show("norm backward", r * dm * 10, 0,
       [&] { fused_norm_backward(x, inverse, w.input_layernorm, dh, into); });
  show("gated", r * mlp * 6, 0, [&] { fused_gated(gate, up, out); });
  const Tensor d_gate = at::empty_like(d), d_up = at::empty_like(d);
  show("gated backward", r * mlp * 10, 0, [&] { fused_gated_backward(gate, up, d, d_gate, d_up); });
  const Tensor heads = at::randn({rows, c.n_heads, c.d_head}, decoder.options());
  show("turn heads", r * q * 4, 0, [&] { fused_rotate(heads, rope.cos, rope.sin, false); });
  const Tensor stream = at::randn({rows, c.d_model}, decoder.options().dtype(at::kDouble));
  Tensor taken;
  show("stream", r * dm * 22, 0, [&] { device_add_to_stream(dh, stream, 1, taken); });
  Buffers buffers;
  const LayerCall layer{c, w, 0, rope, layout.packing, buffers};
  AttentionSaved saved;
  MlpSaved kept;
  const Tensor added = at::empty(x.sizes(), decoder.options());
  show("attention forward, whole", 0, 2 * r * dm * 4 * q, [&] { attention_forward(layer, x, saved, added); });
  show("attention backward, whole", 0, 2 * r * dm * 4 * q,
       [&] { attention_backward(layer, x, saved, g, /*apart=*/true); });
  show("MLP forward, whole", 0, 6 * r * dm * mlp, [&] { mlp_forward(layer, x, kept, /*keep=*/true, added); });
  show("MLP backward, whole", 0, 6 * r * dm * mlp, [&] {
    MlpSaved own = kept;
    mlp_backward(layer, x, own, g);
  });
  const Graph graph{c.n_layers, GraphKind::qkv, EdgeSet::all};
  const Tensor sources = at::randn({graph.n_forward(), rows, c.d_model}, decoder.options());
  Contraction contraction(layout, sources, graph, 1.0);
  const int64_t middle = c.n_layers / 2;
  show("contraction of the middle layer",
       static_cast<double>(graph.sources_before(graph.mlp_destination(middle))) * r * dm * 2, 0, [&] {
         contraction.add(graph.attention_destination(middle), {x, x, x, g});
       });
}

int run(int argc, char** argv, const ResultFile& results) {
  const at::NoGradGuard no_grad;
  const auto number = [&](int i, int64_t otherwise) { return argc > i ? std::atoll(argv[i]) : otherwise; };
  const int64_t prompt = number(2, 160), answer = number(3, 60);
  std::vector<int64_t> chunks;
  std::istringstream list(argc > 4 ? argv[4] : "1,4,16,32");
  for (std::string word; std::getline(list, word, ',');) chunks.push_back(std::atoll(word.c_str()));
  const auto checkpoint = Checkpoint::open(argv[1]);
  const at::Device device = resolve_device("cuda");
  const at::ScalarType dtype =
      resolve_dtype(parse_value<DtypeChoice>("dtype", argc > 5 ? argv[5] : "bfloat16"), device, *checkpoint);
  const double peak = peak_rate(device, dtype);
  fmt::print("peak, measured: {:.1f} TFLOP/s\n", peak / 1e12);
  const double rate = matmul_rate(device, dtype, checkpoint->config().d_model);
  const Run common{operations(checkpoint->config(), prompt, answer), peak, prompt, answer, results};
  const auto forecast_of = [&](const std::vector<AttributionSample>& samples, const MemoryChoice& means) {
    return forecast(*checkpoint, device, dtype, {}, {samples}, means, rate);
  };
  {
    const auto start = std::chrono::steady_clock::now();
    const Decoder decoder(checkpoint, device, dtype);
    wait_for(device);
    fmt::print("weights resident after {:.1f} s: {:.2f} GiB\n",
               std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
               static_cast<double>(allocated(device, false)) / (1 << 30));
    parts(decoder, random_samples(decoder, 16, prompt, {answer}));
    for (const int64_t n : chunks)
      for (const bool keep : {true, false}) {
        const auto samples = random_samples(decoder, n, prompt, {answer});
        report(decoder, fmt::format("{} packed, one cut, {}", n, keep ? "kept" : "recomputed"), samples,
               {keep, {}}, forecast_of(samples, {keep, true, false}), common);
      }
    const std::vector<int64_t> four{std::max<int64_t>(1, answer * 3 / 50), answer / 5, answer * 3 / 5,
                                    answer};
    const auto samples = random_samples(decoder, 16, prompt, four);
    report(decoder, "16 packed, four cuts, kept", samples, {true, {}},
           forecast_of(samples, {true, true, false}), common);
  }
  const Decoder streamed(checkpoint, device, dtype, /*resident=*/false);
  for (const int64_t n : {chunks.back(), 2 * chunks.back()}) {
    const auto samples = random_samples(streamed, n, prompt, {answer});
    report(streamed, fmt::format("{} packed, one cut, recomputed, streamed", n), samples, {false, {}, true},
           forecast_of(samples, {false, false, false}), common);
  }
  return 0;
}

}  // namespace
}  // namespace circuitdiff

int main(int argc, char** argv) {
  circuitdiff::limit_product_code();
  const circuitdiff::ResultFile results(argc, argv);
  if (argc < 2) {
    fmt::print(stderr, "usage: gpu_bench MODEL [prompt] [answer] [chunks] [dtype] [--json FILE]\n");
    return 2;
  }
  return circuitdiff::run(argc, argv, results);
}
