#include "train/train_data.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "base/error.h"
#include "base/random.h"
#include "records/generation.h"
#include "records/question.h"

namespace circuitdiff {
namespace {

void check_tokens(const std::vector<int64_t>& tokens, const PromptContext& context,
                  const std::string& where) {
  for (const int64_t id : tokens)
    if (id >= context.config.d_vocab)
      fail(
          "{}: token {} is outside the model's vocabulary ({} entries); does the tokenizer belong to this "
          "model?",
          where, id, context.config.d_vocab);
}

void check_length(const TrainSample& s, const PromptContext& context, const std::string& where) {
  if (static_cast<int64_t>(s.tokens.size()) > context.config.max_positions)
    fail("{}: prompt and answer have {} tokens, the model {} positions", where, s.tokens.size(),
         context.config.max_positions);
}

std::vector<int64_t> prompt_tokens(const Question& q, const PromptContext& context,
                                   const std::string& where) {
  std::vector<int64_t> tokens = context.prompter.tokens(context.prompter.text(q.question), context.tokenizer);
  if (tokens.empty()) fail("{}: its prompt has no tokens", where);
  check_tokens(tokens, context, where);
  return tokens;
}

std::string text_field(const Question& q, const std::string& field, const std::string& where) {
  const auto it = q.source.find(field);
  if (it == q.source.end()) fail("{}: field \"{}\" is missing", where, field);
  if (!it->is_string()) fail("{}: field \"{}\": a string expected, {} found", where, field, json_kind(*it));
  if (it->get<std::string>().empty()) fail("{}: field \"{}\": it is empty", where, field);
  return it->get<std::string>();
}

TrainSample completed(const Question& q, const std::vector<int64_t>& prompt, const std::string& completion,
                      const PromptContext& context, const std::string& where) {
  TrainSample s;
  s.id = q.id;
  s.tokens = prompt;
  s.prompt_len = static_cast<int64_t>(prompt.size());
  const auto ids = context.tokenizer.encode(completion, /*add_special_tokens=*/false).ids;
  s.tokens.insert(s.tokens.end(), ids.begin(), ids.end());
  if (context.end_token >= 0 && s.tokens.back() != context.end_token) s.tokens.push_back(context.end_token);
  if (s.answer() == 0) fail("{}: its answer has no tokens", where);
  check_tokens(s.tokens, context, where);
  check_length(s, context, where);
  return s;
}

bool holds_generations(const std::filesystem::path& file) {
  bool is_first = true, out = false;
  read_jsonl(file, [&](Row&& row) {
    if (is_first) out = row.has("answer_tokens") && row.has("prompt_tokens");
    is_first = false;
  });
  return out;
}

// Of each question the first right answer and the first wrong one, where there are both. Answers that the
// grader could not decide on are neither.
std::vector<std::vector<TrainSample>> pairs_of_generations(const std::filesystem::path& file,
                                                           const PromptContext& context) {
  struct Seen {
    const Generation* right = nullptr;
    const Generation* wrong = nullptr;
  };
  const std::vector<Generation> generations = read_generations(file);
  std::map<std::string, Seen> seen;
  std::vector<std::string> order;
  for (const Generation& g : generations) {
    if (g.verdict.empty())
      fail("{}: question {} is not graded; run circuitdiff grade on the file first", file.string(),
           in_quotes(g.id));
    if (!seen.contains(g.id)) order.push_back(g.id);
    Seen& s = seen[g.id];
    if (!g.correct) continue;
    if (*g.correct && !s.right) s.right = &g;
    if (!*g.correct && !s.wrong) s.wrong = &g;
  }
  std::vector<std::vector<TrainSample>> out;
  for (const std::string& id : order) {
    const Seen& s = seen[id];
    if (!s.right || !s.wrong) continue;
    const std::string where = file.string() + ": question " + in_quotes(id);
    std::vector<TrainSample> pair;
    for (const Generation* g : {s.right, s.wrong}) {
      TrainSample sample;
      sample.id = id;
      sample.tokens = g->prompt_tokens;
      sample.prompt_len = static_cast<int64_t>(g->prompt_tokens.size());
      sample.tokens.insert(sample.tokens.end(), g->answer_tokens.begin(), g->answer_tokens.end());
      if (sample.prompt_len == 0 || sample.answer() == 0)
        fail("{}: prompt and answer tokens expected", where);
      check_tokens(sample.tokens, context, where);
      check_length(sample, context, where);
      pair.push_back(std::move(sample));
    }
    out.push_back(std::move(pair));
  }
  if (out.empty()) fail("{}: no question has both a right and a wrong answer", file.string());
  return out;
}

}  // namespace

std::vector<TrainPrompt> read_train_prompts(const std::filesystem::path& file, const std::string& dataset,
                                            const TrainDataOptions& fields, int64_t limit,
                                            const PromptContext& context, int64_t max_new_tokens) {
  std::vector<TrainPrompt> out;
  for (const Question& q :
       read_questions(file, dataset, {fields.id_field, fields.question_field, fields.answer_field}, limit)) {
    const std::string where = file.string() + ": question " + in_quotes(q.id);
    out.push_back({q.id, q.gold, q.dataset, prompt_tokens(q, context, where)});
    const auto length = static_cast<int64_t>(out.back().tokens.size());
    if (length + max_new_tokens > context.config.max_positions)
      fail("{}: its prompt has {} tokens; with {} new ones that is more than the model's {} positions", where,
           length, max_new_tokens, context.config.max_positions);
  }
  return out;
}

TrainData read_train_data(const TrainDataOptions& o, AlgorithmName algorithm, const PromptContext& context,
                          int64_t max_new_tokens) {
  TrainData out;
  if (algorithm != AlgorithmName::sft && algorithm != AlgorithmName::dpo) {
    out.prompts = read_train_prompts(o.file, o.dataset, o, o.limit, context, max_new_tokens);
    return out;
  }
  if (algorithm == AlgorithmName::dpo && holds_generations(o.file)) {
    out.units = pairs_of_generations(o.file, context);
    return out;
  }
  for (const Question& q :
       read_questions(o.file, o.dataset, {o.id_field, o.question_field, o.answer_field}, o.limit)) {
    const std::string where = o.file.string() + ": row " + in_quotes(q.id);
    const std::vector<int64_t> prompt = prompt_tokens(q, context, where);
    const auto take = [&](const std::string& field) {
      return completed(q, prompt, text_field(q, field, where), context, where);
    };
    if (algorithm == AlgorithmName::sft)
      out.units.push_back({take(o.completion_field)});
    else
      out.units.push_back({take(o.chosen_field), take(o.rejected_field)});
  }
  return out;
}

StopRules stop_rules(const Checkpoint& checkpoint, const Tokenizer& tokenizer, const Prompter& prompter) {
  StopRules rules;
  rules.stop = prompter.rules().stop;
  auto& ends = rules.end_tokens = checkpoint.eos_ids();
  if (const auto eos = tokenizer.eos_id()) ends.push_back(*eos);
  for (const std::string& stop : rules.stop)
    if (const auto id = tokenizer.token_to_id(stop); id && tokenizer.is_special(*id)) ends.push_back(*id);
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
  return rules;
}

size_t ShuffledOrder::at(int64_t cursor) {
  const int64_t epoch = cursor / n_;
  if (!shuffle_) return static_cast<size_t>(cursor % n_);
  if (epoch != epoch_) {
    epoch_ = epoch;
    order_.resize(static_cast<size_t>(n_));
    std::iota(order_.begin(), order_.end(), size_t{0});
    Philox random(seed_, static_cast<uint32_t>(epoch), /*b=*/0x4f524452);
    for (size_t i = order_.size(); i-- > 1;) std::swap(order_[i], order_[random.below(i + 1)]);
  }
  return order_[static_cast<size_t>(cursor % n_)];
}

}  // namespace circuitdiff
