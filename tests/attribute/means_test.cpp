// Whatever is kept, computed again, streamed or spilled, in chunks of any size and on any number of threads:
// the scores are those of the goldens, and the memory is what was forecast.
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>

#include "attribute/chunk_table.h"
#include "attribute/eap.h"
#include "attribute/edge_choice.h"
#include "attribute/forecast.h"
#include "attribute/layout.h"
#include "attribute/spill.h"
#include "base/random.h"
#include "kernels/product.h"
#include "support/counting_allocator.h"
#include "support/golden.h"
#include "support/gpu.h"
#include "support/native_bfloat.h"
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

// A matrix of the goldens and how it is asked for.
struct ScoredMatrix {
  const char* tensor;
  ScoringOptions options;
};

std::vector<ScoredMatrix> scored_matrices() {
  ScoringOptions eap, residual, integrated, exact;
  residual.graph = GraphKind::block;
  residual.gradient = GradientKind::residual;
  integrated.method = Method::eap_ig;
  integrated.ig_activation = IgActivation::difference;
  exact.method = Method::exact;
  return {{"eap", eap}, {"eap_resid", residual}, {"ig_mid_diff", integrated}, {"acdc", exact}};
}

// Seven samples, the sequences of the goldens again and again, with every cut that the goldens have.
struct Expected {
  std::vector<AttributionSample> samples;
  std::vector<std::vector<std::vector<double>>> scores;  // [sample][cut]
};

Expected expected_of(const std::string& model, const std::string& tensor) {
  const SafetensorsFile golden(golden_folder(model) / "golden.safetensors");
  const json about = read_json_file(golden_folder(model) / "golden.json");
  Expected out;
  for (size_t i = 0; i < 7; ++i) {
    const size_t of = i % about["sequences"].size();
    const std::string prefix = "seq" + std::to_string(of);
    AttributionSample s{std::to_string(i), golden.integers(prefix + ".tokens"), 0, {}};
    s.prompt_len = about["sequences"][of]["prompt_len"].get<int64_t>();
    out.scores.emplace_back();
    for (const json& cut : about["sequences"][of]["tcuts"]) {
      const std::string name = prefix + "." + cut["tag"].get<std::string>() + "." + tensor;
      if (!golden.find(name)) continue;
      s.t_cut.push_back(cut["T_cut"].get<int64_t>());
      out.scores.back().push_back(golden.doubles(name));
    }
    out.samples.push_back(s);
  }
  return out;
}

// One way of computing: memory, where the weights are, chunk and threads.
struct Way {
  bool keep, spill, stream;
  size_t chunk;
  int threads;
};

std::vector<Way> ways(Method method) {
  std::vector<Way> out;
  for (const int threads : {1, 2})
    for (const size_t chunk : {size_t{1}, size_t{3}, size_t{7}}) {
      // Plain edge attribution goes every way; the other methods, which cost
      // more, a diagonal of chunk and threads.
      if (method != Method::eap && (threads == 2) != (chunk == 3)) continue;
      out.push_back({true, false, false, chunk, threads});  // the first of its chunk size and threads
      if (method == Method::exact) {                        // which has no graph and spills nothing
        out.push_back({true, false, true, chunk, threads});
        continue;
      }
      out.push_back({false, false, false, chunk, threads});
      out.push_back({false, true, false, chunk, threads});
      out.push_back({false, false, true, chunk, threads});
      out.push_back({true, true, true, chunk, threads});
    }
  return out;
}

// How far scores may lie from those of another chunk size or number of threads, of the largest: products of
// other shapes sum in another order, and bfloat16 rounds what comes out.
double other_shape_tolerance(at::ScalarType dtype) { return dtype == at::kBFloat16 ? 0.05 : 1e-5; }

