// The safetensors format: u64 little-endian header length, JSON header {name: {dtype, shape,
// data_offsets}}, data. Reading maps the file and checks every number of the header before anything is
// used: a forged length, an overlap, a gap or a size that does not fit its shape is one clear Error.
// Writing is atomic. No torch here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "io/files.h"

namespace circuitdiff {

enum class TensorType { f64, f32, f16, bf16, i64, i32, i16, i8, u64, u32, u16, u8, boolean, other };

int64_t bytes_per_entry(TensorType type);  // 0 for `other`
bool is_float_type(TensorType type);       // F64, F32, F16 or BF16
// Entries of F64, F32, F16 or BF16 as doubles, exactly. data: whole entries.
std::vector<double> widened(TensorType type, std::span<const std::byte> data);
const char* tensor_type_name(TensorType type);  // "F32"

struct TensorEntry {
  std::string name;
  TensorType type = TensorType::other;
  std::string type_name;  // as written in the file, also for `other`
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;  // bytes in the file's data part
  int64_t numel() const;
};

class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);
  const std::filesystem::path& path() const { return path_; }
  const std::vector<TensorEntry>& tensors() const { return tensors_; }  // in order of their place in the file
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const TensorEntry* find(const std::string& name) const;  // nullptr if absent
  const TensorEntry& at(const std::string& name) const;    // Error if absent
  std::span<const std::byte> bytes(const TensorEntry& entry) const;
  // A copy widened to double (F64, F32, F16, BF16) or to int64 (I64, I32, U8,
  // BOOL ...); Error on another type.
  std::vector<double> doubles(const std::string& name) const;
  std::vector<int64_t> integers(const std::string& name) const;

 private:
  std::filesystem::path path_;
  MappedFile file_;
  uint64_t data_begin_ = 0;
  std::vector<TensorEntry> tensors_;
  std::map<std::string, size_t> index_;
  std::map<std::string, std::string> metadata_;
};

struct TensorToWrite {
  std::string name;
  TensorType type;
  std::vector<int64_t> shape;
  std::span<const std::byte>
      data;  // must hold numel * bytes_per_entry bytes and live until the write returns
};

struct TensorOutline {
  std::string name;
  TensorType type;
  std::vector<int64_t> shape;
};

// For tensors that do not fit in memory together: `fill(i, append)` gives the bytes of tensor i, in as many
// pieces as it likes. Error, and no file, where they are not as many as its shape says.
using AppendBytes = std::function<void(const void*, size_t)>;
void write_safetensors(const std::filesystem::path& path, const std::vector<TensorOutline>& tensors,
                       const std::function<void(size_t, const AppendBytes&)>& fill,
                       const std::map<std::string, std::string>& metadata = {});

// Tensors are laid out in the order given, 8-byte aligned header; the same input gives the same bytes.
void write_safetensors(const std::filesystem::path& path, const std::vector<TensorToWrite>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace circuitdiff
