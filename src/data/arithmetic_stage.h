// The stage of `data arithmetic`: writes N questions with distinct texts as JSON Lines, the same bytes for
// the same seed. A longer file of the same seed begins with the shorter one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/progress.h"
#include "data/arithmetic.h"
#include "io/json.h"

namespace circuitdiff {

struct ArithmeticOptions {
  int64_t count = 1000;
  uint64_t seed = 0;
  std::filesystem::path out;
};
template <class V>
void visit(V& v, ArithmeticOptions& o) {
  v(o.count, "count", "questions to write");
  v(o.seed, "seed", "of the generator");
  v(o.out, "out", "file to write; standard output where absent");
}

// UsageError where the count is not in 1..10,000,000.
std::vector<ArithmeticQuestion> arithmetic_questions(int64_t count, uint64_t seed, Progress& progress);

// {"id": "arith-SEED-NUMBER", "question", "answer", "level", "steps"}, one line without its newline.
std::string arithmetic_line(const ArithmeticQuestion& question, uint64_t seed, int64_t number);

// Writes options.out and returns {"count", "levels": [n, n, n], "steps": {"2": n, ...}}.
json write_arithmetic(const ArithmeticOptions& options, Progress& progress);

}  // namespace circuitdiff
