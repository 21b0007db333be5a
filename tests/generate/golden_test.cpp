// Greedy continuations of every architecture against the reference's.
#include "support/golden.h"

#include <gtest/gtest.h>

#include "generate/batch.h"

namespace circuitdiff {
namespace {

class GoldenAnswers : public testing::TestWithParam<std::tuple<std::string, at::ScalarType>> {};

TEST_P(GoldenAnswers, GreedyContinuationsAreThoseOfTheReference) {
  const auto& [name, dtype] = GetParam();
  const auto engine = make_engine(Checkpoint::open(golden_folder(name) / "model"), at::kCPU, dtype, 1);
  const SafetensorsFile golden(golden_folder(name) / "golden.safetensors");
  const json facts = read_json_file(golden_folder(name) / "golden.json");
  std::vector<Request> requests;
  std::vector<std::vector<int64_t>> expected, found;
  for (size_t i = 0; i < facts["sequences"].size(); ++i) {
    const std::string prefix = "seq" + std::to_string(i);
    std::vector<int64_t> prompt = golden.integers(prefix + ".tokens");
    prompt.resize(facts["sequences"][i]["prompt_len"].get<size_t>());
    expected.push_back(golden.integers(prefix + ".greedy_tokens"));
    requests.push_back({prefix, 0, prompt, static_cast<int64_t>(expected.back().size())});
  }
  found.resize(expected.size());
  generate_answers(*engine, nullptr, requests, {}, {}, {},
                   {[&](size_t i, Answer&& answer) { found[i] = answer.tokens; }, {}});
  ASSERT_FALSE(expected.empty());
  EXPECT_EQ(found, expected);
}

INSTANTIATE_TEST_SUITE_P(All, GoldenAnswers,
                         testing::Combine(testing::ValuesIn(golden_models()),
                                          testing::Values(at::kFloat, at::kDouble)),
                         [](const auto& param_info) {
                           return std::get<0>(param_info.param) + "_" +
                                  dtype_name(std::get<1>(param_info.param));
                         });

}  // namespace
}  // namespace circuitdiff