void expect_the_references_numbers(const std::string& name, at::Device device, at::ScalarType dtype,
                                   bool every_method) {
  const double tolerance = score_tolerance(dtype, device);
  const TemporaryFolder folder;
  const auto checkpoint = Checkpoint::open(golden_folder(name) / "model");
  const Decoder resident(checkpoint, device, dtype, true), streamed(checkpoint, device, dtype, false);
  for (const ScoredMatrix& c : scored_matrices()) {
    if (!every_method && c.options.method != Method::eap) continue;
    const Expected expected = expected_of(name, c.tensor);
    // Of the first way of all, and of each chunk size and threads, whose other ways must be the same bytes.
    std::vector<std::vector<std::vector<double>>> very_first, first;
    for (const Way& way : ways(c.options.method)) {
      if (!device.is_cpu() && (way.spill || way.threads > 1)) continue;  // which are the CPU's
      const Threads set(way.threads);
      const ChunkPlan plan{way.keep, way.spill ? folder.path() : std::filesystem::path(), way.stream};
      const bool is_first = way.keep && !way.stream;
      if (is_first) first.clear();
      for (size_t begin = 0; begin < expected.samples.size(); begin += way.chunk) {
        const size_t end = std::min(expected.samples.size(), begin + way.chunk);
        const std::vector<AttributionSample> part(
            expected.samples.begin() + static_cast<std::ptrdiff_t>(begin),
            expected.samples.begin() + static_cast<std::ptrdiff_t>(end));
        const auto scores = attribute_chunk(way.stream ? streamed : resident, c.options, part, plan);
        for (size_t i = 0; i < part.size(); ++i) {
          if (is_first) first.emplace_back();
          for (size_t t = 0; t < part[i].t_cut.size(); ++t) {
            const std::string where =
                fmt::format("{} sample {} cut {}: keep {}, spill {}, stream {}, chunk {}, threads {}",
                            c.tensor, begin + i, t, way.keep, way.spill, way.stream, way.chunk, way.threads);
            const auto& found = scores[i][t].scores;
            const Difference d = largest_difference(found, expected.scores[begin + i][t]);
            EXPECT_LE(d.relative, tolerance) << where;
            if (is_first && !very_first.empty()) {
              const double off = largest_difference(found, very_first[begin + i][t]).relative;
              EXPECT_LE(off, other_shape_tolerance(dtype)) << where;
            }
            if (is_first)
              first.back().push_back(found);
            else if (dtype != at::kDouble)
              EXPECT_EQ(found, first[begin + i][t]) << where;
            else  // the stream is a sum in float64: taking a source off again is exact for narrower ones only
              EXPECT_LE(largest_difference(found, first[begin + i][t]).relative, 1e-12) << where;
          }
        }
      }
      if (very_first.empty()) very_first = first;
    }
  }
}

class GoldenMeans : public testing::TestWithParam<std::tuple<std::string, at::ScalarType, bool, bool>> {};

TEST_P(GoldenMeans, EveryConfigurationGivesTheReferencesNumbers) {
  const auto [name, dtype, wide, every_method] = GetParam();
  const WideProducts products(wide);
  expect_the_references_numbers(name, at::kCPU, dtype, every_method);
}

class GpuMeans : public testing::TestWithParam<std::tuple<std::string, at::ScalarType>> {};

TEST_P(GpuMeans, EveryConfigurationGivesTheReferencesNumbers) {
  CIRCUITDIFF_NEED_GPU();
  const auto [name, dtype] = GetParam();
  expect_the_references_numbers(name, resolve_device("cuda"), dtype, /*every_method=*/true);
}

INSTANTIATE_TEST_SUITE_P(All, GpuMeans,
                         testing::Combine(testing::ValuesIn(golden_models()),
                                          testing::Values(at::kFloat, at::kDouble, at::kBFloat16)),
                         [](const auto& test) {
                           return std::get<0>(test.param) + "_" + dtype_name(std::get<1>(test.param));
                         });

