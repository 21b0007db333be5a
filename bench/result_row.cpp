#include "result_row.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <thread>

#include "base/error.h"

namespace circuitdiff {
namespace {

// Of the source that this program was built from; "+" behind it where files differ from the commit's.
std::string commit() {
  const std::string command =
      "git -C '" CIRCUITDIFF_SOURCE_DIR "' describe --always --exclude '*' --abbrev=7 --dirty=+ 2>/dev/null";
  FILE* child = popen(command.c_str(), "r");
  char line[64] = "";
  const bool is_read = child && std::fgets(line, sizeof line, child);
  if (child) pclose(child);
  if (!is_read) fail("{}: no commit: a figure without one is worth nothing", CIRCUITDIFF_SOURCE_DIR);
  return std::string(line, std::strcspn(line, "\n"));
}

double rounded(double x) {  // to five digits
  if (x == 0 || !std::isfinite(x)) return x;
  const double unit = std::pow(10, 4 - std::floor(std::log10(std::abs(x))));
  return std::round(x * unit) / unit;
}

void put_range(nlohmann::ordered_json& row, std::vector<double> values, const char* median, const char* least,
               const char* most) {
  if (values.empty()) return;
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  row[median] = rounded((values[(n - 1) / 2] + values[n / 2]) / 2);
  if (n == 1) return;
  row[least] = rounded(values.front());
  row[most] = rounded(values.back());
}

}  // namespace

std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  std::string line, name, family, model;
  while (std::getline(info, line) && !line.empty()) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos || colon + 2 > line.size()) continue;
    const std::string key = line.substr(0, line.find_last_not_of("\t :", colon) + 1);
    const std::string value = line.substr(colon + 2);
    if (key == "model name") name = value;
    if (key == "cpu family") family = value;
    if (key == "model") model = value;
  }
  name = std::regex_replace(name, std::regex(R"(\((R|TM)\)|@.*)"), "");
  return fmt::format("{} {}/{}, {} processors", name, family, model, std::thread::hardware_concurrency());
}

ResultFile::ResultFile(int& argc, char** argv) {
  command_ = std::filesystem::path(argv[0]).filename();
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--json") == 0) {
      if (++i == argc) usage_error("--json wants a file");
      path_ = argv[i];
    } else {
      const std::filesystem::path word = argv[i];
      command_ += " " + (word.is_absolute() ? word.filename() : word).string();
      argv[kept++] = argv[i];
    }
  }
  argc = kept;
}

void ResultFile::add(const ResultRow& row, const std::string& machine) const {
  if (path_.empty()) return;
  nlohmann::ordered_json out{{"topic", row.topic},  {"what", row.what},
                             {"command", command_}, {"machine", machine.empty() ? processor_name() : machine},
                             {"commit", commit()},  {"unit", row.unit}};
  put_range(out, row.values, "median", "least", "most");
  out["runs"] = row.values.size();
  if (!row.peer.empty()) out["peer"] = row.peer;
  if (row.peer_median) out["peer_median"] = rounded(*row.peer_median);
  put_range(out, row.ratios, "ratio", "ratio_least", "ratio_most");
  std::ofstream file(path_, std::ios::app);
  file << out.dump() << '\n';
  if (!file.flush()) fail("{}: could not be written", path_.string());
}

}  // namespace circuitdiff
