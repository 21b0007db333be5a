// The loops of decoding for the instructions every processor of the kind has.
namespace circuitdiff {
namespace {
constexpr int kVectorBytes = 16;
constexpr int kSums = 12;
}  // namespace
}  // namespace circuitdiff

#include "kernels/kernels_body.h"

namespace circuitdiff {

const Kernels<float>& baseline_float_kernels() { return kFloatKernels; }
const Kernels<double>& baseline_double_kernels() { return kDoubleKernels; }

}  // namespace circuitdiff
