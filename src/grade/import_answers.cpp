#include "grade/import_answers.h"

#include <unordered_map>

#include "base/error.h"

namespace circuitdiff {
namespace {

struct Answer {
  std::string text, finish_reason;
};

std::string text_of(const Row& row, const json& value, const char* field) {
  if (!value.is_string())
    fail("{}: field \"{}\": a text expected, {} found", row.where(), field, json_kind(value));
  return value.get<std::string>();
}

const json& list_of(const Row& row, const char* field) {
  if (!row.has(field) || !row.at(field).is_array()) row.bad(field, "a list of answers");
  return row.at(field);
}

std::vector<Answer> vllm_answers(const Row& row) {
  std::vector<Answer> out;
  if (row.has("error"))
    fail("{}: field \"error\": the request failed: {}", row.where(), in_quotes(row.at("error").dump()));
  for (const json& choice : list_of(row, "response.body.choices")) {
    const Row one(choice, row.where() + ": response.body.choices[" + std::to_string(out.size()) + "]");
    const bool chat = choice.is_object() && choice.contains("message");
    out.push_back({one.string(chat ? "message.content" : "text"), one.string_or("finish_reason", "")});
  }
  return out;
}

std::vector<Answer> harness_answers(const Row& row) {
  std::vector<Answer> out;
  for (const json& text : list_of(row, "code")) out.push_back({text_of(row, text, "code"), ""});
  return out;
}

std::vector<Answer> lm_eval_answers(const Row& row) {
  std::vector<Answer> out;
  for (const json& request : list_of(row, "resps")) {
    if (!request.is_array()) {
      out.push_back({text_of(row, request, "resps"), ""});
      continue;
    }
    for (const json& text : request) out.push_back({text_of(row, text, "resps"), ""});
  }
  return out;
}

std::string gold_of(const Row& row, const char* field) {
  if (row.has(field) && row.at(field).is_number()) return row.at(field).dump();
  return row.string(field);
}

}  // namespace

std::vector<Generation> import_answers(const std::filesystem::path& path, ImportFormat format,
                                       const std::string& dataset, const std::vector<Question>& questions) {
  std::unordered_map<std::string, const Question*> by_id;
  for (const auto& q : questions) by_id.emplace(q.id, &q);
  if (questions.empty() && format == ImportFormat::vllm)
    usage_error("--import vllm: --data is missing; the reference answers are not in {}", path.string());
  std::vector<Generation> out;
  std::unordered_map<std::string, int64_t> samples;  // rows of one id continue its samples
  read_jsonl(path, [&](Row&& row) {
    const char* id_field = format == ImportFormat::vllm      ? "custom_id"
                           : format == ImportFormat::harness ? "idx"
                                                             : "doc_id";
    const std::string id = row.id(id_field);
    const Question* question = nullptr;
    if (!questions.empty()) {
      const auto it = by_id.find(id);
      if (it == by_id.end())
        fail("{}: field \"{}\": {} is not among the questions", row.where(), id_field, in_quotes(id));
      question = it->second;
    }
    const auto answers = format == ImportFormat::vllm      ? vllm_answers(row)
                         : format == ImportFormat::harness ? harness_answers(row)
                                                           : lm_eval_answers(row);
    for (const auto& answer : answers) {
      Generation g;
      g.id = id;
      g.sample = samples[id]++;
      g.answer = answer.text;
      g.finish_reason = answer.finish_reason;
      g.gold = question ? question->gold : gold_of(row, format == ImportFormat::harness ? "gt" : "target");
      g.dataset = question ? question->dataset : dataset;
      out.push_back(std::move(g));
    }
  });
  if (out.empty()) fail("{}: no answers; at least one expected", path.string());
  return out;
}

}  // namespace circuitdiff