// Heads of 64 and prefixes of several stretches, which the fused kernels take: no further from float64 than
// the CPU is in the same type, or not by much.
TEST(Gpu, FusedKernelsAreAsExactAsTheCpu) {
  CIRCUITDIFF_NEED_GPU();
  const TemporaryFolder folder;
  TinyModel model;
  model.n_layers = 3, model.d_model = 256, model.d_mlp = 704, model.n_heads = 4, model.d_head = 64;
  model.d_vocab = 300;
  write_tiny_checkpoint(folder.path(), model);
  const auto checkpoint = Checkpoint::open(folder.path());
  std::vector<AttributionSample> samples;
  for (const int64_t n : {150, 40, 97}) {
    AttributionSample s{std::to_string(n), {}, n / 2, {3, n / 4, n - n / 2}};
    for (int64_t t = 0; t < n; ++t) s.tokens.push_back((7 * t + n) % model.d_vocab);
    samples.push_back(s);
  }
  for (const GraphKind graph : {GraphKind::qkv, GraphKind::block}) {
    ScoringOptions options;
    options.graph = graph;
    const auto scores_of = [&](const char* device, at::ScalarType dtype, bool keep) {
      return attribute_chunk(Decoder(checkpoint, resolve_device(device), dtype), options, samples,
                             {keep, {}});
    };
    const auto exact = scores_of("cpu", at::kDouble, false);
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
      const auto here = scores_of("cpu", dtype, true), there = scores_of("cuda", dtype, true),
                 again = scores_of("cuda", dtype, false);
      double off_here = 0, off_there = 0;
      for (size_t i = 0; i < samples.size(); ++i)
        for (size_t c = 0; c < samples[i].t_cut.size(); ++c) {
          EXPECT_EQ(there[i][c].problem, "");
          EXPECT_EQ(there[i][c].scores, again[i][c].scores)
              << dtype_name(dtype) << " sample " << i << " cut " << c;
          off_here += largest_difference(here[i][c].scores, exact[i][c].scores).relative;
          off_there += largest_difference(there[i][c].scores, exact[i][c].scores).relative;
        }
      EXPECT_LE(off_there, 2 * off_here) << dtype_name(dtype);
    }
  }
}

std::string name_of(const testing::TestParamInfo<GoldenMeans::ParamType>& test) {
  return std::get<0>(test.param) + "_" + dtype_name(std::get<1>(test.param)) +
         (std::get<2>(test.param) ? "_wide" : "");
}

INSTANTIATE_TEST_SUITE_P(All, GoldenMeans,
                         testing::Combine(testing::ValuesIn(golden_models()),
                                          testing::Values(at::kFloat, at::kDouble, at::kBFloat16),
                                          testing::Values(false), testing::Values(false)),
                         name_of);
INSTANTIATE_TEST_SUITE_P(EveryMethod, GoldenMeans,
                         testing::Values(std::tuple{"mistral_gqa_swa", at::kFloat, false, true},
                                         std::tuple{"mistral_gqa_swa", at::kDouble, false, true},
                                         std::tuple{"mistral_gqa_swa", at::kBFloat16, false, true},
                                         std::tuple{"gemma2", at::kFloat, false, true}),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Wide, GoldenMeans,
                         testing::Values(std::tuple{"qwen3", at::kFloat, true, true},
                                         std::tuple{"gemma2", at::kFloat, true, false}),
                         name_of);

struct Shape {
  const char* name;
  int64_t chunk, prompt, answer, d_vocab;
  std::vector<int64_t> cuts;
  const char* activation = "silu";
  bool gemma2 = false;
  Objective objective = Objective::nll;
  Method method = Method::eap;
  int64_t n_layers = 4;
};

