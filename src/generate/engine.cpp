#include "generate/engine.h"

#include <ATen/DeviceAccelerator.h>
#include <ATen/Parallel.h>
#include <unistd.h>

#include "generate/cpu_engine.h"
#include "generate/tensor_engine.h"

namespace circuitdiff {

int64_t free_memory(at::Device device) {
  if (device.is_cpu()) return int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE) / 2;
  return static_cast<int64_t>(at::getDeviceAllocator(device.type())->getMemoryInfo(device.index()).first);
}

std::unique_ptr<Engine> make_engine(const std::shared_ptr<const Checkpoint>& checkpoint, at::Device device,
                                    at::ScalarType dtype, int64_t threads) {
  if (threads <= 0) threads = at::get_num_threads();
  if (!device.is_cpu()) return std::make_unique<TensorEngine>(checkpoint, device, dtype, threads);
  if (dtype == at::kDouble) return std::make_unique<CpuEngine<double>>(checkpoint, at::kDouble, threads);
  at::ScalarType stored = at::kFloat;
  if (dtype == at::kBFloat16 || checkpoint->widest_type() == TensorType::bf16)
    stored = at::kBFloat16;
  else if (checkpoint->widest_type() == TensorType::f16)
    stored = at::kHalf;
  return std::make_unique<CpuEngine<float>>(checkpoint, stored, threads);
}

std::unique_ptr<Engine> make_engine(const Weights& weights, int64_t threads) {
  if (threads <= 0) threads = at::get_num_threads();
  if (!weights.device().is_cpu()) return std::make_unique<TensorEngine>(Decoder(weights), threads);
  if (weights.dtype() == at::kDouble) return std::make_unique<CpuEngine<double>>(weights, threads);
  return std::make_unique<CpuEngine<float>>(weights, threads);
}

}  // namespace circuitdiff
