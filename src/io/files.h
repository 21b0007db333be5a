// Files as the stages need them: memory-mapped reading, writing that is either whole or absent, append-only
// journals whose torn tail can be cut, locks against a second process, and SHA-256.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace circuitdiff {

std::string read_file(const std::filesystem::path& path);

// A read-only mapping of a whole file. An empty file maps to an empty span.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);  // Error: missing, a folder, not readable
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;
  MappedFile(const MappedFile&) = delete;
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Removes what killed processes left beside `path`, a file or a folder, while they wrote it: PATH.tmp-PID. A
// temporary whose writer still lives is left.
void remove_leftovers(const std::filesystem::path& path);

// Writes beside `path` (PATH.tmp-PID), fsyncs and renames: readers see the old file or the new one, never
// half of one.
void write_file_atomically(const std::filesystem::path& path, std::string_view content);
// The same with a writer: `fill` receives a function that appends bytes.
void write_file_atomically(const std::filesystem::path& path,
                           const std::function<void(const std::function<void(const void*, size_t)>&)>& fill);

// An append-only file. Each append is written with one call and, with `durable`, fsynced.
class AppendFile {
 public:
  explicit AppendFile(const std::filesystem::path& path);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;
  void append(std::string_view bytes);
  void sync();

 private:
  int fd_;
  std::string name_;
};

// Cuts everything after the last newline of a journal, if there is anything. Returns the number of bytes cut.
int64_t repair_torn_tail(const std::filesystem::path& path);
void truncate_file(const std::filesystem::path& path, int64_t size);

// Held for the life of a stage. A second process that wants the same lock gets an
// Error naming the path and the holder.
class FileLock {
 public:
  explicit FileLock(const std::filesystem::path& lock_path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int fd_ = -1;
  std::filesystem::path path_;
};

std::string sha256_hex(std::string_view bytes);
std::string sha256_file(const std::filesystem::path& path);  // Interrupted between parts

}  // namespace circuitdiff