TEST(Forecast, MemoryIsWithinFifteenPercentOfWhatHappens) {
  const TemporaryFolder folder;
  for (const Shape& shape :
       {Shape{"one sample", 1, 120, 40, 300, {40}}, Shape{"packed", 4, 60, 30, 300, {30}},
        Shape{"cuts", 2, 40, 60, 300, {5, 20, 60}}, Shape{"wide vocabulary", 2, 60, 60, 6000, {60}},
        Shape{"many, without row jobs", 16, 60, 20, 300, {20}, "gelu"},
        Shape{"norms behind branches", 2, 60, 30, 300, {30}, "gelu_pytorch_tanh", true},
        Shape{"capped logits", 2, 60, 60, 6000, {60}, "gelu_pytorch_tanh", true},
        Shape{"entropy", 2, 60, 60, 6000, {60}, "silu", false, Objective::entropy},
        Shape{"long", 1, 900, 60, 300, {60}},
        Shape{"long and capped", 1, 900, 60, 300, {60}, "gelu_pytorch_tanh", true},
        Shape{"in parts", 5, 800, 30, 300, {30}},
        Shape{"one layer", 2, 60, 30, 300, {30}, "silu", false, Objective::nll, Method::eap, 1},
        Shape{"one layer of answers", 2, 2, 60, 300, {60}, "silu", false, Objective::nll, Method::eap, 1},
        Shape{"integrated", 2, 60, 30, 300, {30}, "silu", false, Objective::nll, Method::eap_ig},
        Shape{"integrated cuts", 2, 40, 60, 300, {5, 20, 60}, "silu", false, Objective::nll, Method::eap_ig},
        Shape{"integrated cuts, norms behind branches",
              2,
              40,
              60,
              300,
              {5, 20, 60},
              "gelu_pytorch_tanh",
              true,
              Objective::nll,
              Method::eap_ig},
        Shape{"cuts, norms behind branches", 2, 40, 60, 300, {5, 20, 60}, "gelu_pytorch_tanh", true}}) {
    TinyModel model;
    model.n_layers = shape.n_layers, model.d_model = 64, model.d_mlp = 176, model.n_heads = 4,
    model.d_head = 16;
    model.d_vocab = shape.d_vocab;
    model.gemma2 = shape.gemma2;
    model.extra_config = {{"hidden_act", shape.activation}};
    write_tiny_checkpoint(folder.path(), model);
    const auto checkpoint = Checkpoint::open(folder.path());
    std::vector<AttributionSample> samples;
    for (int64_t i = 0; i < shape.chunk; ++i) {
      AttributionSample s{std::to_string(i), {}, shape.prompt, shape.cuts};
      for (int64_t t = 0; t < shape.prompt + shape.answer; ++t)
        s.tokens.push_back((7 * t + i) % shape.d_vocab);
      samples.push_back(s);
    }
    ScoringOptions options;
    options.objective = shape.objective, options.method = shape.method, options.ig_steps = 2;
    // bfloat16 also as a processor without instructions for it computes it.
    for (const auto& [dtype, native] : {std::pair{at::kFloat, true}, std::pair{at::kDouble, true},
                                        std::pair{at::kBFloat16, true}, std::pair{at::kBFloat16, false}}) {
      const NativeBfloat bfloat(native);
      for (const MemoryChoice& choice :
           {MemoryChoice{true, true, false}, MemoryChoice{false, true, false},
            MemoryChoice{false, false, false}, MemoryChoice{false, true, true}}) {
        const Forecast f = forecast(*checkpoint, at::kCPU, dtype, options, {samples}, choice, 1.0);
        CountingAllocator counting;
        {
          const Decoder decoder(checkpoint, at::kCPU, dtype, choice.resident);
          attribute_chunk(
              decoder, options, samples,
              {choice.keep, choice.spill ? folder.path() : std::filesystem::path(), !choice.resident});
        }
        const auto forecast_bytes = static_cast<double>(f.peak_bytes),
                   seen = static_cast<double>(counting.peak());
        EXPECT_NEAR(forecast_bytes / seen, 1.0, 0.15)
            << shape.name << " " << dtype_name(dtype) << (native ? " " : " widened ")
            << choice_in_words(choice).dump() << " weights " << f.weight_bytes << " sources "
            << f.source_bytes << " buffers " << f.buffer_bytes << " operators " << f.operator_bytes
            << " seen " << counting.peak();
      }
    }
  }
}

