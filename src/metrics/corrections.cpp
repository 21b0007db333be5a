#include "metrics/corrections.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "io/files.h"
#include "io/json.h"
#include "statistics/significance.h"

namespace circuitdiff {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> folders_in(const fs::path& dir) {
  std::vector<fs::path> out;
  std::error_code error;
  for (fs::directory_iterator it(dir, error), end; it != end && !error; it.increment(error))
    if (std::error_code ignored; it->is_directory(ignored)) out.push_back(it->path());
  std::sort(out.begin(), out.end());
  return out;
}

// The names in a list of objects of experiment.json; null where there is no such file.
std::optional<std::set<std::string>> names_in(const fs::path& experiment, const char* list) {
  if (!fs::exists(experiment)) return std::nullopt;
  std::set<std::string> out;
  const json root = read_json_file(experiment);
  const Row row(root, experiment.string());
  if (!row.at(list).is_array()) row.bad(list, "an array");
  for (const json& entry : row.at(list)) out.insert(Row(entry, experiment.string()).string("name"));
  return out;
}

}  // namespace

bool correct_run(const fs::path& dir) {
  if (!fs::is_directory(dir / "pairs")) return false;
  const auto pairs = names_in(dir / "experiment.json", "pairs");
  const auto sets = names_in(dir / "experiment.json", "data");
  const auto named = [](const auto& names, const fs::path& folder) {
    return !names || names->contains(folder.filename().string());
  };
  std::vector<std::optional<double>> p;
  std::vector<json*> places;
  // Places point into the tree, whose objects do not move when others are added.
  json tree = json::object();
  for (const fs::path& pair : folders_in(dir / "pairs"))
    for (const fs::path& data : folders_in(pair))
      for (const fs::path& cut : folders_in(data / "compare")) {
        const fs::path file = cut / "metrics.json";
        if (!named(pairs, pair) || !named(sets, data) || !fs::exists(file)) continue;
        const json root = read_json_file(file);
        const Row row(root, file.string());
        if (!row.at("metrics").is_object()) row.bad("metrics", "an object");
        for (const auto& [name, metric] : row.at("metrics").items()) {
          json& place = tree[valid_utf8(pair.filename().string())][valid_utf8(data.filename().string())]
                            [valid_utf8(cut.filename().string())][name];
          places.push_back(&place);
          const Row one(metric, file.string() + ": metrics." + name);
          p.push_back(one.has("p") && one.at("p").is_number() ? std::optional(one.at("p").get<double>())
                                                              : std::nullopt);
        }
      }
  if (p.empty()) return false;
  const auto corrected = benjamini_hochberg(p);
  for (size_t i = 0; i < p.size(); ++i)
    if (corrected[i]) *places[i] = *corrected[i];
  const auto tests = std::count_if(p.begin(), p.end(), [](const auto& one) { return one.has_value(); });
  const nlohmann::ordered_json out{{"method", "Benjamini-Hochberg"}, {"tests", tests}, {"p_corrected", tree}};
  write_file_atomically(dir / "corrections.json", out.dump(1) + "\n");
  return true;
}

}  // namespace circuitdiff
