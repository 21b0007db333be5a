#include "checkpoint/zip_records.h"

#include <cstdint>
#include <cstring>

#include "base/error.h"
#include "io/json.h"

namespace circuitdiff {
namespace {

constexpr uint32_t kEndMark = 0x06054b50, kEnd64Mark = 0x06064b50, kLocator64Mark = 0x07064b50;
constexpr uint32_t kEntryMark = 0x02014b50, kLocalMark = 0x04034b50;
constexpr size_t kEndSize = 22, kLocator64Size = 20, kEnd64Size = 56, kEntrySize = 46, kLocalSize = 30;
constexpr uint64_t kMostRecords = 1'000'000;

class Reader {
 public:
  Reader(std::span<const std::byte> file, const std::string& where) : file_(file), where_(where) {}

  template <class T>
  T number(uint64_t at) const {
    if (at > file_.size() || file_.size() - at < sizeof(T)) damaged("a record's header ends beyond the file");
    T value;
    std::memcpy(&value, file_.data() + at, sizeof(T));  // little-endian machines only, as libtorch
    return value;
  }
  std::span<const std::byte> part(uint64_t at, uint64_t size, const char* what) const {
    if (at > file_.size() || size > file_.size() - at)
      damaged(
          fmt::format("{} of {} bytes at {} ends beyond the file ({} bytes)", what, size, at, file_.size()));
    return file_.subspan(at, size);
  }
  uint64_t size() const { return file_.size(); }
  [[noreturn]] void damaged(const std::string& how) const {
    fail("{}: truncated or damaged zip file: {}", where_, how);
  }

 private:
  std::span<const std::byte> file_;
  const std::string& where_;
};

// Where the list of records lies, and how many there are.
struct Directory {
  uint64_t begin = 0, size = 0, count = 0;
};

Directory find_directory(const Reader& zip) {
  if (zip.size() < kEndSize) zip.damaged("no end record");
  // The end record is last, behind it only a comment.
  uint64_t at = zip.size() - kEndSize;
  const uint64_t least = at > UINT16_MAX ? at - UINT16_MAX : 0;
  while (zip.number<uint32_t>(at) != kEndMark) {
    if (at == least) zip.damaged("no end record");
    --at;
  }
  Directory out{zip.number<uint32_t>(at + 16), zip.number<uint32_t>(at + 12), zip.number<uint16_t>(at + 10)};
  if (at >= kLocator64Size && zip.number<uint32_t>(at - kLocator64Size) == kLocator64Mark) {
    const auto end64 = zip.number<uint64_t>(at - kLocator64Size + 8);
    zip.part(end64, kEnd64Size, "the end record");
    if (zip.number<uint32_t>(end64) != kEnd64Mark) zip.damaged("no 64-bit end record where one is announced");
    out = {zip.number<uint64_t>(end64 + 48), zip.number<uint64_t>(end64 + 40),
           zip.number<uint64_t>(end64 + 32)};
  }
  if (out.count > kMostRecords || out.count * kEntrySize > out.size)
    zip.damaged(fmt::format("{} records announced in a list of {} bytes", out.count, out.size));
  zip.part(out.begin, out.size, "the list of records");
  return out;
}

}  // namespace

std::map<std::string, std::span<const std::byte>> zip_records(std::span<const std::byte> file,
                                                              const std::string& where) {
  const Reader zip(file, where);
  const Directory directory = find_directory(zip);
  std::map<std::string, std::span<const std::byte>> out;
  uint64_t at = directory.begin;
  const uint64_t end = directory.begin + directory.size;
  for (uint64_t i = 0; i < directory.count; ++i) {
    if (end - at < kEntrySize || zip.number<uint32_t>(at) != kEntryMark)
      zip.damaged(fmt::format("record {} of the list is not one", i));
    const auto flags = zip.number<uint16_t>(at + 8), method = zip.number<uint16_t>(at + 10);
    uint64_t packed = zip.number<uint32_t>(at + 20), size = zip.number<uint32_t>(at + 24);
    const uint64_t name_size = zip.number<uint16_t>(at + 28), extra_size = zip.number<uint16_t>(at + 30);
    const uint64_t comment_size = zip.number<uint16_t>(at + 32);
    uint64_t local = zip.number<uint32_t>(at + 42);
    const uint64_t extra = at + kEntrySize + name_size, next = extra + extra_size + comment_size;
    if (next > end) zip.damaged(fmt::format("record {} ends beyond the list", i));
    const auto name_bytes = zip.part(at + kEntrySize, name_size, "a name");
    const std::string name(reinterpret_cast<const char*>(name_bytes.data()), name_bytes.size());
    // Sizes and places beyond 32 bits stand in an extra field, those that need it in this order.
    for (uint64_t e = extra; e + 4 <= extra + extra_size;) {
      const auto id = zip.number<uint16_t>(e);
      const uint64_t field = e + 4, field_end = field + zip.number<uint16_t>(e + 2);
      if (field_end > extra + extra_size)
        zip.damaged(fmt::format("record {}: an extra field is too long", i));
      uint64_t f = field;
      if (id == 1)
        for (uint64_t* value : {&size, &packed, &local})
          if (*value == UINT32_MAX) {
            if (field_end - f < 8) zip.damaged(fmt::format("record {}: its 64-bit sizes are missing", i));
            *value = zip.number<uint64_t>(f);
            f += 8;
          }
      e = field_end;
    }
    at = next;
    if (name.ends_with("/")) continue;
    if (method != 0 || (flags & 1) || packed != size)
      fail("{}: record {} is compressed or encrypted; torch stores records as they are", where,
           in_quotes(name));
    zip.part(local, kLocalSize, "a record's header");
    if (zip.number<uint32_t>(local) != kLocalMark)
      zip.damaged("record " + in_quotes(name) + " has no header");
    const uint64_t data =
        local + kLocalSize + zip.number<uint16_t>(local + 26) + zip.number<uint16_t>(local + 28);
    if (!out.emplace(name, zip.part(data, size, "a record")).second)
      fail("{}: record {} stands there twice", where, in_quotes(name));
  }
  return out;
}

}  // namespace circuitdiff
