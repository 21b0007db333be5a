// The parameter gradient of each algorithm equals that of its textbook loss, written out here and
// differentiated by autograd through the plain forward, in float64.
#include <ATen/ops/log_sigmoid.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include "support/golden.h"
#include "train_support.h"

namespace circuitdiff {
namespace {

constexpr double kTolerance = 1e-9;
constexpr int64_t kGroup = 4, kMaxNew = 20;

Tensor to_tensor(const std::vector<double>& values) { return at::tensor(values, at::kDouble); }

// Samples in groups of four, with what an update needs: logps of the past that differ enough for some tokens
// to be clipped, and those of a reference.
struct Case {
  TemporaryFolder folder;
  std::unique_ptr<Parameters> parameters;
  std::vector<TrainSample> samples;
  double temperature = 1;

  explicit Case(double t, const TinyModel& model = {}) : temperature(t) {
    write_tiny_checkpoint(folder.path(), model);
    ParameterSettings settings;
    settings.master = settings.compute = at::kDouble;
    parameters = std::make_unique<Parameters>(Checkpoint::open(folder.path()), settings);
    samples = random_answers(model.d_vocab, 3 * kGroup, 7);
    Philox random(3);
    const auto now = logps(samples);
    for (size_t i = 0; i < samples.size(); ++i)
      for (const double l : now[i]) {
        samples[i].old_logps.push_back(l + 0.3 * random.normal());
        samples[i].ref_logps.push_back(l + 0.3 * random.normal());
        samples[i].values.push_back(random.normal());
      }
  }

  std::vector<std::vector<double>> logps(std::span<const TrainSample> of) {
    const PackedBatch batch = pack(parameters->config(), of);
    return split_answers(batch,
                         PackedModel(*parameters, false).forward(batch, temperature, false, false).logps);
  }

  // Gradient of -J built from w and GC, in micro-batches of whole units.
  // Returns minus the sum of w times the objective: the textbook loss itself.
  double accumulate(const Algorithm& algorithm, const std::vector<TrainSample>& prepared, bool recompute,
                    size_t units_at_once, int64_t* clipped = nullptr) {
    double loss = 0;
    Tensor(parameters->grads()).zero_();
    UpdateTotals totals{static_cast<int64_t>(prepared.size()) / algorithm.unit(), 0, kMaxNew};
    for (const TrainSample& s : prepared) totals.tokens += s.answer();
    PackedModel model(*parameters, recompute);
    const auto unit = static_cast<size_t>(algorithm.unit());
    for (size_t begin = 0; begin < prepared.size(); begin += units_at_once * unit) {
      const auto micro =
          std::span(prepared).subspan(begin, std::min(units_at_once * unit, prepared.size() - begin));
      const PackedBatch batch = pack(parameters->config(), micro);
      const auto now = split_answers(batch, model.forward(batch, temperature, true, false).logps);
      std::vector<double> coefficients;
      for (size_t i = 0; i < micro.size(); i += unit) {
        const GradientCoefficients c =
            algorithm.coefficients(micro.subspan(i, unit), std::span(now).subspan(i, unit));
        if (clipped) *clipped += c.clipped;
        loss -= algorithm.weight(micro[i], totals) * c.objective;
        for (size_t k = 0; k < unit; ++k)
          for (const double gc : c.gc[k])
            coefficients.push_back(-algorithm.weight(micro[i + k], totals) * gc);
      }
      model.backward(batch, coefficients);
    }
    return loss;
  }

