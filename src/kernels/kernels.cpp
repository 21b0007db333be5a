#include "kernels/kernels.h"

#include "base/error.h"

namespace circuitdiff {

const Kernels<float>& baseline_float_kernels();
const Kernels<double>& baseline_double_kernels();
#if defined(__x86_64__)
const Kernels<float>& avx2_float_kernels();
const Kernels<double>& avx2_double_kernels();
const Kernels<float>& avx512_float_kernels();
const Kernels<double>& avx512_double_kernels();
#endif

int64_t bytes_of(WeightType type) {
  switch (type) {
    case WeightType::f64:
      return 8;
    case WeightType::f32:
      return 4;
    default:
      return 2;
  }
}

bool has(InstructionSet set) {
  if (set == InstructionSet::baseline) return true;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  if (set == InstructionSet::avx2) return avx2;
  return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#else
  return false;
#endif
}

InstructionSet best_instruction_set() {
  for (const InstructionSet set : {InstructionSet::avx512, InstructionSet::avx2})
    if (has(set)) return set;
  return InstructionSet::baseline;
}

template <>
const Kernels<float>& kernels<float>(InstructionSet set) {
#if defined(__x86_64__)
  if (set == InstructionSet::avx512) return avx512_float_kernels();
  if (set == InstructionSet::avx2) return avx2_float_kernels();
#endif
  return baseline_float_kernels();
}

template <>
const Kernels<double>& kernels<double>(InstructionSet set) {
#if defined(__x86_64__)
  if (set == InstructionSet::avx512) return avx512_double_kernels();
  if (set == InstructionSet::avx2) return avx2_double_kernels();
#endif
  return baseline_double_kernels();
}

}  // namespace circuitdiff
