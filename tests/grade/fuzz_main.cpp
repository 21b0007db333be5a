// Mutated answers through reader, judge, harness and extraction, for as long as asked: no crash, every answer
// that is read equals itself, and no comparison turns when its two sides are exchanged (the judge's verdict
// may: it looks for the answer in a sentence of the prediction, not of the reference).
//
//   grade_fuzz SECONDS SEED ROWS.jsonl     rows with "gold_raw" and "prediction_text" are the seeds
//
// Not a test of its own: build it with sanitizers (cmake --preset asan, target grade_fuzz) and let it run.
#include <fmt/format.h>

#include <ctime>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "formula/compare.h"
#include "formula/reader.h"
#include "grade/extract.h"
#include "grade/harness/harness.h"
#include "grade/judge.h"
#include "io/json.h"

namespace circuitdiff {
namespace {

const std::vector<std::string> kPieces = {"\\frac",
                                          "{",
                                          "}",
                                          "(",
                                          ")",
                                          "[",
                                          "]",
                                          "^",
                                          "_",
                                          "12",
                                          ",",
                                          "x",
                                          "\\sqrt",
                                          "+",
                                          "-",
                                          "/",
                                          "=",
                                          "\\pi",
                                          "|",
                                          "!",
                                          "%",
                                          "\\text{",
                                          " cm",
                                          "<",
                                          "\\le",
                                          ".",
                                          "5",
                                          "\\pm",
                                          "\\cup",
                                          "\\{",
                                          "\\}",
                                          "and",
                                          "\\sin",
                                          "\\log_",
                                          "e",
                                          "i",
                                          "\\infty",
                                          "$",
                                          "\\\\",
                                          "&",
                                          "\\begin{pmatrix}",
                                          "\\end{pmatrix}",
                                          "\\sum_{k=1}^{3}",
                                          " ",
                                          "'",
                                          ":",
                                          "\\boxed{",
                                          "\\overline{3}",
                                          "{,}",
                                          "\\binom",
                                          "\\lfloor",
                                          "\\rfloor",
                                          "1e9",
                                          "9^9^9",
                                          "10^{",
                                          "half",
                                          "dozen",
                                          "\\max",
                                          "f(x)",
                                          "f'(",
                                          "A=(1,2)",
                                          "\\in",
                                          "or",
                                          "\\vec a",
                                          "\\times",
                                          "\\angle ",
                                          "ABC",
                                          "(a)",
                                          "(b)",
                                          "\\subset",
                                          "2024-01-02",
                                          "</think>",
                                          "<think>",
                                          "\\boxed{}",
                                          " and ",
                                          "Points A",
                                          " are even",
                                          "\\hat p",
                                          "\\textbf{(a)}",
                                          "|v|=",
                                          "i2",
                                          "C(5,2)",
                                          "r=1,h=2;",
                                          "^\\circ",
                                          "0.",
                                          "\xe2\x88\x92",
                                          "\xff"};

class Mutator {
 public:
  Mutator(std::vector<std::string> seeds, uint64_t seed) : seeds_(std::move(seeds)), random_(seed) {}
  bool coin() { return random_.coin(); }
  const std::string& any() { return seeds_[random_.below(seeds_.size())]; }
  std::string mutated(std::string text) {
    for (uint64_t k = random_.below(6); k > 0; --k) {
      const size_t at = random_.below(text.size() + 1);
      switch (random_.below(5)) {
        case 0:
          text.insert(at, kPieces[random_.below(kPieces.size())]);
          break;
        case 1:
          if (at < text.size()) text.erase(at, 1 + random_.below(4));
          break;
        case 2: {
          const std::string& other = any();
          text.insert(at, other.substr(random_.below(other.size() + 1), random_.below(20)));
          break;
        }
        case 3:
          if (at < text.size()) text[at] = static_cast<char>(random_.below(96) + 32);
          break;
        default:
          text.insert(at, text.substr(at, random_.below(12)));
      }
    }
    return text.substr(0, 300);
  }

 private:
  std::vector<std::string> seeds_;
  Philox random_;
};

int run(double seconds, uint64_t seed, const std::string& rows) {
  std::vector<std::string> seeds;
  read_jsonl(rows, [&](Row&& row) {
    seeds.push_back(row.string("gold_raw"));
    if (const std::string text = row.string("prediction_text"); text.size() < 400) seeds.push_back(text);
  });
  Mutator mutator(std::move(seeds), seed);
  const auto now = [] { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; };
  const double begin = now();
  int64_t pairs = 0, findings = 0;
  double slowest = 0;
  const auto found = [&](const char* what, const std::string& a, const std::string& b) {
    ++findings;
    fmt::print("{}: {} ||| {}\n", what, a, b);
  };
  while (now() - begin < seconds) {
    const std::string a = mutator.mutated(mutator.any()),
                      b = mutator.mutated(mutator.coin() ? mutator.any() : a);
    const double before = now();
    judge(a, b, "math");
    judge(b, a, "math");
    harness_judge(a, b, "math");
    extract_answer(a, "aqua");
    slowest = std::max(slowest, now() - before);
    const ReadAnswer x = read_answer(a), y = read_answer(b);
    if (x.expr && compare_answers(x.expr, read_answer(a).expr).verdict == Verdict::different)
      found("differs from itself", a, a);
    if (x.expr && y.expr) {
      const Verdict forth = compare_answers(x.expr, y.expr).verdict,
                    back = compare_answers(y.expr, x.expr).verdict;
      if (forth != back && forth != Verdict::undecided && back != Verdict::undecided)
        found("turns with the sides", a, b);
    }
    ++pairs;
  }
  fmt::print(
      "{} pairs in {:.0f} s of processor time, {} findings, the slowest pair (four judgements) {:.1f} ms\n",
      pairs, now() - begin, findings, 1e3 * slowest);
  return findings ? 1 : 0;
}

}  // namespace
}  // namespace circuitdiff

int main(int argc, char** argv) {
  if (argc != 4) {
    fmt::print(stderr, "usage: grade_fuzz SECONDS SEED ROWS.jsonl\n");
    return 2;
  }
  try {
    return circuitdiff::run(std::stod(argv[1]), std::stoull(argv[2]), argv[3]);
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
}
