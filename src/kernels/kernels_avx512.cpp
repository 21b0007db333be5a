// The loops of decoding for AVX-512.
namespace circuitdiff {
namespace {
constexpr int kVectorBytes = 64;
constexpr int kSums = 24;
}  // namespace
}  // namespace circuitdiff

#include "kernels/kernels_body.h"

namespace circuitdiff {

const Kernels<float>& avx512_float_kernels() { return kFloatKernels; }
const Kernels<double>& avx512_double_kernels() { return kDoubleKernels; }

}  // namespace circuitdiff
