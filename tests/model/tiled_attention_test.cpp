// Attention tile by tile, and its gradients, against the plain form over all keys with autograd in float64:
// sequences of one tile and of several, whole and their last queries alone.
#include "model/tiled_attention.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <tuple>

#include "model/attention_jobs.h"
#include "model/layers.h"

namespace circuitdiff {
namespace {

using Case = std::tuple<int64_t /*pos*/, int64_t /*window*/, double /*softcap*/, at::ScalarType,
                        int64_t /*kv heads*/, int64_t /*d_head*/>;

class TiledAttention : public testing::TestWithParam<Case> {
 protected:
  static constexpr int64_t kGroup = 4;

  static ModelConfig config() {
    ModelConfig c;
    c.n_heads = heads(), c.n_kv_heads = kv_heads(), c.d_head = d_head();
    c.attention_scale = 0.4;
    c.attention_softcap = std::get<2>(GetParam());
    return c;
  }
  static int64_t pos() { return std::get<0>(GetParam()); }
  static int64_t window() { return std::get<1>(GetParam()); }
  static int64_t kv_heads() { return std::get<4>(GetParam()); }
  static int64_t d_head() { return std::get<5>(GetParam()); }
  static int64_t heads() { return kGroup * kv_heads(); }
  static at::ScalarType type() { return std::get<3>(GetParam()); }

  // Numbers that the type holds.
  static Tensor random(int64_t n, int64_t heads) { return at::randn({n, heads, d_head()}).to(type()); }
  // A place whose every entry must be written.
  static Tensor place_like(const Tensor& t) {
    return at::full_like(t, std::numeric_limits<double>::quiet_NaN());
  }
  static Tensor plain(const Tensor& q, const Tensor& k, const Tensor& v) {
    return grouped_attention(config(), q.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0), window()).view_as(q);
  }
  static void expect_near(const Tensor& found, const Tensor& expected) {
    // Seen: 6e-15, 7e-7 and 1.1e-2, where weights and results are rounded to 8 bits.
    const double unit = type() == at::kDouble ? 1e-12 : type() == at::kFloat ? 1e-5 : 2e-2;
    const double largest = std::max(1.0, expected.abs().max().item<double>());
    EXPECT_LT((found.to(at::kDouble) - expected).abs().max().item<double>(), unit * largest);
  }
};

TEST_P(TiledAttention, IsThePlainForm) {
  const Tensor k = random(pos(), kv_heads()), v = random(pos(), kv_heads());
  for (const int64_t queries : {pos(), (pos() + 1) / 2, int64_t{1}}) {
    const Tensor q = random(queries, heads()), out = place_like(q);
    tiled_attention(config(), q, k, v, window(), out);
    expect_near(out, plain(q.to(at::kDouble), k.to(at::kDouble), v.to(at::kDouble)));
  }
}

TEST_P(TiledAttention, GradientsAreAutograds) {
  const std::array<Tensor, 3> x{random(pos(), heads()), random(pos(), kv_heads()), random(pos(), kv_heads())};
  const Tensor d = random(pos(), heads());
  std::array<Tensor, 3> wide, found;
  for (size_t i = 0; i < 3; ++i) {
    wide[i] = x[i].to(at::kDouble).set_requires_grad(true);
    found[i] = place_like(x[i]);
  }
  (plain(wide[0], wide[1], wide[2]) * d.to(at::kDouble)).sum().backward();
  tiled_attention_backward(config(), x[0], x[1], x[2], d, window(), found[0], found[1], found[2]);
  for (size_t i = 0; i < 3; ++i) expect_near(found[i], wide[i].grad());
}

TEST_P(TiledAttention, AreTheSameOnAnyNumberOfThreads) {
  const Tensor q = random(pos(), heads()), k = random(pos(), kv_heads()), v = random(pos(), kv_heads()),
               d = random(pos(), heads());
  const auto results = [&] {
    const std::array<Tensor, 4> out{place_like(q), place_like(q), place_like(k), place_like(v)};
    tiled_attention(config(), q, k, v, window(), out[0]);
    tiled_attention_backward(config(), q, k, v, d, window(), out[1], out[2], out[3]);
    return out;
  };
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto one = results();
  at::set_num_threads(3);
  const auto three = results();
  at::set_num_threads(threads);
  for (size_t i = 0; i < 4; ++i) EXPECT_TRUE(one[i].equal(three[i]));
}

// Every instruction set that this processor has gives what the plainest does, but for rounding.
TEST(AttentionJobs, AreThoseOfEveryInstructionSet) {
  constexpr int64_t kPos = 70, kDim = 48, kGroup = 3, kWidth = 96;
  const Tensor k = at::randn({kPos, kDim}), v = at::randn({kPos, kDim}), q = at::randn({kGroup, kPos, kDim}),
               d = at::randn({kGroup, kPos, kDim});
  const auto in_panels = [&](const Tensor& t) {
    const Tensor whole = at::zeros({kWidth, kDim});
    whole.narrow(0, 0, kPos).copy_(t);
    return whole.view({kWidth / kPanel, kPanel, kDim}).transpose(1, 2).contiguous();
  };
  const Tensor k_panels = in_panels(k), v_panels = in_panels(v);
  const auto results = [&](void (*run)(const AttentionJob&, int64_t, int64_t)) {
    std::array<Tensor, 4> out{at::zeros_like(q), at::zeros_like(q), at::zeros_like(k), at::zeros_like(k)};
    const Tensor weights = at::full({kGroup, kPos, kWidth}, NAN), d_scores = at::full_like(weights, NAN);
    AttentionJob job;
    job.d_head = kDim, job.group = kGroup, job.queries = kPos, job.to = kPos, job.width = kWidth;
    job.k = k.const_data_ptr<float>(), job.v = v.const_data_ptr<float>();
    job.k_panels = k_panels.const_data_ptr<float>(), job.v_panels = v_panels.const_data_ptr<float>();
    job.q = q.const_data_ptr<float>(), job.d_out = d.const_data_ptr<float>();
    job.weights = weights.mutable_data_ptr<float>(), job.d_scores = d_scores.mutable_data_ptr<float>();
    job.dk = out[2].mutable_data_ptr<float>(), job.dv = out[3].mutable_data_ptr<float>();
    job.scale = 0.3F;
    const int64_t units = kGroup * ((kPos + kQueriesTogether - 1) / kQueriesTogether);
    job.out = out[0].mutable_data_ptr<float>();
    run(job, 0, units);
    job.step = AttentionStep::backward, job.out = out[1].mutable_data_ptr<float>();
    run(job, 0, units);
    job.step = AttentionStep::keys;
    run(job, 0, (kPos + kKeysTogether - 1) / kKeysTogether);
    return out;
  };
  const auto expected = results(attention_job_baseline);
  EXPECT_GT(expected[2].abs().max().item<double>(), 0.1);
  const auto compare = [&](void (*run)(const AttentionJob&, int64_t, int64_t)) {
    const auto found = results(run);
    for (size_t i = 0; i < 4; ++i) EXPECT_LT((found[i] - expected[i]).abs().max().item<double>(), 2e-5);
  };
  compare(run_attention_job);
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) compare(attention_job_avx2);
#endif
}

