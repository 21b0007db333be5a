// What surrounds the steps of the loop: going on from a checkpoint, a line of metrics a step, evaluation and
// probe, further checkpoints, and what is said where a step fails.
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "io/json.h"
#include "train/loop.h"
#include "train/reward.h"

namespace circuitdiff {
namespace {

// Where the run stands by its latest checkpoint. The error over a damaged one names the next older that can
// be gone on from, if there is one, and all that must go first.
TrainPosition read_latest(const std::filesystem::path& out, const TrainState& state) {
  auto found = train_checkpoints(out);
  std::string damaged = found.back().second.string();
  try {
    return read_train_checkpoint(found.back().second, state);
  } catch (const Error& error) {
    for (found.pop_back(); !found.empty(); found.pop_back()) {
      const std::filesystem::path& older = found.back().second;
      try {
        read_train_checkpoint(older, state);
      } catch (const Error&) {
        damaged += " and " + older.string();
        continue;
      }
      fail("{}; with {} removed, --resume goes on from {}", error.what(), damaged, older.string());
    }
    throw;
  }
}

}  // namespace

// Where a step that begins with the weights of a checkpoint fails by their numbers, that checkpoint is no
// good: the one before it is, which a whole step followed.
std::string Trainer::last_good(Suspect suspect) const {
  auto found = train_checkpoints(out_);
  std::string led_here;
  if (suspect == Suspect::latest && !found.empty() && found.back().first == position_.step) {
    led_here = "; " + found.back().second.string() + " holds the weights that led here";
    found.pop_back();
  }
  if (!found.empty()) return "the last good checkpoint is " + found.back().second.string() + led_here;
  return (led_here.empty() ? "no checkpoint was written yet" : "there is no good checkpoint") +
         ("; the start is " + o_.model.string()) + led_here;
}

void Trainer::in_step(int64_t step, Suspect suspect, const std::function<void()>& work) const {
  try {
    work();
  } catch (const Interrupted&) {
    throw;
  } catch (const Error& error) {
    fail("seed {}, step {}: {}; {}", seed_, step, error.what(), last_good(suspect));
  }
}

void Trainer::stop(const std::string& what, std::span<const TrainSample> samples) const {
  std::string ids;
  for (size_t i = 0; i < std::min<size_t>(samples.size(), 3); ++i)
    ids += (i ? ", " : "") + in_quotes(samples[i].id);
  if (samples.size() > 3) ids += fmt::format(", .. ({} answers)", samples.size());
  fail("seed {}, step {}: {}; batch: {}; {}", seed_, position_.step + 1, what, ids,
       last_good(Suspect::latest));
}

double Trainer::evaluate() const {
  std::vector<const TrainPrompt*> prompts;
  for (const TrainPrompt& p : in_.eval) prompts.push_back(&p);
  const Samples answers = roll_out(*parameters_, prompts, std::vector<int64_t>(prompts.size(), 0), 1, {},
                                   {in_.tokenizer.get(), in_.rules, o_.rollout.max_new_tokens, o_.threads});
  int64_t correct = 0;
  for (size_t i = 0; i < answers.size(); ++i)
    correct += reward_answer({}, answers[i].text, prompts[i]->gold, prompts[i]->dataset, 0).correct;
  return static_cast<double>(correct) / static_cast<double>(answers.size());
}

// Held-out accuracy and circuit metrics, where this step is one of theirs.
void Trainer::observe(nlohmann::ordered_json& line) {
  const auto due = [&](int64_t every) {
    return every > 0 && (position_.step % every == 0 || position_.step == o_.steps);
  };
  if (due(o_.eval.every)) line["eval/accuracy"] = evaluate();
  if (due(o_.probe.every) && in_.probe) {
    const auto figures = in_.probe(parameters_->weights());  // items() of a temporary would outlive it
    for (const auto& [name, value] : figures.items()) line[name] = value;
  }
}

void Trainer::save() {
  write_train_checkpoint(checkpoint_path(out_, position_.step),
                         {*parameters_, *optimizer_, value_head_.get()}, position_);
}

void Trainer::run() {
  const at::NoGradGuard no_grad;
  const TrainState state{*parameters_, *optimizer_, value_head_.get()};
  const auto last = last_checkpoint(out_);
  if (last) position_ = read_latest(out_, state);
  std::filesystem::create_directories(out_);
  MetricsLog::cut_back(out_, position_.metrics_bytes, position_.event_bytes);
  MetricsLog log(out_);
  nlohmann::ordered_json line;
  if (!last) {
    observe(line);
    if (!line.empty()) log.write(0, line);
  }
  progress_.begin(fmt::format("{} seed {}", to_word(in_.algorithm), seed_), o_.steps, "steps",
                  position_.step);
  while (position_.step < o_.steps) {
    check_interrupt();
    const auto begun = std::chrono::steady_clock::now();
    const auto seconds = [&] {
      return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    };
    StepFigures figures;
    Samples samples = collect(figures);
    const double collected = seconds();
    if (!samples.empty()) train_on(samples, figures);
    drop_old_checkpoints(out_, o_.checkpoint.keep);  // the latest has proved good
    ++position_.step;
    position_.tokens += figures.tokens();
    line = figures.to_json();
    line["num_tokens"] = position_.tokens;
    line["seconds"] = seconds();
    line["seconds/collect"] = collected;
    observe(line);
    in_step(position_.step, Suspect::none, [&] {
      log.write(position_.step, line);
      position_.metrics_bytes = log.metrics_bytes();
      position_.event_bytes = log.event_bytes();
      const bool due = o_.checkpoint.every > 0 && position_.step % o_.checkpoint.every == 0;
      if (due || position_.step == o_.steps) save();
    });
    progress_.advance(1, line.contains("reward") ? fmt::format("reward {:.3f}", line["reward"].get<double>())
                                                 : fmt::format("loss {:.4f}", line["loss"].get<double>()));
  }
  progress_.end();
  drop_old_checkpoints(out_, o_.checkpoint.keep);
  in_step(position_.step, Suspect::none, [&] { write_model_folder(out_ / "final", *parameters_); });
}

}  // namespace circuitdiff
