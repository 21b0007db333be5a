#include "base/random.h"

#include <cmath>
#include <numbers>
#include <unordered_map>

#include "base/error.h"

namespace circuitdiff {

PythonRandom::PythonRandom(uint64_t seed) {
  // init_by_array(key) over init_genrand(19650218), as Modules/_randommodule.c does for an int seed.
  std::vector<uint32_t> key{static_cast<uint32_t>(seed)};
  if (seed >> 32) key.push_back(static_cast<uint32_t>(seed >> 32));
  auto& mt = state_;
  mt[0] = 19650218u;
  for (uint32_t i = 1; i < 624; ++i) mt[i] = 1812433253u * (mt[i - 1] ^ (mt[i - 1] >> 30)) + i;
  uint32_t i = 1;
  uint32_t j = 0;
  const auto length = static_cast<uint32_t>(key.size());
  for (uint32_t k = std::max(624u, length); k; --k) {
    mt[i] = (mt[i] ^ ((mt[i - 1] ^ (mt[i - 1] >> 30)) * 1664525u)) + key[j] + j;
    if (++i >= 624) mt[0] = mt[623], i = 1;
    if (++j >= length) j = 0;
  }
  for (uint32_t k = 623; k; --k) {
    mt[i] = (mt[i] ^ ((mt[i - 1] ^ (mt[i - 1] >> 30)) * 1566083941u)) - i;
    if (++i >= 624) mt[0] = mt[623], i = 1;
  }
  mt[0] = 0x80000000u;
}

uint32_t PythonRandom::next_u32() {
  if (index_ >= 624) {
    for (size_t k = 0; k < 624; ++k) {
      const uint32_t y = (state_[k] & 0x80000000u) | (state_[(k + 1) % 624] & 0x7fffffffu);
      state_[k] = state_[(k + 397) % 624] ^ (y >> 1) ^ ((y & 1u) ? 0x9908b0dfu : 0u);
    }
    index_ = 0;
  }
  uint32_t y = state_[static_cast<size_t>(index_++)];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680u;
  y ^= (y << 15) & 0xefc60000u;
  return y ^ (y >> 18);
}

uint64_t PythonRandom::getrandbits(int k) {
  if (k <= 32) return next_u32() >> (32 - k);
  const uint64_t low = next_u32();
  return low | (static_cast<uint64_t>(next_u32() >> (64 - k)) << 32);
}

uint64_t PythonRandom::randbelow(uint64_t n) {
  int bits = 0;
  for (uint64_t m = n; m; m >>= 1) ++bits;  // n.bit_length()
  uint64_t r = getrandbits(bits);
  while (r >= n) r = getrandbits(bits);
  return r;
}

double PythonRandom::random() {
  const uint32_t a = next_u32() >> 5;
  const uint32_t b = next_u32() >> 6;
  return (a * 67108864.0 + b) * (1.0 / 9007199254740992.0);
}

std::vector<int64_t> PythonRandom::sample(int64_t n, int64_t k) {
  if (k < 0 || k > n) fail("a sample of {} cannot be drawn from {}", k, n);
  // random.sample keeps a pool for small n and a set of chosen indices for large n; both
  // consume the generator differently.
  int64_t set_size = 21;
  if (k > 5)
    set_size +=
        static_cast<int64_t>(std::pow(4, std::ceil(std::log(static_cast<double>(k) * 3) / std::log(4.0))));
  std::vector<int64_t> result(static_cast<size_t>(k));
  if (n <= set_size) {
    std::vector<int64_t> pool(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) pool[static_cast<size_t>(i)] = i;
    for (int64_t i = 0; i < k; ++i) {
      const auto j = static_cast<size_t>(randbelow(static_cast<uint64_t>(n - i)));
      result[static_cast<size_t>(i)] = pool[j];
      pool[j] = pool[static_cast<size_t>(n - i - 1)];
    }
  } else {
    std::unordered_map<int64_t, bool> chosen;
    for (int64_t i = 0; i < k; ++i) {
      int64_t j = static_cast<int64_t>(randbelow(static_cast<uint64_t>(n)));
      while (chosen.contains(j)) j = static_cast<int64_t>(randbelow(static_cast<uint64_t>(n)));
      chosen[j] = true;
      result[static_cast<size_t>(i)] = j;
    }
  }
  return result;
}

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * counter[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(p1),
               static_cast<uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(p0)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

Philox::Philox(uint64_t seed, uint32_t a, uint32_t b)
    : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)}, counter_{0, 0, a, b} {}

uint32_t Philox::next_u32() {
  if (used_ == 4) {
    block_ = philox4x32(counter_, key_);
    if (++counter_[0] == 0) ++counter_[1];
    used_ = 0;
  }
  return block_[static_cast<size_t>(used_++)];
}

uint64_t Philox::next_u64() {
  const uint64_t low = next_u32();
  return low | (uint64_t{next_u32()} << 32);
}

double Philox::uniform() { return static_cast<double>(next_u64() >> 11) * 0x1p-53; }

double Philox::normal() {
  const double u = 1.0 - uniform();  // (0, 1]
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * uniform());
}

uint64_t Philox::below(uint64_t n) {
  const uint64_t limit = n * (UINT64_MAX / n);
  uint64_t r = next_u64();
  while (r >= limit) r = next_u64();
  return r % n;
}

}  // namespace circuitdiff
