// The golden checkpoints of tests/golden/models (see tests/golden/README.md): what a float64 run of the
// reference gave.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "io/json.h"
#include "io/safetensors.h"

namespace circuitdiff {

inline std::filesystem::path golden_folder(const std::string& model) {
  return std::filesystem::path(CIRCUITDIFF_SOURCE_DIR) / "tests/golden/models" / model;
}

inline const std::vector<std::string>& golden_models() {
  static const std::vector<std::string> names{
      "llama_mha",  "mistral_gqa_swa", "qwen2_tied", "qwen3",  "llama3_scaled",
      "llama_bias", "qwen2_swa",       "phi3",       "gemma2", "olmo2"};
  return names;
}

// Largest |found - expected| over the largest |expected|, and where it is.
struct Difference {
  double relative = 0;
  size_t at = 0;
};
inline Difference largest_difference(const std::vector<double>& found, const std::vector<double>& expected) {
  Difference out;
  double largest = 0;
  for (const double e : expected) largest = std::max(largest, std::abs(e));
  if (found.size() != expected.size()) return {INFINITY, 0};
  for (size_t i = 0; i < expected.size(); ++i) {
    const double d = std::abs(found[i] - expected[i]) / (largest > 0 ? largest : 1.0);
    if (!(d <= out.relative)) out = {d, i};
  }
  return out;
}

}  // namespace circuitdiff
