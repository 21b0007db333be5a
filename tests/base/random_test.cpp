// CPython's generator and random.sample against CPython 3.11, Philox against Random123.
#include "base/random.h"

#include <gmock/gmock.h>

#include <cmath>

#include "support/temp_folder.h"

namespace circuitdiff {
namespace {

using testing::ElementsAre;

// A checksum of a long sequence that the Python side computes in the same way: h = h * 1099511628211 + x + 1
// mod 2^64.
struct Checksum {
  uint64_t value = 0;
  void add(uint64_t x) { value = value * 1099511628211u + x + 1; }
};

// r = random.Random(seed); [r.getrandbits(32) for _ in range(5)], r.getrandbits(1), r.getrandbits(33),
// r.getrandbits(64), r.random(), [r._randbelow(n) for n in (1, 2, 3, 1000, 2**32, 2**40 + 7)]
struct Draws {
  uint64_t seed;
  std::array<uint32_t, 5> words;
  uint64_t bit, bits33, bits64;
  double real;
  std::array<uint64_t, 6> below;
};

TEST(PythonRandom, DrawsWhatCPythonDraws) {
  const Draws cases[] = {
      {42,
       {2746317213, 478163327, 107420369, 3184935163, 1181241943},
       0,
       958682846,
       1890702223848595625u,
       0.6766994874229113,
       {0, 1, 0, 30, 402418010, 58420225604}},
      {0,
       {3626764237, 1654615998, 3255389356, 3823568514, 1806341205},
       0,
       5407006266,
       8963783824838420066u,
       0.4049341374504143,
       {0, 1, 1, 597, 598176026, 553189221793}},
      {1,
       {577090037, 2444712010, 3639700191, 3445702192, 3280387012},
       0,
       1095513148,
       14037279428536751483u,
       0.4494910647887381,
       {0, 0, 0, 499, 3589583794, 586028475693}},
      {4294967295,
       {2728839433, 2661025012, 872737089, 924893097, 2608619700},
       1,
       5546243847,
       17738468367075643398u,
       0.3811162164237829,
       {0, 1, 1, 420, 276052667, 303269410385}},
      {4294967296,
       {485306839, 1508871100, 1794561286, 4014597330, 71624475},
       0,
       6922290953,
       14062563923815490048u,
       0.33151119826617415,
       {0, 0, 0, 77, 4109391884, 689346906573}},
      {9223372036854775813u,
       {1478493593, 736485321, 1981690036, 2678205636, 440149189},
       0,
       874437051,
       2214333986210143119u,
       0.24218189926299227,
       {0, 0, 2, 281, 2363977126, 420342225618}},
  };
  constexpr uint64_t kBounds[] = {1, 2, 3, 1000, uint64_t{1} << 32, (uint64_t{1} << 40) + 7};
  for (const Draws& expected : cases) {
    PythonRandom random(expected.seed);
    for (const uint32_t word : expected.words) EXPECT_EQ(random.getrandbits(32), word);
    EXPECT_EQ(random.getrandbits(1), expected.bit);
    EXPECT_EQ(random.getrandbits(33), expected.bits33);
    EXPECT_EQ(random.getrandbits(64), expected.bits64);
    EXPECT_EQ(random.random(), expected.real);
    for (size_t i = 0; i < 6; ++i)
      EXPECT_EQ(random.randbelow(kBounds[i]), expected.below[i]) << expected.seed;
  }
}

TEST(PythonRandom, TheStateIsRenewedAfter624Words) {
  PythonRandom random(42);
  for (int i = 0; i < 1999; ++i) random.next_u32();
  EXPECT_EQ(random.next_u32(), 1557724698u);
}

TEST(PythonRandom, SampleIsCPythons) {
  EXPECT_THAT(PythonRandom(42).sample(10, 3), ElementsAre(1, 0, 4));
  EXPECT_THAT(PythonRandom(42).sample(21, 5), ElementsAre(20, 3, 0, 8, 7));  // the largest pool for k <= 5
  EXPECT_THAT(PythonRandom(42).sample(22, 5), ElementsAre(20, 3, 0, 8, 7));
  EXPECT_THAT(PythonRandom(42).sample(5, 5), ElementsAre(0, 4, 2, 1, 3));
  EXPECT_THAT(PythonRandom(42).sample(85, 6), ElementsAre(81, 14, 3, 35, 31, 28));
  EXPECT_THAT(PythonRandom(42).sample(1, 1), ElementsAre(0));
  EXPECT_THAT(PythonRandom(42).sample(7, 0), ElementsAre());
  EXPECT_THAT(PythonRandom(42).sample(0, 0), ElementsAre());
  EXPECT_THAT(PythonRandom(7).sample(int64_t{1} << 40, 3),
              ElementsAre(868231286071, 105874957392, 208460025899));
}

TEST(PythonRandom, EverySmallSampleIsCPythons) {
  Checksum sum;
  for (int64_t n = 1; n <= 120; ++n)
    for (int64_t k = 0; k <= n; ++k) {
      PythonRandom random(42);
      for (const int64_t x : random.sample(n, k)) sum.add(static_cast<uint64_t>(x));
      sum.add(random.next_u32());  // and the generator stands where CPython's does
    }
  EXPECT_EQ(sum.value, 9039416917261102753u);
}

// random.sample changes from a pool to a set of chosen numbers at n = 21 + 4 ** ceil(log(3 k, 4)).
TEST(PythonRandom, BothBranchesOfSampleAreCPythonsOnEitherSideOfTheirBorder) {
  Checksum sum;
  const std::pair<int64_t, int64_t> borders[] = {{6, 85},    {20, 85},    {21, 85},    {22, 277},  {85, 277},
                                                 {86, 1045}, {100, 1045}, {341, 1045}, {342, 4117}};
  for (const auto& [k, size] : borders)
    for (const int64_t n : {size - 1, size, size + 1, size * 3})
      for (uint64_t seed = 0; seed < 5; ++seed) {
        PythonRandom random(seed);
        for (const int64_t x : random.sample(n, k)) sum.add(static_cast<uint64_t>(x));
        sum.add(random.next_u32());
      }
  EXPECT_EQ(sum.value, 781960536676924167u);
}

TEST(PythonRandom, ALargeSampleIsCPythons) {
  Checksum sum;
  for (const int64_t x : PythonRandom(7).sample(1'000'000, 2000)) sum.add(static_cast<uint64_t>(x));
  EXPECT_EQ(sum.value, 2290459748761674729u);
}

TEST(PythonRandom, TooLargeASampleIsAnError) {
  EXPECT_EQ(test::error_of([] { PythonRandom(1).sample(3, 4); }), "a sample of 4 cannot be drawn from 3");
  EXPECT_EQ(test::error_of([] { PythonRandom(1).sample(3, -1); }), "a sample of -1 cannot be drawn from 3");
}

// The first three are the known answers that Random123 publishes (kat_vectors), the last made with its
// header.
TEST(Philox, KnownAnswers) {
  EXPECT_THAT(philox4x32({0, 0, 0, 0}, {0, 0}),
              ElementsAre(0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u));
  constexpr uint32_t kOnes = 0xffffffffu;
  EXPECT_THAT(philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
              ElementsAre(0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu));
  EXPECT_THAT(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
              ElementsAre(0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u));
  EXPECT_THAT(philox4x32({1, 2, 3, 4}, {5, 6}),
              ElementsAre(0xc0c839bcu, 0x889c87c5u, 0x61986739u, 0x2d4623d0u));
}

TEST(Philox, AStreamIsTheBlocksOfItsCounter) {
  Philox stream(/*seed=*/5, /*a=*/7, /*b=*/9);
  for (const uint32_t expected :
       {0xd3e7f5c0u, 0xcffa4a2du, 0xbb9fc150u, 0xcdaa0b8cu, 0x4e20a54eu, 0xe5f0ab2eu})
    EXPECT_EQ(stream.next_u32(), expected);
}

TEST(Philox, SeedAndBothNumbersAreTheKey) {
  EXPECT_EQ(Philox(1, 2, 3).next_u64(), Philox(1, 2, 3).next_u64());
  EXPECT_NE(Philox(1, 2, 3).next_u64(), Philox(2, 2, 3).next_u64());
  EXPECT_NE(Philox(1, 2, 3).next_u64(), Philox(1, 3, 3).next_u64());
  EXPECT_NE(Philox(1, 2, 3).next_u64(), Philox(1, 2, 4).next_u64());
  EXPECT_NE(Philox(1, 2, 3).next_u64(), Philox((uint64_t{1} << 32) + 1, 2, 3).next_u64());
}

TEST(Philox, DrawsHaveTheMomentsOfTheirLaw) {
  Philox random(11);
  constexpr int kN = 200'000;
  double uniform = 0, square = 0, normal = 0, normal_square = 0, coins = 0;
  for (int i = 0; i < kN; ++i) {
    const double u = random.uniform();
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    uniform += u;
    square += u * u;
    const double z = random.normal();
    ASSERT_TRUE(std::isfinite(z));
    normal += z;
    normal_square += z * z;
    coins += random.coin();
  }
  const double five_sigma = 5 / std::sqrt(static_cast<double>(kN));
  EXPECT_NEAR(uniform / kN, 0.5, five_sigma * std::sqrt(1.0 / 12));
  EXPECT_NEAR(square / kN, 1.0 / 3, five_sigma * std::sqrt(4.0 / 45));
  EXPECT_NEAR(normal / kN, 0, five_sigma);
  EXPECT_NEAR(normal_square / kN, 1, five_sigma * std::sqrt(2.0));
  EXPECT_NEAR(coins / kN, 0.5, five_sigma / 2);
}

TEST(Philox, BelowIsInRangeAndEvenOverIt) {
  Philox random(3);
  std::array<int, 7> count{};
  for (int i = 0; i < 70'000; ++i) ++count.at(static_cast<size_t>(random.below(7)));
  for (const int c : count) EXPECT_NEAR(c, 10'000, 5 * std::sqrt(10'000.0 * 6 / 7));
  EXPECT_EQ(random.below(1), 0u);
  for (int i = 0; i < 100; ++i) EXPECT_LT(random.below((uint64_t{1} << 63) + 1), (uint64_t{1} << 63) + 1);
}

}  // namespace
}  // namespace circuitdiff
