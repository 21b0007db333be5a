// The zip container of .npz and torch.save files: members stored as they are, zip64 where a size needs it;
// reading also takes deflated ones (numpy.savez_compressed). Every offset and size of a file is checked
// before it is used. What is left out: encryption, several disks, other compressions.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "io/files.h"

namespace circuitdiff {

struct ZipMember {
  std::string name;
  std::string content;
};

// Replaces `path` atomically. The same members give the same bytes: no times are kept.
void write_zip(const std::filesystem::path& path, const std::vector<ZipMember>& members);

class ZipFile {
 public:
  // Reads the central directory. `where` begins every error, `expected` says what kind of zip file it should
  // be
  // ("an .npz archive"). Error: no zip file, a damaged one, two members of one name.
  ZipFile(MappedFile file, std::string where, std::string_view expected);
  const std::string& where() const { return where_; }
  std::vector<std::string> names() const;
  bool contains(const std::string& name) const { return places_.contains(name); }
  // A copy of the member's bytes, inflated. Error: none of that name, a size that its data do not have, a
  // wrong CRC-32.
  std::string read(const std::string& name) const;
  // The member's bytes where they lie in the file, as long as this object lives; their CRC-32 is not checked.
  // Error: none of that name, one that is compressed or encrypted.
  std::span<const std::byte> mapped(const std::string& name) const;

 private:
  struct Place {
    uint64_t header, stored, size;
    uint32_t crc;
    uint16_t method, flags;
  };
  const Place& place_of(const std::string& name) const;
  std::string_view stored_bytes(const Place& place, const std::string& where) const;

  MappedFile file_;
  std::string where_;
  std::map<std::string, Place> places_;
};

}  // namespace circuitdiff
