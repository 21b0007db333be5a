// What the kernel says of this process's memory.
#pragma once

#include <cstdlib>
#include <fstream>
#include <string>

namespace circuitdiff {

// A line of /proc/self/status in MiB: "RssAnon:", "VmHWM:"; 0 where there is none.
inline double mib(const std::string& key) {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line))
    if (line.rfind(key, 0) == 0) return std::atof(line.c_str() + key.size() + 1) / 1024;
  return 0;
}

}  // namespace circuitdiff
