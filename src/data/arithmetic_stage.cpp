#include "data/arithmetic_stage.h"

#include <array>
#include <map>
#include <unordered_set>

#include "base/error.h"
#include "io/files.h"

namespace circuitdiff {

std::vector<ArithmeticQuestion> arithmetic_questions(int64_t count, uint64_t seed, Progress& progress) {
  if (count < 1 || count > 10'000'000)
    usage_error("--count: a number from 1 to 10000000 expected, {} found", count);
  std::vector<ArithmeticQuestion> out;
  std::unordered_set<std::string> texts;
  progress.begin("questions", count, "questions");
  // Each attempt has a stream of its own: what an earlier one drew does not matter. Level 0 alone has
  // millions of texts, so that repetitions are rare.
  for (uint32_t attempt = 0; static_cast<int64_t>(out.size()) < count; ++attempt) {
    if (attempt % 1024 == 0) check_interrupt();
    Philox random(seed, attempt);
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

std::string arithmetic_line(const ArithmeticQuestion& question, uint64_t seed, int64_t number) {
  nlohmann::ordered_json row;
  row["id"] = fmt::format("arith-{}-{}", seed, number);
  row["question"] = question.text;
  row["answer"] = std::to_string(question.answer);
  row["level"] = question.level;
  row["steps"] = question.steps;
  return row.dump();
}

json write_arithmetic(const ArithmeticOptions& options, Progress& progress) {
  const auto questions = arithmetic_questions(options.count, options.seed, progress);
  std::array<int64_t, kArithmeticLevels> levels{};
  std::map<std::string, int64_t> steps;
  write_file_atomically(options.out, [&](const auto& append) {
    for (size_t i = 0; i < questions.size(); ++i) {
      const std::string line = arithmetic_line(questions[i], options.seed, static_cast<int64_t>(i)) + "\n";
      append(line.data(), line.size());
      ++levels[static_cast<size_t>(questions[i].level)];
      ++steps[std::to_string(questions[i].steps)];
    }
  });
  return json{{"count", questions.size()}, {"levels", levels}, {"steps", steps}};
}

}  // namespace circuitdiff
