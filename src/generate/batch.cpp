#include "generate/batch.h"

#include <algorithm>
#include <deque>

#include "base/error.h"
#include "base/progress.h"
#include "generate/kv_pages.h"

namespace circuitdiff {
namespace {

struct Live {
  Live(size_t index, const Request& asked, const StopRules& rules, const Tokenizer* tokenizer)
      : request(index),
        prompt_len(static_cast<int64_t>(asked.prompt.size())),
        question(question_key(asked.id)),
        tokens(asked.prompt),
        text(rules, tokenizer) {}
  int64_t waiting() const { return static_cast<int64_t>(tokens.size()) - cached; }  // tokens not yet computed

  size_t request;
  int64_t prompt_len;
  uint64_t question;
  std::vector<int64_t> tokens;  // prompt and answer
  AnswerText text;
  int64_t cached = 0;  // positions whose keys and values are written
  double nll = 0;      // of the answer so far
  std::vector<int32_t> pages;
};
using LivePtr = std::unique_ptr<Live>;

class Batch {
 public:
  Batch(Engine& engine, const Tokenizer* tokenizer, std::span<const Request> requests,
        const Sampling& sampling, const StopRules& rules, const BatchLimits& limits, const BatchHooks& hooks)
      : engine_(engine),
        tokenizer_(tokenizer),
        requests_(requests),
        sampling_(sampling),
        rules_(rules),
        hooks_(hooks),
        most_live_(std::max<int64_t>(1, limits.sequences)),
        // Rows beside the decoded ones, so that prompts are read in while answers grow.
        most_rows_(std::max(engine.most_rows(), most_live_ + 64)),
        with_nll_(limits.with_nll),
        pages_(limits.cache_bytes / engine.page_bytes()) {
    for (const Request& r : requests) {
      const int64_t n = KvPages::needed(static_cast<int64_t>(r.prompt.size()) + r.max_new_tokens);
      if (n > pages_.available())
        fail(
            "question \"{}\": {} prompt tokens and {} new ones need {:.2f} GiB of cache, {:.2f} GiB are "
            "allowed; "
            "raise --memory or lower --max-new-tokens",
            r.id, r.prompt.size(), r.max_new_tokens, gib(n * engine.page_bytes()), gib(limits.cache_bytes));
    }
  }

  void run() {
    while (!live_.empty() || !put_back_.empty() || next_ < requests_.size()) {
      check_interrupt();
      rows_.clear();
      answering_.clear();
      continue_live();
      admit();
      const Tensor logits = engine_.step(rows_);
      take_tokens(logits);
    }
  }

 private:
  static double gib(int64_t bytes) {
    return static_cast<double>(bytes) / static_cast<double>(int64_t{1} << 30);
  }

  // Rows for the sequences at work, oldest first; those with one token waiting
  // are not held up by a long prompt.
  void continue_live() {
    const auto n_live = static_cast<int64_t>(live_.size());
    int64_t left = most_rows_ - n_live;
    std::vector<int64_t> counts;
    for (size_t i = 0; i < live_.size(); ++i) {
      Live& live = *live_[i];
      const int64_t count = std::min(live.waiting(), 1 + left);
      left -= count - 1;
      while (!pages_.extend(live.pages, live.cached + count)) {
        put_back(live_.size() - 1);  // the youngest; perhaps this one itself
        if (i >= live_.size()) break;
      }
      if (i < live_.size()) counts.push_back(count);
    }
    counts.resize(live_.size());
    for (size_t i = 0; i < live_.size(); ++i) add_rows(*live_[i], counts[i]);
  }

  // Its pages go; its tokens stay, and their keys and values are computed again, to
  // the same bits, when there is room.
  void put_back(size_t index) {
    LivePtr live = std::move(live_[index]);
    live_.erase(live_.begin() + static_cast<int64_t>(index));
    pages_.release(live->pages);
    live->cached = 0;
    put_back_.push_front(std::move(live));
  }

  void admit() {
    while (static_cast<int64_t>(live_.size()) < most_live_ &&
           static_cast<int64_t>(rows_.size()) < most_rows_) {
      LivePtr live;
      if (!put_back_.empty()) {
        live = std::move(put_back_.front());
        put_back_.pop_front();
      } else if (next_ < requests_.size()) {
        live = std::make_unique<Live>(next_, requests_[next_], rules_, tokenizer_);
        ++next_;
      } else {
        return;
      }
      live->cached =
          pages_.share(std::span(live->tokens).first(static_cast<size_t>(live->prompt_len)), live->pages);
      const int64_t missing = KvPages::needed(static_cast<int64_t>(live->tokens.size()) + 1) -
                              static_cast<int64_t>(live->pages.size());
      // One page more for each sequence at work, so that the newcomer is not put back at once.
      if (!live_.empty() && missing + static_cast<int64_t>(live_.size()) > pages_.available()) {
        pages_.release(live->pages);
        live->cached = 0;
        put_back_.push_front(std::move(live));
        return;
      }
      const int64_t count = std::min(live->waiting(), most_rows_ - static_cast<int64_t>(rows_.size()));
      if (!pages_.extend(live->pages, live->cached + count))
        fail("question \"{}\": no page of the cache is left", requests_[live->request].id);
      live_.push_back(std::move(live));
      add_rows(*live_.back(), count);
    }
  }

