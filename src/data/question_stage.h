// The stages of `data arithmetic` and `data sorting`: write N questions with distinct texts as JSON Lines,
// the same bytes for the same seed. A longer file of the same seed begins with the shorter one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/random.h"
#include "data/made_question.h"
#include "io/json_fwd.h"

namespace circuitdiff {

struct QuestionOptions {
  int64_t count = 1000;
  uint64_t seed = 0;
  std::filesystem::path out;
  std::vector<std::filesystem::path> exclude;
  bool answers = false;
  double merge = 0.3, wrong = 0.1;
};
template <class V>
void visit(V& v, QuestionOptions& o) {
  v(o.count, "count", "questions to write");
  v(o.seed, "seed", "of the generator");
  v(o.out, "out", "file to write; standard output where absent");
  v(o.exclude, "exclude", "files of questions not to be drawn: what training must not see");
  v(o.answers, "answers", "write a worked answer with each, as field completion");
  v(o.merge, "merge", "with --answers: how often two steps are written as one");
  v(o.wrong, "wrong", "with --answers: how many carry one wrong result");
}

// One kind of question.
struct QuestionKind {
  const char* id;  // in front of the ids: arith-SEED-NUMBER
  int64_t levels;
  MadeQuestion (*draw)(Philox& random);
  std::string (*work)(const std::string& text, const AnswerStyle& style, Philox& random);
};
const QuestionKind& arithmetic_questions();
const QuestionKind& sorting_questions();

// UsageError where the count is not in 1..10,000,000 or a share not in 0..1.
std::vector<MadeQuestion> make_questions(const QuestionKind& kind, const QuestionOptions& options,
                                         Progress& progress);

// {"id", "question", "answer", "level", "steps"}, with answers also
// "completion"; one line without its newline.
std::string question_line(const QuestionKind& kind, const MadeQuestion& question,
                          const QuestionOptions& options, int64_t number);

// Writes options.out and returns {"count", "levels": [n, n, n], "steps": {"2": n, ...}}.
json write_questions(const QuestionKind& kind, const QuestionOptions& options, Progress& progress);

}  // namespace circuitdiff
