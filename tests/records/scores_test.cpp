// scores.safetensors: what is written is read back, and a file whose parts disagree is refused by name.
#include "records/scores.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "io/safetensors.h"
#include "support/temp_folder.h"

namespace circuitdiff {
namespace {

using test::error_of;
using testing::ElementsAre;
using testing::HasSubstr;

Scores small() {
  Scores s;
  s.n = 2;
  s.n_forward = 3;
  s.n_backward = 2;
  for (int i = 0; i < 12; ++i) s.scores.push_back(0.1 * i - 0.5);
  s.loss = {0.25, 1.5};
  s.error = {0.125, 0.5};
  s.t_cut = {4, 7};
  s.edges = {1, 1, 0, 1, 0, 1};
  s.sources = {"input", "a0", "m0"};
  s.destinations = {"a0", "logits"};
  s.ids = {"q1", "q2"};
  s.metadata = {{"method", "eap"}, {"alpha", "0.1"}};
  return s;
}

TEST(Scores, WhatIsWrittenIsReadBack) {
  const test::TempFolder folder;
  const Scores s = small();
  write_scores(folder / "s", s);
  const Scores back = read_scores(folder / "s");
  EXPECT_EQ(back.n, 2);
  EXPECT_EQ(back.n_forward, 3);
  EXPECT_EQ(back.n_backward, 2);
  for (size_t i = 0; i < 12; ++i)
    EXPECT_EQ(back.scores[i], static_cast<double>(static_cast<float>(s.scores[i])));
  EXPECT_EQ(back.at(1, 2, 1), back.scores[11]);
  EXPECT_EQ(back.loss, s.loss);
  EXPECT_EQ(back.error, s.error);
  EXPECT_EQ(back.t_cut, s.t_cut);
  EXPECT_EQ(back.edges, s.edges);
  EXPECT_EQ(back.sources, s.sources);
  EXPECT_EQ(back.destinations, s.destinations);
  EXPECT_EQ(back.ids, s.ids);
  EXPECT_EQ(back.metadata.at("method"), "eap");
  EXPECT_FALSE(back.is_f64);
}

TEST(Scores, Float64KeepsEveryBit) {
  const test::TempFolder folder;
  Scores s = small();
  s.is_f64 = true;
  s.scores[3] = 1.0 / 3;
  s.scores[4] = 5e-324;
  write_scores(folder / "s", s);
  const Scores back = read_scores(folder / "s");
  EXPECT_TRUE(back.is_f64);
  EXPECT_EQ(back.scores, s.scores);
}

TEST(Scores, IdsMayHoldAnything) {
  const test::TempFolder folder;
  for (const std::vector<std::string>& ids : std::vector<std::vector<std::string>>{
           {"a,b", "c"}, {"[1]", "x"}, {"", "x"}, {"\"q\"\n", "\xe2\x88\x9a"}, {"0", "1"}}) {
    Scores s = small();
    s.ids = ids;
    write_scores(folder / "s", s);
    EXPECT_EQ(read_scores(folder / "s").ids, ids);
  }
}

TEST(Scores, WhatIsOptionalMayBeAbsent) {
  const test::TempFolder folder;
  Scores s = small();
  s.error.clear();
  s.t_cut.clear();
  s.ids.clear();
  s.sources.clear();
  write_scores(folder / "s", s);
  const Scores back = read_scores(folder / "s");
  EXPECT_TRUE(back.error.empty());
  EXPECT_TRUE(back.t_cut.empty());
  EXPECT_THAT(back.ids, ElementsAre("0", "1"));
  EXPECT_THAT(back.sources, ElementsAre("0", "1", "2"));
}

struct BadScores {
  const char* name;
  void (*change)(Scores&);
  const char* expected;
};
class ScoresErrors : public testing::TestWithParam<BadScores> {};

TEST_P(ScoresErrors, NameTensorExpectedAndFound) {
  const test::TempFolder folder;
  Scores s = small();
  GetParam().change(s);
  write_scores(folder / "s.safetensors", s);
  const std::string message = error_of([&] { read_scores(folder / "s.safetensors"); });
  EXPECT_THAT(message, HasSubstr("s.safetensors: "));
  EXPECT_THAT(message, HasSubstr(GetParam().expected));
}

INSTANTIATE_TEST_SUITE_P(
    All, ScoresErrors,
    testing::Values(BadScores{"nan", [](Scores& s) { s.scores[7] = std::nan(""); },
                              "tensor \"scores\": sample 1: a finite number expected, nan"},
                    BadScores{"infinite", [](Scores& s) { s.scores[0] = 1e300; },
                              "tensor \"scores\": sample 0: a finite number expected, inf"},
                    BadScores{"nan_loss", [](Scores& s) { s.loss[1] = std::nan(""); },
                              "tensor \"loss\": sample 1: a finite number expected"},
                    BadScores{"nan_error", [](Scores& s) { s.error[0] = std::nan(""); },
                              "tensor \"error\": sample 0: a finite number expected"},
                    BadScores{"edge_two", [](Scores& s) { s.edges[2] = 2; },
                              "tensor \"edges\": 0 or 1 expected, 2 found"},
                    BadScores{"name_missing", [](Scores& s) { s.sources.pop_back(); },
                              "metadata \"sources\": 3 names expected, one a source, 2 found"},
                    BadScores{"name_twice",
                              [](Scores& s) {
                                s.destinations = {"m0", "m0"};
                              },
                              "metadata \"destinations\": a name stands twice"},
                    BadScores{"id_twice",
                              [](Scores& s) {
                                s.ids = {"q", "q"};
                              },
                              "metadata \"ids\": a name stands twice"},
                    BadScores{"ids_too_many",
                              [](Scores& s) {
                                s.ids = {"a", "b", "c"};
                              },
                              "metadata \"ids\": 2 names expected, one a sample, 3 found"}),
    test::kByName);

struct Part {
  std::string name;
  TensorType type;
  std::vector<int64_t> shape;
};
std::string parts_error(const std::vector<Part>& parts,
                        const std::map<std::string, std::string>& metadata = {}) {
  const test::TempFolder folder;
  const std::vector<std::byte> zeros(4096);
  std::vector<TensorToWrite> tensors;
  for (const Part& part : parts) {
    int64_t size = bytes_per_entry(part.type);
    for (const int64_t n : part.shape) size *= n;
    tensors.push_back({part.name, part.type, part.shape, std::span(zeros).first(static_cast<size_t>(size))});
  }
  write_safetensors(folder / "s", tensors, metadata);
  return error_of([&] { read_scores(folder / "s"); });
}

TEST(Scores, PartsOfAnotherShapeOrTypeAreRefused) {
  const auto f32 = TensorType::f32;
  const auto u8 = TensorType::u8;
  const Part scores{"scores", f32, {2, 3, 2}}, loss{"loss", f32, {2}}, edges{"edges", u8, {3, 2}};
  EXPECT_EQ(parts_error({scores, loss, edges}), "(no error)");
  EXPECT_THAT(parts_error({loss, edges}), HasSubstr("tensor \"scores\" is missing"));
  EXPECT_THAT(parts_error({scores, edges}), HasSubstr("tensor \"loss\" is missing"));
  EXPECT_THAT(parts_error({scores, loss}), HasSubstr("tensor \"edges\" is missing"));
  EXPECT_THAT(parts_error({{"scores", f32, {2, 6}}, loss, edges}),
              HasSubstr("three dimensions [n, n_forward, n_backward] expected, 2 found"));
  EXPECT_THAT(parts_error({{"scores", f32, {0, 3, 2}}, {"loss", f32, {0}}, edges}),
              HasSubstr("tensor \"scores\": it is empty"));
  EXPECT_THAT(parts_error({{"scores", TensorType::i32, {2, 3, 2}}, loss, edges}),
              HasSubstr("F64, F32, F16 or BF16 expected, \"I32\" found"));
  EXPECT_THAT(parts_error({scores, {"loss", f32, {3}}, edges}),
              HasSubstr("tensor \"loss\": shape [2] expected, one entry a sample"));
  EXPECT_THAT(parts_error({scores, {"loss", f32, {2, 1}}, edges}),
              HasSubstr("tensor \"loss\": shape [2] expected"));
  EXPECT_THAT(parts_error({scores, loss, {"error", f32, {1}}, edges}),
              HasSubstr("tensor \"error\": shape [2] expected"));
  EXPECT_THAT(parts_error({scores, loss, {"t_cut", TensorType::i64, {1}}, edges}),
              HasSubstr("tensor \"t_cut\": shape [2] expected"));
  EXPECT_THAT(parts_error({scores, loss, {"t_cut", f32, {2}}, edges}),
              HasSubstr("tensor \"t_cut\": an integer type expected"));
  EXPECT_THAT(parts_error({scores, loss, {"edges", u8, {2, 3}}}),
              HasSubstr("tensor \"edges\": shape [3, 2] expected, as \"scores\" has"));
  EXPECT_THAT(parts_error({scores, loss, {"edges", f32, {3, 2}}}),
              HasSubstr("tensor \"edges\": an integer type expected"));
  EXPECT_THAT(parts_error({scores, loss, edges}, {{"ids", "[1"}}),
              HasSubstr("metadata \"ids\": not valid JSON"));
}

}  // namespace
}  // namespace circuitdiff
