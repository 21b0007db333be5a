// The loops of decoding for AVX2 with fused multiply-add.
namespace circuitdiff {
namespace {
constexpr int kVectorBytes = 32;
constexpr int kSums = 12;
}  // namespace
}  // namespace circuitdiff

#include "kernels/kernels_body.h"

namespace circuitdiff {

const Kernels<float>& avx2_float_kernels() { return kFloatKernels; }
const Kernels<double>& avx2_double_kernels() { return kDoubleKernels; }

}  // namespace circuitdiff