  void check(const Algorithm& algorithm, const std::vector<TrainSample>& prepared, const Tensor& loss,
             const AutogradModel& oracle, double tolerance = kTolerance) {
    const auto expected = oracle.gradients(loss);
    for (const bool recompute : {false, true})
      for (const size_t at_once : {size_t{100}, size_t{2}}) {
        SCOPED_TRACE(recompute ? "recomputed" : "kept");
        EXPECT_NEAR(accumulate(algorithm, prepared, recompute, at_once), loss.item<double>(), 1e-10);
        expect_same_gradients(*parameters, expected, tolerance);
      }
  }
};

// min(rho A, clip(rho, 1 - low, 1 + high) A) of each token.
Tensor clipped_objective(const Tensor& logps, const TrainSample& s, double low, double high) {
  const Tensor ratio = (logps - to_tensor(s.old_logps)).exp(), a = to_tensor(s.advantages);
  return at::minimum(ratio * a, ratio.clamp(1 - low, 1 + high) * a);
}
// Schulman's k3: pi_ref/pi - log(pi_ref/pi) - 1
Tensor k3(const Tensor& logps, const TrainSample& s) {
  const Tensor d = to_tensor(s.ref_logps) - logps;
  return d.exp() - d - 1;
}
// Advantages as the table writes them, from scratch.
void set_advantages(std::vector<TrainSample>& samples,
                    const std::function<double(double, double, double)>& rule) {
  for (size_t g = 0; g < samples.size(); g += kGroup) {
    double mean = 0, var = 0;
    for (size_t i = g; i < g + kGroup; ++i) mean += samples[i].reward / kGroup;
    for (size_t i = g; i < g + kGroup; ++i)
      var += (samples[i].reward - mean) * (samples[i].reward - mean) / (kGroup - 1);
    for (size_t i = g; i < g + kGroup; ++i)
      samples[i].advantages.assign(static_cast<size_t>(samples[i].answer()),
                                   rule(samples[i].reward, mean, std::sqrt(var)));
  }
}
Tensor zero() { return at::zeros({}, at::kDouble); }

TEST(Gradient, Sft) {
  Case c(1);
  const AutogradModel oracle(*c.parameters);
  Tensor loss = zero();
  for (const TrainSample& s : c.samples) loss = loss - oracle.logps(s, 1).mean() / 12.0;
  c.check(*make_algorithm(AlgorithmName::sft, {}), c.samples, loss, oracle);
}

TEST(Gradient, Dpo) {
  Case c(1);
  const AutogradModel oracle(*c.parameters);
  Tensor loss = zero();
  for (size_t i = 0; i < c.samples.size(); i += 2) {
    const auto ratio = [&](const TrainSample& s) {
      return oracle.logps(s, 1).sum() - to_tensor(s.ref_logps).sum();
    };
    loss = loss - at::log_sigmoid(0.1 * ratio(c.samples[i]) - 0.1 * ratio(c.samples[i + 1])) / 6.0;
  }
  c.check(*make_algorithm(AlgorithmName::dpo, {}), c.samples, loss, oracle);
}

TEST(Gradient, OnlineDpoTakesBestAndWorst) {
  Case c(0.7);
  const auto algorithm = make_algorithm(AlgorithmName::online_dpo, {});
  for (size_t i = 4; i < 8; ++i) c.samples[i].reward = 1;  // no preference: left out
  const auto prepared = algorithm->prepare(c.samples);
  ASSERT_EQ(prepared.size(), 4u);
  const AutogradModel oracle(*c.parameters);
  Tensor loss = zero();
  for (const size_t g : {size_t{0}, size_t{8}}) {
    const auto by_reward = [](const TrainSample& a, const TrainSample& b) { return a.reward < b.reward; };
    const auto begin = c.samples.begin() + static_cast<std::ptrdiff_t>(g);
    const TrainSample& best = *std::max_element(begin, begin + 4, by_reward);
    const TrainSample& worst = *std::min_element(begin, begin + 4, by_reward);
    const auto ratio = [&](const TrainSample& s) {
      return oracle.logps(s, 0.7).sum() - to_tensor(s.ref_logps).sum();
    };
    loss = loss - at::log_sigmoid(0.1 * (ratio(best) - ratio(worst))) / 2.0;
  }
  c.check(*algorithm, prepared, loss, oracle);
}

TEST(Gradient, Ppo) {
  Case c(0.7);
  AlgorithmOptions options;
  options.whiten = false;
  options.gamma = 0.9;
  options.beta = 0.05;
  const auto algorithm = make_algorithm(AlgorithmName::ppo, options);
  const auto prepared = algorithm->prepare(c.samples);
  const AutogradModel oracle(*c.parameters);
  Tensor loss = zero();
  double tokens = 0;
  for (TrainSample s : c.samples) {
    // A_t = sum_k (gamma lambda)^k delta_(t+k), term by term.
    const auto n = static_cast<size_t>(s.answer());
    s.advantages.assign(n, 0);
    for (size_t t = 0; t < n; ++t)
      for (size_t k = t; k < n; ++k) {
        const double reward = (k + 1 == n ? s.reward : 0) - 0.05 * (s.old_logps[k] - s.ref_logps[k]);
        const double delta = reward + 0.9 * (k + 1 < n ? s.values[k + 1] : 0) - s.values[k];
        s.advantages[t] += std::pow(0.9 * 0.95, static_cast<double>(k - t)) * delta;
      }
    loss = loss - clipped_objective(oracle.logps(s, 0.7), s, 0.2, 0.2).sum();
    tokens += static_cast<double>(n);
  }
  c.check(*algorithm, prepared, loss / tokens, oracle);
}

// As it is by default: without discount, and advantages of the whole batch brought to mean 0 and variance 1.
TEST(Gradient, PpoWhitened) {
  Case c(0.7);
  const auto algorithm = make_algorithm(AlgorithmName::ppo, {});
  const auto prepared = algorithm->prepare(c.samples);
  std::vector<double> all;
  for (TrainSample& s : c.samples) {
    const auto n = static_cast<size_t>(s.answer());
    s.advantages.assign(n, 0);
    for (size_t t = 0; t < n; ++t)
      for (size_t k = t; k < n; ++k)
        s.advantages[t] += std::pow(0.95, static_cast<double>(k - t)) *
                           ((k + 1 == n ? s.reward : s.values[k + 1]) - s.values[k]);
    all.insert(all.end(), s.advantages.begin(), s.advantages.end());
  }
  const Tensor of_all = to_tensor(all);
  const double mean = of_all.mean().item<double>(), std = of_all.std().item<double>();
  const AutogradModel oracle(*c.parameters);
  Tensor loss = zero();
  for (TrainSample& s : c.samples) {
    for (double& a : s.advantages) a = (a - mean) / (std + 1e-8);
    loss = loss - clipped_objective(oracle.logps(s, 0.7), s, 0.2, 0.2).sum();
  }
  c.check(*algorithm, prepared, loss / static_cast<double>(all.size()), oracle);
}

TEST(Gradient, Grpo) {
  Case c(0.7);
  const auto algorithm = make_algorithm(AlgorithmName::grpo, {});
  const auto prepared = algorithm->prepare(c.samples);
  set_advantages(c.samples, [](double r, double mean, double std) { return (r - mean) / (std + 1e-4); });
  const AutogradModel oracle(*c.parameters);
  Tensor loss = zero();
  for (const TrainSample& s : c.samples) {
    const Tensor logps = oracle.logps(s, 0.7);
    loss = loss - (clipped_objective(logps, s, 0.2, 0.2) - 0.04 * k3(logps, s)).mean() / 12.0;
  }
  c.check(*algorithm, prepared, loss, oracle);
  int64_t clipped = 0;
  c.accumulate(*algorithm, prepared, false, 100, &clipped);
  EXPECT_GT(clipped, 5);  // the case is not the unclipped one only
}

TEST(Gradient, Dapo) {
  Case c(0.7);
  const auto algorithm = make_algorithm(AlgorithmName::dapo, {});
  for (size_t i = 0; i < 4; ++i) c.samples[i].reward = -0.5;  // no variance: dropped
  const auto prepared = algorithm->prepare(c.samples);
  ASSERT_EQ(prepared.size(), 8u);
  set_advantages(c.samples, [](double r, double mean, double std) { return (r - mean) / (std + 1e-4); });
  const AutogradModel oracle(*c.parameters);
  Tensor loss = zero();
  double tokens = 0;
  for (size_t i = 4; i < c.samples.size(); ++i) {
    loss = loss - clipped_objective(oracle.logps(c.samples[i], 0.7), c.samples[i], 0.2, 0.28).sum();
    tokens += static_cast<double>(c.samples[i].answer());
  }
  c.check(*algorithm, prepared, loss / tokens, oracle);
}

TEST(Gradient, DrGrpo) {
  Case c(1.3);
  const auto algorithm = make_algorithm(AlgorithmName::dr_grpo, {});
  const auto prepared = algorithm->prepare(c.samples);
  set_advantages(c.samples, [](double r, double mean, double) { return r - mean; });
  const AutogradModel oracle(*c.parameters);
  Tensor loss = zero();
  for (const TrainSample& s : c.samples)
    loss = loss - clipped_objective(oracle.logps(s, 1.3), s, 0.2, 0.2).sum() / (12.0 * kMaxNew);
  c.check(*algorithm, prepared, loss, oracle);
}

TEST(Gradient, Rloo) {
  Case c(0.7);
  const auto algorithm = make_algorithm(AlgorithmName::rloo, {});
  const auto prepared = algorithm->prepare(c.samples);
  set_advantages(c.samples,
                 [](double r, double mean, double) { return r - (mean * kGroup - r) / (kGroup - 1); });
  const AutogradModel oracle(*c.parameters);
  Tensor loss = zero();
  for (const TrainSample& s : c.samples)
    loss = loss - clipped_objective(oracle.logps(s, 0.7), s, 0.2, 0.2).sum() / 12.0;
  c.check(*algorithm, prepared, loss, oracle);
}

// Architectures that differ in what has a gradient.
TEST(Gradient, OfEveryKindOfWeight) {
  TinyModel tied, biased, normed, windowed;
  tied.extra_config = {{"tie_word_embeddings", true}};
  biased.mlp_bias = true;
  normed.norm_eps = 1e-6;
  windowed.extra_config = {
      {"model_type", "mistral"}, {"architectures", {"MistralForCausalLM"}}, {"sliding_window", 3}};
  for (const TinyModel& model : {tied, biased, windowed}) {
    Case c(1, model);
    const AutogradModel oracle(*c.parameters);
    Tensor loss = zero();
    for (const TrainSample& s : c.samples) loss = loss - oracle.logps(s, 1).mean() / 12.0;
    c.check(*make_algorithm(AlgorithmName::sft, {}), c.samples, loss, oracle);
  }
}

// The golden checkpoints have the shapes that tiny_checkpoint.h cannot
// write: q/k norms, biases of q, k and v.
TEST(Gradient, OfTheGoldenArchitectures) {
  for (const char* name : {"qwen3", "qwen2_tied", "llama_bias", "llama3_scaled", "mistral_gqa_swa"}) {
    SCOPED_TRACE(name);
    ParameterSettings settings;
    settings.master = settings.compute = at::kDouble;
    const Parameters p(Checkpoint::open(golden_folder(name) / "model"), settings);
    const auto samples = random_answers(p.config().d_vocab, 6, 5);
    const AutogradModel oracle(p);
    Tensor loss = zero();
    for (const TrainSample& s : samples) loss = loss - oracle.logps(s, 1).sum();
    PackedModel model(p, true);
    const PackedBatch batch = pack(p.config(), samples);
    const TokenFigures figures = model.forward(batch, 1, true, true);
    model.backward(batch, std::vector<double>(figures.logps.size(), -1.0));
    expect_same_gradients(p, oracle.gradients(loss), kTolerance);
  }
}

}  // namespace
}  // namespace circuitdiff
