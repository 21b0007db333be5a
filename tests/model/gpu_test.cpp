// What a GPU computes by kernels of its own, beside the row jobs and loops of the CPU on the same numbers:
// both round once, so they lie within a unit of the last place. Skipped where there is no GPU.
#include "support/gpu.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>

#include <memory>

#include "kernels/fused.h"
#include "kernels/gpu/device_jobs.h"
#include "model/decoder.h"
#include "model/layer.h"
#include "model/layer_stream.h"
#include "support/temp_folder.h"
#include "support/tiny_checkpoint.h"

namespace circuitdiff {
namespace {

class Gpu : public testing::TestWithParam<at::ScalarType> {
 protected:
  void SetUp() override { CIRCUITDIFF_NEED_GPU(); }
  static Tensor random(at::IntArrayRef sizes) { return at::randn(sizes).to(GetParam()); }
  static Tensor there(const Tensor& t) { return t.to(at::kCUDA); }

  static void expect_close(const Tensor& found, const Tensor& expected) {
    ASSERT_EQ(found.sizes(), expected.sizes());
    ASSERT_EQ(found.scalar_type(), expected.scalar_type());
    const double unit = found.scalar_type() == at::kBFloat16 ? 1.0 / 128 : 1e-5;
    const Tensor a = found.to(at::kCPU, at::kDouble), b = expected.to(at::kDouble);
    EXPECT_LE(((a - b).abs() - b.abs() * unit).max().item<double>(), 2e-6);
  }

