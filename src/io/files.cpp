#include "io/files.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "base/progress.h"

namespace circuitdiff {
namespace {

const std::string kTemporary = ".tmp-";  // then the writer's process id

[[noreturn]] void system_error(const std::filesystem::path& path, const char* what) {
  fail("{}: {}: {}", path.string(), what, std::strerror(errno));
}

void write_all(int fd, const char* data, size_t size, const std::filesystem::path& path) {
  while (size > 0) {
    const ssize_t written = ::write(fd, data, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) system_error(path, "cannot write");
    data += written;
    size -= static_cast<size_t>(written);
  }
}

void sync_folder_of(const std::filesystem::path& path) {
  const auto folder = path.parent_path().empty() ? std::filesystem::path(".") : path.parent_path();
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

void make_folder_of(const std::filesystem::path& path) {
  if (path.parent_path().empty()) return;
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  if (error) fail("{}: cannot make the folder: {}", path.parent_path().string(), error.message());
}

}  // namespace

void remove_leftovers(const std::filesystem::path& path) {
  const std::string prefix = path.filename().string() + kTemporary;
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix)) continue;
    const std::string_view number = std::string_view(name).substr(prefix.size());
    pid_t writer = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), writer);
    if (error != std::errc() || end != number.data() + number.size() || writer <= 0) continue;
    if (::kill(writer, 0) != 0 && errno == ESRCH) std::filesystem::remove_all(entry.path(), ignored);
  }
}

MappedFile::MappedFile(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a pipe that nobody writes to must not wait.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) system_error(path, "cannot open");
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    // Pipes and devices have no size to map; the formats read here are files.
    const bool folder = S_ISDIR(info.st_mode);
    ::close(fd);
    fail("{}: a file expected, {} found", path.string(), folder ? "a folder" : "something else");
  }
  size_ = static_cast<size_t>(info.st_size);
  if (size_ > 0) {
    void* data = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) {
      ::close(fd);
      system_error(path, "cannot map");
    }
    data_ = static_cast<const std::byte*>(data);
  }
  ::close(fd);
}

MappedFile::MappedFile(MappedFile&& other) noexcept : data_(other.data_), size_(other.size_) {
  other.data_ = nullptr;
  other.size_ = 0;
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

std::string read_file(const std::filesystem::path& path) { return std::string(MappedFile(path).text()); }

void write_file_atomically(const std::filesystem::path& path,
                           const std::function<void(const std::function<void(const void*, size_t)>&)>& fill) {
  make_folder_of(path);
  remove_leftovers(path);
  const std::filesystem::path temporary = path.string() + kTemporary + std::to_string(::getpid());
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) system_error(temporary, "cannot write");
  try {
    fill([&](const void* data, size_t size) {
      write_all(fd, static_cast<const char*>(data), size, temporary);
    });
    if (::fsync(fd) != 0) system_error(temporary, "cannot write");
  } catch (...) {
    ::close(fd);
    ::unlink(temporary.c_str());
    throw;
  }
  ::close(fd);
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int saved = errno;
    ::unlink(temporary.c_str());
    errno = saved;
    system_error(path, "cannot write");
  }
  sync_folder_of(path);
}

void write_file_atomically(const std::filesystem::path& path, std::string_view content) {
  write_file_atomically(path, [&](const auto& append) { append(content.data(), content.size()); });
}

AppendFile::AppendFile(const std::filesystem::path& path)
    : fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)), name_(path.string()) {
  if (fd_ < 0) system_error(path, "cannot write");
}

AppendFile::~AppendFile() { ::close(fd_); }

void AppendFile::append(std::string_view bytes) { write_all(fd_, bytes.data(), bytes.size(), name_); }

void AppendFile::sync() {
  if (::fdatasync(fd_) != 0) system_error(name_, "cannot write");
}

void truncate_file(const std::filesystem::path& path, int64_t size) {
  if (::truncate(path.c_str(), size) != 0) system_error(path, "cannot cut");
}

int64_t repair_torn_tail(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return 0;
  size_t whole = 0;
  size_t size = 0;
  {
    const MappedFile file(path);
    const std::string_view text = file.text();
    size = text.size();
    const size_t newline = text.rfind('\n');
    whole = newline == std::string_view::npos ? 0 : newline + 1;
  }
  if (whole < size) truncate_file(path, static_cast<int64_t>(whole));
  return static_cast<int64_t>(size - whole);
}

FileLock::FileLock(const std::filesystem::path& lock_path) : path_(lock_path) {
  make_folder_of(lock_path);
  fd_ = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd_ < 0) system_error(lock_path, "cannot open the lock");
  if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    char holder[32] = {};
    const ssize_t got = ::read(fd_, holder, sizeof holder - 1);
    ::close(fd_);
    fail("{}: another circuitdiff process{} is working here; wait for it or stop it", lock_path.string(),
         got > 0 ? " (" + std::string(holder, static_cast<size_t>(got)) + ")" : "");
  }
  const std::string me = "pid " + std::to_string(::getpid());
  if (::ftruncate(fd_, 0) == 0) write_all(fd_, me.data(), me.size(), path_);
}

FileLock::~FileLock() {
  // The file stays: removing it would let a third process lock a new file while
  // a second still waits on this one.
  ::close(fd_);
}

namespace {

std::string sha256_of(std::string_view bytes, bool may_stop) {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  constexpr size_t kPart = size_t{64} << 20;  // a shard of 5 GB takes seconds
  for (size_t at = 0; at < bytes.size(); at += kPart) {
    if (may_stop) check_interrupt();
    const std::string_view part = bytes.substr(at, kPart);
    EVP_DigestUpdate(context.get(), part.data(), part.size());
  }
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_DigestFinal_ex(context.get(), digest, &size);
  std::string out;
  for (unsigned int i = 0; i < size; ++i) out += fmt::format("{:02x}", digest[i]);
  return out;
}

}  // namespace

std::string sha256_hex(std::string_view bytes) { return sha256_of(bytes, /*may_stop=*/false); }
std::string sha256_file(const std::filesystem::path& path) {
  return sha256_of(MappedFile(path).text(), /*may_stop=*/true);
}

}  // namespace circuitdiff
