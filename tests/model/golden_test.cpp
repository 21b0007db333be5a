// The decoder against the golden logits of every architecture, and the plain form of the tests too.
#include "support/golden.h"

#include <gtest/gtest.h>

#include "support/plain_decoder.h"
#include "support/tolerance.h"

namespace circuitdiff {
namespace {

std::vector<double> to_vector(const Tensor& t) {
  const Tensor d = t.to(at::kDouble).contiguous();
  return {d.data_ptr<double>(), d.data_ptr<double>() + d.numel()};
}

class GoldenModel : public testing::TestWithParam<std::tuple<std::string, at::ScalarType>> {};

TEST_P(GoldenModel, LogitsAreThoseOfTheReference) {
  const auto& [name, dtype] = GetParam();
  const Decoder decoder(Checkpoint::open(golden_folder(name) / "model"), at::kCPU, dtype);
  const SafetensorsFile golden(golden_folder(name) / "golden.safetensors");
  for (int i = 0; golden.find("seq" + std::to_string(i) + ".tokens"); ++i) {
    const std::string prefix = "seq" + std::to_string(i);
    const std::vector<int64_t> tokens = golden.integers(prefix + ".tokens");
    const Tensor ids = decoder.tokens(tokens);
    for (const Tensor& logits : {decoder.logits(ids), plain_logits(decoder, ids.unsqueeze(0)).squeeze(0)}) {
      const Difference d = largest_difference(to_vector(logits), golden.doubles(prefix + ".logits"));
      EXPECT_LE(d.relative, logit_tolerance(dtype)) << name << " " << prefix << " entry " << d.at;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, GoldenModel,
                         testing::Combine(testing::ValuesIn(golden_models()),
                                          testing::Values(at::kFloat, at::kDouble)),
                         [](const auto& param_info) {
                           return std::get<0>(param_info.param) + "_" +
                                  dtype_name(std::get<1>(param_info.param));
                         });

}  // namespace
}  // namespace circuitdiff