  void add_rows(Live& live, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const int64_t position = live.cached + i;
      StepRow row;
      row.token = live.tokens[static_cast<size_t>(position)];
      row.position = position;
      row.rope_length = position < live.prompt_len ? live.prompt_len : position + 1;
      row.pages = live.pages.data();
      row.logits = position + 1 == static_cast<int64_t>(live.tokens.size());
      rows_.push_back(row);
      if (row.logits) answering_.push_back(&live);
      prompt_tokens_ += !row.logits;
    }
    live.cached += count;
    // Angles that hang on the length make equal beginnings unequal.
    if (engine_.shares_beginnings(live.prompt_len))
      pages_.publish(std::span(live.tokens), std::min(live.cached, live.prompt_len), live.pages);
  }

  void take_tokens(const Tensor& logits) {
    std::vector<int64_t> chosen(answering_.size());
    engine_.team().run(static_cast<int64_t>(answering_.size()), [&](int64_t i, int64_t) {
      Live& live = *answering_[static_cast<size_t>(i)];
      const double uniform =
          sampling_.temperature == 0
              ? 0.0
              : token_uniform(sampling_.seed, live.question, requests_[live.request].sample,
                              static_cast<int64_t>(live.tokens.size()) - live.prompt_len);
      const auto of = [&](const auto* data) {
        const std::span row(data + i * logits.stride(0), static_cast<size_t>(logits.size(1)));
        const int64_t token = choose_token(row, sampling_, uniform);
        if (with_nll_ && token >= 0) live.nll += token_nll(row, token);
        return token;
      };
      chosen[static_cast<size_t>(i)] = logits.scalar_type() == at::kDouble
                                           ? of(logits.const_data_ptr<double>())
                                           : of(logits.const_data_ptr<float>());
    });
    for (size_t i = 0; i < answering_.size(); ++i) take_token(*answering_[i], chosen[i]);
    if (hooks_.stepped) hooks_.stepped(prompt_tokens_, static_cast<int64_t>(answering_.size()));
    prompt_tokens_ = 0;
    std::erase_if(live_, [](const LivePtr& live) { return live->prompt_len < 0; });
  }

  void take_token(Live& live, int64_t token) {
    const Request& request = requests_[live.request];
    if (token < 0)
      fail(
          "question \"{}\": after {} new tokens the logits are not finite; are there NaN or infinity among "
          "the weights?",
          request.id, static_cast<int64_t>(live.tokens.size()) - live.prompt_len);
    live.tokens.push_back(token);
    const auto reason = live.text.push(token, live.tokens, live.prompt_len, request.max_new_tokens);
    if (!reason) return;
    Answer answer;
    answer.tokens.assign(live.tokens.begin() + live.prompt_len, live.tokens.end());
    answer.text = live.text.text();
    answer.reason = *reason;
    answer.mean_nll = live.nll / static_cast<double>(answer.tokens.size());
    pages_.release(live.pages);
    live.prompt_len = -1;  // done
    hooks_.finished(live.request, std::move(answer));
  }

  Engine& engine_;
  const Tokenizer* tokenizer_;
  std::span<const Request> requests_;
  const Sampling& sampling_;
  const StopRules& rules_;
  const BatchHooks& hooks_;
  int64_t most_live_, most_rows_;
  bool with_nll_;
  KvPages pages_;
  size_t next_ = 0;  // request
  int64_t prompt_tokens_ = 0;
  std::deque<LivePtr> put_back_;
  std::vector<LivePtr> live_;  // oldest first
  std::vector<StepRow> rows_;
  std::vector<Live*> answering_;  // in the order of the logits
};

}  // namespace

void generate_answers(Engine& engine, const Tokenizer* tokenizer, std::span<const Request> requests,
                      const Sampling& sampling, const StopRules& rules, const BatchLimits& limits,
                      const BatchHooks& hooks) {
  Batch(engine, tokenizer, requests, sampling, rules, limits, hooks).run();
}

}  // namespace circuitdiff