 private:
  at::NoGradGuard no_grad_;
};

TEST_P(Gpu, NormAndItsBackward) {
  for (const int64_t width : {8, 64, 4096, 4104}) {
    const Tensor x = at::randn({5, width}), weight = random({width}), grad = random({5, width});
    Tensor h, inverse, h_there, inverse_there;
    ASSERT_TRUE(fused_norm(x, weight, 1e-5, h, inverse));
    ASSERT_TRUE(fused_norm(there(x), there(weight), 1e-5, h_there, inverse_there));
    expect_close(h_there, h);
    expect_close(inverse_there, inverse);
    const Tensor out = at::empty_like(x), out_there = there(out);
    ASSERT_TRUE(fused_norm_backward(x, inverse, weight, grad, out));
    ASSERT_TRUE(fused_norm_backward(there(x), there(inverse), there(weight), there(grad), out_there));
    const Tensor off = out_there.to(at::kCPU) - out;
    EXPECT_LE(off.abs().max().item<double>(), 1e-4);
  }
}

TEST_P(Gpu, GatedAndItsBackward) {
  const Tensor gate = random({37, 704}) * 3, up = random({37, 704}), d = random({37, 704});
  Tensor out, out_there;
  ASSERT_TRUE(fused_gated(gate, up, out));
  ASSERT_TRUE(fused_gated(there(gate), there(up), out_there));
  expect_close(out_there, out);
  const Tensor d_gate = d.clone(), d_up = at::empty_like(d), d_gate_there = there(d), d_up_there = there(up);
  ASSERT_TRUE(fused_gated_backward(gate, up, d_gate, d_gate, d_up));
  ASSERT_TRUE(fused_gated_backward(there(gate), d_up_there, d_gate_there, d_gate_there, d_up_there));
  expect_close(d_up_there, d_up);
  const Tensor off = (d_gate_there.to(at::kCPU) - d_gate).abs() - d_gate.abs() / 64;
  EXPECT_LE(off.max().item<double>(), 1e-5);
}

TEST_P(Gpu, HeadsAreTurned) {
  const Tensor x = random({9, 3, 64}), cos = random({9, 64}), sin = random({9, 64});
  for (const bool backwards : {false, true}) {
    const Tensor here = x.clone(), on_gpu = there(x);
    ASSERT_TRUE(fused_rotate(here, cos, sin, backwards));
    ASSERT_TRUE(fused_rotate(on_gpu, there(cos), there(sin), backwards));
    const Tensor off = (on_gpu.to(at::kCPU).to(at::kDouble) - here.to(at::kDouble)).abs();
    EXPECT_LE(off.max().item<double>(), GetParam() == at::kBFloat16 ? 0.04 : 1e-5);
  }
}

TEST_P(Gpu, TheStreamTakesASourceAndGivesItBack) {
  const Tensor source = random({7, 24}), stream = at::randn({7, 24}).to(at::kDouble);
  const Tensor source_there = there(source), stream_there = there(stream);
  Tensor x;
  ASSERT_TRUE(device_add_to_stream(source_there, stream_there, 1, x));
  const Tensor expected = stream + source.to(at::kDouble);
  EXPECT_TRUE(stream_there.to(at::kCPU).equal(expected));
  EXPECT_TRUE(x.to(at::kCPU).equal(expected.to(at::kFloat)));
  ASSERT_TRUE(device_add_to_stream(source_there, stream_there, -1, x));
  EXPECT_TRUE(stream_there.to(at::kCPU).equal(expected - source.to(at::kDouble)));
}

// One norm's three gradients at once, and what is carried on, beside one at a time.
TEST_P(Gpu, GradientsMeetTheirSources) {
  const int64_t n = 71, d = 40, kStretch = 256;
  const std::vector<std::array<int64_t, 3>> prefixes{
      {0, 0, 50}, {0, 50, 11}, {50, 61, 23}};  // rows: source, gradient
  const Tensor sources = random({n, 73, d}), there_sources = there(sources);
  std::vector<int64_t> stretches, first_stretch{0};
  for (const auto& [source, gradient, rows] : prefixes) {
    for (int64_t at = 0; at < rows * d; at += kStretch)
      stretches.insert(stretches.end(),
                       {source * d + at, gradient * d + at, std::min(kStretch, rows * d - at)});
    first_stretch.push_back(static_cast<int64_t>(stretches.size()) / 3);
  }
  const auto on_gpu = [](std::vector<int64_t> v, at::IntArrayRef sizes) {
    return at::from_blob(v.data(), sizes, at::kLong).to(at::kCUDA);
  };
  for (size_t m = 1; m <= 4; ++m)
    for (const int64_t from : {int64_t{0}, int64_t{5}}) {
      std::vector<Tensor> gradients, there_gradients;
      std::vector<int64_t> before;
      for (size_t j = 0; j < m; ++j) {
        gradients.push_back(at::randn({84, d}));
        there_gradients.push_back(there(gradients.back()));
        before.push_back(n - from - 3 * static_cast<int64_t>(j));
      }
      const Tensor start = at::randn({3, n, 9});
      const DeviceContraction job{there_sources.narrow(0, from, n - from),
                                  on_gpu(stretches, {first_stretch.back(), 3}),
                                  on_gpu(first_stretch, {4}),
                                  there(start),
                                  from,
                                  /*first=*/2,
                                  /*weight=*/0.5};
      ASSERT_TRUE(device_contract(job, there_gradients, before));
      Tensor expected = start.to(at::kDouble);
      for (int64_t p = 0; p < 3; ++p)
        for (size_t j = 0; j < m; ++j)
          for (int64_t s = 0; s < before[j]; ++s) {
            const auto& [source, gradient, rows] = prefixes[static_cast<size_t>(p)];
            const Tensor o = sources[from + s].narrow(0, source, rows).to(at::kDouble),
                         g = gradients[j].narrow(0, gradient, rows).to(at::kDouble);
            expected[p][from + s][2 + static_cast<int64_t>(j)].sub_((o * g).sum().mul_(0.5));
          }
      const Tensor off = (job.totals.to(at::kCPU, at::kDouble) - expected).abs();
      EXPECT_LE(off.max().item<double>(), 1e-4) << m << " destinations from source " << from;
    }
}

INSTANTIATE_TEST_SUITE_P(Types, Gpu, testing::Values(at::kFloat, at::kBFloat16));

// A small model with heads that the fused kernels know. Without a GPU nothing is written.
class GpuAttention : public testing::Test {
 protected:
  void SetUp() override {
    CIRCUITDIFF_NEED_GPU();
    TinyModel model;
    model.d_model = 256, model.n_heads = 4, model.n_kv_heads = 2, model.d_head = 64, model.d_mlp = 320;
    write_tiny_checkpoint(folder_.path(), model);
    checkpoint_ = Checkpoint::open(folder_.path());
  }
  Decoder decoder_in(at::ScalarType type) const { return {checkpoint_, resolve_device("cuda"), type}; }

