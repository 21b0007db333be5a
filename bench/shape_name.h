// What the shape of a model is called in bench/results: as bench/random_checkpoint.py calls it.
#pragma once

#include <fmt/format.h>

#include <array>
#include <string>

#include "checkpoint/config.h"

namespace circuitdiff {

// "0.5B shape", "4 layers of the 7B shape"; else "12 layers of 768".
inline std::string shape_name(const ModelConfig& c) {
  struct Shape {
    int64_t d_model, d_mlp, n_layers;
    const char* name;
  };
  constexpr std::array<Shape, 5> kShapes{{{896, 4864, 24, "0.5B shape"},
                                          {1536, 8960, 28, "1.5B shape"},
                                          {4096, 11008, 30, "7B shape"},
                                          {5120, 13824, 40, "13B shape"},
                                          {576, 1536, 30, "SmolLM2-135M shape"}}};
  for (const Shape& s : kShapes)
    if (s.d_model == c.d_model && s.d_mlp == c.d_mlp)
      return s.n_layers == c.n_layers ? s.name : fmt::format("{} layers of the {}", c.n_layers, s.name);
  return fmt::format("{} layers of {}", c.n_layers, c.d_model);
}

}  // namespace circuitdiff
