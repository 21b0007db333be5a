// Random numbers, none of them global.
//  - PythonRandom: CPython's `random.seed(int)` and `random.sample` (MT19937, init_by_array, getrandbits), so
//    that a selection made by the published Python code can be repeated to the row.
//  - Philox4x32-10: counter-based; draw i of key k is the same whatever was drawn before. For sampling and
//    bootstraps.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace circuitdiff {

class PythonRandom {
 public:
  explicit PythonRandom(uint64_t seed);  // random.seed(seed) with a non-negative int
  uint32_t next_u32();                   // genrand_uint32
  uint64_t getrandbits(int k);           // 0 < k <= 64
  uint64_t randbelow(uint64_t n);        // random._randbelow(n), n > 0
  double random();                       // [0, 1) with 53 bits
  // Indices that random.sample(range(n), k) returns, in its order. Throws Error if k > n.
  std::vector<int64_t> sample(int64_t n, int64_t k);

 private:
  std::array<uint32_t, 624> state_{};
  int index_ = 624;
};

// Philox4x32-10 (Salmon et al. 2011): four 32-bit words from a 128-bit counter and a 64-bit key.
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// A stream of draws keyed by (seed, a, b); draw number i does not depend on the type of earlier draws' use.
class Philox {
 public:
  Philox(uint64_t seed, uint32_t a = 0, uint32_t b = 0);
  uint32_t next_u32();
  uint64_t next_u64();
  double uniform();            // [0, 1), 53 bits
  double normal();             // N(0, 1), Box-Muller
  uint64_t below(uint64_t n);  // unbiased, n > 0
  bool coin() { return next_u32() & 1u; }

 private:
  std::array<uint32_t, 2> key_;
  std::array<uint32_t, 4> counter_;
  std::array<uint32_t, 4> block_{};
  int used_ = 4;
};

}  // namespace circuitdiff
