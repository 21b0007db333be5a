// config.json as transformers reads it: every case of configs.json, and what has no counterpart there.
#include "checkpoint/config.h"

#include <gmock/gmock.h>

#include "checkpoint/tiny_model.h"

namespace circuitdiff {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

ModelConfig read(const json& config) {
  const test::TempFolder folder;
  folder.write("config.json", config.dump());
  return read_config(folder.path());
}

// The tiny config with fields set; null leaves a null, "(absent)" removes the field.
ModelConfig tiny(const json& changes) {
  json config = test::tiny_config();
  for (const auto& [field, value] : changes.items()) {
    if (value == "(absent)")
      config.erase(field);
    else
      config[field] = value;
  }
  return read(config);
}

ModelConfig bare(const char* model_type, json changes = json::object()) {
  changes["model_type"] = model_type;
  changes["architectures"] = "(absent)";
  return tiny(changes);
}

TEST(Config, ReadsWhatTransformersReads) {
  const json golden =
      read_json_file(std::filesystem::path(CIRCUITDIFF_SOURCE_DIR) / "tests/golden/checkpoint/configs.json");
  ASSERT_GT(golden["cases"].size(), 100u);
  for (const json& row : golden["cases"]) {
    SCOPED_TRACE(row["name"].get<std::string>());
    const ModelConfig found = read(row["config"]);
    const json& expected = row["expected"];
    EXPECT_EQ(to_word(found.architecture), row["config"]["model_type"].get<std::string>());
    EXPECT_EQ(found.norm_eps, expected["norm_eps"].get<double>());
    EXPECT_EQ(to_word(found.activation), expected["activation"].get<std::string>());
    EXPECT_EQ(found.tied_head, expected["tied_head"].get<bool>());
    EXPECT_EQ(found.n_kv_heads, expected["n_kv_heads"].get<int64_t>());
    EXPECT_EQ(found.d_head, expected["d_head"].get<int64_t>());
    EXPECT_EQ(found.max_positions, expected["max_positions"].get<int64_t>());
    EXPECT_EQ(found.sliding_window, expected["sliding_window"].get<std::vector<int64_t>>());
    const json& rope = expected["rope"];
    EXPECT_EQ(to_word(found.rope.type), rope["rope_type"].get<std::string>());
    EXPECT_EQ(found.rope.theta, rope["rope_theta"].get<double>());
    if (found.rope.type != RopeType::plain) {
      EXPECT_EQ(found.rope.factor, rope["factor"].get<double>());
    }
    if (found.rope.type == RopeType::llama3) {
      EXPECT_EQ(found.rope.low_freq_factor, rope["low_freq_factor"].get<double>());
      EXPECT_EQ(found.rope.high_freq_factor, rope["high_freq_factor"].get<double>());
      EXPECT_EQ(found.rope.original_max_positions, rope["original_max_position_embeddings"].get<int64_t>());
    }
    if (found.rope.type == RopeType::dynamic) {
      EXPECT_EQ(found.rope.original_max_positions, found.max_positions);
    }
    // Where the field is absent, this reader adds no end token of its own.
    if (row["config"].contains("eos_token_id")) {
      EXPECT_EQ(found.eos_ids, expected["eos_ids"].get<std::vector<int64_t>>());
    }
  }
}

TEST(Config, SizesAreTaken) {
  const ModelConfig c = tiny({});
  EXPECT_EQ(c.n_layers, 2);
  EXPECT_EQ(c.d_model, 8);
  EXPECT_EQ(c.d_mlp, 12);
  EXPECT_EQ(c.d_vocab, 11);
  EXPECT_EQ(c.n_heads, 2);
  EXPECT_EQ(c.n_kv_heads, 1);
  EXPECT_EQ(c.d_head, 4);
  EXPECT_EQ(c.stored_dtype, "float32");
  EXPECT_THAT(c.notes, IsEmpty());
}

TEST(Config, BiasesAreThoseOfTheClass) {
  const auto biases = [](const ModelConfig& c) { return std::array{c.qkv_bias, c.o_bias, c.mlp_bias}; };
  const json both = {{"attention_bias", true}, {"mlp_bias", true}};
  EXPECT_THAT(biases(bare("llama")), ElementsAre(false, false, false));
  EXPECT_THAT(biases(bare("llama", both)), ElementsAre(true, true, true));
  EXPECT_THAT(biases(bare("llama", {{"mlp_bias", true}})), ElementsAre(false, false, true));
  EXPECT_THAT(biases(bare("llama", {{"attention_bias", nullptr}})), ElementsAre(false, false, false));
  EXPECT_THAT(biases(bare("mistral", both)), ElementsAre(false, false, false));
  EXPECT_THAT(biases(bare("qwen2")), ElementsAre(true, false, false));
  EXPECT_THAT(biases(bare("qwen2", both)), ElementsAre(true, false, false));
  EXPECT_THAT(biases(bare("qwen3")), ElementsAre(false, false, false));
  EXPECT_THAT(biases(bare("qwen3", both)), ElementsAre(true, true, false));
}

TEST(Config, WhatTheClassIgnoresIsNoted) {
  EXPECT_THAT(bare("mistral", {{"attention_bias", true}}).notes,
              Contains("attention_bias is ignored: mistral has none"));
  EXPECT_THAT(bare("qwen2", {{"attention_bias", true}}).notes,
              Contains("attention_bias is ignored: qwen2 has biases on q, k and v always"));
  EXPECT_THAT(bare("qwen2", {{"mlp_bias", true}}).notes, Contains("mlp_bias is ignored: qwen2 has none"));
  EXPECT_THAT(bare("llama", {{"sliding_window", 7}}).notes,
              Contains("sliding_window is ignored: llama has none"));
  EXPECT_THAT(bare("llama", {{"sliding_window", 7}}).sliding_window, ElementsAre(0, 0));
  EXPECT_THAT(bare("qwen2", {{"sliding_window", 7}}).notes,
              Contains("sliding_window is not used: use_sliding_window is off"));
}

TEST(Config, OnlyQwen3HasNormsOfQAndK) {
  for (const char* type : {"llama", "mistral", "qwen2"}) EXPECT_FALSE(bare(type).qk_norm);
  EXPECT_TRUE(bare("qwen3").qk_norm);
}

TEST(Config, ADefaultedThetaIsNoted) {
  const ModelConfig absent = bare("qwen2", {{"rope_theta", "(absent)"}});
  EXPECT_TRUE(absent.rope.theta_defaulted);
  EXPECT_EQ(absent.rope.theta, 10000);
  EXPECT_THAT(absent.notes,
              Contains("no rope_theta is written: 10000, the default of qwen2 in transformers"));
  EXPECT_TRUE(tiny({{"rope_theta", "(absent)"}, {"rope_parameters", {{"rope_type", "default"}}}})
                  .rope.theta_defaulted);
  EXPECT_TRUE(tiny({{"rope_theta", "(absent)"}, {"rope_scaling", {{"type", "linear"}, {"factor", 2}}}})
                  .rope.theta_defaulted);
  EXPECT_FALSE(tiny({}).rope.theta_defaulted);
  EXPECT_FALSE(
      tiny({{"rope_theta", "(absent)"}, {"rope_parameters", {{"rope_theta", 5.0}}}}).rope.theta_defaulted);
}

TEST(Config, ParametersOverruleTheOuterThetaAndSaySo) {
  const ModelConfig c = tiny({{"rope_parameters", {{"rope_theta", 5e5}, {"rope_type", "default"}}}});
  EXPECT_EQ(c.rope.theta, 5e5);
  EXPECT_THAT(c.notes, Contains("rope_theta 10000 is ignored: rope_parameters.rope_theta says 500000"));
}

TEST(Config, BothSpellingsMayStandTogetherWhereTheyAgree) {
  const ModelConfig c =
      tiny({{"rope_scaling", {{"type", "linear"}, {"factor", 2}}},
            {"rope_parameters", {{"rope_type", "linear"}, {"factor", 2.0}, {"rope_theta", 10000}}}});
  EXPECT_EQ(c.rope.type, RopeType::linear);
  EXPECT_EQ(c.rope.factor, 2);
}

TEST(Config, ParametersPerLayerTypeMustAgree) {
  const json rope = {{"rope_type", "linear"}, {"factor", 2.0}, {"rope_theta", 7.0}};
  EXPECT_EQ(tiny({{"rope_parameters", {{"full_attention", rope}, {"sliding_attention", rope}}}}).rope.theta,
            7.0);
  EXPECT_EQ(tiny({{"rope_parameters", {{"full_attention", rope}}}}).rope.type, RopeType::linear);
}

TEST(Config, AnEmptyScalingIsNone) {
  EXPECT_EQ(tiny({{"rope_scaling", json::object()}}).rope.type, RopeType::plain);
  EXPECT_EQ(tiny({{"rope_parameters", json::object()}}).rope.theta, 10000);
}

TEST(Config, TheOriginalLengthMayStandOutside) {
  const json scaling = {
      {"rope_type", "llama3"}, {"factor", 8}, {"low_freq_factor", 1}, {"high_freq_factor", 4}};
  const ModelConfig outside = tiny({{"rope_scaling", scaling}, {"original_max_position_embeddings", 32}});
  EXPECT_EQ(outside.rope.original_max_positions, 32);
  const ModelConfig nowhere = tiny({{"rope_scaling", scaling}});
  EXPECT_EQ(nowhere.rope.original_max_positions, 64);
  EXPECT_THAT(nowhere.notes, Contains(HasSubstr("original_max_position_embeddings is absent: 64")));
}

TEST(Config, LayerTypesWin) {
  const json types = {"sliding_attention", "full_attention"};
  const json on = {
      {"use_sliding_window", true}, {"sliding_window", 5}, {"max_window_layers", 9}, {"layer_types", types}};
  EXPECT_THAT(bare("qwen2", on).sliding_window, ElementsAre(5, 0));
  EXPECT_THAT(bare("qwen3", on).sliding_window, ElementsAre(5, 0));
  const ModelConfig mistral = bare("mistral", {{"sliding_window", 5}, {"layer_types", types}});
  EXPECT_THAT(mistral.sliding_window, ElementsAre(5, 0));
  EXPECT_THAT(mistral.notes, Contains(HasSubstr("layer_types is followed")));
  EXPECT_THAT(bare("llama", {{"layer_types", {"full_attention", "full_attention"}}}).sliding_window,
              ElementsAre(0, 0));
}

TEST(Config, ActivationsOfTheListAreTaken) {
  for (const char* name : {"silu", "gelu", "gelu_pytorch_tanh", "relu"})
    EXPECT_EQ(to_word(tiny({{"hidden_act", name}}).activation), name);
  EXPECT_EQ(to_word(tiny({{"hidden_act", "swish"}}).activation), "silu");
  EXPECT_EQ(to_word(tiny({{"hidden_act", "(absent)"}}).activation), "silu");
}

TEST(Config, DtypeHasTwoNames) {
  EXPECT_EQ(tiny({{"torch_dtype", "bfloat16"}}).stored_dtype, "bfloat16");
  EXPECT_EQ(tiny({{"dtype", "float16"}}).stored_dtype, "float16");
  EXPECT_EQ(tiny({{"torch_dtype", "(absent)"}}).stored_dtype, "");
}

TEST(Config, WhatDoesNotTouchTheComputationIsPassedOver) {
  const json more = {{"attention_dropout", 0.1},      {"initializer_range", "x"},
                     {"pretraining_tp", 4},           {"use_cache", nullptr},
                     {"my_own", {{"field", {1, 2}}}}, {"quantization_config", nullptr},
                     {"partial_rotary_factor", 1.0}};
  EXPECT_THAT(tiny(more).notes, IsEmpty());
}

TEST(Config, ALongListOfArchitecturesMustHoldTheClass) {
  EXPECT_NO_THROW(tiny({{"architectures", {"Other", "LlamaForCausalLM"}}}));
  EXPECT_NO_THROW(tiny({{"architectures", json::array()}}));
  EXPECT_NO_THROW(tiny({{"architectures", nullptr}}));
}

TEST(TensorTable, IsInTheOrderOfTheForwardPass) {
  ModelConfig c = bare("qwen3", {{"num_hidden_layers", 1}, {"attention_bias", true}, {"head_dim", 6}});
  std::vector<std::string> rows;
  for (const TensorSpec& spec : tensor_table(c))
    rows.push_back(fmt::format("{} [{}]", spec.name, fmt::join(spec.shape, ",")));
  EXPECT_THAT(
      rows,
      ElementsAre(
          "model.embed_tokens.weight [11,8]", "model.layers.0.input_layernorm.weight [8]",
          "model.layers.0.self_attn.q_proj.weight [12,8]", "model.layers.0.self_attn.q_proj.bias [12]",
          "model.layers.0.self_attn.k_proj.weight [6,8]", "model.layers.0.self_attn.k_proj.bias [6]",
          "model.layers.0.self_attn.v_proj.weight [6,8]", "model.layers.0.self_attn.v_proj.bias [6]",
          "model.layers.0.self_attn.q_norm.weight [6]", "model.layers.0.self_attn.k_norm.weight [6]",
          "model.layers.0.self_attn.o_proj.weight [8,12]", "model.layers.0.self_attn.o_proj.bias [8]",
          "model.layers.0.post_attention_layernorm.weight [8]", "model.layers.0.mlp.gate_proj.weight [12,8]",
          "model.layers.0.mlp.up_proj.weight [12,8]", "model.layers.0.mlp.down_proj.weight [8,12]",
          "model.norm.weight [8]", "lm_head.weight [11,8]"));
  c.tied_head = true;
  EXPECT_EQ(tensor_table(c).back().name, "model.norm.weight");
}

// What sets the three apart from llama, and the defaults of their classes.
TEST(Config, Phi3Gemma2AndOlmo2) {
  const ModelConfig phi = bare("phi3", {{"num_hidden_layers", 2}, {"sliding_window", 5}});
  EXPECT_TRUE(phi.fused);
  EXPECT_THAT(phi.sliding_window, ElementsAre(5, 5));
  EXPECT_EQ(phi.norm_eps, 1e-5);
  const ModelConfig gemma = bare("gemma2", {{"num_hidden_layers", 4}, {"final_logit_softcapping", nullptr}});
  EXPECT_THAT(gemma.sliding_window, ElementsAre(4096, 0, 4096, 0));
  EXPECT_EQ(gemma.d_head, 256);
  EXPECT_EQ(gemma.attention_scale, 1.0 / 16);
  EXPECT_EQ(gemma.attention_softcap, 50.0);
  EXPECT_EQ(gemma.final_softcap, 0.0);
  EXPECT_EQ(to_word(gemma.activation), "gelu_pytorch_tanh");
  EXPECT_TRUE(gemma.norm_adds_one && gemma.input_norms && gemma.output_norms);
  const ModelConfig olmo = bare("olmo2");
  EXPECT_TRUE(olmo.qk_norm && olmo.qk_norm_whole && olmo.output_norms && !olmo.input_norms);
}

}  // namespace
}  // namespace circuitdiff
