#include "kernels/gpu/device_kernels.h"

#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <dlfcn.h>

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/error.h"

extern "C" const char
    circuitdiff_device_jobs[];  // device_jobs.cu, put in by the assembler; a zero byte ends it

namespace circuitdiff {
namespace {

// The few functions of NVRTC and of the driver that are called, by their documented signatures.
struct Nvrtc {
  void* library = nullptr;
  int (*create)(void**, const char*, const char*, int, const char* const*, const char* const*) = nullptr;
  int (*compile)(void*, int, const char* const*) = nullptr;
  int (*log_size)(void*, size_t*) = nullptr;
  int (*log)(void*, char*) = nullptr;
  int (*cubin_size)(void*, size_t*) = nullptr;
  int (*cubin)(void*, char*) = nullptr;
  int (*destroy)(void**) = nullptr;
  int (*attribute)(int*, int, int) = nullptr;
  int (*load)(void**, const void*) = nullptr;
  int (*function)(void**, void*, const char*) = nullptr;
  int (*launch)(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*, void**,
                void**) = nullptr;
  int (*error_text)(int, const char**) = nullptr;
};

template <class F>
void find(void* library, const char* name, F& function) {
  function = reinterpret_cast<F>(::dlsym(library, name));
  if (!function) fail("GPU: {} is missing from libtorch's CUDA libraries", name);
}

const Nvrtc& nvrtc() {
  static const Nvrtc found = [] {
    Nvrtc n;
    // Beside libtorch_cuda; it brings NVRTC and the driver, in whose names dlsym looks too.
    n.library = ::dlopen("libcaffe2_nvrtc.so", RTLD_LAZY | RTLD_LOCAL);
    if (!n.library) fail("GPU: libtorch's run-time compiler cannot be loaded: {}", ::dlerror());
    find(n.library, "nvrtcCreateProgram", n.create);
    find(n.library, "nvrtcCompileProgram", n.compile);
    find(n.library, "nvrtcGetProgramLogSize", n.log_size);
    find(n.library, "nvrtcGetProgramLog", n.log);
    find(n.library, "nvrtcGetCUBINSize", n.cubin_size);
    find(n.library, "nvrtcGetCUBIN", n.cubin);
    find(n.library, "nvrtcDestroyProgram", n.destroy);
    find(n.library, "cuDeviceGetAttribute", n.attribute);
    find(n.library, "cuModuleLoadData", n.load);
    find(n.library, "cuModuleGetFunction", n.function);
    find(n.library, "cuLaunchKernel", n.launch);
    find(n.library, "cuGetErrorString", n.error_text);
    return n;
  }();
  return found;
}

void check(int code, const char* what) {
  if (code == 0) return;
  const char* text = nullptr;
  nvrtc().error_text(code, &text);
  fail("GPU: {}: {}", what, text ? text : std::to_string(code));
}

std::vector<char> compile(int capability) {
  const Nvrtc& n = nvrtc();
  void* program = nullptr;
  if (n.create(&program, circuitdiff_device_jobs, "device_jobs.cu", 0, nullptr, nullptr) != 0)
    fail("GPU: the run-time compiler cannot be started");
  const std::string target = "--gpu-architecture=sm_" + std::to_string(capability);
  const char* const options[] = {target.c_str()};
  const int code = n.compile(program, 1, options);
  if (code != 0) {
    size_t size = 0;
    n.log_size(program, &size);
    std::string log(size, '\0');
    n.log(program, log.data());
    n.destroy(&program);
    fail("GPU: kernels cannot be compiled for compute capability {}.{}: {}", capability / 10, capability % 10,
         log.substr(0, log.find('\n')));
  }
  size_t size = 0;
  n.cubin_size(program, &size);
  std::vector<char> out(size);
  n.cubin(program, out.data());
  n.destroy(&program);
  return out;
}

int index_of(at::Device device) { return device.has_index() ? device.index() : 0; }

// Loaded once a device, for the life of the process.
void* function_of(int index, const char* name) {
  static std::mutex mutex;
  static std::map<int, void*> modules;
  static std::map<std::pair<int, const char*>, void*> functions;  // names are literals
  const std::lock_guard lock(mutex);
  void*& function = functions[{index, name}];
  if (function) return function;
  void*& module = modules[index];
  if (!module) {
    const std::vector<char> binary =
        compile(compute_capability(at::Device(at::kCUDA, static_cast<at::DeviceIndex>(index))));
    check(nvrtc().load(&module, binary.data()), "kernels cannot be loaded");
  }
  check(nvrtc().function(&function, module, name), name);
  return function;
}

}  // namespace

int compute_capability(at::Device device) {
  if (!device.is_cuda()) return 0;
  constexpr int kMajor = 75, kMinor = 76;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*
  static std::mutex mutex;
  static std::map<int, int> known;
  const std::lock_guard lock(mutex);
  int& capability = known[index_of(device)];
  if (capability == 0) {
    int major = 0, minor = 0;
    check(nvrtc().attribute(&major, kMajor, index_of(device)), "compute capability");
    check(nvrtc().attribute(&minor, kMinor, index_of(device)), "compute capability");
    capability = 10 * major + minor;
  }
  return capability;
}

void launch_kernel(at::Device device, const char* name, LaunchShape shape, void** arguments) {
  if (shape.blocks == 0 || shape.blocks_y == 0) return;
  const c10::DeviceGuard guard(device);
  void* function = function_of(index_of(device), name);
  const c10::impl::VirtualGuardImpl implementation(device.type());
  void* stream = implementation.getStreamNativeHandle(implementation.getStream(device));
  check(nvrtc().launch(function, static_cast<unsigned>(shape.blocks), static_cast<unsigned>(shape.blocks_y),
                       1, static_cast<unsigned>(shape.threads), 1, 1, 0, stream, arguments, nullptr),
        name);
}

}  // namespace circuitdiff