TEST(AttentionTiles, TakeTwoKeyHeadsOfThreeWhereTheTestsSaySo) {
  ModelConfig c;
  c.n_heads = 12, c.n_kv_heads = 3, c.d_head = 8;
  EXPECT_EQ(attention_tile(c, 700, 700, at::kCPU).kv_heads, 2);
}

TEST(AttentionTiles, AreSmallWhereTheSequenceIsLong) {
  ModelConfig c;
  c.n_heads = 14, c.n_kv_heads = 2, c.d_head = 64;
  const AttentionTile tile = attention_tile(c, 4000, 4000, at::kCPU);
  EXPECT_EQ(tile.kv_heads, 1);
  EXPECT_LE(tile.queries, 64);
  EXPECT_GE(tile.queries, 16);
  const AttentionTile short_one = attention_tile(c, 20, 20, at::kCPU);
  EXPECT_EQ(short_one.kv_heads, 2);
  EXPECT_EQ(short_one.queries, 20);
}

std::string name_of(const testing::TestParamInfo<Case>& info) {
  const auto& [pos, window, cap, type, kv_heads, d_head] = info.param;
  const std::string type_name = type == at::kDouble ? "float64" : type == at::kFloat ? "float32" : "bfloat16";
  return std::to_string(pos) + "_window" + std::to_string(window) + (cap > 0 ? "_capped_" : "_") +
         std::to_string(d_head) + "_" + std::to_string(kv_heads) + "_" + type_name;
}

INSTANTIATE_TEST_SUITE_P(Shapes, TiledAttention,
                         testing::Combine(testing::Values(1, 5, 64, 65, 200), testing::Values(0, 3, 70),
                                          testing::Values(0.0, 2.0),
                                          testing::Values(at::kDouble, at::kFloat, at::kBFloat16),
                                          testing::Values(2), testing::Values(8)),
                         name_of);
// By jobs where the processor's floats are multiplied, in heads of one vector of columns and of several.
INSTANTIATE_TEST_SUITE_P(WideHeads, TiledAttention,
                         testing::Combine(testing::Values(1, 5, 31, 32, 33, 64, 65, 200, 411),
                                          testing::Values(0, 1, 3, 40, 70), testing::Values(0.0),
                                          testing::Values(at::kFloat), testing::Values(1, 3),
                                          testing::Values(16, 80)),
                         name_of);
// Two key heads at once, and one that is left over.
INSTANTIATE_TEST_SUITE_P(HeadsInGroups, TiledAttention,
                         testing::Values(Case{700, 0, 0.0, at::kFloat, 3, 8},
                                         Case{700, 70, 2.0, at::kDouble, 3, 8},
                                         Case{700, 0, 0.0, at::kBFloat16, 3, 8}),
                         name_of);

}  // namespace
}  // namespace circuitdiff
