// Whatever is kept, computed again, streamed or spilled, in chunks of any size and on any number of threads:
// the scores are those of the goldens, and the memory is what was forecast.
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "attribute/eap.h"
#include "attribute/estimate.h"
#include "attribute/spill.h"
#include "model/product.h"
#include "support/counting_allocator.h"
#include "support/golden.h"
#include "support/tiny_checkpoint.h"
#include "support/tolerance.h"

namespace circuitdiff {
namespace {

struct Threads {
  explicit Threads(int n) : before(at::get_num_threads()) { at::set_num_threads(n); }
  ~Threads() { at::set_num_threads(before); }
  int before;
};

// Small models take the wide products too.
struct WideProducts {
  explicit WideProducts(bool wide) : before(least_wide_product()) {
    if (wide) least_wide_product() = 0;
  }
  ~WideProducts() { least_wide_product() = before; }
  int64_t before;
};

class GoldenMeans : public testing::TestWithParam<std::tuple<const char*, at::ScalarType, bool>> {};

TEST_P(GoldenMeans, EveryConfigurationGivesTheReferencesNumbers) {
  const auto [name, dtype, wide] = GetParam();
  const WideProducts products(wide);
  const SafetensorsFile golden(golden_folder(name) / "golden.safetensors");
  const json about = read_json_file(golden_folder(name) / "golden.json");
  std::vector<AttributionSample> samples;
  std::vector<std::vector<double>> expected;
  for (int i = 0; i < 7; ++i) {  // the sequences again and again
    const int of = i % static_cast<int>(about["sequences"].size());
    const std::string prefix = "seq" + std::to_string(of);
    AttributionSample s;
    s.id = std::to_string(i);
    s.tokens = golden.integers(prefix + ".tokens");
    s.prompt_len = about["sequences"][static_cast<size_t>(of)]["prompt_len"].get<int64_t>();
    for (const json& cut : about["sequences"][static_cast<size_t>(of)]["tcuts"])
      if (cut["tag"] == "tfull") s.t_cut = {cut["T_cut"].get<int64_t>()};
    samples.push_back(s);
    expected.push_back(golden.doubles(prefix + ".tfull.eap"));
  }
  const TemporaryFolder folder;
  const auto checkpoint = Checkpoint::open(golden_folder(name) / "model");
  const Decoder resident(checkpoint, at::kCPU, dtype, true), streamed(checkpoint, at::kCPU, dtype, false);
  for (const int threads : {1, 2}) {
    const Threads set(threads);
    for (const size_t chunk : {size_t{1}, size_t{3}, size_t{7}}) {
      std::vector<std::vector<double>> first;  // of kept and resident: the others must be the same bytes
      for (const auto& [means, decoder] :
           {std::pair{ChunkMeans{true, {}}, &resident}, std::pair{ChunkMeans{false, {}}, &resident},
            std::pair{ChunkMeans{false, folder.path()}, &resident},
            std::pair{ChunkMeans{false, {}, true}, &streamed},
            std::pair{ChunkMeans{true, folder.path(), true}, &streamed}}) {
        for (size_t begin = 0; begin < samples.size(); begin += chunk) {
          const std::vector<AttributionSample> part(
              samples.begin() + static_cast<std::ptrdiff_t>(begin),
              samples.begin() + static_cast<std::ptrdiff_t>(std::min(samples.size(), begin + chunk)));
          const auto scores = attribute_chunk(*decoder, {}, part, means);
          for (size_t i = 0; i < part.size(); ++i) {
            const auto& found = scores[i][0].scores;
            EXPECT_LE(largest_difference(found, expected[begin + i]).relative, score_tolerance(dtype));
            if (means.keep && decoder == &resident)
              first.push_back(found);
            else if (dtype == at::kFloat)
              EXPECT_EQ(found, first[begin + i]) << "keep " << means.keep << " spill " << means.spill;
            else  // the stream is a sum in float64: taking a source off again is exact for float32 sources
                  // only
              EXPECT_LE(largest_difference(found, first[begin + i]).relative, 1e-12);
          }
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Some, GoldenMeans,
                         testing::Combine(testing::Values("qwen3", "mistral_gqa_swa"),
                                          testing::Values(at::kFloat, at::kDouble), testing::Values(false)),
                         [](const auto& param_info) {
                           return std::string(std::get<0>(param_info.param)) + "_" +
                                  dtype_name(std::get<1>(param_info.param));
                         });

INSTANTIATE_TEST_SUITE_P(Wide, GoldenMeans, testing::Values(std::tuple{"qwen3", at::kFloat, true}));

struct Shape {
  const char* name;
  int64_t chunk, prompt, answer, d_vocab;
  std::vector<int64_t> cuts;
};

TEST(Forecast, MemoryIsWithinFifteenPercentOfWhatHappens) {
  const TemporaryFolder folder;
  for (const Shape& shape :
       {Shape{"one sample", 1, 120, 40, 300, {40}}, Shape{"packed", 4, 60, 30, 300, {30}},
        Shape{"cuts", 2, 40, 60, 300, {5, 20, 60}}, Shape{"wide vocabulary", 2, 60, 60, 6000, {60}}}) {
    TinyModel model;
    model.n_layers = 4, model.d_model = 64, model.d_mlp = 176, model.n_heads = 4, model.d_head = 16;
    model.d_vocab = shape.d_vocab;
    write_tiny_checkpoint(folder.path(), model);
    const auto checkpoint = Checkpoint::open(folder.path());
    std::vector<AttributionSample> samples;
    for (int64_t i = 0; i < shape.chunk; ++i) {
      AttributionSample s{std::to_string(i), {}, shape.prompt, shape.cuts};
      for (int64_t t = 0; t < shape.prompt + shape.answer; ++t)
        s.tokens.push_back((7 * t + i) % shape.d_vocab);
      samples.push_back(s);
    }
    for (const at::ScalarType dtype : {at::kFloat, at::kDouble})
      for (const MemoryMeans& means : {MemoryMeans{true, true, false}, MemoryMeans{false, true, false},
                                       MemoryMeans{false, false, false}, MemoryMeans{false, true, true}}) {
        const Forecast f = forecast(*checkpoint, at::kCPU, dtype, {}, {samples}, means, 1.0);
        CountingAllocator counting;
        {
          const Decoder decoder(checkpoint, at::kCPU, dtype, means.resident);
          attribute_chunk(
              decoder, {}, samples,
              {means.keep, means.spill ? folder.path() : std::filesystem::path(), !means.resident});
        }
        const auto forecast_bytes = static_cast<double>(f.peak_bytes),
                   seen = static_cast<double>(counting.peak());
        EXPECT_NEAR(forecast_bytes / seen, 1.0, 0.15)
            << shape.name << " " << dtype_name(dtype) << " " << means_in_words(means).dump() << " weights "
            << f.weight_bytes << " sources " << f.source_bytes << " graph " << f.graph_bytes << " working "
            << f.working_bytes << " seen " << counting.peak();
      }
  }
}

TEST(MemoryPlan, TakesTheFastestMeansThatFitAndNamesTheLeastThatDoes) {
  const TemporaryFolder folder;
  TinyModel model;
  model.n_layers = 8, model.d_model = 64, model.d_mlp = 512;
  write_tiny_checkpoint(folder.path(), model);
  const auto checkpoint = Checkpoint::open(folder.path());
  std::vector<AttributionSample> chunk;
  for (int64_t i = 0; i < 4; ++i)
    chunk.push_back({std::to_string(i), std::vector<int64_t>(100, 3), 60, {40}});
  const auto plan = [&](int64_t budget) {
    return plan_memory(*checkpoint, at::kCPU, at::kBFloat16, {}, {chunk}, budget, 1.0);
  };
  const auto bytes = [&](bool keep, bool resident, bool spill) {
    return forecast(*checkpoint, at::kCPU, at::kBFloat16, {}, {chunk}, {keep, resident, spill}, 1.0)
               .peak_bytes +
           kProcessBytes;
  };
  EXPECT_TRUE(plan(int64_t{1} << 34).means.keep);
  EXPECT_TRUE(plan(int64_t{1} << 34).means.resident);
  EXPECT_LT(bytes(true, false, false), bytes(true, true, false));
  const MemoryPlan streamed = plan(bytes(true, false, false));
  EXPECT_TRUE(streamed.means.keep);
  EXPECT_FALSE(streamed.means.resident);
  EXPECT_FALSE(
      plan_memory(*checkpoint, at::kCPU, at::kDouble, {}, {chunk}, int64_t{1} << 34, 1.0).means.keep);
  const MemoryPlan least = plan(bytes(false, false, true));
  EXPECT_FALSE(least.means.keep);
  EXPECT_TRUE(least.means.spill);
  try {
    plan(bytes(false, false, true) - (10 << 20));
    FAIL();
  } catch (const Error& e) {
    const double named = std::ceil(static_cast<double>(bytes(false, false, true)) / (1 << 30) * 100) / 100;
    EXPECT_THAT(e.what(), testing::HasSubstr(fmt::format("{:.2f} is the least that works", named)));
    EXPECT_NO_THROW(plan(static_cast<int64_t>(named * (1 << 30))));
  }
}

TEST(Spill, AFolderThatIsNotThereIsNamed) {
  try {
    spilled_tensor("/nowhere/at/all", {4, 4}, at::kFloat);
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("/nowhere/at/all"));
  }
}

}  // namespace
}  // namespace circuitdiff
