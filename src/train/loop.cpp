#include "train/loop.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "base/random.h"
#include "generate/batch.h"
#include "train/reward.h"

namespace circuitdiff {
namespace {

constexpr int64_t kMostRounds = 10;  // in which a step may draw questions in place of dropped groups

std::vector<std::vector<double>> by_answer(const PackedBatch& batch, const std::vector<double>& values) {
  std::vector<std::vector<double>> out;
  if (values.empty()) return out;
  for (size_t i = 0; i + 1 < batch.answer_begin.size(); ++i)
    out.emplace_back(values.begin() + batch.answer_begin[i], values.begin() + batch.answer_begin[i + 1]);
  return out;
}

ParameterSettings settings_of(const TrainInputs& in, uint64_t seed) {
  ParameterSettings s;
  s.device = in.device;
  s.compute = in.compute;
  s.master = in.compute == at::kDouble ? at::kDouble : at::kFloat;
  s.lora = {in.options.lora.rank, in.options.lora.alpha, in.options.lora.targets};
  s.random_weights = in.options.init == InitialWeights::random;
  s.seed = seed;
  return s;
}

}  // namespace

Trainer::Trainer(const TrainInputs& inputs, uint64_t seed, const std::filesystem::path& out,
                 Progress& progress)
    : in_(inputs),
      o_(inputs.options),
      seed_(seed),
      out_(out),
      progress_(progress),
      algorithm_(make_algorithm(inputs.algorithm, o_.algorithm)),
      group_(group_size(inputs.algorithm, o_.algorithm)),
      temperature_(algorithm_->on_policy() ? o_.rollout.temperature : 1.0),
      order_(inputs.data.size(), seed, o_.data.shuffle) {
  parameters_ = std::make_unique<Parameters>(in_.checkpoint, settings_of(in_, seed));
  model_ = std::make_unique<PackedModel>(*parameters_, o_.recompute);
  optimizer_ = std::make_unique<Optimizer>(*parameters_, o_.optimizer);
  if (in_.reference) {
    ParameterSettings frozen = settings_of(in_, seed);
    frozen.lora = {};
    frozen.random_weights = false;
    frozen.frozen = true;
    frozen.master = in_.compute;
    reference_ = std::make_unique<Parameters>(in_.reference, frozen);
  }
  if (algorithm_->uses_values())
    value_head_ = std::make_unique<ValueHead>(
        parameters_->config().d_model, o_.algorithm.value_hidden, o_.algorithm.value_lr, seed,
        at::TensorOptions().dtype(in_.compute == at::kDouble ? at::kDouble : at::kFloat).device(in_.device));
}

PackedBatch Trainer::pack_samples(std::span<const TrainSample> samples) const {
  std::vector<PackedSequence> sequences;
  for (const TrainSample& s : samples) sequences.push_back({s.tokens, s.prompt_len});
  return pack_sequences(parameters_->config(), sequences,
                        at::TensorOptions().dtype(in_.compute).device(in_.device));
}

// Whole units, as many as the token budget holds.
std::vector<std::span<TrainSample>> Trainer::micro_batches(std::span<TrainSample> samples) const {
  std::vector<std::span<TrainSample>> out;
  const auto unit = static_cast<size_t>(algorithm_->unit());
  size_t begin = 0;
  int64_t tokens = 0;
  for (size_t i = 0; i < samples.size(); i += unit) {
    int64_t more = 0;
    for (size_t k = i; k < i + unit; ++k) more += static_cast<int64_t>(samples[k].tokens.size()) - 1;
    if (i > begin && tokens + more > o_.optimizer.tokens_per_batch) {
      out.push_back(samples.subspan(begin, i - begin));
      begin = i;
      tokens = 0;
    }
    tokens += more;
  }
  if (begin < samples.size()) out.push_back(samples.subspan(begin));
  return out;
}

void Trainer::fill_logps(const Parameters& of, std::span<TrainSample> samples,
                         std::vector<double> TrainSample::*into, bool with_values) {
  PackedModel model(of, /*recompute=*/false);
  for (const std::span<TrainSample> micro : micro_batches(samples)) {
    const PackedBatch batch = pack_samples(micro);
    const auto logps = by_answer(batch, model.forward(batch, temperature_, false, false).logps);
    for (size_t i = 0; i < micro.size(); ++i) micro[i].*into = logps[i];
    if (!with_values) continue;
    const auto values = by_answer(batch, value_head_->values(model.answer_states()));
    for (size_t i = 0; i < micro.size(); ++i) micro[i].values = values[i];
  }
}

// `questions` further prompts, G answers each, with their rewards.
Trainer::Samples Trainer::draw_answers(int64_t questions, int64_t round, StepFigures& figures) {
  std::vector<const TrainPrompt*> prompts;
  std::vector<int64_t> first;
  std::map<std::string, int64_t> seen;
  for (int64_t i = 0; i < questions; ++i) {
    prompts.push_back(&in_.data.prompts[order_.at(position_.cursor++)]);
    first.push_back(round * o_.data.batch * group_ + group_ * seen[prompts.back()->id]++);
  }
  const uint64_t key = step_seed(seed_, position_.step);
  Samples samples;
  in_step(position_.step + 1, Suspect::latest, [&] {
    samples = roll_out(*parameters_, prompts, first, group_, {o_.rollout.temperature, 1, 0, key},
                       {in_.tokenizer.get(), in_.rules, o_.rollout.max_new_tokens, o_.threads});
  });
  int64_t correct = 0, undecided = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    TrainSample& s = samples[i];
    const TrainPrompt& prompt = *prompts[i / static_cast<size_t>(group_)];
    const double coin = token_uniform(key, question_key(s.id), s.sample, /*token=*/0x52455744);
    const RewardedAnswer r = reward_answer(o_.reward, s.text, prompt.gold, prompt.dataset, coin);
    s.reward = r.reward;
    correct += r.correct;
    undecided += r.undecided;
  }
  figures.add_rollouts(samples, group_, correct, undecided);
  return samples;
}

