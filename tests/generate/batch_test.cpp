// An answer depends on its request alone: not on the batch, the order, the threads, the room in the cache or
// the instruction set. And the engine in tensor operations gives the kernels' answers.
#include "generate/batch.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "generate/cpu_engine.h"
#include "generate/generate_support.h"
#include "generate/tensor_engine.h"
#include "support/golden.h"
#include "support/temp_folder.h"

namespace circuitdiff {
namespace {

using Answers = std::vector<std::vector<int64_t>>;

std::unique_ptr<Engine> tiny_engine(int64_t threads = 1) {
  return make_engine(Checkpoint::open(tiny_model()), at::kCPU, at::kFloat, threads);
}

class Invariance : public testing::TestWithParam<double> {};

TEST_P(Invariance, NeitherBatchNorThreadsNorOrderChangeAnAnswer) {
  const Sampling sampling{.temperature = GetParam(), .top_p = 0.95, .seed = 7};
  const std::vector<Request> requests = tiny_requests(40, 2);
  const Answers alone = answers_of(*tiny_engine(), requests, sampling, {.sequences = 1});
  for (const int64_t batch : {3, 7, 64})
    for (const int64_t threads : {1, 2})
      EXPECT_EQ(answers_of(*tiny_engine(threads), requests, sampling, {.sequences = batch}), alone)
          << batch << " together, " << threads << " threads";

  std::vector<size_t> order(requests.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i * 37 % order.size();
  std::vector<Request> shuffled;
  for (const size_t i : order) shuffled.push_back(requests[i]);
  const Answers found = answers_of(*tiny_engine(2), shuffled, sampling);
  for (size_t i = 0; i < order.size(); ++i) EXPECT_EQ(found[i], alone[order[i]]);
}

// So little room that sequences are put back again and again.
TEST_P(Invariance, ASmallCacheChangesNoAnswer) {
  const Sampling sampling{.temperature = GetParam(), .seed = 3};
  const std::vector<Request> requests = tiny_requests(30);
  const auto engine = tiny_engine();
  const Answers wide = answers_of(*engine, requests, sampling);
  EXPECT_EQ(
      answers_of(*engine, requests, sampling, {.sequences = 16, .cache_bytes = 9 * engine->page_bytes()}),
      wide);
}

// Any part of the questions, in any order, in any batch, in any cache: an answer is what it is alone.
TEST_P(Invariance, AnAnswerIsTheSameAmongAnyOtherQuestions) {
  const Sampling sampling{.temperature = GetParam(), .top_p = 0.9, .top_k = 30, .seed = 99};
  const std::vector<Request> requests = tiny_requests(24, 3);
  const auto engine = tiny_engine(2);
  const Answers alone = answers_of(*engine, requests, sampling, {.sequences = 1});
  Philox random(4, 0);
  for (int trial = 0; trial < 12; ++trial) {
    std::vector<size_t> picked(requests.size());
    for (size_t i = 0; i < picked.size(); ++i) picked[i] = i;
    for (size_t i = picked.size() - 1; i > 0; --i) std::swap(picked[i], picked[random.below(i + 1)]);
    picked.resize(1 + random.below(picked.size()));
    std::vector<Request> some;
    for (const size_t i : picked) some.push_back(requests[i]);
    const BatchLimits limits{
        .sequences = 1 + static_cast<int64_t>(random.below(40)),
        .cache_bytes = (8 + static_cast<int64_t>(random.below(80))) * engine->page_bytes()};
    const Answers found = answers_of(*engine, some, sampling, limits);
    for (size_t i = 0; i < picked.size(); ++i)
      ASSERT_EQ(found[i], alone[picked[i]])
          << some[i].id << " sample " << some[i].sample << ", " << picked.size() << " requests, batches of "
          << limits.sequences << ", " << limits.cache_bytes / engine->page_bytes() << " pages";
  }
}

INSTANTIATE_TEST_SUITE_P(GreedyAndSampled, Invariance, testing::Values(0.0, 1.0),
                         [](const auto& row) { return row.param == 0 ? "Greedy" : "Sampled"; });

TEST(Batch, SamplesOfAQuestionDifferAndTheSeedChangesThem) {
  const auto engine = tiny_engine();
  const std::vector<Request> requests = tiny_requests(5, 4);
  const Answers one = answers_of(*engine, requests, {.temperature = 1, .seed = 1});
  EXPECT_NE(one, answers_of(*engine, requests, {.temperature = 1, .seed = 2}));
  int64_t different = 0;
  for (size_t q = 0; q < 5; ++q) different += one[4 * q] != one[4 * q + 1];
  EXPECT_GT(different, 0);
}

TEST(Batch, InstructionSetsWithFusedMultiplyAddGiveTheSameBits) {
  if (!has(InstructionSet::avx512)) GTEST_SKIP() << "this processor has no AVX-512";
  const std::vector<Request> requests = tiny_requests(3);
  std::vector<StepRow> rows;
  std::vector<std::vector<int32_t>> pages{{0, 1, 2, 3, 4}, {5, 6, 7, 8, 9}, {10, 11, 12, 13, 14}};
  for (size_t i = 0; i < requests.size(); ++i)
    for (size_t t = 0; t < requests[i].prompt.size(); ++t)
      rows.push_back({requests[i].prompt[t], static_cast<int64_t>(t), 0, pages[i].data(), true});
  const auto checkpoint = Checkpoint::open(tiny_model());
  CpuEngine<float> narrow(checkpoint, at::kFloat, 1, InstructionSet::avx2);
  CpuEngine<float> wide(checkpoint, at::kFloat, 1, InstructionSet::avx512);
  EXPECT_TRUE(narrow.step(rows).equal(wide.step(rows)));
  CpuEngine<float> plain(checkpoint, at::kFloat, 1, InstructionSet::baseline);
  EXPECT_TRUE(plain.step(rows).allclose(wide.step(rows), /*rtol=*/1e-5, /*atol=*/1e-4));
}

// Weights kept in 16 bits are the same numbers as the widened ones.
TEST(Batch, HalfWeightsGiveTheLogitsOfTheirWidenedValues) {
  const auto checkpoint = Checkpoint::open(tiny_model());
  const std::vector<int32_t> pages{0, 1, 2, 3, 4};
  const Request request = tiny_requests(1).front();
  std::vector<StepRow> rows;
  for (size_t t = 0; t < request.prompt.size(); ++t)
    rows.push_back({request.prompt[t], static_cast<int64_t>(t), 0, pages.data(), true});
  for (const at::ScalarType stored : {at::kHalf, at::kBFloat16})
    for (const InstructionSet set :
         {InstructionSet::baseline, InstructionSet::avx2, InstructionSet::avx512}) {
      if (!has(set)) continue;
      CpuEngine<float> half(checkpoint, stored, 1, set);
      CpuEngine<float> best(checkpoint, stored, 1);
      EXPECT_TRUE(half.step(rows).allclose(best.step(rows), 1e-5, 1e-4)) << at::toString(stored);
      // Rounding the weights moves the logits, but not far.
      CpuEngine<float> full(checkpoint, at::kFloat, 1, set);
      EXPECT_TRUE(half.step(rows).allclose(full.step(rows), 0.1, stored == at::kHalf ? 0.1 : 0.8));
    }
}

class GoldenTensors : public testing::TestWithParam<std::string> {};

TEST_P(GoldenTensors, TheEngineInTensorOperationsContinuesLikeTheReference) {
  const std::filesystem::path folder = golden_folder(GetParam());
  TensorEngine engine(Checkpoint::open(folder / "model"), at::kCPU, at::kFloat, 1);
  const SafetensorsFile golden(folder / "golden.safetensors");
  const json facts = read_json_file(folder / "golden.json");
  std::vector<Request> requests;
  Answers expected, found;
  for (size_t i = 0; i < facts["sequences"].size(); ++i) {
    const std::string prefix = "seq" + std::to_string(i);
    std::vector<int64_t> prompt = golden.integers(prefix + ".tokens");
    prompt.resize(facts["sequences"][i]["prompt_len"].get<size_t>());
    expected.push_back(golden.integers(prefix + ".greedy_tokens"));
    requests.push_back({prefix, 0, prompt, static_cast<int64_t>(expected.back().size())});
  }
  found.resize(expected.size());
  generate_answers(engine, nullptr, requests, {}, {}, {},
                   {[&](size_t i, Answer&& a) { found[i] = a.tokens; }, {}});
  EXPECT_EQ(found, expected);
}

INSTANTIATE_TEST_SUITE_P(All, GoldenTensors, testing::ValuesIn(golden_models()),
                         [](const auto& row) { return row.param; });

TEST(Batch, ARequestThatCannotFitIsRefusedByName) {
  const auto engine = tiny_engine();
  const std::vector<Request> requests = tiny_requests(1);
  const std::string message =
      test::error_of([&] { answers_of(*engine, requests, {}, {.cache_bytes = 2 * engine->page_bytes()}); });
  EXPECT_NE(message.find("question \"test-0\": "), std::string::npos) << message;
  EXPECT_NE(message.find("GiB of cache"), std::string::npos) << message;
}

TEST(Batch, EveryRequestFinishesOnceAndStepsAreCounted) {
  const auto engine = tiny_engine();
  const std::vector<Request> requests = tiny_requests(20, 3);
  std::vector<int> finished(requests.size());
  int64_t prompt_tokens = 0, answer_tokens = 0, made = 0;
  StopRules rules;
  rules.end_tokens = {3};
  generate_answers(*engine, nullptr, requests, {}, rules, {.sequences = 8},
                   {[&](size_t i, Answer&& a) {
                      ++finished[i];
                      made += static_cast<int64_t>(a.tokens.size());
                      EXPECT_EQ(a.reason == FinishReason::stop, a.tokens.back() == 3);
                    },
                    [&](int64_t p, int64_t a) { prompt_tokens += p, answer_tokens += a; }});
  EXPECT_EQ(finished, std::vector<int>(requests.size(), 1));
  EXPECT_EQ(answer_tokens, made);
  // Two of three samples find their question's full pages written already.
  int64_t all = 0;
  for (const Request& r : requests) all += static_cast<int64_t>(r.prompt.size()) - 1;
  EXPECT_LT(prompt_tokens, all);
}

}  // namespace
}  // namespace circuitdiff
