// Weight matrices of one linear map or several with the same input, laid out for the kernels: panels of 16
// outputs, columns within. Weights stay in the type they are stored in (float32, float16 or bfloat16);
// widening them is exact.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdlib>
#include <memory>
#include <vector>

#include "kernels/decoding.h"
#include "kernels/thread_team.h"

namespace circuitdiff {

struct FreeMemory {
  void operator()(void* p) const { std::free(p); }
};
template <class T>
using Aligned = std::unique_ptr<T[], FreeMemory>;
// Zeroed, aligned to a cache line. Error where memory runs out.
void* allocate_aligned(int64_t bytes);
template <class T>
Aligned<T> aligned_array(int64_t n) {
  return Aligned<T>(static_cast<T*>(allocate_aligned(n * static_cast<int64_t>(sizeof(T)))));
}

class PackedMatrix {
 public:
  PackedMatrix() = default;
  // parts: [rows_i, cols] each, one type, rows one below the other.
  PackedMatrix(const std::vector<at::Tensor>& parts, ThreadTeam& team);
  PackedView view() const { return {data_.get(), type_, cols_, round_up(rows_) / kPanel}; }
  int64_t rows() const { return rows_; }
  int64_t cols() const { return cols_; }
  int64_t bytes() const { return round_up(rows_) * cols_ * bytes_of(type_); }

 private:
  Aligned<std::byte> data_;
  WeightType type_ = WeightType::f32;
  int64_t rows_ = 0, cols_ = 0;
};

}  // namespace circuitdiff
