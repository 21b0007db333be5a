#include "data/question_stage.h"

#include <map>
#include <unordered_set>

#include "base/error.h"
#include "data/arithmetic.h"
#include "data/arithmetic_answer.h"
#include "data/sorting.h"
#include "io/files.h"
#include "io/json.h"

namespace circuitdiff {
namespace {

// A question drawn by one reading of the rules and worked out by another: they may not part.
void check(bool same, const std::string& text, const std::string& answer) {
  if (!same)
    fail("the question {} does not amount to {}; this is a defect of the generator", in_quotes(text), answer);
}

MadeQuestion draw_arithmetic(Philox& random) {
  const ArithmeticQuestion q = draw_arithmetic_question(random);
  const auto told = read_arithmetic_story(q.text);
  check(told && told->answer == q.answer && told->steps == q.steps, q.text, std::to_string(q.answer));
  return {q.text, std::to_string(q.answer), q.level, q.steps};
}

MadeQuestion draw_sorting(Philox& random) {
  MadeQuestion q = draw_sorting_question(random);
  const auto told = read_sorting_question(q.text);
  check(told && sorted_digits(*told) == q.answer, q.text, q.answer);
  return q;
}

}  // namespace

const QuestionKind& arithmetic_questions() {
  static constexpr QuestionKind kind{"arith", kArithmeticLevels, draw_arithmetic,
                                     [](const std::string& text, const AnswerStyle& style, Philox& random) {
                                       return arithmetic_answer(*read_arithmetic_story(text), style, random);
                                     }};
  return kind;
}

const QuestionKind& sorting_questions() {
  static constexpr QuestionKind kind{"sort", 3, draw_sorting,
                                     [](const std::string& text, const AnswerStyle& style, Philox& random) {
                                       return sorting_answer(*read_sorting_question(text), style, random);
                                     }};
  return kind;
}

std::vector<MadeQuestion> make_questions(const QuestionKind& kind, const QuestionOptions& options,
                                         Progress& progress) {
  const int64_t count = options.count;
  if (count < 1 || count > 10'000'000)
    usage_error("--count: a number from 1 to 10000000 expected, {} found", count);
  for (const auto& [flag, share] : {std::pair{"--merge", options.merge}, std::pair{"--wrong", options.wrong}})
    if (!(share >= 0 && share <= 1)) usage_error("{}: from 0 to 1 expected, {} found", flag, share);
  std::vector<MadeQuestion> out;
  std::unordered_set<std::string> texts;
  for (const auto& file : options.exclude)
    read_jsonl(file, [&](Row&& row) { texts.insert(row.string("question")); });
  progress.begin("questions", count, "questions");
  // Each attempt has a stream of its own: what an earlier one drew does not matter. A level has tens of
  // thousands of texts at least; where they run out, drawing would not end.
  int64_t in_vain = 0;
  for (uint32_t attempt = 0; static_cast<int64_t>(out.size()) < count; ++attempt) {
    if (attempt % 1024 == 0) check_interrupt();
    Philox random(options.seed, attempt);
    MadeQuestion question = kind.draw(random);
    if (!texts.insert(question.text).second) {
      if (++in_vain > 1'000'000)
        fail("--count: {} distinct questions were found, {} asked for; there are hardly more", out.size(),
             count);
      continue;
    }
    in_vain = 0;
    out.push_back(std::move(question));
    progress.advance();
  }
  progress.end();
  return out;
}

std::string question_line(const QuestionKind& kind, const MadeQuestion& question,
                          const QuestionOptions& options, int64_t number) {
  nlohmann::ordered_json row;
  row["id"] = fmt::format("{}-{}-{}", kind.id, options.seed, number);
  row["question"] = question.text;
  if (options.answers) {
    Philox random(options.seed, static_cast<uint32_t>(number), /*b=*/0x414e53);
    row["completion"] = kind.work(question.text, {options.merge, options.wrong}, random);
  }
  row["answer"] = question.answer;
  row["level"] = question.level;
  row["steps"] = question.steps;
  return row.dump();
}

json write_questions(const QuestionKind& kind, const QuestionOptions& options, Progress& progress) {
  const auto questions = make_questions(kind, options, progress);
  std::vector<int64_t> levels(static_cast<size_t>(kind.levels));
  std::map<std::string, int64_t> steps;
  write_file_atomically(options.out, [&](const auto& append) {
    for (size_t i = 0; i < questions.size(); ++i) {
      const std::string line = question_line(kind, questions[i], options, static_cast<int64_t>(i)) + "\n";
      append(line.data(), line.size());
      ++levels[static_cast<size_t>(questions[i].level)];
      ++steps[std::to_string(questions[i].steps)];
    }
  });
  return json{{"count", questions.size()}, {"levels", levels}, {"steps", steps}};
}

}  // namespace circuitdiff
