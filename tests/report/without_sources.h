// The page's HTML as it reads without the elements that say where each figure stands.
#pragma once

#include <regex>
#include <string>

namespace circuitdiff {

// Figures as their text alone, hard spaces as spaces.
inline std::string without_sources(std::string html) {
  static const std::regex figure("<span class=\"num\"[^>]*>([^<]*)</span>"), hard("\u00a0");
  return std::regex_replace(std::regex_replace(html, figure, "$1"), hard, " ");
}

}  // namespace circuitdiff
