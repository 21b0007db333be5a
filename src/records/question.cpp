#include "records/question.h"

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "base/options.h"
#include "base/text.h"

namespace circuitdiff {
namespace {

// A string, or a number as it is written in JSON (27.0 stays "27.0").
std::string text_of(const Row& row, std::string_view field) {
  if (row.has(field) && row.at(field).is_number()) return row.at(field).dump();
  return row.string(field);
}

// Gold rules.

std::string gold_in_box(const Row& row, std::string_view field) {
  std::string gold;
  if (!last_boxed(row.string(field), gold)) row.bad(field, "a text with a \\boxed{} answer");
  return gold;
}

// gsm8k: what follows "####".
std::string gold_after_hashes(const Row& row, std::string_view field) {
  const std::string text = row.string(field);
  const size_t mark = text.rfind("####");
  if (mark == std::string::npos) row.bad(field, "a text that ends in #### and the answer");
  return std::string(trim(std::string_view(text).substr(mark + 4)));
}

// olympiadbench: a list of final answers, of which the first is the reference.
std::string gold_first_of_list(const Row& row, std::string_view field) {
  if (!row.has(field)) row.bad(field, "a list of answers");
  const json& value = row.at(field);
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array() || value.empty() || !value.front().is_string()) row.bad(field, "a list of answers");
  return value.front().get<std::string>();
}

// Question texts.

std::string options_text(const Row& row) {
  if (!row.has("options")) row.bad("options", "the choices");
  const json& options = row.at("options");
  std::string out;
  if (options.is_string()) {
    // sat_math: "A) .. B) .. C) .. D) .." -> "(A) .. (B) .. (C) .. (D) .."
    const std::string text(trim(options.get_ref<const std::string&>()));
    for (size_t i = 0; i < text.size(); ++i) {
      const bool letter = text[i] >= 'A' && text[i] <= 'G' && i + 1 < text.size() && text[i + 1] == ')';
      if (letter && (i == 0 || (text[i - 1] == ' ' && i + 2 < text.size() && text[i + 2] == ' '))) out += '(';
      out += text[i];
    }
    return out;
  }
  if (!options.is_array()) row.bad("options", "a text or a list of texts");
  for (const json& option : options) {
    if (!option.is_string()) row.bad("options", "a text or a list of texts");
    // aqua: "A)21%" -> "(A) 21%"
    const auto& text = option.get_ref<const std::string&>();
    const size_t bracket = text.find(')');
    if (!out.empty()) out += ' ';
    out += bracket == std::string::npos ? "(" + text
                                        : "(" + text.substr(0, bracket + 1) + " " + text.substr(bracket + 1);
  }
  return out;
}

std::string with_body(const Row& row, std::string_view body_field, std::string_view question_field,
                      bool end_body) {
  std::string body(trim(row.string(body_field)));
  if (end_body && !body.empty() && body.back() != '.') body += '.';
  return body + " " + std::string(trim(row.string(question_field)));
}

// A data set: where its rows keep the question and the answer. What a table cannot say
// is in question_text and gold_text.
enum class Gold { as_is, in_box, after_hashes, first_of_list };
struct DatasetRule {
  const char* name;
  std::vector<const char*> id, question, answer;  // the first field that a row has
  Gold gold = Gold::as_is;
};

const std::vector<DatasetRule>& rules() {
  static const std::vector<DatasetRule> kRules = {
      {"generic", {"id", "idx"}, {"question", "problem", "prompt"}, {"answer", "gold"}},
      {"gsm8k", {"id", "idx"}, {"question"}, {"answer"}, Gold::after_hashes},
      {"math", {"id", "unique_id", "idx"}, {"problem", "question"}, {"solution"}, Gold::in_box},
      {"math500", {"unique_id", "id", "idx"}, {"problem", "question"}, {"solution"}, Gold::in_box},
      {"college_math", {"id", "idx"}, {"question"}, {"answer"}},
      {"minerva_math", {"id", "idx"}, {"problem", "question"}, {"solution"}, Gold::in_box},
      {"olympiadbench", {"id", "idx"}, {"question"}, {"final_answer"}, Gold::first_of_list},
      {"aime24", {"id", "idx"}, {"question", "problem"}, {"answer"}},
      {"amc23", {"id", "idx"}, {"question", "problem"}, {"answer"}},
      {"svamp", {"id", "idx", "ID"}, {"Question"}, {"Answer"}},
      {"mawps", {"id", "idx"}, {"input"}, {"target"}},
      {"asdiv", {"id", "idx"}, {"question"}, {"answer"}},
      {"aqua", {"id", "idx"}, {"question"}, {"correct"}},
      {"sat_math", {"id", "idx"}, {"question"}, {"Answer"}},
      {"gaokao2023en", {"idx"}, {"question"}, {"answer"}},  // its field id stands in some rows only
      {"carp_en", {"id", "idx"}, {"content"}, {"answer"}},
  };
  return kRules;
}

const DatasetRule& rule_of(const std::string& dataset) {
  for (const auto& rule : rules())
    if (dataset == rule.name) return rule;
  const std::string near = nearest(dataset, dataset_names());
  usage_error("--dataset: {} is not a known data set{}; generic takes any file of {{id, question, answer}}",
              in_quotes(dataset), near.empty() ? "" : " (did you mean " + near + "?)");
}

std::string first_present(const Row& row, const std::vector<const char*>& fields) {
  for (const char* field : fields)
    if (row.has(field)) return field;
  return fields.front();
}

std::string question_text(const Row& row, const DatasetRule& rule, const std::string& given) {
  const std::string field = given.empty() ? first_present(row, rule.question) : given;
  const std::string_view name = rule.name;
  if (given.empty() && name == "svamp") return with_body(row, "Body", field, true);
  if (given.empty() && name == "asdiv") return with_body(row, "body", field, false);
  const std::string text(trim(row.string(field)));
  if (given.empty() && name == "aqua") return text + "\nAnswer Choices: " + options_text(row);
  if (given.empty() && name == "sat_math")
    return text + "\nWhat of the following is the right choice? Explain your answer.\n" + options_text(row);
  return text;
}

std::string gold_text(const Row& row, const DatasetRule& rule, const std::string& given) {
  if (!given.empty()) return text_of(row, given);
  const std::string field = first_present(row, rule.answer);
  switch (rule.gold) {
    case Gold::in_box:
      return gold_in_box(row, field);
    case Gold::after_hashes:
      return gold_after_hashes(row, field);
    case Gold::first_of_list:
      return gold_first_of_list(row, field);
    case Gold::as_is:
      break;
  }
  return text_of(row, field);
}

std::string id_of(const Row& row, const DatasetRule& rule, const std::string& given, int64_t index) {
  if (!given.empty()) return row.id(given);
  for (const char* field : rule.id)
    if (row.has(field)) return row.id(field);
  return std::to_string(index);
}

}  // namespace

