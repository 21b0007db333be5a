// A run cut into N, each a process of its own (on a machine of its own, if the folder is shared): shard I of
// N does every N-th chunk, and its journal stays in the folder. A run without --shard takes what the shards
// did, does what is missing, and ends with the bytes of a run that was never cut.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "attribute/journal.h"
#include "records/manifest.h"

namespace circuitdiff {

struct Shard {
  int64_t index = 1, count = 1;  // 1 <= index <= count
  bool is_whole() const { return count == 1; }
  bool does(int64_t chunk) const { return chunk % count == index - 1; }
  std::string name() const;  // "shard-2-of-8"
};

// "2/8"; empty: the whole run. UsageError on anything else.
Shard parse_shard(const std::string& text);

// Where a run keeps its state, journal and lock: of its own for each shard.
struct RunFiles {
  std::filesystem::path state, journal, lock;
};
RunFiles run_files(const std::filesystem::path& out, const Shard& shard);

// Adds what finished shards left in the folder to `journal`, chunk by chunk. Error where a shard still runs,
// or was made with other inputs or options.
void take_shards(const std::filesystem::path& out, const Manifest& now, Journal& journal);
void remove_shards(const std::filesystem::path& out);

}  // namespace circuitdiff
