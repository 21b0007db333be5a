// What an edge costs by exact ablation, beside the full forward pass (every position through lm_head) that
// patching from outside pays for it; and how attribution's cost grows with tokens, samples and the chunk.
//   growth_bench exact MODEL [prompt=160] [answer=60] [repeats=3] [--json FILE]
//   growth_bench growth MODEL [repeats=3]      as CSV: what, number, seconds
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <string_view>

#include "attribute/eap.h"
#include "base/random.h"
#include "result_row.h"
#include "shape_name.h"

namespace circuitdiff {
namespace {

double least_seconds(int64_t repeats, const std::function<void()>& work) {
  double least = 1e30;
  for (int64_t r = 0; r < repeats; ++r) {
    const auto start = std::chrono::steady_clock::now();
    work();
    least = std::min(least, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return least;
}

std::vector<AttributionSample> random_samples(const Decoder& decoder, int64_t count, int64_t prompt,
                                              int64_t answer) {
  Philox random(1);
  std::vector<AttributionSample> out;
  for (int64_t i = 0; i < count; ++i) {
    AttributionSample s{std::to_string(i), {}, prompt, {answer}};
    for (int64_t t = 0; t < prompt + answer; ++t)
      s.tokens.push_back(static_cast<int64_t>(random.below(static_cast<uint64_t>(decoder.config().d_vocab))));
    out.push_back(s);
  }
  return out;
}

void exact(const Decoder& decoder, int64_t prompt, int64_t answer, int64_t repeats,
           const ResultFile& results) {
  const AttributionSample sample = random_samples(decoder, 1, prompt, answer).front();
  ScoringOptions options;
  options.method = Method::exact;
  const int64_t edges = graph_of(decoder, options).n_edges();
  const std::vector<int64_t> input(sample.tokens.begin(), sample.tokens.end() - 1);
  const Tensor tokens = decoder.tokens(input);
  double forward = 1e30, all = 1e30;
  std::vector<double> an_edge;
  for (int64_t r = 0; r < repeats; ++r) {
    forward = std::min(forward, least_seconds(3, [&] { decoder.logits(tokens); }));
    {
      forward = std::min(forward, least_seconds(3, [&] { decoder.logits(tokens); }));
    }
    const double seconds = least_seconds(1, [&] { attribute_chunk(decoder, options, {sample}); });
    all = std::min(all, seconds);
    an_edge.push_back(seconds / static_cast<double>(edges));
  }
  const double edge = all / static_cast<double>(edges);
  fmt::print("full forward {:.4f} s, {} edges {:.2f} s, an edge {:.4f} s = {:.3f} of a forward\n", forward,
             edges, all, edge, edge / forward);
  results.add(
      {"attribution-cpu",
       fmt::format("exact ablation, {}, {} + {} tokens", shape_name(decoder.config()), prompt, answer),
       "s an edge",
       an_edge,
       "a full forward",
       forward,
       {edge / forward}});
}

void growth(const Decoder& decoder, int64_t repeats) {
  const auto seconds = [&](const std::vector<AttributionSample>& samples, int64_t chunk) {
    return least_seconds(repeats, [&] {
      for (size_t begin = 0; begin < samples.size(); begin += static_cast<size_t>(chunk)) {
        const size_t end = std::min(samples.size(), begin + static_cast<size_t>(chunk));
        attribute_chunk(decoder, {},
                        {samples.begin() + static_cast<std::ptrdiff_t>(begin),
                         samples.begin() + static_cast<std::ptrdiff_t>(end)},
                        {/*keep=*/true, {}});
      }
    });
  };
  seconds(random_samples(decoder, 1, 160, 60), 1);  // warm-up
  fmt::print("what,number,seconds\n");
  for (const int64_t n : {1, 2, 4, 8, 12, 16})
    fmt::print("samples,{},{:.4f}\n", n, seconds(random_samples(decoder, n, 160, 60), 4));
  for (const int64_t t : {64, 128, 256, 512, 768, 1024})
    fmt::print("tokens,{},{:.4f}\n", t, seconds(random_samples(decoder, 1, t - t / 4, t / 4), 1));
  for (const int64_t c : {1, 2, 4, 8, 16})
    fmt::print("chunk,{},{:.4f}\n", c, seconds(random_samples(decoder, 16, 160, 60), c) / 16);
}

}  // namespace
}  // namespace circuitdiff

int main(int argc, char** argv) {
  using namespace circuitdiff;
  const ResultFile results(argc, argv);
  const std::string_view what = argc > 2 ? argv[1] : "";
  if (what != "exact" && what != "growth") {
    fmt::print(stderr, "usage: growth_bench exact|growth MODEL [..]\n");
    return 2;
  }
  const at::NoGradGuard no_grad;
  const Decoder decoder(Checkpoint::open(argv[2]), at::kCPU, at::kFloat);
  const auto number = [&](int i, int64_t otherwise) { return argc > i ? std::atoll(argv[i]) : otherwise; };
  if (what == "exact")
    exact(decoder, number(3, 160), number(4, 60), number(5, 3), results);
  else
    growth(decoder, number(3, 3));
  return 0;
}