// Never below what tensors take, nor above by more than 15 % and what products copy weights to: where an MLP,
// where attention is the widest, and where neither is by much.
TEST(Forecast, OfExactAblation) {
  const TemporaryFolder folder;
  TinyModel mlp, heads, usual, normed;
  mlp.n_layers = 4, mlp.d_model = 64, mlp.d_mlp = 4000, mlp.d_vocab = 6000;
  heads.n_layers = 4, heads.d_model = 64, heads.d_mlp = 64, heads.d_vocab = 100;
  heads.n_heads = 32, heads.n_kv_heads = 4, heads.d_head = 64;
  usual.n_layers = 3, usual.d_model = 256, usual.d_mlp = 700, usual.d_vocab = 100;
  usual.n_heads = 4, usual.n_kv_heads = 2, usual.d_head = 64;
  normed = mlp;
  normed.gemma2 = true, normed.d_vocab = 300;
  normed.extra_config = {{"hidden_act", "gelu_pytorch_tanh"}};
  for (const auto& [model, prompt] :
       {std::pair{mlp, 60}, std::pair{heads, 480}, std::pair{usual, 100}, std::pair{normed, 60}}) {
    write_tiny_checkpoint(folder.path(), model);
    const auto checkpoint = Checkpoint::open(folder.path());
    ScoringOptions options;
    options.method = Method::exact;
    std::vector<AttributionSample> samples;
    for (int64_t i = 0; i < 2; ++i) {
      samples.push_back({std::to_string(i), {}, prompt, {20}});
      for (int64_t t = 0; t < prompt + 20; ++t) samples.back().tokens.push_back((7 * t + i) % model.d_vocab);
    }
    for (const auto& [dtype, widens] : {std::pair{at::kFloat, false}, std::pair{at::kDouble, false},
                                        std::pair{at::kBFloat16, true}, std::pair{at::kBFloat16, false}}) {
      if (dtype == at::kBFloat16 && !widens && !multiplies_bfloat()) continue;  // as the one before
      const NativeBfloat bfloat(!widens);
      for (const int64_t edges : {0, 5, 40}) {
        options.edge_sample = edges;
        options.chosen_edges.clear();
        if (edges > 0)
          options.chosen_edges = sampled_edges({model.n_layers, options.graph, options.edges}, edges);
        const Forecast f = forecast(*checkpoint, at::kCPU, dtype, options, {samples}, {}, 1.0);
        CountingAllocator counting;
        attribute_chunk(Decoder(checkpoint, at::kCPU, dtype), options, samples);
        const int64_t copied =
            std::max(model.d_vocab, model.d_mlp) * model.d_model * (dtype == at::kDouble || widens ? 8 : 4);
        const auto seen = static_cast<double>(counting.peak());
        const std::string what = fmt::format("{}, {} edges, d_mlp {}, {} of {}", dtype_name(dtype), edges,
                                             model.d_mlp, f.peak_bytes - copied, counting.peak());
        EXPECT_GT(static_cast<double>(f.peak_bytes), seen) << what;
        EXPECT_LT(static_cast<double>(f.peak_bytes - copied), 1.15 * seen) << what;
      }
    }
    // eap finds which are the strongest, with all samples of a chunk at once.
    const auto peak = [&](const ScoringOptions& o) {
      return forecast(*checkpoint, at::kCPU, at::kFloat, o, {samples}, {}, 1.0).peak_bytes;
    };
    ScoringOptions one_edge = options;
    one_edge.edge_sample = 0, one_edge.top_edges = 1;
    EXPECT_GE(peak(one_edge), peak({}));
  }
}

// Computed again, a chunk takes its sources, what one layer saves, and little more than a third of that
// beside.
TEST(Forecast, RecomputedTensorsAreTheSourcesAndOneLayersGraph) {
  const TemporaryFolder folder;
  TinyModel model;
  model.n_layers = 24, model.d_model = 256, model.d_mlp = 1376, model.n_heads = 4, model.d_head = 64;
  model.d_vocab = 500;
  write_tiny_checkpoint(folder.path(), model);
  const auto checkpoint = Checkpoint::open(folder.path());
  AttributionSample sample{"", {}, 160, {60}};
  for (int64_t t = 0; t < 220; ++t) sample.tokens.push_back(7 * t % model.d_vocab);
  const Decoder decoder(checkpoint, at::kCPU, at::kFloat);
  CountingAllocator counting;
  attribute_chunk(decoder, {}, {sample}, {/*keep=*/false, {}});
  const int64_t rows = 219, sources = (1 + 2 * model.n_layers) * rows * model.d_model * 4,
                layer = rows * (2 * model.d_mlp + 1) * 4;
  EXPECT_LT(static_cast<double>(counting.peak()), 1.35 * static_cast<double>(sources + layer));
}