 private:
  at::NoGradGuard no_grad_;
  TemporaryFolder folder_;
  std::shared_ptr<const Checkpoint> checkpoint_;
};

// Grouped heads, a window, several cuts of a sequence: fused attention and the loops, both on the GPU, beside
// float64.
TEST_F(GpuAttention, FusedIsAsExactAsTheLoops) {
  Packing loops;
  loops.sequences = {{0, 70}, {70, 33}};
  loops.prefixes = {{0, 70, 0}, {70, 20, 0}, {90, 33, 1}};
  Packing fused = loops;
  place_on(fused, resolve_device("cuda"));
  const Tensor x = at::randn({103, 256}), grad = at::randn({123, 256});
  struct Result {
    Tensor forward, backward;
    double off(const Result& from, int64_t branch) const {
      const auto part = [&](const Result& r) { return branch < 0 ? r.forward : r.backward[branch]; };
      return (part(*this) - part(from)).norm().item<double>() / part(from).norm().item<double>();
    }
  };
  const auto run = [&](at::ScalarType type, const Packing& packing, int64_t window) {
    const Decoder decoder = decoder_in(type);
    const ModelConfig& config = decoder.config();
    const LayerWeights w = decoder.weights().layer(0);
    const RopeTable rope = packed_rope(config, packing, decoder.options());
    const auto there = decoder.options().dtype(type == at::kDouble ? at::kDouble : at::kFloat);
    Buffers buffers;
    const LayerCall layer{config, w, window, rope, packing, buffers};
    AttentionSaved saved;
    Result out;
    const Tensor stream = x.to(there), carried = grad.to(there),
                 added = at::empty(x.sizes(), decoder.options());
    attention_forward(layer, stream, saved, added);
    out.forward = added.to(at::kDouble);
    EXPECT_EQ(can_flash(config, saved.q, packing.flash_sequences),
              type == at::kBFloat16 && packing.flash_sequences.starts.defined());
    out.backward = attention_backward(layer, stream, saved, carried, /*apart=*/true).to(at::kDouble);
    return out;
  };
  for (const int64_t window : {int64_t{0}, int64_t{16}}) {
    const Result exact = run(at::kDouble, loops, window), plain = run(at::kBFloat16, loops, window),
                 found = run(at::kBFloat16, fused, window), again = run(at::kBFloat16, fused, window);
    for (int64_t branch = -1; branch < 3; ++branch)
      EXPECT_LE(found.off(exact, branch), 1.5 * plain.off(exact, branch))
          << "branch " << branch << " window " << window;
    EXPECT_TRUE(again.backward.equal(found.backward));
  }
}

// The gradient of the stream that a branch hands on, and with it those of its inputs: also where cuts share a
// sequence's rows.
TEST_F(GpuAttention, CarriesTheGradientOn) {
  for (const at::ScalarType type : {at::kDouble, at::kFloat, at::kBFloat16})
    for (const bool cuts : {false, true}) {
      const Decoder decoder = decoder_in(type);
      const ModelConfig& config = decoder.config();
      Packing packing;
      packing.sequences = {{0, 70}, {70, 33}};
      packing.prefixes = {{0, 70, 0}, {70, 33, 1}};
      if (cuts) packing.prefixes = {{0, 70, 0}, {70, 20, 0}, {90, 33, 1}};
      place_on(packing, decoder.device());
      const LayerWeights w = decoder.weights().layer(0);
      const RopeTable rope = packed_rope(config, packing, decoder.options());
      const Tensor x = at::randn({103, 256},
                                 decoder.options().dtype(type == at::kDouble ? at::kDouble : at::kFloat)),
                   grad = at::randn({packing.gradient_rows(), 256}, x.options());
      Buffers buffers;
      const LayerCall layer{config, w, 0, rope, packing, buffers};
      AttentionSaved attention;
      MlpSaved mlp;
      const Tensor added = at::empty(x.sizes(), decoder.options());
      attention_forward(layer, x, attention, added);
      mlp_forward(layer, x, mlp, /*keep=*/true, added);
      const auto close = [](const Tensor& a, const Tensor& b) {
        return (a - b).abs().max().item<double>() <= 1e-5 * b.abs().max().item<double>();
      };
      const Tensor carried = grad.clone(),
                   of_branches = attention_backward(layer, x, attention, carried, true);
      EXPECT_TRUE(close(carried, grad + of_branches.sum(0)));
      const Tensor before = carried.clone(), of_mlp = mlp_backward(layer, x, mlp, carried);
      EXPECT_TRUE(close(carried, before + of_mlp));
    }
}

// A sequence of one token, which the fused kernel lays out otherwise.
TEST_F(GpuAttention, OneTokenAlone) {
  const Decoder decoder = decoder_in(at::kBFloat16);
  Packing loops;
  loops.sequences = {{0, 1}, {1, 1}};
  loops.prefixes = {{0, 1, 0}, {1, 1, 1}};
  Packing placed = loops;
  place_on(placed, decoder.device());
  const LayerWeights w = decoder.weights().layer(0);
  const RopeTable rope = packed_rope(decoder.config(), loops, decoder.options());
  const Tensor x = at::randn({2, 256}, decoder.options().dtype(at::kFloat));
  const auto run = [&](const Packing& packing) {
    Buffers buffers;
    const LayerCall layer{decoder.config(), w, 0, rope, packing, buffers};
    AttentionSaved saved;
    const Tensor added = at::empty(x.sizes(), decoder.options());
    attention_forward(layer, x, saved, added);
    return std::pair{added, attention_backward(layer, x, saved, x.clone(), /*apart=*/true)};
  };
  const auto by_loops = run(loops), by_fused = run(placed);
  EXPECT_TRUE(by_loops.first.equal(by_fused.first));
  EXPECT_TRUE(by_loops.second.equal(by_fused.second));
}

TEST(GpuLayers, StreamedAreTheResidentOnesWhileTheGpuIsBehind) {
  CIRCUITDIFF_NEED_GPU();
  const at::NoGradGuard no_grad;
  const TemporaryFolder folder;
  TinyModel model;
  model.n_layers = 5, model.d_model = 512, model.n_heads = 8, model.n_kv_heads = 8, model.d_head = 64;
  model.d_mlp = 4096;
  write_tiny_checkpoint(folder.path(), model);
  const auto checkpoint = Checkpoint::open(folder.path());
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const Weights resident(checkpoint, resolve_device("cuda"), dtype, true),
        streamed(checkpoint, resolve_device("cuda"), dtype, false);
    // Work that reads a layer long after the host has asked for the next ones: were a layer overwritten too
    // early or read before it has come, the result would be another. Nothing is fetched until the end.
    const auto work = [](const LayerWeights& w) {
      const Tensor start = at::ones({512, 512}, w.q_proj.options()).mul_(1e-3);
      Tensor x = start;
      for (int i = 0; i < 40; ++i) x = x.mm(w.q_proj).mul_(0.05).add_(start);
      return at::cat({x.flatten(), w.gate_proj.sum(0), w.down_proj.sum(1), w.input_layernorm});
    };
    std::vector<int64_t> order{0, 1, 2, 3, 4, 4, 3, 2, 1, 0, 3, 1};
    std::vector<Tensor> found;
    {
      LayerStream layers(streamed, /*ahead=*/true);
      for (size_t i = 0; i < order.size(); ++i)
        // The last ones come otherwise than was said.
        found.push_back(work(layers.layer(order[i], i + 1 < 10 ? order[i + 1] : 4)));
    }
    for (size_t i = 0; i < order.size(); ++i)
      EXPECT_TRUE(found[i].equal(work(resident.layer(order[i])))) << dtype << " step " << i;
  }
}

}  // namespace
}  // namespace circuitdiff
