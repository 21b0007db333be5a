// Every damage of a model's folder that is refused, by its message.
#include <gmock/gmock.h>

#include <chrono>
#include <functional>
#include <random>

#include "checkpoint/tiny_model.h"

namespace circuitdiff {
namespace {

namespace fs = std::filesystem;
using test::kHead;
using test::kQ;
using test::open_error;
using test::TempFolder;
using test::TinyModel;
using testing::HasSubstr;

const std::string kEmbedding = "model.embed_tokens.weight";

struct Damage {
  const char* name;
  std::function<void(TinyModel&)> change;                // before the folder is written
  std::function<void(const TempFolder&)> after_writing;  // or behind it
  const char* expected;
};
class CheckpointDamage : public testing::TestWithParam<Damage> {};

TEST_P(CheckpointDamage, IsOneClearError) {
  const TempFolder folder;
  TinyModel model;
  if (GetParam().change) GetParam().change(model);
  model.write(folder);
  if (GetParam().after_writing) GetParam().after_writing(folder);
  const std::string message = open_error(folder.path());
  EXPECT_THAT(message, HasSubstr(GetParam().expected));
  EXPECT_THAT(message, HasSubstr(folder.path().string()));
  EXPECT_TRUE(test::is_one_line(message));
}

std::function<void(TinyModel&)> retype(TensorType type) {
  return [type](TinyModel& m) { m.tensors.at(kQ).type = type; };
}
std::function<void(TinyModel&)> reshape(const std::string& name, std::vector<int64_t> shape) {
  return [=](TinyModel& m) { m.tensors.at(name).shape = shape; };
}
std::function<void(TinyModel&)> drop(const std::string& name) {
  return [=](TinyModel& m) { m.tensors.erase(name); };
}
std::function<void(TinyModel&)> add(const std::string& name) {
  return [=](TinyModel& m) { m.tensors[name] = {TensorType::f32, {2}}; };
}
std::function<void(TinyModel&)> set(const char* field, json value) {
  return [=](TinyModel& m) { m.config[field] = value; };
}

INSTANTIATE_TEST_SUITE_P(
    Tensors, CheckpointDamage,
    testing::Values(
        Damage{"missing", drop(kQ), {}, ": 1 tensor missing: model.layers.0.self_attn.q_proj.weight"},
        Damage{"missing_norm", drop("model.norm.weight"), {}, "1 tensor missing: model.norm.weight"},
        Damage{
            "missing_head",
            drop(kHead),
            {},
            "1 tensor missing: lm_head.weight; is \"tie_word_embeddings\": true missing from config.json?"},
        Damage{"missing_embedding_tied",
               [](TinyModel& m) {
                 m.config["tie_word_embeddings"] = true;
                 m.tensors.erase(kEmbedding);
               },
               {},
               "1 tensor missing: model.embed_tokens.weight"},
        Damage{"missing_many",
               [](TinyModel& m) {
                 m.tensors = {{kQ, m.tensors.at(kQ)}};
               },
               {},
               "20 tensors missing: model.embed_tokens.weight, model.layers.0.input_layernorm.weight, "
               "model.layers.0.self_attn.k_proj.weight, model.layers.0.self_attn.v_proj.weight, "
               "model.layers.0.self_attn.o_proj.weight, model.layers.0.post_attention_layernorm.weight, "
               "model.layers.0.mlp.gate_proj.weight, model.layers.0.mlp.up_proj.weight, "
               "model.layers.0.mlp.down_proj.weight, model.layers.1.input_layernorm.weight and 10 more"},
        Damage{"missing_biases",
               set("attention_bias", true),
               {},
               "8 tensors missing: model.layers.0.self_attn.q_proj.bias"},
        Damage{"missing_layer",
               set("num_hidden_layers", 3),
               {},
               "9 tensors missing: model.layers.2.input_layernorm.weight"},
        Damage{"extra",
               add("model.layers.0.self_attn.q_proj.bias"),
               {},
               "1 tensor unexpected: \"model.layers.0.self_attn.q_proj.bias\""},
        Damage{"extra_layer", set("num_hidden_layers", 1), {}, "9 tensors unexpected: \"model.layers.1."},
        Damage{"extra_head", add("score.weight"), {}, "1 tensor unexpected: \"score.weight\""},
        Damage{"extra_line_break", add("a\nb"), {}, "1 tensor unexpected: \"a\\nb\""},
        Damage{"extra_near_miss", add("model.rotary_emb.inv_freq2"), {}, "1 tensor unexpected"},
        Damage{"transposed",
               reshape("model.layers.1.mlp.down_proj.weight", {12, 8}),
               {},
               "1 tensor misshapen: model.layers.1.mlp.down_proj.weight ([8, 12] expected, [12, 8] found)"},
        Damage{"flat", reshape(kQ, {64}), {}, "q_proj.weight ([8, 8] expected, [64] found)"},
        Damage{"scalar", reshape("model.norm.weight", {}), {}, "model.norm.weight ([8] expected, [] found)"},
        Damage{"norm_with_axis",
               reshape("model.norm.weight", {8, 1}),
               {},
               "model.norm.weight ([8] expected, [8, 1] found)"},
        Damage{"vocabulary",
               set("vocab_size", 12),
               {},
               "2 tensors misshapen: model.embed_tokens.weight ([12, 8] expected, [11, 8] found), "
               "lm_head.weight"},
        Damage{"all_three",
               [](TinyModel& m) {
                 m.tensors.erase(kQ);
                 m.tensors["x"] = {TensorType::f32, {1}};
                 m.tensors.at(kHead).shape = {8, 11};
               },
               {},
               "1 tensor missing: model.layers.0.self_attn.q_proj.weight; 1 tensor misshapen: lm_head.weight "
               "([11, 8] expected, [8, 11] found); 1 tensor unexpected: \"x\""},
        Damage{"int8",
               retype(TensorType::i8),
               {},
               "model.safetensors: tensor \"model.layers.0.self_attn.q_proj.weight\": F32, F16, BF16 or F64 "
               "expected, \"I8\" found; quantised weights are not supported"},
        Damage{"uint8", retype(TensorType::u8), {}, "\"U8\" found"},
        Damage{"int32", retype(TensorType::i32), {}, "\"I32\" found"},
        Damage{"int64", retype(TensorType::i64), {}, "\"I64\" found"},
        Damage{"boolean", retype(TensorType::boolean), {}, "\"BOOL\" found"},
        Damage{"other_architecture",
               [](TinyModel& m) {
                 m.config["model_type"] = "qwen3";
                 m.config["architectures"] = nullptr;
                 m.config["head_dim"] = 4;
               },
               {},
               "4 tensors missing: model.layers.0.self_attn.q_norm.weight"}),
    test::kByName);

std::string with_header(const std::string& header, size_t data_size) {
  const uint64_t length = header.size();
  std::string out(reinterpret_cast<const char*>(&length), 8);
  return out + header + std::string(data_size, '\0');
}
std::function<void(const TempFolder&)> weights(std::string content) {
  return [=](const TempFolder& f) { f.write("model.safetensors", content); };
}
std::function<void(const TempFolder&)> cut(size_t keep) {
  return [=](const TempFolder& f) { fs::resize_file(f / "model.safetensors", keep); };
}
std::function<void(const TempFolder&)> file(const char* name, std::string content) {
  return [=](const TempFolder& f) { f.write(name, content); };
}
std::function<void(const TempFolder&)> remove(const char* name) {
  return [=](const TempFolder& f) { fs::remove(f / name); };
}

INSTANTIATE_TEST_SUITE_P(
    Files, CheckpointDamage,
    testing::Values(
        Damage{"no_config", {}, remove("config.json"), "config.json: cannot open: No such file"},
        Damage{"config_empty", {}, file("config.json", ""), "config.json: not valid JSON"},
        Damage{"config_folder",
               {},
               [](const TempFolder& f) {
                 fs::remove(f / "config.json");
                 fs::create_directory(f / "config.json");
               },
               "config.json: a file expected, a folder found"},
        Damage{"no_weights",
               {},
               remove("model.safetensors"),
               ": no model.safetensors and no model.safetensors.index.json"},
        Damage{"only_pickle",
               {},
               [](const TempFolder& f) { fs::rename(f / "model.safetensors", f / "pytorch_model.bin"); },
               "pytorch_model.bin: a file of torch.save (a zip file) expected"},
        Damage{"only_pickle_shards",
               {},
               [](const TempFolder& f) {
                 fs::rename(f / "model.safetensors", f / "pytorch_model.bin.index.json");
               },
               "pytorch_model.bin.index.json: "},
        Damage{"adapter",
               {},
               [](const TempFolder& f) {
                 fs::remove(f / "model.safetensors");
                 f.write("adapter_config.json", "{}");
               },
               "an adapter found, a whole model expected"},
        Damage{"weights_folder",
               {},
               [](const TempFolder& f) {
                 fs::remove(f / "model.safetensors");
                 fs::create_directory(f / "model.safetensors");
               },
               "model.safetensors: a file expected, a folder found"},
        Damage{"weights_empty", {}, weights(""), "model.safetensors: not a safetensors file: 0 bytes"},
        Damage{"header_cut", {}, cut(100), "truncated or not a safetensors file"},
        Damage{"data_cut",
               {},
               [](const TempFolder& f) {
                 fs::resize_file(f / "model.safetensors", fs::file_size(f / "model.safetensors") - 1);
               },
               "lie outside the file's"},
        Damage{"data_added",
               {},
               [](const TempFolder& f) {
                 fs::resize_file(f / "model.safetensors", fs::file_size(f / "model.safetensors") + 4);
               },
               "is the file truncated or appended to?"},
        Damage{"git_lfs",
               {},
               weights("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"),
               "truncated or not a safetensors file"},
        Damage{"forged_length",
               {},
               weights(std::string("\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10)),
               "its header claims 9223372036854775807 bytes"},
        Damage{
            "quantised_type",
            {},
            weights(with_header(
                R"({"model.embed_tokens.weight":{"dtype":"F8_E4M3","shape":[11,8],"data_offsets":[0,88]}})",
                88)),
            "tensor \"model.embed_tokens.weight\": F32, F16, BF16 or F64 expected, \"F8_E4M3\" found"},
        Damage{
            "huge_shape",
            {},
            weights(with_header(
                R"({"model.embed_tokens.weight":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})",
                0)),
            "more entries than memory can address"},
        Damage{"generation_config_list",
               {},
               file("generation_config.json", "[]"),
               "generation_config.json: an object expected, an array found"},
        Damage{"generation_config_text",
               {},
               file("generation_config.json", "{"),
               "generation_config.json: not valid JSON"},
        Damage{"generation_config_eos",
               {},
               file("generation_config.json", R"({"eos_token_id": [-1]})"),
               "generation_config.json: field \"eos_token_id\": entry 0: a token id expected, the number -1 "
               "found"}),
    test::kByName);

TEST(CheckpointFolder, MustBeThereAndBeAFolder) {
  const TempFolder folder;
  EXPECT_EQ(open_error(folder / "no"), (folder / "no").string() + ": no such folder");
  EXPECT_EQ(open_error(folder.write("file", "x")),
            (folder / "file").string() + ": a model's folder or a GGUF file expected, another file found");
  EXPECT_THAT(open_error(folder.path()), HasSubstr("config.json: cannot open: No such file"));
  EXPECT_THAT(open_error(folder / std::string(5000, 'x')), HasSubstr(": no such folder"));
}

struct BadIndex {
  const char* name;
  std::function<void(const TempFolder&, json&)> change;  // of the index as written for two shards
  const char* expected;
};
class CheckpointIndex : public testing::TestWithParam<BadIndex> {};

TEST_P(CheckpointIndex, IsRefused) {
  const TempFolder folder;
  json index = TinyModel().write_shards(folder, 2);
  GetParam().change(folder, index);
  folder.write("model.safetensors.index.json", index.is_string() ? index.get<std::string>() : index.dump());
  const std::string message = open_error(folder.path());
  EXPECT_THAT(message, HasSubstr(GetParam().expected));
  EXPECT_TRUE(test::is_one_line(message));
}

std::function<void(const TempFolder&, json&)> points_to(json value) {
  return [=](const TempFolder&, json& index) { index["weight_map"][kQ] = value; };
}
std::function<void(const TempFolder&, json&)> index_text(json value) {
  return [=](const TempFolder&, json& index) { index = value; };
}

INSTANTIATE_TEST_SUITE_P(
    All, CheckpointIndex,
    testing::Values(
        BadIndex{"parent", points_to("../other/model.safetensors"),
                 "index.json: weight_map[\"model.layers.0.self_attn.q_proj.weight\"]: the plain name of a "
                 "file in this folder expected, \"../other/model.safetensors\" found"},
        BadIndex{"absolute", points_to("/etc/passwd"),
                 "the plain name of a file in this folder expected, \"/etc/passwd\" found"},
        BadIndex{"below", points_to("sub/model.safetensors"),
                 "the plain name of a file in this folder expected"},
        BadIndex{"backslash", points_to("..\\model.safetensors"),
                 "the plain name of a file in this folder expected"},
        BadIndex{"dots", points_to(".."), "the plain name of a file in this folder expected, \"..\" found"},
        BadIndex{"empty_name", points_to(""), "the plain name of a file in this folder expected, \"\" found"},
        BadIndex{"nul", points_to(std::string("a\0b", 3)),
                 "the plain name of a file in this folder expected, \"a\\u0000b\" found"},
        BadIndex{"number", points_to(3), "a file name expected, the number 3 found"},
        BadIndex{"missing_shard", points_to("model-00003-of-00002.safetensors"),
                 "index.json: shard \"model-00003-of-00002.safetensors\" is missing from the folder; is the "
                 "download complete?"},
        BadIndex{"removed_shard",
                 [](const TempFolder& f, json&) { fs::remove(f / TinyModel::shard_name(1, 2)); },
                 "shard \"model-00002-of-00002.safetensors\" is missing"},
        BadIndex{"wrong_shard",
                 [](const TempFolder&, json& i) {
                   auto& m = i["weight_map"];
                   m[kQ] = m[kQ] == TinyModel::shard_name(0, 2) ? TinyModel::shard_name(1, 2)
                                                                : TinyModel::shard_name(0, 2);
                 },
                 "weight_map[\"model.layers.0.self_attn.q_proj.weight\"]: the tensor is not in "},
        BadIndex{
            "ghost",
            [](const TempFolder&, json& i) { i["weight_map"]["model.ghost"] = TinyModel::shard_name(0, 2); },
            "weight_map[\"model.ghost\"]: the tensor is not in \"model-00001-of-00002.safetensors\""},
        BadIndex{"not_a_shard", points_to("config.json"), "config.json: truncated or not a safetensors file"},
        BadIndex{"cut_shard",
                 [](const TempFolder& f, json&) { fs::resize_file(f / TinyModel::shard_name(1, 2), 50); },
                 "model-00002-of-00002.safetensors: truncated or not a safetensors file"},
        BadIndex{"folder_shard",
                 [](const TempFolder& f, json& i) {
                   fs::create_directory(f / "dir");
                   i["weight_map"][kQ] = "dir";
                 },
                 "dir: a file expected, a folder found"},
        BadIndex{"twice",
                 [](const TempFolder& f, json&) {
                   test::write_tensors(f / TinyModel::shard_name(1, 2), TinyModel().tensors);
                 },
                 "model-00002-of-00002.safetensors: tensor \"lm_head.weight\" stands already in "
                 "model-00001-of-00002.safetensors"},
        BadIndex{"unlisted",
                 [](const TempFolder& f, json& i) {
                   test::write_tensors(f / "more.safetensors", {{"more", {TensorType::f32, {1}}},
                                                                {"unlisted", {TensorType::f32, {1}}}});
                   i["weight_map"]["more"] = "more.safetensors";
                 },
                 "2 tensors unexpected: \"more\", \"unlisted\""},
        BadIndex{"no_map", index_text(json::object()), "index.json: field \"weight_map\" is missing"},
        BadIndex{"map_list", index_text({{"weight_map", {1}}}),
                 "field \"weight_map\": an object expected, an array found"},
        BadIndex{"map_empty", index_text({{"weight_map", json::object()}}),
                 "field \"weight_map\": it is empty"},
        BadIndex{"index_list", index_text(json::array()), "index.json: an object expected, an array found"},
        BadIndex{"index_text", index_text("{\"weight_map\": "), "index.json: not valid JSON"},
        BadIndex{"index_duplicate", index_text("{\"weight_map\": {\"a\": \"x\", \"a\": \"y\"}}"),
                 "key \"a\" stands twice"}),
    test::kByName);

TEST(CheckpointIndexExtra, KnownExtrasOfAShardNeedNotBeListed) {
  const TempFolder folder;
  TinyModel model;
  model.tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = {TensorType::f32, {2}};
  json index = model.write_shards(folder, 2);
  index["weight_map"].erase("model.layers.0.self_attn.rotary_emb.inv_freq");
  folder.write("model.safetensors.index.json", index.dump());
  EXPECT_EQ(Checkpoint::open(folder.path())->ignored().size(), 1u);
}

// A header of a megabyte that names thirty thousand tensors is refused about as fast as it is read.
TEST(CheckpointHostile, AHugeHeaderIsRefusedQuickly) {
  const TempFolder folder;
  TinyModel().write(folder);
  std::string header = "{";
  for (int i = 0; i < 30'000; ++i)
    header += fmt::format(R"({}"t{}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})", i ? "," : "", i);
  folder.write("model.safetensors", with_header(header + "}", 0));
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THAT(open_error(folder.path()), HasSubstr("30000 tensors unexpected: \"t0\", \"t1\", \"t10\""));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
}

TEST(CheckpointFuzz, AnyFolderIsReadOrRefused) {
  const TempFolder folder;
  const TinyModel model;
  model.write(folder);
  const std::string good = test::slurp(folder / "model.safetensors");
  const size_t header_end =
      good.size() - static_cast<size_t>(Checkpoint::open(folder.path())->stored_bytes());
  std::mt19937 random(3);
  const auto below = [&](size_t n) { return static_cast<size_t>(random()) % n; };
  const std::string alphabet = "0123456789[]{}\",:.-FBIU ";
  int opened = 0;
  int refused = 0;
  for (int round = 0; round < 1000; ++round) {
    std::string bad = good;
    for (size_t changes = 1 + below(2); changes-- > 0;) {
      const size_t at = below(3) == 0 ? below(8) : below(header_end);
      if (below(3) == 0)
        bad.erase(at, 1);
      else
        bad[at] = below(4) == 0 ? static_cast<char>(random()) : alphabet[below(alphabet.size())];
    }
    folder.write("model.safetensors", bad);
    try {
      const auto c = Checkpoint::open(folder.path());
      for (const TensorSpec& spec : tensor_table(c->config()))
        EXPECT_FALSE(c->tensor(spec.name).data.empty());
      ++opened;
    } catch (const Error& error) {
      EXPECT_TRUE(test::is_one_line(error.what())) << error.what();
      ++refused;
    }
  }
  EXPECT_EQ(opened + refused, 1000);
  EXPECT_GT(refused, 700);
}

}  // namespace
}  // namespace circuitdiff
