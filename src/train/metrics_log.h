// metrics.jsonl and a TensorBoard event file, one record a step, under TRL's names. Both only grow; resumed
// work cuts them back to where its checkpoint was written.
#pragma once

#include <memory>

#include "io/event_file.h"
#include "io/json_fwd.h"

namespace circuitdiff {

class MetricsLog {
 public:
  explicit MetricsLog(const std::filesystem::path& folder);
  // Numbers that are not finite become null in the one and are left out of the other; so are lists.
  void write(int64_t step, const nlohmann::ordered_json& figures);
  int64_t metrics_bytes() const;
  int64_t event_bytes() const;
  static void cut_back(const std::filesystem::path& folder, int64_t metrics_bytes, int64_t event_bytes);

 private:
  std::filesystem::path metrics_path_, events_path_;
  AppendFile metrics_;
  EventFile events_;
};

}  // namespace circuitdiff
