// The loops for the instructions that every processor of the kind has.
#include "kernels/attention_body.h"
#include "kernels/compiled_kernels.h"
#include "kernels/decoding_body.h"
#include "kernels/row_loops_body.h"

namespace circuitdiff {

const CompiledKernels& baseline_kernels() {
  static constexpr CompiledKernels kAll{kDecodingKernels<float>, kDecodingKernels<double>, kRowKernels<float>,
                                        kRowKernels<Bf16>, run_attention};
  return kAll;
}

}  // namespace circuitdiff
