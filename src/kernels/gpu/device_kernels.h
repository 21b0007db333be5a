// The kernels of device_jobs.cu: compiled for a GPU when they are first asked for, by the NVRTC that
// libtorch's CUDA half brings along, and started on libtorch's current stream. Nothing of CUDA is needed to
// build this, and a build without the CUDA half has it too.
#pragma once

#include <c10/core/Device.h>

#include <array>
#include <cstdint>

namespace circuitdiff {

struct LaunchShape {
  int64_t blocks = 1, blocks_y = 1;
  int threads = 256;  // a block
};

// `arguments`: a pointer to each argument, of exactly the kernel's parameter types. Error where the kernels
// cannot be compiled or started.
void launch_kernel(at::Device device, const char* name, LaunchShape shape, void** arguments);

// launch(device, "norm_narrow", {rows}, pointer, 4096, ...)
template <class... Args>
void launch(at::Device device, const char* name, LaunchShape shape, Args... args) {
  std::array<void*, sizeof...(Args)> pointers{static_cast<void*>(&args)...};
  launch_kernel(device, name, shape, pointers.data());
}

// 10 * major + minor of the device's compute capability; 0 for a CPU.
int compute_capability(at::Device device);

}  // namespace circuitdiff