// The buffers of a chunk are made once, and little is made beside what the table counts.
TEST(ChunkTable, IsTheMemoryThatIsTaken) {
  const TemporaryFolder folder;
  TinyModel model;
  model.n_layers = 6, model.d_model = 64, model.d_mlp = 352, model.d_vocab = 300;
  write_tiny_checkpoint(folder.path(), model);
  const auto checkpoint = Checkpoint::open(folder.path());
  std::vector<AttributionSample> samples{{"a", {}, 30, {4, 20}}, {"b", {}, 50, {10}}};
  for (AttributionSample& s : samples)
    for (int64_t t = 0; t < s.prompt_len + 20; ++t) s.tokens.push_back(7 * t % model.d_vocab);
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kBFloat16})
    for (const bool keep : {true, false}) {
      const ChunkPlan plan{keep, {}, false};
      const Decoder decoder(checkpoint, at::kCPU, dtype);
      const BufferTable table = chunk_table(decoder.config(), at::kCPU, dtype, {}, lay_out(samples), plan);
      CountingAllocator counting;
      attribute_chunk(decoder, {}, samples, plan);
      EXPECT_GE(counting.peak(), table.made_bytes());
      EXPECT_LE(static_cast<double>(counting.peak() - table.made_bytes()),
                1.1 * static_cast<double>(table.scratch_bytes()))
          << dtype_name(dtype) << (keep ? " kept" : " recomputed");
    }
}

// Buffers of a common phase never share a byte, and those of none may.
TEST(BufferTable, LaysOutPhasesApart) {
  Philox random(5);
  for (int round = 0; round < 200; ++round) {
    BufferTable table;
    for (int i = 0; i < 12; ++i)
      table.add(std::to_string(i), {1 + static_cast<int64_t>(random.below(300)), 3}, at::kFloat,
                1 + random.below(31), 1 + static_cast<int64_t>(random.below(2)));
    table.lay_out();
    int64_t all = 0;
    for (const Buffer& a : table.buffers()) {
      all += a.bytes();
      EXPECT_LE(a.offset + a.bytes(), table.made_bytes());
      for (const Buffer& b : table.buffers())
        if (&a != &b && (a.phases & b.phases) != 0) {
          EXPECT_TRUE(a.offset + a.bytes() <= b.offset || b.offset + b.bytes() <= a.offset)
              << a.name << " " << b.name;
        }
    }
    EXPECT_LE(table.counted_bytes(), table.made_bytes());
    EXPECT_LE(table.made_bytes(), all);
  }
}

