// Whether bfloat16 is multiplied by the processor, if it can, or in float32 in any case.
#pragma once

#include "kernels/product.h"

namespace circuitdiff {

struct NativeBfloat {
  explicit NativeBfloat(bool native) : before(multiplies_bfloat()) { multiplies_bfloat() = before && native; }
  ~NativeBfloat() { multiplies_bfloat() = before; }
  bool before;
};

}  // namespace circuitdiff
