#include "generate/engine.h"

#include <ATen/Parallel.h>

#include "base/error.h"
#include "generate/cpu_engine.h"

namespace circuitdiff {

std::unique_ptr<Engine> make_engine(const std::shared_ptr<const Checkpoint>& checkpoint, at::Device device,
                                    at::ScalarType dtype, int64_t threads) {
  if (threads <= 0) threads = at::get_num_threads();
  if (!device.is_cpu()) fail("generate runs on the CPU in this build; use --device cpu");
  if (dtype == at::kDouble) return std::make_unique<CpuEngine<double>>(checkpoint, at::kDouble, threads);
  at::ScalarType stored = at::kFloat;
  if (dtype == at::kBFloat16 || checkpoint->widest_type() == TensorType::bf16)
    stored = at::kBFloat16;
  else if (checkpoint->widest_type() == TensorType::f16)
    stored = at::kHalf;
  return std::make_unique<CpuEngine<float>>(checkpoint, stored, threads);
}

}  // namespace circuitdiff
