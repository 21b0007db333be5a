// The judge's tables of rules: each decides its example, none decides its counter-example, and
// docs/grading.md shows them all in their order.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <regex>
#include <set>

#include "grade/judge.h"

namespace circuitdiff {
namespace {

bool decided(const Judgement& judgement, std::string_view rule) {
  return std::find(judgement.rules.begin(), judgement.rules.end(), rule) != judgement.rules.end();
}

std::string escaped(std::string_view text) {  // for a table of Markdown
  std::string out;
  for (const char c : text) out += c == '|' ? "\\|" : std::string(1, c);
  return out;
}

// "`\frac12` beside `0.5`: equal".
std::string example_cell(const RuleExample& e) {
  if (!e.prediction) return "none: too long to show";
  const std::string dataset =
      e.dataset == std::string_view("math") ? "" : std::string(" (") + e.dataset + ")";
  const auto shown = [](std::string_view text) {
    return text.empty() ? "nothing" : "`" + escaped(text) + "`";
  };
  return shown(e.prediction) + " beside " + shown(e.gold) + dataset + ": " +
         verdict_name(judge(e.prediction, e.gold, e.dataset).verdict);
}

// The tables of the document by their titles, in its order: each row without its counter-example, and that.
struct DocumentRow {
  std::string begin, counter_example;
};
std::vector<std::pair<std::string, std::vector<DocumentRow>>> document_tables() {
  std::ifstream file(CIRCUITDIFF_SOURCE_DIR "/docs/grading.md");
  std::vector<std::pair<std::string, std::vector<DocumentRow>>> out;
  bool in_rules = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("## ")) in_rules = line == "## The rules";
    if (!in_rules) continue;
    if (line.starts_with("### ")) out.emplace_back(line.substr(4), std::vector<DocumentRow>());
    if (!line.starts_with("| `") || out.empty()) continue;
    const size_t last = line.rfind(" | ");
    out.back().second.push_back({line.substr(0, last), line.substr(last + 3, line.size() - last - 5)});
  }
  return out;
}

TEST(Rules, EachDecidesItsExample) {
  for (const RuleTable& table : judge_rules())
    for (const RuleText& rule : table.rules) {
      const auto& [prediction, gold, dataset] = rule.example;
      if (!prediction) continue;
      const Judgement judgement = judge(prediction, gold, dataset);
      EXPECT_TRUE(decided(judgement, rule.name)) << rule.name << ": " << prediction << " beside " << gold
                                                 << " was decided by " << judgement.rules.front();
    }
}

TEST(Rules, HaveNamesOfTheirOwnAndAnExampleUnlessItIsTooLong) {
  std::set<std::string_view> names, without_example;
  for (const RuleTable& table : judge_rules())
    for (const RuleText& rule : table.rules) {
      EXPECT_TRUE(names.insert(rule.name).second) << rule.name << " stands twice";
      if (!rule.example.prediction) without_example.insert(rule.name);
    }
  EXPECT_EQ(without_example,
            (std::set<std::string_view>{"too-long", "too-long-to-read", "too-many-symbols"}));
}

TEST(Rules, WithoutAnExampleInTheirTableDecideLongTexts) {
  EXPECT_TRUE(decided(judge(std::string(40001, '1'), "1", "math"), "too-long"));
  EXPECT_TRUE(decided(judge(std::string(10001, '1'), "1", "math"), "too-long-to-read"));
  std::string sum;
  for (int i = 0; i < 61; ++i) sum += "+x_{" + std::to_string(i) + "}";
  EXPECT_TRUE(decided(judge("1" + sum, "2" + sum, "math"), "too-many-symbols"));
}

TEST(Rules, StandInTheDocumentInTheirOrder) {
  const auto document = document_tables();
  const auto tables = judge_rules();
  ASSERT_EQ(document.size(), tables.size());
  for (size_t t = 0; t < tables.size(); ++t) {
    EXPECT_EQ(document[t].first, tables[t].title);
    std::vector<std::string> wanted, found;
    for (const RuleText& rule : tables[t].rules)
      wanted.push_back(std::string("| `") + rule.name + "` | " + escaped(rule.says) + " | " +
                       example_cell(rule.example));
    for (const DocumentRow& row : document[t].second) found.push_back(row.begin);
    EXPECT_EQ(found, wanted) << tables[t].title;
  }
}

TEST(Rules, DoNotDecideTheirCounterExamplesTheSameWay) {
  const std::regex cell("`(.*)` beside `(.*)`(?: \\((\\w+)\\))?: (equal|different|undecided)");
  int counter_examples = 0;
  const auto tables = judge_rules();
  const auto document = document_tables();
  ASSERT_EQ(document.size(), tables.size());
  for (size_t t = 0; t < tables.size(); ++t)
    for (size_t r = 0; r < std::min(tables[t].rules.size(), document[t].second.size()); ++r) {
      const RuleText& rule = tables[t].rules[r];
      const std::string& text = document[t].second[r].counter_example;
      if (text.empty()) continue;
      std::smatch match;
      ASSERT_TRUE(std::regex_match(text, match, cell)) << rule.name << ": " << text;
      const auto plain = [](std::string s) { return std::regex_replace(s, std::regex("\\\\\\|"), "|"); };
      const Judgement judgement =
          judge(plain(match[1]), plain(match[2]), match[3].matched ? match[3].str() : "math");
      EXPECT_EQ(verdict_name(judgement.verdict), match[4].str()) << rule.name << ": " << text;
      const auto& [prediction, gold, dataset] = rule.example;
      const bool same_verdict = prediction && judge(prediction, gold, dataset).verdict == judgement.verdict;
      EXPECT_FALSE(decided(judgement, rule.name) && same_verdict) << rule.name << ": " << text;
      ++counter_examples;
    }
  EXPECT_GT(counter_examples, 60);
}

}  // namespace
}  // namespace circuitdiff
