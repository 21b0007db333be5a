#include "attribute/spill.h"

#include <ATen/ops/from_blob.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <numeric>
#include <string>

#include "base/error.h"

namespace circuitdiff {

at::Tensor spilled_tensor(const std::filesystem::path& folder, const std::vector<int64_t>& sizes,
                          at::ScalarType type) {
  const auto bytes = static_cast<size_t>(std::accumulate(
      sizes.begin(), sizes.end(), static_cast<int64_t>(c10::elementSize(type)), std::multiplies<>()));
  std::string name = (folder / ".spilled-XXXXXX").string();
  const int file = ::mkstemp(name.data());
  if (file < 0)
    fail("{}: no file for spilled sources can be made here: {}", folder.string(), std::strerror(errno));
  ::unlink(name.c_str());
  // Room is taken at once: a disk that fills up later would end the process.
  const int problem = bytes > 0 ? ::posix_fallocate(file, 0, static_cast<off_t>(bytes)) : 0;
  void* data = problem == 0
                   ? ::mmap(nullptr, std::max<size_t>(bytes, 1), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
                   : MAP_FAILED;
  const int reason = problem != 0 ? problem : errno;
  ::close(file);
  if (data == MAP_FAILED)
    fail("{}: {:.1f} GiB of spilled sources do not fit here: {}", folder.string(),
         static_cast<double>(bytes) / (1 << 30), std::strerror(reason));
  return at::from_blob(
      data, sizes, [bytes](void* p) { ::munmap(p, std::max<size_t>(bytes, 1)); },
      at::TensorOptions().dtype(type));
}

}  // namespace circuitdiff