bool last_boxed(std::string_view text, std::string& content) {
  const size_t boxed = text.rfind("\\boxed"), fbox = text.rfind("\\fbox");
  const size_t mark = boxed != std::string_view::npos ? boxed : fbox;
  if (mark == std::string_view::npos) return false;
  size_t at = mark + (boxed != std::string_view::npos ? 6 : 5);
  while (at < text.size() && text[at] == ' ') ++at;
  if (at >= text.size()) return false;
  if (text[at] != '{') {
    const std::string_view rest = text.substr(at);
    content = std::string(trim(rest.substr(0, rest.find('$'))));
    return true;
  }
  int depth = 0;
  for (size_t i = at; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}' && --depth == 0) {
      content = std::string(text.substr(at + 1, i - at - 1));
      return true;
    }
  }
  return false;
}

std::string gold_in_text(const std::string& text, std::string_view dataset) {
  for (const auto& rule : rules()) {
    if (dataset != rule.name) continue;
    std::string gold;
    if (rule.gold == Gold::in_box && last_boxed(text, gold)) return gold;
    const size_t mark = text.rfind("####");
    if (rule.gold == Gold::after_hashes && mark != std::string::npos)
      return std::string(trim(std::string_view(text).substr(mark + 4)));
  }
  return text;
}

const std::vector<std::string>& dataset_names() {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> names;
    for (const auto& rule : rules()) names.emplace_back(rule.name);
    return names;
  }();
  return kNames;
}

bool is_dataset(std::string_view name) {
  const auto& names = dataset_names();
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::vector<Question> read_questions(const std::filesystem::path& path, const std::string& dataset,
                                     const QuestionFields& fields, int64_t limit) {
  const DatasetRule& rule = rule_of(dataset);
  if (limit < 0) usage_error("--limit: a number from 0 up expected, {} found", limit);
  std::vector<Question> out;
  std::unordered_map<std::string, std::string> seen;
  int64_t index = 0;
  read_jsonl(path, [&](Row&& row) {
    Question q;
    q.id = id_of(row, rule, fields.id, index++);
    const auto [it, fresh] = seen.emplace(q.id, row.where());
    if (!fresh) fail("{}: id {} stands already at {}", row.where(), in_quotes(q.id), it->second);
    q.question = question_text(row, rule, fields.question);
    if (q.question.empty())
      row.bad(fields.question.empty() ? first_present(row, rule.question) : fields.question,
              "a text that is not empty");
    q.gold = gold_text(row, rule, fields.answer);
    q.dataset = dataset;
    q.source = row.value();
    if (limit == 0 || static_cast<int64_t>(out.size()) < limit) out.push_back(std::move(q));
  });
  if (out.empty()) fail("{}: no questions; at least one row expected", path.string());
  return out;
}

}  // namespace circuitdiff
