// generations.jsonl (docs/spec.md#files): one answer a line; grade adds extracted, verdict and correct.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "io/json.h"

namespace circuitdiff {

struct Generation {
  std::string id;
  int64_t sample = 0;
  std::string prompt;
  std::vector<int64_t> prompt_tokens;
  std::string answer;
  std::vector<int64_t> answer_tokens;  // end token included if it was generated
  std::string finish_reason;           // "stop", "length", "repetition"
  std::string gold;                    // as the data set's rule takes it from its row
  std::string dataset;
  uint64_t seed = 0;
  std::optional<double> mean_nll;  // nats a token of the answer under the model's own distribution
  // Once graded:
  std::optional<std::string> extracted;  // the answer found in the text; null if none
  std::string verdict;                   // "equal", "different", "undecided"; empty: not graded
  std::optional<bool> correct;           // null where the verdict is undecided
  json extra = json::object();           // fields of the line that are not ours, written back as they came
};

Generation parse_generation(const Row& row);
std::string to_line(const Generation& generation);  // one JSON line without the newline

// Errors: an empty file, two rows of the same (id, sample).
std::vector<Generation> read_generations(const std::filesystem::path& path);
void write_generations(const std::filesystem::path& path, const std::vector<Generation>& generations);

}  // namespace circuitdiff
