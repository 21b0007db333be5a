// Memory as a table: every buffer that work of some phases needs has a name, a shape and a dtype, and is made
// once for all layers. Buffers that no phase needs together share their bytes. What a forecast says is the
// size of the table; no other count of bytes is kept beside it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace circuitdiff {

using at::Tensor;

// Where operations put their results: a new tensor each time, unless a Workspace gives a place made before.
class Buffers {
 public:
  virtual ~Buffers() = default;
  // A tensor of these sizes, row after row; what it holds is not defined. The next call with this name may
  // give the same bytes again.
  virtual Tensor place(std::string_view name, at::IntArrayRef sizes, const at::TensorOptions& options);
};

// Bit p: a buffer holds something in phase p.
using Phases = uint64_t;

struct Buffer {
  std::string name;
  std::vector<int64_t> shape;
  at::ScalarType dtype = at::kFloat;
  Phases phases = 0;
  int64_t copies = 1;  // one a layer where every layer keeps its own
  int64_t offset = 0;  // bytes from the beginning of the table's memory

  int64_t bytes() const;  // of all copies
};

class BufferTable {
 public:
  // A shape without numbers adds nothing.
  void add(std::string name, std::vector<int64_t> shape, at::ScalarType dtype, Phases phases,
           int64_t copies = 1);
  // What operators of these phases take for themselves while they run: counted, not made.
  void add_scratch(std::string name, int64_t bytes, Phases phases);
  // Gives each buffer its offset: the largest first, each at the lowest bytes that no buffer of a common
  // phase has.
  void lay_out();

  const std::vector<Buffer>& buffers() const { return buffers_; }
  int64_t made_bytes() const { return made_bytes_; }  // of all buffers as they were laid out
  int64_t scratch_bytes() const;                      // of the phase that has most
  // Of the phase that has most, of buffers that are made as they are needed.
  int64_t counted_bytes() const;

  int64_t scratch_of(Phases phase) const;

 private:
  struct Scratch {
    std::string name;
    int64_t bytes;
    Phases phases;
  };
  std::vector<Buffer> buffers_;
  std::vector<Scratch> scratch_;
  int64_t made_bytes_ = 0;
};

// The memory of a table that was laid out.
class Workspace : public Buffers {
 public:
  Workspace(const BufferTable& table, at::Device device);
  // The buffer of this name, or its first numbers where fewer are asked for. A name that the table lacks, or
  // another dtype than the table's, is an error: the table would not be the memory that is taken.
  Tensor place(std::string_view name, at::IntArrayRef sizes, const at::TensorOptions& options) override;
  // Which copy of the buffers that have several is given from here on: the layer's number.
  void use_copy(int64_t copy) { copy_ = copy; }

 private:
  std::map<std::string, Tensor, std::less<>> tensors_;  // [copies, numbers]
  int64_t copy_ = 0;
};

}  // namespace circuitdiff
