#include "io/zip.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "base/error.h"
#include "io/json.h"

namespace circuitdiff {
namespace {

constexpr uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50;
constexpr uint32_t kEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
constexpr uint32_t kFull32 = 0xffffffff;
constexpr uint16_t kDate = 0x21;  // 1 January 1980, the format's earliest: the same members, the same bytes

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

uint32_t crc_of(std::string_view data) {
  uLong crc = crc32(0, nullptr, 0);
  for (size_t at = 0; at < data.size();) {
    const size_t piece = std::min<size_t>(data.size() - at, 1u << 30);
    crc = crc32(crc, reinterpret_cast<const Bytef*>(data.data() + at), static_cast<uInt>(piece));
    at += piece;
  }
  return static_cast<uint32_t>(crc);
}

// Sizes that do not fit 32 bits stand in an extra field.
std::string zip64_field(std::initializer_list<uint64_t> values) {
  std::string out;
  put<uint16_t>(out, 1);
  put<uint16_t>(out, static_cast<uint16_t>(8 * values.size()));
  for (const uint64_t v : values) put(out, v);
  return out;
}

// Reads numbers within the bounds of a file.
class Bytes {
 public:
  Bytes(std::string_view data, std::string where) : data_(data), where_(std::move(where)) {}
  template <class T>
  T get(uint64_t at) const {
    T value;
    std::memcpy(&value, piece(at, sizeof value).data(), sizeof value);
    return value;
  }
  std::string_view piece(uint64_t at, uint64_t size) const {
    if (at > data_.size() || size > data_.size() - at)
      fail("{}: a damaged zip file: it ends too early", where_);
    return data_.substr(at, size);
  }
  uint64_t size() const { return data_.size(); }
  const std::string& where() const { return where_; }

 private:
  std::string_view data_;
  std::string where_;
};

// Where the end record begins: the last place with its mark and a comment that fills the rest.
uint64_t find_end(const Bytes& bytes, std::string_view expected) {
  constexpr uint64_t kSize = 22, kComment = 65535;
  for (uint64_t back = kSize; back <= std::min(bytes.size(), kSize + kComment); ++back) {
    const uint64_t at = bytes.size() - back;
    if (bytes.get<uint32_t>(at) == kEnd && bytes.get<uint16_t>(at + 20) == back - kSize) return at;
  }
  fail("{}: no zip file ({} expected)", bytes.where(), expected);
}

std::string inflated(std::string_view stored, uint64_t size, const std::string& where) {
  // Deflate makes at most 1032 bytes of one: a larger claim is forged, and is not worth the memory.
  if (size / 1032 > stored.size() + 1)
    fail("{}: a damaged zip file: {} bytes cannot come of {}", where, size, stored.size());
  std::string out(size, '\0');
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) fail("{}: out of memory", where);
  size_t in = 0, made = 0;
  int state = Z_OK;
  while (state == Z_OK) {
    const size_t in_piece = std::min<size_t>(stored.size() - in, 1u << 30),
                 out_piece = std::min<size_t>(size - made, 1u << 30);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(stored.data() + in));
    stream.avail_in = static_cast<uInt>(in_piece);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + made);
    stream.avail_out = static_cast<uInt>(out_piece);
    state = inflate(&stream, Z_NO_FLUSH);
    in += in_piece - stream.avail_in;
    made += out_piece - stream.avail_out;
    if (state == Z_OK && stream.avail_in == in_piece && stream.avail_out == out_piece)
      break;  // no way forward
  }
  inflateEnd(&stream);
  if (state != Z_STREAM_END || made != size)
    fail("{}: a damaged zip file: its data do not inflate to {} bytes", where, size);
  return out;
}

}  // namespace

