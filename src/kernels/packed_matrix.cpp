#include "kernels/packed_matrix.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace circuitdiff {
namespace {

WeightType weight_type(at::ScalarType type) {
  switch (type) {
    case at::kDouble:
      return WeightType::f64;
    case at::kHalf:
      return WeightType::f16;
    case at::kBFloat16:
      return WeightType::bf16;
    default:
      return WeightType::f32;
  }
}

// rows[j] is row j of the panel, null where it is beyond the matrix.
template <class Bits>
void pack_panel(const Bits* const (&rows)[kPanel], int64_t cols, Bits* out) {
  for (int64_t k = 0; k < cols; ++k)
    for (int64_t j = 0; j < kPanel; ++j) *out++ = rows[j] ? rows[j][k] : Bits(0);
}

template <class Bits>
void pack(const std::vector<const void*>& row_of, int64_t cols, void* out, ThreadTeam& team) {
  const auto rows = static_cast<int64_t>(row_of.size());
  team.run(round_up(rows) / kPanel, [&](int64_t panel, int64_t) {
    const Bits* in[kPanel];
    for (int64_t j = 0; j < kPanel; ++j) {
      const int64_t row = panel * kPanel + j;
      in[j] = row < rows ? static_cast<const Bits*>(row_of[static_cast<size_t>(row)]) : nullptr;
    }
    pack_panel<Bits>(in, cols, static_cast<Bits*>(out) + panel * kPanel * cols);
  });
}

}  // namespace

void* allocate_aligned(int64_t bytes) {
  const int64_t size = (std::max<int64_t>(bytes, 1) + 63) / 64 * 64;
  void* p = std::aligned_alloc(64, static_cast<size_t>(size));
  if (!p) fail("no memory left for {} MiB; try a smaller --batch-size or --memory", size >> 20);
  std::memset(p, 0, static_cast<size_t>(size));
  return p;
}

PackedMatrix::PackedMatrix(const std::vector<at::Tensor>& parts, ThreadTeam& team)
    : type_(weight_type(parts.front().scalar_type())), cols_(parts.front().size(1)) {
  std::vector<const void*> row_of;
  for (const at::Tensor& part : parts) {
    const auto* data = static_cast<const std::byte*>(part.const_data_ptr());
    for (int64_t r = 0; r < part.size(0); ++r) row_of.push_back(data + r * cols_ * bytes_of(type_));
    rows_ += part.size(0);
  }
  data_ = aligned_array<std::byte>(bytes());
  if (bytes_of(type_) == 8)
    pack<uint64_t>(row_of, cols_, data_.get(), team);
  else if (bytes_of(type_) == 4)
    pack<uint32_t>(row_of, cols_, data_.get(), team);
  else
    pack<uint16_t>(row_of, cols_, data_.get(), team);
}

}  // namespace circuitdiff
