// All loops as compiled for one instruction set.
#pragma once

#include "kernels/attention_jobs.h"
#include "kernels/decoding.h"
#include "kernels/row_loops.h"

namespace circuitdiff {

struct CompiledKernels {
  DecodingKernels<float> decoding_float;
  DecodingKernels<double> decoding_double;
  RowKernels<float> float_rows;
  RowKernels<Bf16> bfloat_rows;
  void (*attention)(const AttentionJob&);
};

const CompiledKernels& baseline_kernels();
const CompiledKernels& avx2_kernels();
const CompiledKernels& avx512_kernels();

}  // namespace circuitdiff
