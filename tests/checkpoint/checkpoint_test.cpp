// A model's folder that opens: what it hands out, what it ignores and what it notes.
#include "checkpoint/checkpoint.h"

#include <gmock/gmock.h>

#include "checkpoint/tiny_model.h"

namespace circuitdiff {
namespace {

namespace fs = std::filesystem;
using test::kHead;
using test::kQ;
using test::open_error;
using test::TempFolder;
using test::TinyModel;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Checkpoint, ATinyFolderOpens) {
  const TempFolder folder;
  TinyModel().write(folder);
  const auto c = Checkpoint::open(folder.path());
  EXPECT_EQ(c->folder(), folder.path());
  EXPECT_EQ(c->n_tensors(), 21);
  // 2 * 11 * 8 + 2 * (2 * 8 + 8 * 8 + 2 * 4 * 8 + 8 * 8 + 3 * 12 * 8) + 8, counted by hand
  EXPECT_EQ(c->n_parameters(), 176 + 2 * (16 + 64 + 64 + 64 + 288) + 8);
  EXPECT_EQ(c->stored_bytes(), 4 * c->n_parameters());
  EXPECT_EQ(c->widest_type(), TensorType::f32);
  EXPECT_THAT(c->ignored(), IsEmpty());
  EXPECT_THAT(c->eos_ids(), ElementsAre(2));
  const TensorBytes q = c->tensor(kQ);
  EXPECT_EQ(q.type, TensorType::f32);
  EXPECT_THAT(q.shape, ElementsAre(8, 8));
  EXPECT_EQ(q.data.size(), 256u);
}

TEST(Checkpoint, GoldenFoldersOpenAndEveryTensorHoldsItsBytes) {
  const fs::path models = fs::path(CIRCUITDIFF_SOURCE_DIR) / "tests/golden/models";
  for (const char* name : {"llama_mha", "llama3_scaled", "llama_bias", "mistral_gqa_swa", "qwen2_swa",
                           "qwen2_tied", "qwen3", "phi3", "gemma2", "olmo2"}) {
    SCOPED_TRACE(name);
    const auto c = Checkpoint::open(models / name / "model");
    for (const TensorSpec& spec : tensor_table(c->config())) {
      const TensorBytes tensor = c->tensor(spec.name);
      int64_t size = bytes_per_entry(tensor.type);
      for (const int64_t n : spec.shape) size *= n;
      EXPECT_EQ(static_cast<int64_t>(tensor.data.size()), size) << spec.name;
    }
    EXPECT_EQ(c->n_tensors(), static_cast<int64_t>(tensor_table(c->config()).size()));
  }
}

TEST(Checkpoint, ShardsHoldTheSameTensorsAsOneFile) {
  const TempFolder one, three;
  TinyModel().write(one);
  TinyModel().write_shards(three, 3);
  const auto a = Checkpoint::open(one.path());
  const auto b = Checkpoint::open(three.path());
  EXPECT_EQ(a->n_tensors(), b->n_tensors());
  EXPECT_EQ(a->n_parameters(), b->n_parameters());
  for (const TensorSpec& spec : tensor_table(a->config()))
    EXPECT_TRUE(std::ranges::equal(a->tensor(spec.name).data, b->tensor(spec.name).data)) << spec.name;
}

TEST(Checkpoint, ASingleFileWinsOverAnIndex) {
  const TempFolder folder;
  TinyModel model;
  model.write_shards(folder, 2);
  test::write_tensors(folder / "model.safetensors", model.tensors, /*fill=*/7);
  EXPECT_EQ(Checkpoint::open(folder.path())->tensor(kQ).data[0], std::byte{7});
}

TEST(Checkpoint, KnownExtrasAreReportedAndIgnored) {
  const TempFolder folder;
  TinyModel model;
  model.config["tie_word_embeddings"] = true;
  model.tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = {TensorType::f32, {2}};
  model.tensors["model.rotary_emb.inv_freq"] = {TensorType::i64, {2}};
  model.write(folder);
  const auto c = Checkpoint::open(folder.path());
  EXPECT_THAT(c->ignored(), ElementsAre(kHead, "model.layers.0.self_attn.rotary_emb.inv_freq",
                                        "model.rotary_emb.inv_freq"));
  EXPECT_THAT(c->config().notes, IsEmpty());
  EXPECT_EQ(c->n_tensors(), 20);
  EXPECT_THAT(test::error_of([&] { c->tensor(kHead); }), HasSubstr("tensor \"lm_head.weight\" is missing"));
}

TEST(Checkpoint, AnIgnoredHeadThatDiffersIsNoted) {
  const TempFolder folder;
  TinyModel model;
  model.config["tie_word_embeddings"] = true;
  folder.write("config.json", model.config.dump());
  test::StoredTensors head{{kHead, model.tensors.at(kHead)}};
  model.tensors.erase(kHead);
  test::write_tensors(folder / "a.safetensors", model.tensors, 1);
  test::write_tensors(folder / "b.safetensors", head, 2);
  json map = json::object();
  for (const auto& [name, tensor] : model.tensors) map[name] = "a.safetensors";
  map[kHead] = "b.safetensors";
  folder.write("model.safetensors.index.json", json{{"weight_map", map}}.dump());
  EXPECT_THAT(Checkpoint::open(folder.path())->config().notes,
              ElementsAre("lm_head.weight differs from the embedding but is ignored: the head is tied"));
}

TEST(Checkpoint, EndTokensAreTheUnionOfBothFiles) {
  const TempFolder folder;
  TinyModel().write(folder);
  folder.write("generation_config.json", R"({"eos_token_id": [7, 2, 5]})");
  EXPECT_THAT(Checkpoint::open(folder.path())->eos_ids(), ElementsAre(2, 5, 7));
  folder.write("generation_config.json", R"({"eos_token_id": 9})");
  EXPECT_THAT(Checkpoint::open(folder.path())->eos_ids(), ElementsAre(2, 9));
  folder.write("generation_config.json", R"({"eos_token_id": null, "do_sample": true})");
  EXPECT_THAT(Checkpoint::open(folder.path())->eos_ids(), ElementsAre(2));
}

TEST(Checkpoint, TheWidestTypeHoldsEveryWeight) {
  const auto widest = [](std::vector<TensorType> types) {
    const TempFolder folder;
    TinyModel model;
    size_t i = 0;
    for (auto& [name, tensor] : model.tensors) tensor.type = types[i++ % types.size()];
    model.write(folder);
    return Checkpoint::open(folder.path())->widest_type();
  };
  using enum TensorType;
  EXPECT_EQ(widest({bf16}), bf16);
  EXPECT_EQ(widest({f16}), f16);
  EXPECT_EQ(widest({f16, bf16}), f32);
  EXPECT_EQ(widest({bf16, f32}), f32);
  EXPECT_EQ(widest({bf16, f64, f32}), f64);
}

}  // namespace
}  // namespace circuitdiff
