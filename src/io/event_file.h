// TensorBoard event files: TFRecords (length, masked CRC-32C of it, data, masked CRC-32C of that) of
// serialised tensorflow.Event messages with scalar summaries. Append-only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/files.h"

namespace circuitdiff {

uint32_t crc32c(std::string_view bytes);  // Castagnoli
std::string tf_record(std::string_view data);
// One Event with a scalar of each name. wall_time: seconds since 1970.
std::string scalar_event(double wall_time, int64_t step,
                         const std::vector<std::pair<std::string, double>>& scalars);

class EventFile {
 public:
  // Writes the version record where the file is new or empty.
  explicit EventFile(const std::filesystem::path& path);
  void append(int64_t step, const std::vector<std::pair<std::string, double>>& scalars);

 private:
  std::unique_ptr<AppendFile> file_;
};

}  // namespace circuitdiff
