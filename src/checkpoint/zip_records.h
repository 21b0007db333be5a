// The records of a zip file as torch writes it: stored without compression, so that each is a stretch of the
// mapped file. Every offset and size is checked against the file before it is used.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>

namespace circuitdiff {

// Records by name. Throws Error "WHERE: ..." on anything but a sound zip file of stored records.
std::map<std::string, std::span<const std::byte>> zip_records(std::span<const std::byte> file,
                                                              const std::string& where);

}  // namespace circuitdiff
