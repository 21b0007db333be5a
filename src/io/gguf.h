// The GGUF format: metadata (typed values by key), a table of tensors, aligned data, all little-endian.
// Reading maps the file and checks every count, length and offset before it is used; text and arrays stay in
// the mapped file. Blocks of quantised weights are decoded by gguf_blocks.h. Left out: versions before 2,
// arrays of arrays, big-endian files, writing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/files.h"

namespace circuitdiff {

// Numbers of ggml's types.
enum class GgufType : uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q8_0 = 8,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  bf16 = 30
};

// Entries and bytes of one block; nullopt for a type that is not read.
struct GgufBlock {
  const char* name;
  int64_t entries, bytes;
};
std::optional<GgufBlock> gguf_block(GgufType type);

// data: whole blocks of `type`, out: their entries in order. Arithmetic in float32.
void decode_gguf_blocks(GgufType type, std::span<const std::byte> data, std::span<float> out);

struct GgufTensor {
  GgufType type{};
  std::vector<int64_t> shape;  // outermost axis first, as PyTorch has it
  std::span<const std::byte> data;
  int64_t numel() const;
};

class GgufFile {
 public:
  explicit GgufFile(const std::filesystem::path& path);
  const std::filesystem::path& path() const { return path_; }
  const std::map<std::string, GgufTensor>& tensors() const { return tensors_; }

  // Values by key: nullopt where the key is absent, an Error where it holds something else.
  bool has(const std::string& key) const { return values_.contains(key); }
  std::optional<std::string> text(const std::string& key) const;
  std::optional<int64_t> integer(const std::string& key) const;
  std::optional<double> number(const std::string& key) const;
  std::optional<bool> flag(const std::string& key) const;
  std::vector<std::string_view> texts(const std::string& key) const;  // empty where absent
  std::vector<double> numbers(const std::string& key) const;

 private:
  struct Stored {
    uint32_t type = 0, element = 0;  // `element` of an array
    uint64_t count = 1;
    std::span<const std::byte> bytes;  // behind the type and the count
  };
  class Reader;
  const Stored* find(const std::string& key) const;
  [[noreturn]] void wrong(const std::string& key, const char* expected) const;

  std::filesystem::path path_;
  MappedFile file_;
  std::map<std::string, Stored> values_;
  std::map<std::string, GgufTensor> tensors_;
};

// The GGUF file that a model's path means: the path itself, or the only
// *.gguf of a folder without config.json.
std::optional<std::filesystem::path> find_gguf(const std::filesystem::path& model);

}  // namespace circuitdiff
