// How 16-bit numbers lie in memory.
#pragma once

#include <cstdint>

namespace circuitdiff {

struct Bf16 {
  uint16_t bits;  // the upper half of a float32
};
struct Half {
  uint16_t bits;  // IEEE 754 binary16
};

}  // namespace circuitdiff
