// What must hold of scores whatever the model: the relations of docs/numerics.md#relations-that-hold, and
// agreement with autograd through the plain forward.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "attribute/eap.h"
#include "attribute/objective.h"
#include "support/golden.h"
#include "support/plain_decoder.h"
#include "support/tiny_checkpoint.h"

namespace circuitdiff {
namespace {

std::vector<AttributionSample> random_samples(int64_t d_vocab, int64_t count, uint64_t seed) {
  Philox random(seed);
  std::vector<AttributionSample> out;
  for (int64_t i = 0; i < count; ++i) {
    AttributionSample s;
    s.id = std::to_string(i);
    s.prompt_len = 1 + static_cast<int64_t>(random.below(6));
    const int64_t answer = 2 + static_cast<int64_t>(random.below(9));
    for (int64_t t = 0; t < s.prompt_len + answer; ++t)
      s.tokens.push_back(static_cast<int64_t>(random.below(static_cast<uint64_t>(d_vocab))));
    s.t_cut = {1, (answer + 1) / 2, answer};
    out.push_back(s);
  }
  return out;
}

Decoder tiny_decoder(const TemporaryFolder& folder, const TinyModel& model,
                     at::ScalarType dtype = at::kDouble) {
  write_tiny_checkpoint(folder.path(), model);
  return Decoder(Checkpoint::open(folder.path()), at::kCPU, dtype);
}

double largest(const std::vector<double>& values) {
  double out = 0;
  for (const double v : values) out = std::max(out, std::abs(v));
  return out;
}

// The oracle: one plain forward with autograd, every branch reading its own alias of the stream.
class GradientTap : public StreamTap {
 public:
  Tensor branch(int64_t, const Tensor& stream) override {
    branches.push_back(
        stream.clone());  // part of the graph, so that earlier destinations still see what flows through
    return branches.back();
  }
  Tensor source(int64_t index, const Tensor& added) override {
    Tensor out = index == 0 ? added.detach().requires_grad_() : added;
    sources.push_back(out);
    return out;
  }
  std::vector<Tensor> branches, sources;
};

TEST(Eap, AgreesWithAutogradThroughThePlainForward) {
  const TemporaryFolder folder;
  TinyModel model;
  model.n_layers = 3;
  const Decoder decoder = tiny_decoder(folder, model);
  const Graph graph{3, GraphKind::qkv, EdgeSet::all};
  for (const AttributionSample& sample : random_samples(model.d_vocab, 5, 11)) {
    const auto scores = attribute_chunk(decoder, {}, {sample});
    for (size_t c = 0; c < sample.t_cut.size(); ++c) {
      const int64_t length = sample.prompt_len + sample.t_cut[c] - 1;
      const std::vector<int64_t> input(sample.tokens.begin(), sample.tokens.begin() + length);
      const std::vector<int64_t> target(sample.tokens.begin() + sample.prompt_len,
                                        sample.tokens.begin() + length + 1);
      GradientTap tap;
      const Tensor logits = plain_logits(decoder, decoder.tokens(input).unsqueeze(0), &tap).squeeze(0);
      const Tensor loss = -logits.narrow(0, sample.prompt_len - 1, sample.t_cut[c])
                               .log_softmax(-1)
                               .gather(-1, decoder.tokens(target).unsqueeze(1))
                               .mean();
      const auto gradients = torch::autograd::grad({loss}, tap.branches);
      std::vector<double> expected(static_cast<size_t>(graph.n_forward() * graph.n_backward()), 0.0);
      for (int64_t d = 0; d < graph.n_backward(); ++d)
        for (int64_t s = 0; s < graph.sources_before(d); ++s)
          expected[static_cast<size_t>(s * graph.n_backward() + d)] =
              -(tap.sources[static_cast<size_t>(s)] * gradients[static_cast<size_t>(d)]).sum().item<double>();
      const Difference d = largest_difference(scores[0][c].scores, expected);
      EXPECT_LT(d.relative, 1e-10) << sample.id << " cut " << sample.t_cut[c] << " cell " << d.at;
      EXPECT_NEAR(scores[0][c].loss, loss.item<double>(), 1e-12);
    }
  }
}

// A stream so small that eps swamps its mean square, uniform attention, a
// constant gate: linear in every edge.
TEST(Exact, EqualsEapOnALinearModel) {
  const TemporaryFolder folder;
  TinyModel model;
  model.norm_eps = 1.0;
  model.mlp_bias = true;
  model.edit = [](const std::string& name, std::vector<float>& values) {
    const auto has = [&](const char* part) { return name.find(part) != std::string::npos; };
    double scale = 1.0;
    if (has("q_proj") || has("k_proj") || has("gate_proj.weight")) scale = 0.0;
    if (has("embed_tokens") || has("up_proj.bias") || has("down_proj.bias")) scale = 1e-5;
    for (float& v : values) v = static_cast<float>(v * scale);
  };
  const Decoder decoder = tiny_decoder(folder, model);
  for (const Method method : {Method::eap, Method::eap_ig}) {
    ScoringOptions options;
    options.objective = Objective::logit;
    options.method = method;
    const auto samples = random_samples(model.d_vocab, 3, 5);
    const auto eap = attribute_chunk(decoder, options, samples);
    options.method = Method::exact;
    const auto exact = attribute_chunk(decoder, options, samples);
    for (size_t i = 0; i < samples.size(); ++i)
      for (size_t c = 0; c < samples[i].t_cut.size(); ++c) {
        ASSERT_GT(largest(exact[i][c].scores), 1e-7);
        EXPECT_LT(largest_difference(eap[i][c].scores, exact[i][c].scores).relative, 1e-6);
      }
  }
}

// The oracle: one plain forward with one source taken out of what one destination reads.
class AblationTap : public StreamTap {
 public:
  AblationTap(int64_t source, int64_t destination) : source_(source), destination_(destination) {}
  Tensor branch(int64_t destination, const Tensor& stream) override {
    return destination == destination_ ? stream - kept_ : stream;
  }
  Tensor source(int64_t index, const Tensor& added) override {
    if (index == source_) kept_ = added;
    return added;
  }

