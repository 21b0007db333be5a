// The zip container of .npz files: members stored as they are, zip64 where a size needs it; reading also
// takes deflated ones (numpy.savez_compressed). Every offset and size of a file is checked before it is used,
// and every member's CRC-32. What is left out: encryption, several disks, other compressions.
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
  // Reads the central directory. Error: no zip file, a damaged one, two members of one name.
  explicit ZipFile(const std::filesystem::path& path);
  const std::filesystem::path& path() const { return path_; }
  std::vector<std::string> names() const;
  bool contains(const std::string& name) const { return places_.contains(name); }
  // The member's bytes. Error: none of that name, a size that its data do not have, a wrong CRC-32.
  std::string read(const std::string& name) const;

 private:
  struct Place {
    uint64_t header, stored, size;
    uint32_t crc;
    uint16_t method, flags;
  };
  std::filesystem::path path_;
  MappedFile file_;
  std::map<std::string, Place> places_;
};

}  // namespace circuitdiff
