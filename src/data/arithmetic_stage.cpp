#include "data/arithmetic_stage.h"

#include <array>
#include <map>
#include <unordered_set>

#include "base/error.h"
#include "data/arithmetic_answer.h"
#include "io/files.h"

namespace circuitdiff {

std::vector<ArithmeticQuestion> arithmetic_questions(const ArithmeticOptions& options, Progress& progress) {
  const int64_t count = options.count;
  if (count < 1 || count > 10'000'000)
    usage_error("--count: a number from 1 to 10000000 expected, {} found", count);
  std::vector<ArithmeticQuestion> out;
  for (const auto& [flag, share] : {std::pair{"--merge", options.merge}, std::pair{"--wrong", options.wrong}})
    if (!(share >= 0 && share <= 1)) usage_error("{}: from 0 to 1 expected, {} found", flag, share);
  std::unordered_set<std::string> texts;
  for (const auto& file : options.exclude)
    read_jsonl(file, [&](Row&& row) { texts.insert(row.string("question")); });
  progress.begin("questions", count, "questions");
  // Each attempt has a stream of its own: what an earlier one drew does not matter. Level 0 alone has
  // millions of texts, so that repetitions are rare.
  for (uint32_t attempt = 0; static_cast<int64_t>(out.size()) < count; ++attempt) {
    if (attempt % 1024 == 0) check_interrupt();
    Philox random(options.seed, attempt);
    ArithmeticQuestion question = draw_arithmetic_question(random);
    const auto told = read_arithmetic_story(question.text);
    if (!told || told->answer != question.answer || told->steps != question.steps)
      fail("arithmetic: the story {} does not amount to {}; this is a defect of the generator",
           in_quotes(question.text), question.answer);
    if (!texts.insert(question.text).second) continue;
    out.push_back(std::move(question));
    progress.advance();
  }
  progress.end();
  return out;
}

std::string arithmetic_line(const ArithmeticQuestion& question, const ArithmeticOptions& options,
                            int64_t number) {
  nlohmann::ordered_json row;
  row["id"] = fmt::format("arith-{}-{}", options.seed, number);
  row["question"] = question.text;
  if (options.answers) {
    Philox random(options.seed, static_cast<uint32_t>(number), /*b=*/0x414e53);
    row["completion"] =
        arithmetic_answer(*read_arithmetic_story(question.text), {options.merge, options.wrong}, random);
  }
  row["answer"] = std::to_string(question.answer);
  row["level"] = question.level;
  row["steps"] = question.steps;
  return row.dump();
}

json write_arithmetic(const ArithmeticOptions& options, Progress& progress) {
  const auto questions = arithmetic_questions(options, progress);
  std::array<int64_t, kArithmeticLevels> levels{};
  std::map<std::string, int64_t> steps;
  write_file_atomically(options.out, [&](const auto& append) {
    for (size_t i = 0; i < questions.size(); ++i) {
      const std::string line = arithmetic_line(questions[i], options, static_cast<int64_t>(i)) + "\n";
      append(line.data(), line.size());
      ++levels[static_cast<size_t>(questions[i].level)];
      ++steps[std::to_string(questions[i].steps)];
    }
  });
  return json{{"count", questions.size()}, {"levels", levels}, {"steps", steps}};
}

}  // namespace circuitdiff
