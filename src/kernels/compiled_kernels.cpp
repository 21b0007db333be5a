#include "kernels/compiled_kernels.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "kernels/instruction_set.h"

namespace circuitdiff {
namespace {

const CompiledKernels& kernels_for([[maybe_unused]] InstructionSet set) {
#if defined(__x86_64__)
  if (set == InstructionSet::avx512) return avx512_kernels();
  if (set == InstructionSet::avx2) return avx2_kernels();
#endif
  return baseline_kernels();
}

// Without the variable, or with one that libtorch does not know either: all.
InstructionSet most_allowed() {
  const char* set = std::getenv("ATEN_CPU_CAPABILITY");
  const std::string_view wanted = set ? set : "";
  if (wanted == "default") return InstructionSet::baseline;
  if (wanted == "avx2") return InstructionSet::avx2;
  return InstructionSet::avx512;
}

}  // namespace

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

InstructionSet instruction_set() {
  static const InstructionSet found = [] {
    for (const InstructionSet set : {InstructionSet::avx512, InstructionSet::avx2})
      if (set <= most_allowed() && has(set)) return set;
    return InstructionSet::baseline;
  }();
  return found;
}

template <>
const DecodingKernels<float>& decoding_kernels<float>(InstructionSet set) {
  return kernels_for(set).decoding_float;
}
template <>
const DecodingKernels<double>& decoding_kernels<double>(InstructionSet set) {
  return kernels_for(set).decoding_double;
}
template <>
const RowKernels<float>& row_kernels<float>(InstructionSet set) {
  return kernels_for(set).float_rows;
}
template <>
const RowKernels<Bf16>& row_kernels<Bf16>(InstructionSet set) {
  return kernels_for(set).bfloat_rows;
}

void run_attention_job(const AttentionJob& job, InstructionSet set) { kernels_for(set).attention(job); }

int64_t attention_room(int64_t keys, int64_t d_head, bool backward) {
  const int64_t in_panels = (keys + kKeysInPanel - 1) / kKeysInPanel * kKeysInPanel,
                of_keys = in_panels * d_head;
  const int64_t of_queries = kQueriesTogether * (in_panels + d_head);
  return backward ? 5 * of_keys + 2 * of_queries : 2 * of_keys + of_queries;
}

}  // namespace circuitdiff