// What this step trains on.
Trainer::Samples Trainer::collect(StepFigures& figures) {
  Samples out;
  if (!algorithm_->on_policy()) {
    for (int64_t i = 0; i < o_.data.batch; ++i)
      for (const TrainSample& s : in_.data.units[order_.at(position_.cursor++)]) out.push_back(s);
  } else {
    int64_t wanted = o_.data.batch;
    for (int64_t round = 0; wanted > 0 && round < kMostRounds; ++round) {
      Samples drawn = draw_answers(wanted, round, figures);
      if (algorithm_->uses_values()) {
        fill_logps(*parameters_, drawn, &TrainSample::old_logps, true);
        if (reference_) fill_logps(*reference_, drawn, &TrainSample::ref_logps, false);
      }
      Samples kept = algorithm_->prepare(std::move(drawn));
      const auto groups = static_cast<int64_t>(kept.size()) / (algorithm_->unit() == 2 ? 2 : group_);
      figures.dropped_groups += wanted - groups;
      out.insert(out.end(), std::make_move_iterator(kept.begin()), std::make_move_iterator(kept.end()));
      if (!algorithm_->redraws()) break;
      wanted -= groups;
    }
  }
  if (reference_ && !algorithm_->uses_values()) fill_logps(*reference_, out, &TrainSample::ref_logps, false);
  return out;
}

// One update on whole units. is_first: of a step, when the weights are still those that drew the answers.
void Trainer::update(std::span<TrainSample> samples, StepFigures& figures, bool is_first) {
  const auto unit = static_cast<size_t>(algorithm_->unit());
  UpdateTotals totals{static_cast<int64_t>(samples.size() / unit), 0, o_.rollout.max_new_tokens};
  for (const TrainSample& s : samples) totals.tokens += s.answer();
  for (const std::span<TrainSample> micro : micro_batches(samples)) {
    check_interrupt();
    const PackedBatch batch = pack_samples(micro);
    const TokenFigures now = model_->forward(batch, temperature_, true, true);
    const auto logps = by_answer(batch, now.logps), entropies = by_answer(batch, now.entropies);
    std::vector<double> coefficients;
    for (size_t i = 0; i < micro.size(); i += unit) {
      const auto one = micro.subspan(i, unit);
      if (is_first && algorithm_->uses_ratio())
        for (size_t k = 0; k < unit; ++k)
          if (one[k].old_logps.empty()) one[k].old_logps = logps[i + k];
      const auto one_logps = std::span(logps).subspan(i, unit);
      const GradientCoefficients c = algorithm_->coefficients(one, one_logps);
      figures.add_unit(one, one_logps, std::span(entropies).subspan(i, unit), c);
      figures.loss -= algorithm_->weight(one[0], totals) * c.objective;
      for (size_t k = 0; k < unit; ++k) {
        const double w = algorithm_->weight(one[k], totals);
        for (const double gc : c.gc[k]) coefficients.push_back(-w * gc);
      }
    }
    if (value_head_) {
      std::vector<double> returns;
      for (const TrainSample& s : micro) returns.insert(returns.end(), s.returns.begin(), s.returns.end());
      figures.value_loss +=
          value_head_->backward(model_->answer_states(), returns, 1.0 / static_cast<double>(totals.tokens));
    }
    model_->backward(batch, coefficients);
  }
  const double norm = optimizer_->clip();
  if (!std::isfinite(norm) || !std::isfinite(figures.loss))
    stop(fmt::format("the gradient's length is {} and the loss {}", norm, figures.loss), samples);
  if (norm > o_.optimizer.stop_norm)
    stop(fmt::format("the gradient's length is {:.3g}, more than stop_norm = {:g}", norm,
                     o_.optimizer.stop_norm),
         samples);
  const double factor = schedule_factor(o_.optimizer, position_.step, o_.steps);
  optimizer_->step(factor);
  parameters_->refresh();
  if (value_head_) value_head_->step();
  figures.learning_rate = factor * o_.optimizer.lr;
  figures.grad_norm += norm;
  ++figures.updates;
}

void Trainer::train_on(Samples& samples, StepFigures& figures) {
  const int64_t unit = algorithm_->unit(), units = static_cast<int64_t>(samples.size()) / unit;
  const int64_t parts = std::min(o_.algorithm.minibatches, std::max<int64_t>(1, units));
  const auto part = [&](int64_t i) {
    const auto begin = static_cast<size_t>(units * i / parts * unit),
               end = static_cast<size_t>(units * (i + 1) / parts * unit);
    return std::span(samples).subspan(begin, end - begin);
  };
  // Later updates need to know what the answers' probabilities were; the first sees it as it goes.
  if (algorithm_->uses_ratio() && !algorithm_->uses_values())
    for (int64_t i = 1; i < parts; ++i) fill_logps(*parameters_, part(i), &TrainSample::old_logps, false);
  for (int64_t epoch = 0; epoch < o_.algorithm.epochs; ++epoch)
    for (int64_t i = 0; i < parts; ++i) update(part(i), figures, epoch == 0 && i == 0);
  figures.loss /= static_cast<double>(figures.updates);
  figures.value_loss /= static_cast<double>(figures.updates);
  figures.grad_norm /= static_cast<double>(figures.updates);
}

}  // namespace circuitdiff
