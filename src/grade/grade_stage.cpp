#include "grade/grade_stage.h"

#include <map>

#include "base/error.h"
#include "grade/extract.h"
#include "grade/harness/harness.h"
#include "grade/judge.h"
#include "grade/sampled_accuracy.h"
#include "statistics/intervals.h"

namespace circuitdiff {
namespace {

struct Count {
  int64_t n = 0, correct = 0, undecided = 0;
  void add(const Generation& g) {
    ++n;
    if (g.correct && *g.correct) ++correct;
    if (!g.correct) ++undecided;
  }
  json summary() const {
    json out{{"n", n}, {"correct", correct}, {"undecided", undecided}};
    out["accuracy"] = n ? json(static_cast<double>(correct) / static_cast<double>(n)) : json(nullptr);
    return out;
  }
};

json summaries(const std::map<std::string, Count>& groups) {
  json out = json::object();
  for (const auto& [name, count] : groups) out[name] = count.summary();
  return out;
}

// The harness's verdict on an answer whose text is not at hand: the one written down when it was graded, else
// that on the answer in a box.
Judgement recorded_verdict(const Generation& g) {
  if (g.extra.contains(kRecordedScore) && g.extra[kRecordedScore].is_boolean())
    return {g.extra[kRecordedScore].get<bool>() ? Verdict::equal : Verdict::different, "as recorded"};
  return harness_judge("\\boxed{" + *g.extracted + "}", g.gold, g.dataset).judgement;
}

}  // namespace

void grade_generation(Generation& g, GradeCompat compat) {
  g.correct.reset();
  Judgement judgement;
  if (g.answer.empty() && g.extra.contains(kRecordedAnswer) && g.extra[kRecordedAnswer].is_string()) {
    g.extracted = g.extra[kRecordedAnswer].get<std::string>();
    g.extra["extraction"] = "recorded";
    judgement = compat == GradeCompat::none ? judge(*g.extracted, g.gold, g.dataset) : recorded_verdict(g);
  } else if (compat == GradeCompat::harness) {
    HarnessJudgement harness = harness_judge(g.answer, g.gold, g.dataset);
    g.extracted = std::move(harness.extracted);
    g.extra["extraction"] = "harness";
    judgement = std::move(harness.judgement);
  } else {
    const Extraction extraction = extract_answer(g.answer, g.dataset);
    g.extracted = extraction.text;
    g.extra["extraction"] = extraction_rule_name(extraction.rule);
    judgement = extraction.text ? judge(*extraction.text, g.gold, g.dataset)
                                : Judgement{Verdict::different, "no answer found"};
  }
  g.verdict = verdict_name(judgement.verdict);
  g.extra["reason"] = judgement.reason;
  if (judgement.verdict != Verdict::undecided) g.correct = judgement.verdict == Verdict::equal;
}

std::vector<Disagreement> list_disagreements(const std::vector<Generation>& generations) {
  std::vector<Disagreement> out;
  for (const auto& g : generations) {
    Generation ours = g, theirs = g;
    grade_generation(ours, GradeCompat::none);
    grade_generation(theirs, GradeCompat::harness);
    if (ours.correct == theirs.correct) continue;
    out.push_back({g.id, g.sample, g.gold, ours.extracted, ours.verdict, ours.extra.value("reason", ""),
                   theirs.extracted.value_or(""), theirs.verdict});
  }
  return out;
}

json accuracy_summary(const std::vector<Generation>& generations) {
  Count all;
  std::map<std::string, Count> by_finish, by_rule, by_dataset;
  for (const auto& g : generations) {
    all.add(g);
    by_finish[g.finish_reason.empty() ? "unknown" : g.finish_reason].add(g);
    by_rule[g.extra.value("extraction", "unknown")].add(g);
    by_dataset[g.dataset.empty() ? "unknown" : g.dataset].add(g);
  }
  json out = all.summary();
  out["different"] = all.n - all.correct - all.undecided;
  const Interval interval = wilson_interval(all.correct, all.n);
  out["wilson95"] = all.n ? json{interval.low, interval.high} : json(nullptr);
  out["sampled"] = sampled_accuracy(generations);
  out["by_finish_reason"] = summaries(by_finish);
  out["by_extraction"] = summaries(by_rule);
  out["by_dataset"] = summaries(by_dataset);
  return out;
}

json disagreements_json(const std::vector<Disagreement>& list) {
  json out = json::array();
  for (const Disagreement& d : list)
    out.push_back({{"id", d.id},
                   {"sample", d.sample},
                   {"gold", d.gold},
                   {"extracted", d.extracted ? json(*d.extracted) : json(nullptr)},
                   {"verdict", d.verdict},
                   {"reason", d.reason},
                   {"harness_extracted", d.harness_extracted},
                   {"harness_verdict", d.harness_verdict}});
  return out;
}

json grade_file(const GradeOptions& options, Progress& progress) {
  if (options.out.empty() && !options.list_disagreements) usage_error("grade: --out is missing");
  if (!options.import_format && !options.data.empty())
    usage_error("--data: only with --import; generations carry their golds");
  if (!options.import_format && options.side) usage_error("--side: only with --import pairs");
  std::vector<Generation> generations;
  if (options.import_format) {
    std::vector<Question> questions;
    if (!options.data.empty()) questions = read_questions(options.data, options.dataset);
    generations =
        import_answers(options.in, *options.import_format, options.side, options.dataset, questions);
  } else {
    generations = read_generations(options.in);
  }
  progress.begin("grading", static_cast<int64_t>(generations.size()), "answers");
  for (size_t i = 0; i < generations.size(); ++i) {
    if (i % 256 == 0) check_interrupt();
    grade_generation(generations[i], options.compat);
    progress.advance();
  }
  progress.end();
  if (!options.out.empty()) write_generations(options.out, generations);
  json out = accuracy_summary(generations);
  if (options.list_disagreements) out["disagreements"] = disagreements_json(list_disagreements(generations));
  return out;
}

std::string accuracy_text(const json& summary) {
  std::string out;
  const auto n = summary.at("n").get<int64_t>();
  if (n == 0) return "no answers\n";
  const auto& interval = summary.at("wilson95");
  out += fmt::format("{} of {} correct: {:.1f}% (95% Wilson interval {:.1f}% to {:.1f}%), {} undecided\n",
                     summary.at("correct").get<int64_t>(), n, 100 * summary.at("accuracy").get<double>(),
                     100 * interval[0].get<double>(), 100 * interval[1].get<double>(),
                     summary.at("undecided").get<int64_t>());
  if (const json& sampled = summary.at("sampled"); !sampled.is_null()) {
    out += fmt::format("avg@{} {:.1f}% (95% interval {:.1f}% to {:.1f}%, {} questions resampled)",
                       sampled["samples"][1].get<int64_t>(), 100 * sampled["avg_at_k"].get<double>(),
                       100 * sampled["bootstrap95"][0].get<double>(),
                       100 * sampled["bootstrap95"][1].get<double>(), sampled["questions"].get<int64_t>());
    for (const auto& [k, value] : sampled["pass_at_k"].items())
      out += fmt::format(", pass@{} {:.1f}%", k, 100 * value.get<double>());
    out += "\n";
  }
  const auto table = [&](const char* title, const char* field) {
    out += fmt::format("\n{:<20}{:>9}{:>10}{:>11}{:>11}\n", title, "answers", "correct", "undecided",
                       "accuracy");
    for (const auto& [name, row] : summary.at(field).items())
      out += fmt::format("{:<20}{:>9}{:>10}{:>11}{:>10.1f}%\n", name, row.at("n").get<int64_t>(),
                         row.at("correct").get<int64_t>(), row.at("undecided").get<int64_t>(),
                         100 * row.at("accuracy").get<double>());
  };
  table("finish", "by_finish_reason");
  table("found by", "by_extraction");
  if (summary.at("by_dataset").size() > 1) table("data set", "by_dataset");
  if (!summary.contains("disagreements")) return out;
  const auto word = [](const json& row, const char* field) {
    return row.at(field).is_null() ? "nothing" : row.at(field).get<std::string>();
  };
  out += fmt::format("\n{} answers on which the harness decides otherwise\n",
                     summary.at("disagreements").size());
  for (const json& d : summary.at("disagreements"))
    out += fmt::format("{} sample {}: gold {}\n  ours     {} ({}): {}\n  harness  {}: {}\n", word(d, "id"),
                       d.at("sample").get<int64_t>(), word(d, "gold"), word(d, "verdict"), word(d, "reason"),
                       word(d, "extracted"), word(d, "harness_verdict"), word(d, "harness_extracted"));
  return out;
}

}  // namespace circuitdiff
