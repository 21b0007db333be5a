// ggml's blocks of quantised weights, decoded to float32: d q (+ m) with the scales of each block.
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "io/gguf.h"

namespace circuitdiff {
namespace {

constexpr int64_t kSmall = 32, kSuper = 256;  // entries of a block

float half_at(const uint8_t* at) {
  uint16_t h = 0;
  std::memcpy(&h, at, 2);
  const int exponent = (h >> 10) & 31, mantissa = h & 1023;
  float value = 0;
  if (exponent == 0)
    value = std::ldexp(static_cast<float>(mantissa), -24);
  else if (exponent == 31)
    value = mantissa ? std::nanf("") : INFINITY;
  else
    value = std::ldexp(static_cast<float>(1024 + mantissa), exponent - 25);
  return (h & 0x8000) ? -value : value;
}

float bfloat_at(const uint8_t* at) {
  uint16_t b = 0;
  std::memcpy(&b, at, 2);
  const uint32_t bits = uint32_t{b} << 16;
  float value = 0;
  std::memcpy(&value, &bits, 4);
  return value;
}

// The eight pairs of six-bit scales and minima of a super-block, packed into twelve bytes.
void scale_and_min(int j, const uint8_t* packed, float& scale, float& minimum) {
  if (j < 4) {
    scale = static_cast<float>(packed[j] & 63);
    minimum = static_cast<float>(packed[j + 4] & 63);
  } else {
    scale = static_cast<float>((packed[j + 4] & 15) | ((packed[j - 4] >> 6) << 4));
    minimum = static_cast<float>((packed[j + 4] >> 4) | ((packed[j] >> 6) << 4));
  }
}

void q8_0(const uint8_t* b, float* out) {
  const float d = half_at(b);
  for (int i = 0; i < kSmall; ++i) out[i] = d * static_cast<float>(static_cast<int8_t>(b[2 + i]));
}

void q4_0(const uint8_t* b, float* out) {
  const float d = half_at(b);
  for (int i = 0; i < kSmall / 2; ++i) {
    out[i] = d * static_cast<float>((b[2 + i] & 15) - 8);
    out[i + kSmall / 2] = d * static_cast<float>((b[2 + i] >> 4) - 8);
  }
}

void q4_1(const uint8_t* b, float* out) {
  const float d = half_at(b), m = half_at(b + 2);
  for (int i = 0; i < kSmall / 2; ++i) {
    out[i] = d * static_cast<float>(b[4 + i] & 15) + m;
    out[i + kSmall / 2] = d * static_cast<float>(b[4 + i] >> 4) + m;
  }
}

// d, least, 12 bytes of scales, with `high` 32 bytes of fifth bits, 128 bytes of four bits.
void q4_or_5_k(const uint8_t* b, bool high, float* out) {
  const float d = half_at(b), least = half_at(b + 2);
  const uint8_t* fifth = b + 16;
  const uint8_t* low = b + (high ? 48 : 16);
  for (int j = 0; j < 8; ++j) {
    float scale = 0, minimum = 0;
    scale_and_min(j, b + 4, scale, minimum);
    const float step = d * scale, offset = least * minimum;
    for (int i = 0; i < kSmall; ++i) {
      const uint8_t byte = low[(j / 2) * kSmall + i];
      const int q = (j % 2 ? byte >> 4 : byte & 15) + (high && ((fifth[i] >> j) & 1) ? 16 : 0);
      out[j * kSmall + i] = step * static_cast<float>(q) - offset;
    }
  }
}

void q6_k(const uint8_t* b, float* out) {
  const float d = half_at(b + 208);
  for (int half = 0; half < 2; ++half)
    for (int i = 0; i < kSmall; ++i) {
      const uint8_t* low = b + half * 64;
      const uint8_t bits = b[128 + half * 32 + i];
      const uint8_t* scales = b + 192 + half * 8 + i / 16;
      for (int part = 0; part < 4; ++part) {
        const uint8_t byte = low[(part % 2) * 32 + i];
        const int q = ((part < 2 ? byte & 15 : byte >> 4) | (((bits >> (2 * part)) & 3) << 4)) - 32;
        const float step = d * static_cast<float>(static_cast<int8_t>(scales[2 * part]));
        out[half * 128 + part * 32 + i] = step * static_cast<float>(q);
      }
    }
}

}  // namespace

std::optional<GgufBlock> gguf_block(GgufType type) {
  switch (type) {
    case GgufType::f32:
      return GgufBlock{"F32", 1, 4};
    case GgufType::f16:
      return GgufBlock{"F16", 1, 2};
    case GgufType::bf16:
      return GgufBlock{"BF16", 1, 2};
    case GgufType::q4_0:
      return GgufBlock{"Q4_0", kSmall, 18};
    case GgufType::q4_1:
      return GgufBlock{"Q4_1", kSmall, 20};
    case GgufType::q8_0:
      return GgufBlock{"Q8_0", kSmall, 34};
    case GgufType::q4_k:
      return GgufBlock{"Q4_K", kSuper, 144};
    case GgufType::q5_k:
      return GgufBlock{"Q5_K", kSuper, 176};
    case GgufType::q6_k:
      return GgufBlock{"Q6_K", kSuper, 210};
  }
  return std::nullopt;
}

void decode_gguf_blocks(GgufType type, std::span<const std::byte> data, std::span<float> out) {
  const auto block = gguf_block(type);
  const auto n = block ? static_cast<int64_t>(out.size()) / block->entries : 0;
  if (!block || n * block->entries != static_cast<int64_t>(out.size()) ||
      n * block->bytes != static_cast<int64_t>(data.size()))
    fail("{} bytes are not {} entries in blocks of this type", data.size(), out.size());
  for (int64_t i = 0; i < n; ++i) {
    const auto* b = reinterpret_cast<const uint8_t*>(data.data()) + i * block->bytes;
    float* to = out.data() + i * block->entries;
    switch (type) {
      case GgufType::f32:
        std::memcpy(to, b, 4);
        break;
      case GgufType::f16:
        *to = half_at(b);
        break;
      case GgufType::bf16:
        *to = bfloat_at(b);
        break;
      case GgufType::q4_0:
        q4_0(b, to);
        break;
      case GgufType::q4_1:
        q4_1(b, to);
        break;
      case GgufType::q8_0:
        q8_0(b, to);
        break;
      case GgufType::q4_k:
        q4_or_5_k(b, false, to);
        break;
      case GgufType::q5_k:
        q4_or_5_k(b, true, to);
        break;
      case GgufType::q6_k:
        q6_k(b, to);
        break;
    }
  }
}

}  // namespace circuitdiff
