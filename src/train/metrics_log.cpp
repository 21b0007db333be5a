#include "train/metrics_log.h"

#include <cmath>

#include "base/error.h"
#include "io/json.h"

namespace circuitdiff {
namespace {

std::filesystem::path metrics_path(const std::filesystem::path& folder) { return folder / "metrics.jsonl"; }
// The name that TensorBoard looks for.
std::filesystem::path events_path(const std::filesystem::path& folder) {
  return folder / "events.out.tfevents.circuitdiff";
}

}  // namespace

MetricsLog::MetricsLog(const std::filesystem::path& folder)
    : metrics_path_(metrics_path(folder)),
      events_path_(events_path(folder)),
      metrics_(metrics_path_),
      events_(events_path_) {}

void MetricsLog::write(int64_t step, const nlohmann::ordered_json& figures) {
  nlohmann::ordered_json row{{"step", step}};
  std::vector<std::pair<std::string, double>> scalars;
  for (const auto& [name, value] : figures.items()) {
    const bool finite = !value.is_number_float() || std::isfinite(value.get<double>());
    row[name] = finite ? value : nlohmann::ordered_json(nullptr);
    if (value.is_number() && finite) scalars.emplace_back(name, value.get<double>());
  }
  metrics_.append(row.dump() + "\n");
  events_.append(step, scalars);
}

int64_t MetricsLog::metrics_bytes() const {
  return static_cast<int64_t>(std::filesystem::file_size(metrics_path_));
}
int64_t MetricsLog::event_bytes() const {
  return static_cast<int64_t>(std::filesystem::file_size(events_path_));
}

void MetricsLog::cut_back(const std::filesystem::path& folder, int64_t metrics_bytes, int64_t event_bytes) {
  const auto cut = [](const std::filesystem::path& path, int64_t bytes) {
    const bool there = std::filesystem::exists(path);
    const auto size = there ? static_cast<int64_t>(std::filesystem::file_size(path)) : 0;
    if (size < bytes)
      fail("{}: {} bytes expected by the checkpoint, {} found; the file was changed", path.string(), bytes,
           size);
    if (size > bytes) truncate_file(path, bytes);
  };
  cut(metrics_path(folder), metrics_bytes);
  cut(events_path(folder), event_bytes);
}

}  // namespace circuitdiff
