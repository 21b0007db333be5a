// Small things that several rooms do with text.
#pragma once

#include <string_view>

namespace circuitdiff {

// Without the characters `what` at both ends.
inline std::string_view trim(std::string_view text, std::string_view what = " \t\r\n") {
  const size_t begin = text.find_first_not_of(what);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(what) - begin + 1);
}

}  // namespace circuitdiff
