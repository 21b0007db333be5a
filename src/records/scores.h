// scores.safetensors (docs/spec.md#files): one matrix a sample, with what is
// needed to read it without its maker.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace circuitdiff {

struct Scores {
  int64_t n = 0, n_forward = 0, n_backward = 0;
  std::vector<double> scores;  // [n, n_forward, n_backward]; exactly what the file's f32 or f64 held
  std::vector<double> loss;    // [n], nats
  std::vector<double> error;   // [n], mean of 1 - p(token); empty where the file has none
  std::vector<int64_t> t_cut;  // [n], answer tokens the loss was taken over
  std::vector<uint8_t> edges;  // [n_forward, n_backward], 1 where an edge exists
  std::vector<std::string> sources, destinations, ids;
  std::map<std::string, std::string>
      metadata;  // the file's strings; sources, destinations, ids included when read
  bool is_f64 = false;

  double at(int64_t k, int64_t source, int64_t destination) const {
    return scores[static_cast<size_t>((k * n_forward + source) * n_backward + destination)];
  }
};

// Checks shapes against each other, names against shapes, ids for duplicates
// and every number for being finite.
Scores read_scores(const std::filesystem::path& path);
void write_scores(const std::filesystem::path& path, const Scores& scores);

}  // namespace circuitdiff
