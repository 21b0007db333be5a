#include "model/buffers.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"

namespace circuitdiff {
namespace {

constexpr int64_t kAlignment = 64;  // bytes: a line of the caches, and the widest vector

int64_t aligned(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

int64_t numbers_of(at::IntArrayRef sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<>());
}

}  // namespace

Tensor Buffers::place(std::string_view /*name*/, at::IntArrayRef sizes, const at::TensorOptions& options) {
  return at::empty(sizes, options);
}

int64_t Buffer::bytes() const {
  return copies * aligned(numbers_of(shape) * static_cast<int64_t>(c10::elementSize(dtype)));
}

void BufferTable::add(std::string name, std::vector<int64_t> shape, at::ScalarType dtype, Phases phases,
                      int64_t copies) {
  if (numbers_of(shape) > 0 && copies > 0)
    buffers_.push_back({std::move(name), std::move(shape), dtype, phases, copies});
}

void BufferTable::add_scratch(std::string name, int64_t bytes, Phases phases) {
  if (bytes > 0) scratch_.push_back({std::move(name), bytes, phases});
}

void BufferTable::lay_out() {
  std::vector<size_t> order(buffers_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return buffers_[a].bytes() > buffers_[b].bytes(); });
  made_bytes_ = 0;
  std::vector<const Buffer*> placed;  // by offset
  for (const size_t i : order) {
    Buffer& buffer = buffers_[i];
    buffer.offset = 0;
    for (const Buffer* other : placed) {
      if ((other->phases & buffer.phases) == 0) continue;
      if (buffer.offset + buffer.bytes() <= other->offset) break;  // the hole below it is large enough
      buffer.offset = std::max(buffer.offset, other->offset + other->bytes());
    }
    made_bytes_ = std::max(made_bytes_, buffer.offset + buffer.bytes());
    placed.insert(std::upper_bound(placed.begin(), placed.end(), &buffer,
                                   [](const Buffer* a, const Buffer* b) { return a->offset < b->offset; }),
                  &buffer);
  }
}

namespace {

// The most that any one phase sums up.
template <class Sum>
int64_t most_of_phases(const Sum& sum) {
  int64_t most = 0;
  for (Phases phase = 1; phase != 0; phase <<= 1) most = std::max(most, sum(phase));
  return most;
}

}  // namespace

int64_t BufferTable::scratch_of(Phases phase) const {
  int64_t sum = 0;
  for (const Scratch& s : scratch_) sum += (s.phases & phase) != 0 ? s.bytes : 0;
  return sum;
}

int64_t BufferTable::scratch_bytes() const {
  return most_of_phases([&](Phases phase) { return scratch_of(phase); });
}

int64_t BufferTable::counted_bytes() const {
  return most_of_phases([&](Phases phase) {
    int64_t sum = scratch_of(phase);
    for (const Buffer& b : buffers_) sum += (b.phases & phase) != 0 ? b.bytes() : 0;
    return sum;
  });
}

Workspace::Workspace(const BufferTable& table, at::Device device) {
  const Tensor memory = at::empty({table.made_bytes()}, at::TensorOptions().dtype(at::kByte).device(device));
  for (const Buffer& buffer : table.buffers())
    tensors_.emplace(
        buffer.name,
        memory.narrow(0, buffer.offset, buffer.bytes()).view(buffer.dtype).view({buffer.copies, -1}));
}

Tensor Workspace::place(std::string_view name, at::IntArrayRef sizes, const at::TensorOptions& options) {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) fail("the table of a chunk's memory has no buffer \"{}\"", name);
  const Tensor& all = found->second;
  const int64_t numbers = numbers_of(sizes);
  if (all.scalar_type() != c10::typeMetaToScalarType(options.dtype()) || numbers > all.size(1))
    fail("buffer \"{}\" of a chunk's memory: {} numbers of {} wanted, {} of {} made", name, numbers,
         toString(c10::typeMetaToScalarType(options.dtype())), all.size(1), toString(all.scalar_type()));
  return all.select(0, all.size(0) == 1 ? 0 : copy_).narrow(0, 0, numbers).view(sizes);
}

}  // namespace circuitdiff