void write_zip(const std::filesystem::path& path, const std::vector<ZipMember>& members) {
  std::set<std::string> names;
  write_file_atomically(path, [&](const auto& append) {
    uint64_t offset = 0;
    std::string directory;
    const auto write = [&](const std::string& bytes) {
      append(bytes.data(), bytes.size());
      offset += bytes.size();
    };
    for (const ZipMember& member : members) {
      if (!names.insert(member.name).second)
        fail("{}: member \"{}\" given twice", path.string(), member.name);
      const uint64_t size = member.content.size(), begin = offset;
      const bool large = size >= kFull32, far = begin >= kFull32;
      const uint32_t crc = crc_of(member.content);
      const auto common = [&](std::string& out, const std::string& extra) {
        put<uint16_t>(out, large || far ? 45 : 20);
        put<uint16_t>(out, 0);
        put<uint16_t>(out, 0);  // stored
        put<uint16_t>(out, 0);
        put<uint16_t>(out, kDate);
        put<uint32_t>(out, crc);
        put<uint32_t>(out, large ? kFull32 : static_cast<uint32_t>(size));
        put<uint32_t>(out, large ? kFull32 : static_cast<uint32_t>(size));
        put<uint16_t>(out, static_cast<uint16_t>(member.name.size()));
        put<uint16_t>(out, static_cast<uint16_t>(extra.size()));
      };
      std::string local;
      const std::string local_extra = large ? zip64_field({size, size}) : "";
      put(local, kLocal);
      common(local, local_extra);
      write(local + member.name + local_extra);
      write(member.content);
      const std::string extra = large && far ? zip64_field({size, size, begin})
                                : large      ? zip64_field({size, size})
                                : far        ? zip64_field({begin})
                                             : "";
      put(directory, kCentral);
      put<uint16_t>(directory, large || far ? 45 : 20);
      common(directory, extra);
      put<uint16_t>(directory, 0);
      put<uint16_t>(directory, 0);
      put<uint16_t>(directory, 0);
      put<uint32_t>(directory, 0);
      put<uint32_t>(directory, far ? kFull32 : static_cast<uint32_t>(begin));
      directory += member.name + extra;
    }
    const uint64_t begin = offset, count = members.size();
    write(directory);
    const bool large = begin >= kFull32 || directory.size() >= kFull32 || count >= 0xffff;
    std::string end;
    if (large) {
      put(end, kEnd64);
      put<uint64_t>(end, 44);
      put<uint16_t>(end, 45);
      put<uint16_t>(end, 45);
      put<uint32_t>(end, 0);
      put<uint32_t>(end, 0);
      put<uint64_t>(end, count);
      put<uint64_t>(end, count);
      put<uint64_t>(end, directory.size());
      put<uint64_t>(end, begin);
      put(end, kLocator64);
      put<uint32_t>(end, 0);
      put<uint64_t>(end, offset);
      put<uint32_t>(end, 1);
    }
    put(end, kEnd);
    put<uint32_t>(end, 0);
    put<uint16_t>(end, large ? 0xffff : static_cast<uint16_t>(count));
    put<uint16_t>(end, large ? 0xffff : static_cast<uint16_t>(count));
    put<uint32_t>(end, large ? kFull32 : static_cast<uint32_t>(directory.size()));
    put<uint32_t>(end, large ? kFull32 : static_cast<uint32_t>(begin));
    put<uint16_t>(end, 0);
    write(end);
  });
}

