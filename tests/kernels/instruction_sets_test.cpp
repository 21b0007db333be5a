// The loops of every instruction set that this processor has, against plain ones in float64.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <random>
#include <string_view>
#include <type_traits>
#include <vector>

#include "kernels/attention_jobs.h"
#include "kernels/row_loops.h"

namespace circuitdiff {
namespace {

constexpr int64_t kRows = 5, kWidth = 71;  // no whole number of vectors

std::vector<float> random_numbers(int64_t n, unsigned seed, double deviation = 1) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal(0, deviation);
  std::vector<float> out;
  for (int64_t i = 0; i < n; ++i) out.push_back(static_cast<float>(normal(generator)));
  return out;
}

template <class E>
E as(float x) {
  if constexpr (std::is_same_v<E, float>)
    return x;
  else
    return {static_cast<uint16_t>(std::bit_cast<uint32_t>(x) >> 16)};
}
double value(float x) { return x; }
double value(Bf16 x) { return std::bit_cast<float>(static_cast<uint32_t>(x.bits) << 16); }

template <class E>
std::vector<E> random_row_numbers(int64_t n, unsigned seed, double deviation = 1) {
  std::vector<E> out;
  for (const float x : random_numbers(n, seed, deviation)) out.push_back(as<E>(x));
  return out;
}

std::vector<InstructionSet> sets() {
  std::vector<InstructionSet> out;
  for (const InstructionSet set : {InstructionSet::baseline, InstructionSet::avx2, InstructionSet::avx512})
    if (has(set)) out.push_back(set);
  return out;
}

template <class E>
class RowLoops : public testing::Test {
 protected:
  // Of results of about 1: rounding to 24 bits a few times, or to 8 once.
  static constexpr double kNear = std::is_same_v<E, float> ? 2e-6 : 8e-3;
  static void expect_near(double found, double expected) {
    EXPECT_NEAR(found, expected, kNear * std::max(1.0, std::abs(expected)));
  }
};
using Types = testing::Types<float, Bf16>;
TYPED_TEST_SUITE(RowLoops, Types);

TYPED_TEST(RowLoops, RmsNormAndItsBackward) {
  using E = TypeParam;
  const auto x = random_numbers(kRows * kWidth, 1);
  const auto weight = random_row_numbers<E>(kWidth, 2), d = random_row_numbers<E>(kRows * kWidth, 3);
  for (const InstructionSet set : sets()) {
    std::vector<E> h(x.size());
    std::vector<float> inverse(kRows), out(x.size()), total(x.size(), 1.0F);
    row_kernels<E>(set).rms_norm({x.data(), weight.data(), h.data(), inverse.data(), kWidth, 0.25F}, 0,
                                 kRows);
    row_kernels<E>(set).rms_norm_backward(
        {x.data(), inverse.data(), weight.data(), d.data(), out.data(), total.data(), kWidth}, 0, kRows);
    for (int64_t row = 0; row < kRows; ++row) {
      double square = 0, along = 0;
      const auto at = [&](int64_t i) { return static_cast<size_t>(row * kWidth + i); };
      const auto w = [&](int64_t i) { return value(weight[static_cast<size_t>(i)]); };
      for (int64_t i = 0; i < kWidth; ++i) square += value(x[at(i)]) * value(x[at(i)]) / kWidth;
      const double r = 1 / std::sqrt(square + 0.25);
      for (int64_t i = 0; i < kWidth; ++i) along += value(x[at(i)]) * value(d[at(i)]) * w(i) / kWidth;
      for (int64_t i = 0; i < kWidth; ++i) {
        const double back = r * (value(d[at(i)]) * w(i) - value(x[at(i)]) * r * r * along);
        this->expect_near(value(h[at(i)]), r * value(x[at(i)]) * w(i));
        EXPECT_NEAR(out[at(i)], back, 2e-6);
        EXPECT_NEAR(total[at(i)], 1 + back, 2e-6);
      }
    }
  }
}

TYPED_TEST(RowLoops, SwigluAndItsBackward) {
  using E = TypeParam;
  auto gate = random_row_numbers<E>(kRows * kWidth, 4, 30);
  gate[0] = as<E>(-200.0F), gate[1] = as<E>(200.0F);  // whose exponentials are beyond float32
  const auto up = random_row_numbers<E>(kRows * kWidth, 5), d = random_row_numbers<E>(kRows * kWidth, 6);
  for (const InstructionSet set : sets()) {
    std::vector<E> out(gate.size()), d_gate(gate.size()), d_up(gate.size());
    row_kernels<E>(set).swiglu({gate.data(), up.data(), out.data(), kWidth, kWidth, kWidth}, 0, kRows);
    row_kernels<E>(set).swiglu_backward(
        {gate.data(), up.data(), d.data(), d_gate.data(), d_up.data(), kWidth, kWidth, kWidth}, 0, kRows);
    for (size_t i = 0; i < gate.size(); ++i) {
      const double g = value(gate[i]), s = 1 / (1 + std::exp(-g));
      this->expect_near(value(out[i]), g * s * value(up[i]));
      this->expect_near(value(d_up[i]), g * s * value(d[i]));
      this->expect_near(value(d_gate[i]), value(d[i]) * value(up[i]) * s * (1 + g * (1 - s)));
    }
  }
}

TYPED_TEST(RowLoops, RopeThereAndBack) {
  using E = TypeParam;
  constexpr int64_t kHeads = 3, kHead = 22;
  std::vector<E> cos, sin;
  for (int64_t i = 0; i < kRows * kHead; ++i) {
    const auto angle = static_cast<double>(i / kHead + 1) / static_cast<double>(i % (kHead / 2) + 1);
    cos.push_back(as<E>(static_cast<float>(std::cos(angle))));
    sin.push_back(as<E>(static_cast<float>(std::sin(angle))));
  }
  const auto before = random_row_numbers<E>(kRows * kHeads * kHead, 7);
  for (const InstructionSet set : sets()) {
    auto x = before;
    RopeRows<E> args{cos.data(), sin.data(), x.data(), kHeads, kHead, kHeads * kHead, /*inverse=*/false};
    row_kernels<E>(set).rope(args, 0, kRows);
    for (int64_t row = 0; row < kRows; ++row) {
      const auto a = static_cast<size_t>(row * kHeads * kHead), b = a + kHead / 2;
      const auto angle = static_cast<size_t>(row * kHead);
      this->expect_near(value(x[a]),
                        value(before[a]) * value(cos[angle]) - value(before[b]) * value(sin[angle]));
      this->expect_near(value(x[b]),
                        value(before[b]) * value(cos[angle]) + value(before[a]) * value(sin[angle]));
    }
    args.inverse = true;
    row_kernels<E>(set).rope(args, 0, kRows);
    for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(value(x[i]), value(before[i]), 5 * this->kNear);
  }
}

TYPED_TEST(RowLoops, AddToStreamAndInnerProducts) {
  using E = TypeParam;
  const auto source = random_row_numbers<E>(kRows * kWidth, 8);
  const auto v = random_numbers(4 * kWidth, 9);
  for (const InstructionSet set : sets()) {
    std::vector<double> stream(source.size(), 0.125);
    std::vector<float> x(source.size());
    row_kernels<E>(set).add_to_stream({source.data(), stream.data(), x.data(), kWidth, -1}, 0, kRows);
    for (size_t i = 0; i < source.size(); ++i) {
      EXPECT_EQ(stream[i], 0.125 - value(source[i]));
      EXPECT_EQ(x[i], static_cast<float>(stream[i]));
    }
    for (int64_t n = 1; n <= 4; ++n) {
      std::vector<float> out(static_cast<size_t>(kRows * n));
      InnerProductRows<E> args{source.data(), {}, out.data(), n, kWidth, kWidth};
      for (int64_t k = 0; k < n; ++k) args.vectors[k] = v.data() + k * kWidth;
      row_kernels<E>(set).inner_products(args, 0, kRows);
      for (int64_t row = 0; row < kRows; ++row)
        for (int64_t k = 0; k < n; ++k) {
          double sum = 0;
          for (int64_t i = 0; i < kWidth; ++i)
            sum += value(source[static_cast<size_t>(row * kWidth + i)]) *
                   value(v[static_cast<size_t>(k * kWidth + i)]);
          EXPECT_NEAR(out[static_cast<size_t>(row * n + k)], sum, 2e-5);
        }
    }
  }
}

TEST(Exponentials, GoOnFromWhatWasSummed) {
  const auto z = random_numbers(kRows * kWidth, 10, 20);
  for (const InstructionSet set : sets()) {
    auto e = z;
    std::vector<float> largest(kRows, 3.0F), sum(kRows, 2.0F), shrink(kRows);
    row_kernels<float>(set).exponentials({e.data(), largest.data(), sum.data(), shrink.data(), kWidth}, 0,
                                         kRows);
    for (int64_t row = 0; row < kRows; ++row) {
      const auto at = static_cast<size_t>(row);
      const float* begin = z.data() + row * kWidth;
      const double m = std::max<double>(3, *std::max_element(begin, begin + kWidth));
      double total = 2 * std::exp(3 - m);
      for (int64_t i = 0; i < kWidth; ++i) {
        total += std::exp(begin[i] - m);
        EXPECT_NEAR(e[static_cast<size_t>(row * kWidth + i)], std::exp(begin[i] - m), 3e-7);
      }
      EXPECT_EQ(largest[at], static_cast<float>(m));
      EXPECT_NEAR(sum[at], total, 1e-6 * total);
      EXPECT_NEAR(shrink[at], std::exp(3 - m), 3e-7);
    }
  }
}

// Every instruction set gives what the plainest does, but for rounding; no place in the room is read before
// it is written.
TEST(AttentionJobs, AreThoseOfEveryInstructionSet) {
  constexpr int64_t kPos = 170, kDim = 48;
  const auto k = random_numbers(kPos * kDim, 11), v = random_numbers(kPos * kDim, 12),
             q = random_numbers(kPos * kDim, 13), d = random_numbers(kPos * kDim, 14);
  const auto results = [&](InstructionSet set, int64_t window) {
    std::array<std::vector<float>, 4> out;
    for (auto& t : out) t.assign(q.size(), NAN);
    AttentionJob job;
    job.d_head = kDim, job.queries = job.keys = job.end = kPos, job.query_step = job.key_step = kDim;
    job.k = k.data(), job.v = v.data(), job.q = q.data(), job.d_out = d.data();
    job.dk = out[2].data(), job.dv = out[3].data();
    job.scale = 0.3F, job.window = window;
    std::vector<float> room;
    for (const bool backward : {false, true}) {
      room.assign(static_cast<size_t>(attention_room(kPos, kDim, backward)), NAN);
      job.with_backward = backward, job.room = room.data(), job.out = out[backward ? 1 : 0].data();
      for (const AttentionStep step :
           {AttentionStep::hold_keys, backward ? AttentionStep::backward : AttentionStep::forward}) {
        job.step = step;
        run_attention_job(job, set);
      }
    }
    job.step = AttentionStep::add_keys;
    for (const bool first : {true, false}) {  // twice what one head gives
      job.first_of_group = first;
      run_attention_job(job, set);
    }
    return out;
  };
  for (const int64_t window : {int64_t{0}, int64_t{37}}) {
    const auto expected = results(InstructionSet::baseline, window);
    EXPECT_GT(std::abs(expected[2][kDim]), 1e-4);
    for (const InstructionSet set : sets()) {
      const auto found = results(set, window);
      for (size_t i = 0; i < 4; ++i)
        for (size_t j = 0; j < found[i].size(); ++j) EXPECT_NEAR(found[i][j], expected[i][j], 2e-5);
    }
  }
}

TEST(InstructionSets, ObeyTheVariableThatLibtorchObeys) {
  const char* set = std::getenv("ATEN_CPU_CAPABILITY");
  const std::string_view wanted = set ? set : "";
  if (wanted == "default") {
    EXPECT_EQ(instruction_set(), InstructionSet::baseline);
  } else if (wanted == "avx2") {
    EXPECT_NE(instruction_set(), InstructionSet::avx512);
  } else {
    EXPECT_EQ(instruction_set(), sets().back());
  }
}

}  // namespace
}  // namespace circuitdiff
