// What every metric reads: one score matrix a sample, which of its cells are edges, and two figures a sample.
// A view: nothing is owned or copied. Values of float32 files are widened to double by the caller.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/options.h"

namespace circuitdiff {

struct ScoreMatrices {
  int64_t n = 0, n_forward = 0, n_backward = 0;
  std::span<const double> scores;  // [n, n_forward, n_backward]
  std::span<const uint8_t> edges;  // [n_forward, n_backward], 1 where an edge exists
  std::span<const double> loss;    // [n], nats
  std::span<const double> error;   // [n], mean of 1 - p(token); may be empty

  int64_t cells() const { return n_forward * n_backward; }
  std::span<const double> matrix(int64_t k) const {  // [n_forward, n_backward] of sample k
    return scores.subspan(static_cast<size_t>(k * cells()), static_cast<size_t>(cells()));
  }
  double at(int64_t k, int64_t source, int64_t destination) const {
    return scores[static_cast<size_t>((k * n_forward + source) * n_backward + destination)];
  }
};

// Which cells eqs. 13-15, diversity and node entropy are taken over.
enum class Cells { matrix, edges };

template <>
struct EnumWords<Cells> {
  static constexpr std::array words{std::pair{Cells::matrix, "matrix"}, std::pair{Cells::edges, "edges"}};
};

// A number, or why there is none.
struct Figure {
  std::optional<double> value;
  std::string reason;  // empty where there is a value
};

// Throws Error unless sizes agree with n, n_forward and n_backward, edges are 0 or 1 and every number is
// finite. `name` begins the message: "before: sample 3, cell [2, 5]: a finite number expected, nan found".
void check_matrices(const ScoreMatrices& w, std::string_view name);
// The same for every file of a comparison, and that n, shape and edges agree.
void check_paired(std::span<const ScoreMatrices> files, std::span<const std::string_view> names);

}  // namespace circuitdiff