ZipFile::ZipFile(MappedFile file, std::string where, std::string_view expected)
    : file_(std::move(file)), where_(std::move(where)) {
  const Bytes bytes(file_.text(), where_);
  const uint64_t end = find_end(bytes, expected);
  uint64_t count = bytes.get<uint16_t>(end + 10), size = bytes.get<uint32_t>(end + 12),
           at = bytes.get<uint32_t>(end + 16);
  if (end >= 20 && bytes.get<uint32_t>(end - 20) == kLocator64) {
    const uint64_t end64 = bytes.get<uint64_t>(end - 12);
    if (bytes.get<uint32_t>(end64) != kEnd64)
      fail("{}: a damaged zip file: its zip64 end record is gone", where_);
    count = bytes.get<uint64_t>(end64 + 32);
    size = bytes.get<uint64_t>(end64 + 40);
    at = bytes.get<uint64_t>(end64 + 48);
  }
  bytes.piece(at, size);
  // An entry has 46 bytes at least: a forged count ends here, not in memory.
  if (count > size / 46)
    fail("{}: a damaged zip file: {} members cannot stand in {} bytes", where_, count, size);
  for (uint64_t i = 0; i < count; ++i) {
    if (bytes.get<uint32_t>(at) != kCentral)
      fail("{}: a damaged zip file: entry {} of its directory is none", where_, i);
    const auto name_size = bytes.get<uint16_t>(at + 28), extra_size = bytes.get<uint16_t>(at + 30);
    const std::string name(bytes.piece(at + 46, name_size));
    Place place{bytes.get<uint32_t>(at + 42), bytes.get<uint32_t>(at + 20), bytes.get<uint32_t>(at + 24),
                bytes.get<uint32_t>(at + 16), bytes.get<uint16_t>(at + 10), bytes.get<uint16_t>(at + 8)};
    uint64_t extra = at + 46 + name_size;
    const uint64_t extra_end = extra + extra_size;
    while (extra + 4 <= extra_end) {
      const auto id = bytes.get<uint16_t>(extra), length = bytes.get<uint16_t>(extra + 2);
      uint64_t field = extra + 4;
      const uint64_t field_end = field + length;
      for (uint64_t* value : {&place.size, &place.stored, &place.header})
        if (id == 1 && *value == kFull32 && field + 8 <= field_end) {
          *value = bytes.get<uint64_t>(field);
          field += 8;
        }
      extra = field_end;
    }
    if (!places_.emplace(name, place).second)
      fail("{}: member {} stands there twice", where_, in_quotes(name));
    at += 46 + uint64_t{name_size} + extra_size + bytes.get<uint16_t>(at + 32);
  }
}

std::vector<std::string> ZipFile::names() const {
  std::vector<std::string> out;
  for (const auto& [name, place] : places_) out.push_back(name);
  return out;
}

const ZipFile::Place& ZipFile::place_of(const std::string& name) const {
  const auto it = places_.find(name);
  if (it == places_.end()) fail("{}: no member {} in it", where_, in_quotes(name));
  return it->second;
}

std::string_view ZipFile::stored_bytes(const Place& place, const std::string& where) const {
  const Bytes bytes(file_.text(), where);
  if (bytes.get<uint32_t>(place.header) != kLocal) fail("{}: a damaged zip file: its header is gone", where);
  const uint64_t begin =
      place.header + 30 + bytes.get<uint16_t>(place.header + 26) + bytes.get<uint16_t>(place.header + 28);
  return bytes.piece(begin, place.stored);
}

std::string ZipFile::read(const std::string& name) const {
  const Place& place = place_of(name);
  const std::string where = where_ + ": member " + in_quotes(name);
  if (place.flags & 1) fail("{}: it is encrypted", where);
  const std::string_view stored = stored_bytes(place, where);
  std::string out;
  if (place.method == 8)
    out = inflated(stored, place.size, where);
  else if (place.method == 0 && place.size == place.stored)
    out = std::string(stored);
  else
    fail("{}: stored or deflated data expected, compression {} found", where, place.method);
  if (crc_of(out) != place.crc) fail("{}: its data do not have the CRC-32 written beside them", where);
  return out;
}

std::span<const std::byte> ZipFile::mapped(const std::string& name) const {
  const Place& place = place_of(name);
  const std::string where = where_ + ": member " + in_quotes(name);
  if (place.method != 0 || (place.flags & 1) || place.size != place.stored)
    fail("{} is compressed or encrypted", where);
  return std::as_bytes(std::span(stored_bytes(place, where)));
}

}  // namespace circuitdiff
