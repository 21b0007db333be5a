// Attention tile by tile, and its gradients, against the plain form over all keys with autograd in float64:
// sequences of one tile and of several, whole and their last queries alone.
#include "model/tiled_attention.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
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
#include <vector>

#include "base/error.h"
#include "support/plain_decoder.h"

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
  static AttentionPiece piece(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& out) {
    AttentionPiece p;
    p.q = q, p.k = k, p.v = v, p.out = out;
    return p;
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
    tiled_attention(config(), {piece(q, k, v, out)}, window());
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
  AttentionPiece all = piece(x[0], x[1], x[2], {});
  all.d_out = d, all.dq = found[0], all.dk = found[1], all.dv = found[2];
  tiled_attention_backward(config(), {all}, window());
  for (size_t i = 0; i < 3; ++i) expect_near(found[i], wide[i].grad());
}

// Of the loops alone: a library's products may be cut by threads.
TEST_P(TiledAttention, AreTheSameOnAnyNumberOfThreads) {
  if (!attention_by_jobs(config(), at::kCPU, type())) return;
  const Tensor q = random(pos(), heads()), k = random(pos(), kv_heads()), v = random(pos(), kv_heads()),
               d = random(pos(), heads());
  const auto results = [&] {
    const std::array<Tensor, 4> out{place_like(q), place_like(q), place_like(k), place_like(v)};
    AttentionPiece all = piece(q, k, v, out[0]);
    all.d_out = d, all.dq = out[1], all.dk = out[2], all.dv = out[3];
    tiled_attention(config(), {all}, window());
    tiled_attention_backward(config(), {all}, window());
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

// Pieces of different lengths, and pieces that share their keys, give what each gives alone.
TEST_P(TiledAttention, PiecesDoNotMeetEachOther) {
  const Tensor k = random(pos(), kv_heads()), v = random(pos(), kv_heads());
  std::vector<AttentionPiece> together, alone;
  const auto add = [&](int64_t queries, const Tensor& keys, const Tensor& values) {
    const Tensor q = random(queries, heads());
    for (std::vector<AttentionPiece>* to : {&together, &alone}) {
      AttentionPiece& p = to->emplace_back(piece(q, keys, values, place_like(q)));
      if (queries < keys.size(0)) continue;
      p.d_out = to == &together ? random(queries, heads()) : together.back().d_out;
      p.dq = place_like(q), p.dk = place_like(keys), p.dv = place_like(values);
    }
  };
  const auto longer = [&](const Tensor& t) { return at::cat({t, t.narrow(0, 0, (pos() + 1) / 2)}); };
  add(pos(), k, v);
  add(pos() + (pos() + 1) / 2, longer(k), longer(v));
  add(pos(), k, v);
  add((pos() + 1) / 2, k, v);
  const auto shorter = [&](const Tensor& t) { return t.narrow(0, 0, (pos() + 1) / 2); };
  add((pos() + 1) / 2, shorter(k), shorter(v));
  const auto whole = [](std::vector<AttentionPiece> pieces) {
    std::erase_if(pieces, [](const AttentionPiece& p) { return !p.dq.defined(); });
    return pieces;
  };
  const int threads = at::get_num_threads();
  at::set_num_threads(3);
  tiled_attention(config(), together, window());
  tiled_attention_backward(config(), whole(together), window());
  for (const AttentionPiece& p : alone) {
    tiled_attention(config(), {p}, window());
    tiled_attention_backward(config(), whole({p}), window());
  }
  at::set_num_threads(threads);
  for (size_t i = 0; i < alone.size(); ++i) {
    EXPECT_TRUE(together[i].out.equal(alone[i].out));
    if (!alone[i].dq.defined()) continue;
    EXPECT_TRUE(together[i].dq.equal(alone[i].dq));
    EXPECT_TRUE(together[i].dk.equal(alone[i].dk));
    EXPECT_TRUE(together[i].dv.equal(alone[i].dv));
  }
}

ModelConfig by_jobs() {
  ModelConfig c;
  c.n_heads = 4, c.n_kv_heads = 2, c.d_head = 16, c.attention_scale = 0.25;
  return c;
}

TEST(AttentionJobs, RefuseTensorsWithGaps) {
  AttentionPiece p;
  p.q = at::randn({20, 4, 16}), p.k = at::randn({20, 2, 16}), p.out = at::zeros_like(p.q);
  p.v = at::randn({2, 20, 16}).transpose(0, 1);
  EXPECT_THROW(tiled_attention(by_jobs(), {p}, /*window=*/0), Error);
  p.v = p.v.contiguous();
  EXPECT_NO_THROW(tiled_attention(by_jobs(), {p}, /*window=*/0));
}

// What is not a number shows in everything that comes of it, and in nothing of a tile before it.
TEST(AttentionJobs, DoNotHideWhatIsNotANumber) {
  constexpr int64_t kPos = 200, kBad = 150;
  for (const float bad : {NAN, INFINITY})
    for (size_t which = 0; which < 4; ++which) {
      AttentionPiece p;
      p.q = at::randn({kPos, 4, 16}), p.d_out = at::randn({kPos, 4, 16});
      p.k = at::randn({kPos, 2, 16}), p.v = at::randn({kPos, 2, 16});
      p.out = at::zeros_like(p.q), p.dq = at::zeros_like(p.q), p.dk = at::zeros_like(p.k),
      p.dv = at::zeros_like(p.k);
      std::array<Tensor*, 4>{&p.q, &p.k, &p.v, &p.d_out}[which]->select(0, kBad).fill_(bad);
      tiled_attention(by_jobs(), {p}, /*window=*/0);
      tiled_attention_backward(by_jobs(), {p}, /*window=*/0);
      const auto finite = [](const Tensor& t, int64_t row) {
        return std::isfinite(t.select(0, row).sum().item<double>());
      };
      if (which < 3) {
        EXPECT_FALSE(finite(p.out, kBad));
      }
      EXPECT_FALSE(finite(p.dq, kBad));
      EXPECT_FALSE(finite(p.dk, kBad));
      for (int64_t row = 0; row < 128; ++row) {
        EXPECT_TRUE(finite(p.out, row));
        EXPECT_TRUE(finite(p.dq, row));
      }
    }
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
