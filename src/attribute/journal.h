// The attribute stage's memory between kills: one checksummed record a finished chunk, appended whole.
#pragma once

#include <filesystem>
#include <map>
#include <vector>

#include "attribute/eap.h"
#include "io/files.h"

namespace circuitdiff {

using ChunkScores = std::vector<std::vector<SampleScores>>;  // [samples][cuts]

class Journal {
 public:
  // Opens for appending after everything that is whole; a torn or damaged tail is cut off.
  explicit Journal(const std::filesystem::path& path);
  const std::map<int64_t, ChunkScores>& finished() const { return finished_; }
  void append(int64_t chunk, const ChunkScores& scores);
  std::map<int64_t, ChunkScores> take() { return std::move(finished_); }

 private:
  // Fills finished_ and cuts the tail; before file_, which appends after it.
  std::map<int64_t, ChunkScores> finished_;
  AppendFile file_;
};

}  // namespace circuitdiff
