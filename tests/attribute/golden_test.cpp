// Every score matrix of the goldens: eap, eap-ig in both rules and activations, exact, both graphs, both
// gradients, the three objectives and eq. 7's edge set.
#include "support/golden.h"

#include <gtest/gtest.h>

#include "attribute/eap.h"
#include "support/gpu.h"
#include "support/tolerance.h"

namespace circuitdiff {
namespace {

struct Case {
  const char* tensor;  // after "seq{i}.{tag}."
  const char* file;
  ScoringOptions options;
};

ScoringOptions scoring(Method method, GraphKind graph = GraphKind::qkv,
                       GradientKind gradient = GradientKind::branch, Objective objective = Objective::nll) {
  ScoringOptions o;
  o.method = method;
  o.graph = graph;
  o.gradient = gradient;
  o.objective = objective;
  return o;
}

ScoringOptions integrated(IgRule rule, IgActivation activation) {
  ScoringOptions o = scoring(Method::eap_ig);
  o.ig_rule = rule;
  o.ig_activation = activation;
  return o;
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {"eap", "golden", scoring(Method::eap)},
      {"eap_block", "golden", scoring(Method::eap, GraphKind::block)},
      {"eap_resid", "golden", scoring(Method::eap, GraphKind::block, GradientKind::residual)},
      {"acdc", "golden", scoring(Method::exact)},
      {"ig_mid", "golden", integrated(IgRule::mid, IgActivation::clean)},
      {"ig_right", "golden", integrated(IgRule::right, IgActivation::clean)},
      {"ig_mid_diff", "golden", integrated(IgRule::mid, IgActivation::difference)},
      {"ig_right_diff", "golden", integrated(IgRule::right, IgActivation::difference)},
      {"eap_logit", "extra", scoring(Method::eap, GraphKind::qkv, GradientKind::branch, Objective::logit)},
      {"eap_entropy", "extra",
       scoring(Method::eap, GraphKind::qkv, GradientKind::branch, Objective::entropy)},
      {"exact_block", "extra", scoring(Method::exact, GraphKind::block)},
      {"exact_resid", "extra", scoring(Method::exact, GraphKind::block, GradientKind::residual)},
      {"ig_act", "extra", scoring(Method::eap_ig_activations)},
  };
  return all;
}

class GoldenScores : public testing::TestWithParam<std::tuple<std::string, at::ScalarType, std::string>> {
 protected:
  GoldenScores()
      : name(std::get<0>(GetParam())),
        dtype(std::get<1>(GetParam())),
        is_missing(std::get<2>(GetParam()) == "cuda" && !have_gpu()),
        decoder(Checkpoint::open(golden_folder(name) / "model"),
                resolve_device(is_missing ? "cpu" : std::get<2>(GetParam())), dtype),
        about(read_json_file(golden_folder(name) / "golden.json")) {}
  std::string name;
  at::ScalarType dtype;
  bool is_missing;  // the device
  Decoder decoder;
  json about;
};

// All sequences and all cuts of one sample in a single chunk, as the engine is used.
TEST_P(GoldenScores, MatrixIsThatOfTheReference) {
  if (is_missing) CIRCUITDIFF_NEED_GPU();
  for (const Case& c : cases()) {
    if (!std::filesystem::exists(golden_folder(name) / (std::string(c.file) + ".safetensors"))) continue;
    const SafetensorsFile golden(golden_folder(name) / (std::string(c.file) + ".safetensors"));
    const SafetensorsFile base(golden_folder(name) / "golden.safetensors");
    std::vector<AttributionSample> samples;
    std::vector<std::vector<std::string>> tags;
    for (int i = 0; base.find("seq" + std::to_string(i) + ".tokens"); ++i) {
      const std::string prefix = "seq" + std::to_string(i);
      AttributionSample s;
      s.id = prefix;
      s.tokens = base.integers(prefix + ".tokens");
      s.prompt_len = about["sequences"][static_cast<size_t>(i)]["prompt_len"].get<int64_t>();
      std::vector<std::string> of_sample;
      for (const char* tag : {"t1", "tmid", "tfull"})
        if (golden.find(prefix + "." + tag + "." + c.tensor)) {
          for (const json& cut : about["sequences"][static_cast<size_t>(i)]["tcuts"])
            if (cut["tag"] == tag) s.t_cut.push_back(cut["T_cut"].get<int64_t>());
          of_sample.push_back(tag);
        }
      if (of_sample.empty()) continue;
      samples.push_back(s);
      tags.push_back(of_sample);
    }
    ASSERT_FALSE(samples.empty()) << c.tensor;
    const auto scores = attribute_chunk(decoder, c.options, samples);
    for (size_t i = 0; i < samples.size(); ++i)
      for (size_t t = 0; t < tags[i].size(); ++t) {
        const std::string where = samples[i].id + "." + tags[i][t] + ".";
        EXPECT_EQ(scores[i][t].problem, "");
        const Difference d = largest_difference(scores[i][t].scores, golden.doubles(where + c.tensor));
        EXPECT_LE(d.relative, score_tolerance(dtype)) << name << " " << where << c.tensor << " cell " << d.at;
        const double loss = base.doubles(where + "loss")[0];
        EXPECT_NEAR(scores[i][t].loss, loss, loss * logit_tolerance(dtype)) << where;
        const std::string objective = std::string("obj_") + to_word(c.options.objective);
        if (std::string(c.file) == "extra" && golden.find(where + objective)) {
          const double expected = golden.doubles(where + objective)[0];
          EXPECT_NEAR(scores[i][t].objective, expected, std::abs(expected) * score_tolerance(dtype)) << where;
        }
        if (std::string(c.file) == "extra") {
          const double error = golden.doubles(where + "error")[0];
          EXPECT_NEAR(scores[i][t].error, error, error * score_tolerance(dtype)) << where;
        }
      }
  }
}

INSTANTIATE_TEST_SUITE_P(All, GoldenScores,
                         testing::Combine(testing::ValuesIn(golden_models()),
                                          testing::Values(at::kFloat, at::kDouble),
                                          testing::Values("cpu", "cuda")),
                         [](const auto& param_info) {
                           return std::get<0>(param_info.param) + "_" +
                                  dtype_name(std::get<1>(param_info.param)) +
                                  (std::get<2>(param_info.param) == "cuda" ? "_cuda" : "");
                         });

}  // namespace
}  // namespace circuitdiff
