// pairs.jsonl (docs/spec.md#files): a header line, then one question a line with both models' token
// sequences. sequences.jsonl: {id, tokens, prompt_len}, what score and attribute also take directly.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "io/json.h"

namespace circuitdiff {

// A prompt and its answer as tokens. 1 <= prompt_len < tokens.size().
struct Sequence {
  std::string id;
  std::vector<int64_t> tokens;
  int64_t prompt_len = 0;
};

struct Pair {
  std::string id;
  Sequence before, after;             // their ids equal `id`
  int64_t t_before = 0, t_after = 0;  // tokens of the answers
};

struct Pairs {
  json header = json::object();  // {"t_mean": .., "t_ref": .., "filter": .., "counts": {..}, ...}
  std::vector<Pair> pairs;
  std::string file;                        // for messages
  double t_mean() const;                   // Error if the header lacks it
  double number(const char* field) const;  // a number of the header; Error if absent
};

enum class Side { before, after };

Pairs read_pairs(const std::filesystem::path& path);
void write_pairs(const std::filesystem::path& path, const Pairs& pairs);

std::vector<Sequence> read_sequences(const std::filesystem::path& path);

// Error naming the sequence and the position if a token is not in [0, vocab_size).
void check_vocabulary(const std::vector<Sequence>& sequences, int64_t vocab_size,
                      const std::filesystem::path& file);

}  // namespace circuitdiff