TEST(Workspace, NamesThePlaceThatTheTableLacks) {
  BufferTable table;
  table.add("q", {4, 8}, at::kFloat, 1, /*copies=*/2);
  table.lay_out();
  Workspace workspace(table, at::kCPU);
  const auto options = at::TensorOptions().dtype(at::kFloat);
  const Tensor first = workspace.place("q", {4, 8}, options);
  workspace.use_copy(1);
  EXPECT_NE(workspace.place("q", {2, 8}, options).data_ptr(), first.data_ptr());
  const auto message = [&](const auto& ask) {
    try {
      ask();
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_THAT(message([&] { workspace.place("k", {1}, options); }), testing::HasSubstr("no buffer \"k\""));
  EXPECT_THAT(message([&] { workspace.place("q", {5, 8}, options); }), testing::HasSubstr("40 numbers"));
  EXPECT_THAT(message([&] {
                workspace.place("q", {4, 8}, options.dtype(at::kDouble));
              }),
              testing::HasSubstr("of Double wanted"));
}

// A CPU takes a large chunk in parts, a GPU as a whole; the scores are each sample's own, in its place.
TEST(Parts, OfALargeChunk) {
  const auto sample = [](int64_t rows) {
    AttributionSample s{std::to_string(rows), {}, rows - 9, {4, 10}};
    for (int64_t t = 0; t <= rows; ++t) s.tokens.push_back(7 * t % 96);
    return s;
  };
  const std::vector<AttributionSample> chunk{sample(1500), sample(549), sample(1499), sample(2500),
                                             sample(20)};
  const auto lengths = [&](at::Device device) {
    std::vector<std::vector<std::string>> out;
    for (const auto& part : parts_of(chunk, device)) {
      out.emplace_back();
      for (const AttributionSample& s : part) out.back().push_back(s.id);
    }
    return out;
  };
  const std::vector<std::vector<std::string>> parts{{"1500"}, {"549", "1499"}, {"2500"}, {"20"}},
      whole{{"1500", "549", "1499", "2500", "20"}};
  EXPECT_EQ(lengths(at::kCPU), parts);
  EXPECT_EQ(lengths(at::Device(at::kCUDA, 0)), whole);

  const TemporaryFolder folder;
  TinyModel model;
  model.d_vocab = 96;
  write_tiny_checkpoint(folder.path(), model);
  const Decoder decoder(Checkpoint::open(folder.path()), at::kCPU, at::kDouble);
  const auto together = attribute_chunk(decoder, {}, chunk);
  ASSERT_EQ(together.size(), chunk.size());
  for (size_t i = 0; i < chunk.size(); ++i) {
    const auto alone = attribute_chunk(decoder, {}, {chunk[i]}).front();
    ASSERT_EQ(together[i].size(), 2U);
    for (size_t c = 0; c < 2; ++c) {
      EXPECT_NEAR(together[i][c].loss, alone[c].loss, 1e-12) << chunk[i].id;
      EXPECT_THAT(together[i][c].scores, testing::Pointwise(testing::DoubleNear(1e-12), alone[c].scores));
    }
  }
}

TEST(MemoryPlan, ALimitOnDataIsMemoryAtHand) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_DATA, &before), 0);
  const rlim_t most = std::min(rlim_t{1} << 29, before.rlim_cur);
  const rlimit limit{most, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_DATA, &limit), 0);
  const int64_t free = free_bytes_of(at::kCPU);
  ASSERT_EQ(setrlimit(RLIMIT_DATA, &before), 0);
  EXPECT_LE(free, static_cast<int64_t>(most) / 10 * 9);
  EXPECT_GT(free, 0);
}

// Weights are nearer to a CPU than to a GPU: there layers are rather computed again than streamed.
TEST(MemoryPlan, ComputesAgainRatherThanStreamsToAGpu) {
  const TemporaryFolder folder;
  TinyModel model;
  model.n_layers = 8, model.d_model = 64, model.d_mlp = 512;
  write_tiny_checkpoint(folder.path(), model);
  const auto checkpoint = Checkpoint::open(folder.path());
  const std::vector<AttributionSample> chunk{{"", std::vector<int64_t>(100, 3), 60, {40}}};
  const auto bytes = [&](at::Device device, const MemoryChoice& choice) {
    return forecast(*checkpoint, device, at::kBFloat16, {}, {chunk}, choice, 1.0).peak_bytes +
           (device.is_cpu() ? kProcessBytes : 0);
  };
  for (const at::Device device : {at::Device(at::kCPU), at::Device(at::kCUDA, 0)}) {
    const int64_t budget = std::max(bytes(device, {false, true, false}), bytes(device, {true, false, false}));
    ASSERT_LT(budget, bytes(device, {true, true, false}));
    const MemoryPlan plan = plan_memory(*checkpoint, device, at::kBFloat16, {}, {chunk}, budget, 1.0);
    EXPECT_EQ(plan.choice.resident, device.is_cuda());
    EXPECT_EQ(plan.choice.keep, device.is_cpu());
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
  EXPECT_TRUE(plan(int64_t{1} << 34).choice.keep);
  EXPECT_TRUE(plan(int64_t{1} << 34).choice.resident);
  EXPECT_LT(bytes(true, false, false), bytes(true, true, false));
  const MemoryPlan streamed = plan(bytes(true, false, false));
  EXPECT_TRUE(streamed.choice.keep);
  EXPECT_FALSE(streamed.choice.resident);
  EXPECT_FALSE(
      plan_memory(*checkpoint, at::kCPU, at::kDouble, {}, {chunk}, int64_t{1} << 34, 1.0).choice.keep);
  const MemoryPlan least = plan(bytes(false, false, true));
  EXPECT_FALSE(least.choice.keep);
  EXPECT_TRUE(least.choice.spill);
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