 private:
  int64_t source_, destination_;
  Tensor kept_;
};

// Models whose ablations go several tiles and several batches an edge's destination, answers of which several
// destinations' losses are taken together, and the shortest there are.
TEST(Exact, IsThePlainForwardWithoutTheEdge) {
  for (const bool gemma2 : {false, true}) {
    const TemporaryFolder folder;
    TinyModel model;
    model.gemma2 = gemma2;
    model.d_mlp = 9000;
    const Decoder decoder = tiny_decoder(folder, model);
    ScoringOptions options;
    options.method = Method::exact;
    const Graph graph = graph_of(decoder, options);
    for (const auto& [prompt, answer] : {std::pair{1, 1}, std::pair{70, 3}, std::pair{2, 90}}) {
      AttributionSample sample{"", {}, prompt, {answer}};
      for (int64_t t = 0; t < prompt + answer; ++t) sample.tokens.push_back(7 * t % model.d_vocab);
      const int64_t length = prompt + answer - 1;
      const bool in_batches = ablations_at_once(decoder.config(), length, at::kDouble) < graph.n_forward();
      EXPECT_EQ(in_batches, answer > 1);
      EXPECT_EQ(graph.n_edges() * answer > kAblatedLossRows, answer > 3);
      const auto loss_of = [&, prompt = prompt, answer = answer](StreamTap* tap) {
        const std::vector<int64_t> input(sample.tokens.begin(), sample.tokens.begin() + length),
            target(sample.tokens.begin() + prompt, sample.tokens.end());
        return -plain_logits(decoder, decoder.tokens(input).unsqueeze(0), tap)
                    .squeeze(0)
                    .narrow(0, prompt - 1, answer)
                    .log_softmax(-1)
                    .gather(-1, decoder.tokens(target).unsqueeze(1))
                    .mean()
                    .item<double>();
      };
      const at::NoGradGuard no_grad;
      const double clean = loss_of(nullptr);
      std::vector<double> expected(static_cast<size_t>(graph.n_forward() * graph.n_backward()), 0.0);
      for (int64_t d = 0; d < graph.n_backward(); ++d)
        for (int64_t s = 0; s < graph.sources_before(d); ++s) {
          AblationTap tap(s, d);
          expected[static_cast<size_t>(s * graph.n_backward() + d)] = loss_of(&tap) - clean;
        }
      const auto scores = attribute_chunk(decoder, options, {sample});
      const Difference difference = largest_difference(scores[0][0].scores, expected);
      EXPECT_LT(difference.relative, 1e-10)
          << gemma2 << " " << prompt << " " << answer << " " << difference.at;
    }
  }
}

TEST(Exact, DiffersFromEapOnAModelThatIsNotLinear) {
  const TemporaryFolder folder;
  const Decoder decoder = tiny_decoder(folder, {});
  ScoringOptions options;
  const auto samples = random_samples(40, 1, 5);
  const auto eap = attribute_chunk(decoder, options, samples);
  options.method = Method::exact;
  EXPECT_GT(
      largest_difference(eap[0][2].scores, attribute_chunk(decoder, options, samples)[0][2].scores).relative,
      1e-3);
}

TEST(Eap, SumOverSourcesIntoLogitsIsTheStreamAgainstItsGradient) {
  const TemporaryFolder folder;
  const Decoder decoder = tiny_decoder(folder, {}, at::kFloat);
  const Graph graph{2, GraphKind::qkv, EdgeSet::all};
  for (const auto& of_sample : attribute_chunk(decoder, {}, random_samples(40, 8, 3)))
    for (const SampleScores& s : of_sample) {
      double sum = 0, absolute = 0;
      for (int64_t source = 0; source < graph.n_forward(); ++source) {
        const double v =
            s.scores[static_cast<size_t>(source * graph.n_backward() + graph.logits_destination())];
        sum += v;
        absolute += std::abs(v);
      }
      // RMSNorm makes the loss indifferent to the stream's scale, but for eps: <H, grad H> is nearly 0.
      EXPECT_LT(std::abs(sum), 1e-4 * absolute);
    }
}

TEST(Eap, BlockColumnIsTheSumOfQKAndV) {
  const TemporaryFolder folder;
  const Decoder decoder = tiny_decoder(folder, {});
  const Graph qkv{2, GraphKind::qkv, EdgeSet::all}, block{2, GraphKind::block, EdgeSet::all};
  ScoringOptions options;
  const auto samples = random_samples(40, 4, 9);
  const auto fine = attribute_chunk(decoder, options, samples);
  options.graph = GraphKind::block;
  const auto coarse = attribute_chunk(decoder, options, samples);
  for (size_t i = 0; i < samples.size(); ++i)
    for (size_t c = 0; c < 3; ++c)
      for (int64_t s = 0; s < block.n_forward(); ++s)
        for (int64_t l = 0; l < 2; ++l) {
          const auto cell = [&](int64_t d) {
            return fine[i][c].scores[static_cast<size_t>(s * qkv.n_backward() + d)];
          };
          const int64_t q = qkv.attention_destination(l);
          EXPECT_NEAR(
              coarse[i][c]
                  .scores[static_cast<size_t>(s * block.n_backward() + block.attention_destination(l))],
              cell(q) + cell(q + 1) + cell(q + 2), 1e-12);
        }
}

TEST(Attribute, ScoreIsZeroWhereNoEdgeExistsAndOnlyThere) {
  const TemporaryFolder folder;
  const Decoder decoder = tiny_decoder(folder, {});
  for (const EdgeSet set : {EdgeSet::all, EdgeSet::paper})
    for (const GraphKind kind : {GraphKind::qkv, GraphKind::block})
      for (const Method method : {Method::eap, Method::eap_ig, Method::eap_ig_activations, Method::exact}) {
        ScoringOptions options;
        options.method = method;
        options.graph = kind;
        options.edges = set;
        AttributionSample sample = random_samples(40, 1, 17).front();
        sample.prompt_len = 3;
        sample.tokens.resize(8, 5);
        sample.t_cut = {5};
        const auto scores = attribute_chunk(decoder, options, {sample});
        const std::vector<uint8_t> edges = graph_of(decoder, options).edges();
        for (size_t e = 0; e < edges.size(); ++e)
          EXPECT_EQ(scores[0][0].scores[e] != 0.0, edges[e] != 0)
              << to_word(method) << " " << to_word(kind) << " " << e;
      }
}

TEST(Attribute, ChunkSizeMovesScoresByLessThanRounding) {
  const TemporaryFolder folder;
  const Decoder decoder = tiny_decoder(folder, {}, at::kFloat);
  for (const Method method : {Method::eap, Method::eap_ig, Method::exact}) {
    ScoringOptions options;
    options.method = method;
    const auto samples = random_samples(40, 7, 23);
    const auto whole = attribute_chunk(decoder, options, samples);
    for (const size_t chunk : {size_t{1}, size_t{3}})
      for (size_t begin = 0; begin < samples.size(); begin += chunk) {
        const std::vector<AttributionSample> part(
            samples.begin() + static_cast<std::ptrdiff_t>(begin),
            samples.begin() + static_cast<std::ptrdiff_t>(std::min(samples.size(), begin + chunk)));
        const auto scores = attribute_chunk(decoder, options, part);
        for (size_t i = 0; i < part.size(); ++i)
          for (size_t c = 0; c < 3; ++c)
            EXPECT_LT(largest_difference(scores[i][c].scores, whole[begin + i][c].scores).relative, 1e-5);
      }
  }
}

TEST(Attribute, CutsTogetherAreTheCutsApart) {
  const TemporaryFolder folder;
  const Decoder decoder = tiny_decoder(folder, {});
  for (AttributionSample sample : random_samples(40, 4, 31)) {
    const auto together = attribute_chunk(decoder, {}, {sample});
    for (size_t c = 0; c < together[0].size(); ++c) {
      AttributionSample apart = sample;
      apart.t_cut = {sample.t_cut[c]};
      EXPECT_LT(largest_difference(attribute_chunk(decoder, {}, {apart})[0][0].scores, together[0][c].scores)
                    .relative,
                1e-11);
    }
  }
}

TEST(Attribute, TokensBehindTheCutDoNotMatter) {
  const TemporaryFolder folder;
  const Decoder decoder = tiny_decoder(folder, {});
  AttributionSample sample = random_samples(40, 1, 37).front();
  sample.t_cut = {2};
  const auto before = attribute_chunk(decoder, {}, {sample});
  sample.tokens.push_back(7);
  sample.tokens.back() = 9;
  for (size_t i = static_cast<size_t>(sample.prompt_len) + 2; i < sample.tokens.size(); ++i)
    sample.tokens[i] = 3;
  EXPECT_EQ(attribute_chunk(decoder, {}, {sample})[0][0].scores, before[0][0].scores);
}

TEST(Attribute, ANumberThatIsNotFiniteFailsItsSampleAlone) {
  const TemporaryFolder folder;
  TinyModel model;
  model.edit = [&](const std::string& name, std::vector<float>& values) {
    if (name == "model.embed_tokens.weight")
      values[static_cast<size_t>(13 * model.d_model)] = INFINITY;  // token 13
  };
  const Decoder decoder = tiny_decoder(folder, model, at::kFloat);
  const AttributionSample good{"good", {1, 2, 3, 4}, 2, {2}}, bad{"bad", {1, 13, 3, 4}, 2, {2}};
  for (const Method method : {Method::eap, Method::exact}) {
    ScoringOptions options;
    options.method = method;
    const auto scores = attribute_chunk(decoder, options, {good, bad, good});
    EXPECT_EQ(scores[0][0].problem, "");
    EXPECT_THAT(
        scores[1][0].problem,
        testing::HasSubstr("the embedding of token 13 at position 1 (weight model.embed_tokens.weight)"));
    EXPECT_EQ(scores[2][0].problem, "");
  }
}

TEST(Attribute, AWeightThatIsNotFiniteIsNamedWithItsLayer) {
  const TemporaryFolder folder;
  TinyModel model;
  model.edit = [&](const std::string& name, std::vector<float>& values) {
    if (name == "model.layers.1.mlp.up_proj.weight") values[static_cast<size_t>(2 * model.d_model + 5)] = NAN;
  };
  const Decoder decoder = tiny_decoder(folder, model, at::kFloat);
  EXPECT_THAT(attribute_chunk(decoder, {}, {{"a", {1, 2, 3, 4}, 2, {2}}})[0][0].problem,
              testing::AllOf(testing::HasSubstr("layer 1: source m1"),
                             testing::HasSubstr("weight model.layers.1.mlp.up_proj.weight[2, 5] is nan")));
}

TEST(Attribute, BfloatStaysNearFloat) {
  const TemporaryFolder folder;
  const auto samples = random_samples(40, 4, 41);
  const Decoder wide = tiny_decoder(folder, {}, at::kDouble);
  const Decoder narrow(Checkpoint::open(folder.path()), at::kCPU, at::kBFloat16);
  const auto expected = attribute_chunk(wide, {}, samples);
  const auto found = attribute_chunk(narrow, {}, samples);
  for (size_t i = 0; i < samples.size(); ++i)
    EXPECT_LT(largest_difference(found[i][2].scores, expected[i][2].scores).relative, 0.1);
}

TEST(Options, ResidualGradientNeedsTheBlockGraph) {
  ScoringOptions options;
  options.gradient = GradientKind::residual;
  EXPECT_THROW(check_scoring(options), UsageError);
  options.graph = GraphKind::block;
  EXPECT_NO_THROW(check_scoring(options));
}

}  // namespace
}  // namespace circuitdiff
