// Every config.json that is refused, and the words it is refused with.
#include <gmock/gmock.h>

#include <random>

#include "checkpoint/tiny_model.h"

namespace circuitdiff {
namespace {

using test::error_of;
using testing::HasSubstr;
using testing::StartsWith;

std::string config_error(std::string_view text) {
  const test::TempFolder folder;
  folder.write("config.json", text);
  std::string message = error_of([&] { read_config(folder.path()); });
  const std::string where = (folder / "config.json").string();
  return message.starts_with(where) ? "config.json" + message.substr(where.size()) : message;
}

struct BadText {
  const char* name;
  std::string text;
  const char* expected;
};
class ConfigTexts : public testing::TestWithParam<BadText> {};

TEST_P(ConfigTexts, AreRefused) {
  const std::string message = config_error(GetParam().text);
  EXPECT_THAT(message, StartsWith("config.json: "));
  EXPECT_THAT(message, HasSubstr(GetParam().expected));
}

INSTANTIATE_TEST_SUITE_P(
    All, ConfigTexts,
    testing::Values(BadText{"empty", "", "not valid JSON"},
                    BadText{"array", "[]", "an object expected, an array found"},
                    BadText{"string", "\"llama\"", "an object expected, a string found"},
                    BadText{"null", "null", "an object expected, null found"},
                    BadText{"truncated", R"({"model_type": "llama", )", "not valid JSON"},
                    BadText{"nan", R"({"model_type": "llama", "rope_theta": NaN})", "not valid JSON"},
                    BadText{"infinity", R"({"model_type": "llama", "rope_theta": Infinity})",
                            "not valid JSON"},
                    BadText{"overflow", R"({"model_type": "llama", "rope_theta": 1e400})", "number overflow"},
                    BadText{"duplicate", R"({"model_type": "llama", "model_type": "qwen2"})",
                            "key \"model_type\" stands twice"},
                    BadText{"utf8", "{\"model_type\": \"llama\xff\"}", "not valid JSON"},
                    BadText{"bomb", "{\"a\":" + std::string(1'000'000, '['), "nested deeper than 256"},
                    BadText{"binary", std::string("\x80\x02}q\x00.", 6), "not valid JSON"},
                    BadText{"empty_object", "{}",
                            "field \"model_type\" is missing (llama, mistral, qwen2, qwen3, phi3, gemma2 or "
                            "olmo2 expected)"}),
    test::kByName);

struct BadField {
  const char* name;
  json changes;  // fields set in the tiny config; "(absent)" removes one
  const char* expected;
};
class ConfigFieldErrors : public testing::TestWithParam<BadField> {};

TEST_P(ConfigFieldErrors, NameFieldExpectedAndFound) {
  json config = test::tiny_config();
  for (const auto& [field, value] : GetParam().changes.items()) {
    if (value == "(absent)")
      config.erase(field);
    else
      config[field] = value;
  }
  const std::string message = config_error(config.dump());
  EXPECT_THAT(message, StartsWith("config.json: "));
  EXPECT_THAT(message, HasSubstr(GetParam().expected));
  EXPECT_TRUE(test::is_one_line(message));
}

json qwen(json changes) {
  changes["model_type"] = "qwen2";
  changes["architectures"] = "(absent)";
  return changes;
}
json other(const char* type, json changes = json::object()) {
  changes["model_type"] = type;
  changes["architectures"] = "(absent)";
  return changes;
}
json scaling(json rope) { return {{"rope_scaling", std::move(rope)}}; }
json parameters(json rope) { return {{"rope_parameters", std::move(rope)}}; }
const json kLlama3 = {
    {"rope_type", "llama3"}, {"factor", 8.0}, {"low_freq_factor", 1.0}, {"high_freq_factor", 4.0}};
json llama3(const json& changes) {
  json rope = kLlama3;
  rope.update(changes);
  return scaling(rope);
}

INSTANTIATE_TEST_SUITE_P(
    Architecture, ConfigFieldErrors,
    testing::Values(
        BadField{"gemma3", other("gemma3"),
                 "field \"model_type\": architecture \"gemma3\" is not supported; llama, mistral, qwen2, "
                 "qwen3, phi3, gemma2 or olmo2 expected"},
        BadField{"gpt2", other("gpt2"), "architecture \"gpt2\" is not supported"},
        BadField{"capitals", other("Llama"), "architecture \"Llama\" is not supported"},
        BadField{"line_break", other("lla\nma"), "architecture \"lla\\nma\" is not supported"},
        BadField{"type_number",
                 {{"model_type", 3}},
                 "field \"model_type\": a string expected, the number 3 found"},
        BadField{
            "type_null",
            {{"model_type", nullptr}},
            "field \"model_type\": llama, mistral, qwen2, qwen3, phi3, gemma2 or olmo2 expected, null found"},
        BadField{
            "classifier",
            {{"architectures", {"LlamaForSequenceClassification"}}},
            "field \"architectures\": LlamaForCausalLM expected, \"LlamaForSequenceClassification\" found"},
        BadField{"base_model",
                 {{"architectures", {"LlamaModel"}}},
                 "LlamaForCausalLM expected, \"LlamaModel\" found"},
        BadField{"other_class",
                 {{"architectures", {"Qwen2ForCausalLM"}}},
                 "LlamaForCausalLM expected, \"Qwen2ForCausalLM\" found"},
        BadField{"architectures_string",
                 {{"architectures", "LlamaForCausalLM"}},
                 "field \"architectures\": an array of strings expected, a string found"},
        BadField{"architectures_numbers",
                 {{"architectures", {1}}},
                 "field \"architectures\": entry 0: a string expected, the number 1 found"},
        BadField{"quantised",
                 {{"quantization_config", {{"quant_method", "gptq"}}}},
                 "field \"quantization_config\": the checkpoint is quantised by \"gptq\"; F32, F16, BF16 or "
                 "F64 weights expected"},
        BadField{"quantised_odd",
                 {{"quantization_config", 4}},
                 "field \"quantization_config\": the checkpoint is quantised; "},
        BadField{"compressed",
                 {{"compression_config", {{"quant_method", 1}}}},
                 "field \"compression_config\": the checkpoint is quantised; "}),
    test::kByName);

INSTANTIATE_TEST_SUITE_P(
    Sizes, ConfigFieldErrors,
    testing::Values(
        BadField{"no_layers",
                 {{"num_hidden_layers", "(absent)"}},
                 "field \"num_hidden_layers\" is missing (a whole number from 1 to 4096 expected)"},
        BadField{"no_width", {{"hidden_size", "(absent)"}}, "field \"hidden_size\" is missing"},
        BadField{"no_mlp", {{"intermediate_size", "(absent)"}}, "field \"intermediate_size\" is missing"},
        BadField{"no_vocabulary", {{"vocab_size", "(absent)"}}, "field \"vocab_size\" is missing"},
        BadField{
            "no_heads", {{"num_attention_heads", "(absent)"}}, "field \"num_attention_heads\" is missing"},
        BadField{"null_layers",
                 {{"num_hidden_layers", nullptr}},
                 "field \"num_hidden_layers\": a whole number from 1 to 4096 expected, null found"},
        BadField{"zero_layers",
                 {{"num_hidden_layers", 0}},
                 "a whole number from 1 to 4096 expected, the number 0 found"},
        BadField{"negative_layers", {{"num_hidden_layers", -2}}, "expected, the number -2 found"},
        BadField{"absurd_layers",
                 {{"num_hidden_layers", 2147483648}},
                 "a whole number from 1 to 4096 expected, the number 2147483648 found"},
        BadField{
            "largest_layers", {{"num_hidden_layers", UINT64_MAX}}, "the number 18446744073709551615 found"},
        BadField{"layers_fraction",
                 {{"num_hidden_layers", 2.0}},
                 "field \"num_hidden_layers\": a whole number from 1 to 4096 expected, the number 2.0 found"},
        BadField{"layers_string",
                 {{"num_hidden_layers", "2"}},
                 "field \"num_hidden_layers\": a whole number from 1 to 4096 expected, a string found"},
        BadField{"layers_list", {{"num_hidden_layers", {2}}}, "expected, an array found"},
        BadField{"layers_true", {{"num_hidden_layers", true}}, "expected, true or false found"},
        BadField{"absurd_width",
                 {{"hidden_size", 1LL << 40}},
                 "field \"hidden_size\": a whole number from 1 to 67108864 expected"},
        BadField{"negative_mlp",
                 {{"intermediate_size", -1}},
                 "field \"intermediate_size\": a whole number from 1"},
        BadField{"zero_vocabulary", {{"vocab_size", 0}}, "field \"vocab_size\": a whole number from 1"},
        BadField{
            "absurd_vocabulary", {{"vocab_size", INT64_MAX}}, "field \"vocab_size\": a whole number from 1"},
        BadField{
            "zero_heads",
            {{"num_attention_heads", 0}},
            "field \"num_attention_heads\": a whole number from 1 to 65536 expected, the number 0 found"},
        BadField{
            "zero_kv", {{"num_key_value_heads", 0}}, "field \"num_key_value_heads\": a whole number from 1"},
        BadField{"kv_no_divisor",
                 {{"num_attention_heads", 4}, {"num_key_value_heads", 3}},
                 "field \"num_key_value_heads\": a divisor of num_attention_heads (4) expected, 3 found"},
        BadField{"kv_more_than_heads",
                 {{"num_key_value_heads", 4}},
                 "a divisor of num_attention_heads (2) expected, 4 found"},
        BadField{"kv_default_no_divisor", other("mistral", {{"num_key_value_heads", "(absent)"}}),
                 "a divisor of num_attention_heads (2) expected, 8 found"},
        BadField{"width_no_multiple",
                 {{"hidden_size", 9}},
                 "field \"hidden_size\": a multiple of num_attention_heads (2) expected, 9 found"},
        BadField{"odd_head",
                 {{"head_dim", 5}},
                 "field \"head_dim\": an even number expected (RoPE turns pairs), 5 found"},
        BadField{"odd_quotient",
                 {{"hidden_size", 6}},
                 "field \"head_dim\": an even number expected (RoPE turns pairs), 3 found"},
        BadField{"zero_head",
                 {{"head_dim", 0}},
                 "field \"head_dim\": a whole number from 1 to 65536 expected, the number 0 found"},
        BadField{"null_head_of_qwen3", other("qwen3", {{"head_dim", nullptr}}),
                 "field \"head_dim\": a whole number from 1 to 65536 expected, null found"},
        BadField{"zero_positions",
                 {{"max_position_embeddings", 0}},
                 "field \"max_position_embeddings\": a whole number from 1 to 2147483647 expected"},
        BadField{"absurd_positions",
                 {{"max_position_embeddings", 1LL << 31}},
                 "field \"max_position_embeddings\": a whole number from 1 to 2147483647"},
        BadField{"zero_epsilon",
                 {{"rms_norm_eps", 0}},
                 "field \"rms_norm_eps\": a number above 0 expected, the number 0 found"},
        BadField{"negative_epsilon",
                 {{"rms_norm_eps", -1e-6}},
                 "field \"rms_norm_eps\": a number above 0 expected"},
        BadField{"large_epsilon",
                 {{"rms_norm_eps", 10}},
                 "field \"rms_norm_eps\": a number above 0 and at most 1 expected, 10 found"},
        BadField{"epsilon_string",
                 {{"rms_norm_eps", "1e-6"}},
                 "field \"rms_norm_eps\": a number above 0 expected, a string found"}),
    test::kByName);

INSTANTIATE_TEST_SUITE_P(
    Rest, ConfigFieldErrors,
    testing::Values(
        BadField{
            "activation",
            {{"hidden_act", "quick_gelu"}},
            "field \"hidden_act\": silu, gelu, gelu_pytorch_tanh or relu expected, \"quick_gelu\" found"},
        BadField{"activation_number",
                 {{"hidden_act", 1}},
                 "field \"hidden_act\": a string expected, the number 1 found"},
        BadField{"tied_string",
                 {{"tie_word_embeddings", "true"}},
                 "field \"tie_word_embeddings\": true, false or null expected, a string found"},
        BadField{"bias_number",
                 {{"attention_bias", 1}},
                 "field \"attention_bias\": true, false or null expected, the number 1 found"},
        BadField{"dtype_number",
                 {{"torch_dtype", 32}},
                 "field \"torch_dtype\": a string expected, the number 32 found"},
        BadField{"eos_negative",
                 {{"eos_token_id", -1}},
                 "field \"eos_token_id\": a whole number from 0 to 67108864 expected, the number -1 found"},
        BadField{"eos_string",
                 {{"eos_token_id", "</s>"}},
                 "field \"eos_token_id\": a whole number from 0 to 67108864 expected, a string found"},
        BadField{"eos_list",
                 {{"eos_token_id", {1, "2"}}},
                 "field \"eos_token_id\": entry 1: a token id expected, a string found"},
        BadField{"theta_zero",
                 {{"rope_theta", 0}},
                 "field \"rope_theta\": a number above 0 expected, the number 0 found"},
        BadField{"theta_negative", {{"rope_theta", -1e4}}, "field \"rope_theta\": a number above 0 expected"},
        BadField{"theta_string",
                 {{"rope_theta", "10000"}},
                 "field \"rope_theta\": a number above 0 expected, a string found"},
        BadField{"partial",
                 {{"partial_rotary_factor", 0.5}},
                 "field \"partial_rotary_factor\": 1 expected (the whole head is rotated), 0.5 found"},
        BadField{
            "window_zero", other("mistral", {{"sliding_window", 0}}),
            "field \"sliding_window\": a whole number from 1 to 2147483647 expected, the number 0 found"},
        BadField{"window_negative", other("mistral", {{"sliding_window", -4096}}), "the number -4096 found"},
        BadField{
            "window_false", other("mistral", {{"sliding_window", false}}),
            "field \"sliding_window\": a whole number from 1 to 2147483647 expected, true or false found"},
        BadField{"window_on_zero", qwen({{"use_sliding_window", true}, {"sliding_window", 0}}),
                 "field \"sliding_window\": a whole number from 1"},
        BadField{"use_window_string", qwen({{"use_sliding_window", "no"}}),
                 "field \"use_sliding_window\": true, false or null expected, a string found"},
        BadField{"max_window_layers_negative",
                 qwen({{"use_sliding_window", true}, {"max_window_layers", -1}}),
                 "field \"max_window_layers\": a whole number from 0"},
        BadField{"layer_types_short", qwen({{"layer_types", {"full_attention"}}}),
                 "field \"layer_types\": 2 entries expected, one a layer, 1 found"},
        BadField{"layer_types_empty", qwen({{"layer_types", json::array()}}),
                 "field \"layer_types\": 2 entries expected, one a layer, 0 found"},
        BadField{"layer_types_unknown", qwen({{"layer_types", {"full_attention", "chunked_attention"}}}),
                 "field \"layer_types\": entry 1: full_attention or sliding_attention expected, "
                 "\"chunked_attention\" found"},
        BadField{"layer_types_number", qwen({{"layer_types", {0, 1}}}),
                 "field \"layer_types\": entry 0: a string expected, the number 0 found"},
        BadField{"layer_types_string", qwen({{"layer_types", "full_attention"}}),
                 "field \"layer_types\": an array of strings expected, a string found"},
        BadField{"layer_types_off",
                 qwen({{"sliding_window", 5}, {"layer_types", {"full_attention", "sliding_attention"}}}),
                 "entry 1: sliding_attention, but use_sliding_window is off, so there is no window"},
        BadField{"layer_types_no_window",
                 other("mistral", {{"sliding_window", nullptr},
                                   {"layer_types", {"sliding_attention", "full_attention"}}}),
                 "entry 0: sliding_attention, but sliding_window is null"},
        BadField{"layer_types_llama",
                 {{"sliding_window", 5}, {"layer_types", {"sliding_attention", "full_attention"}}},
                 "entry 0: sliding_attention, but llama has no sliding window"}),
    test::kByName);

INSTANTIATE_TEST_SUITE_P(
    Rope, ConfigFieldErrors,
    testing::Values(
        BadField{"yarn", scaling({{"rope_type", "yarn"}, {"factor", 4.0}}),
                 "field \"rope_scaling.rope_type\": rope type \"yarn\" is not supported; default, linear, "
                 "dynamic, llama3 or longrope expected"},
        BadField{"longrope", scaling({{"type", "longrope"}}),
                 "field \"rope_scaling.short_factor\" is missing"},
        BadField{"mrope", scaling({{"type", "mrope"}, {"mrope_section", {1, 2}}}),
                 "rope type \"mrope\" is not supported"},
        BadField{"yarn_in_parameters", parameters({{"rope_type", "yarn"}, {"factor", 4.0}}),
                 "field \"rope_parameters.rope_type\": rope type \"yarn\" is not supported"},
        BadField{"scaling_string", scaling("linear"),
                 "field \"rope_scaling\": an object expected, a string found"},
        BadField{"parameters_list", parameters({1}),
                 "field \"rope_parameters\": an object expected, an array found"},
        BadField{"no_type", scaling({{"factor", 2.0}}),
                 "field \"rope_scaling.rope_type\" is missing (default, linear, dynamic, llama3 or longrope "
                 "expected)"},
        BadField{"type_number", scaling({{"type", 1}, {"factor", 2.0}}),
                 "field \"rope_scaling.type\": a string expected, the number 1 found"},
        BadField{"two_types", scaling({{"type", "linear"}, {"rope_type", "dynamic"}, {"factor", 2.0}}),
                 "field \"rope_scaling.type\": \"dynamic\" expected, as \"rope_scaling.rope_type\" says, "
                 "\"linear\" found"},
        BadField{"no_factor", scaling({{"type", "linear"}}),
                 "field \"rope_scaling.factor\" is missing (a number above 0 expected)"},
        BadField{"zero_factor", scaling({{"type", "linear"}, {"factor", 0}}),
                 "field \"rope_scaling.factor\": a number above 0 expected, the number 0 found"},
        BadField{"negative_factor", scaling({{"type", "dynamic"}, {"factor", -2.0}}),
                 "field \"rope_scaling.factor\": a number above 0 expected, the number -2.0 found"},
        BadField{"factor_string", scaling({{"type", "dynamic"}, {"factor", "2"}}),
                 "field \"rope_scaling.factor\": a number above 0 expected, a string found"},
        BadField{"dynamic_narrow",
                 {{"head_dim", 2}, {"rope_scaling", {{"type", "dynamic"}, {"factor", 2}}}},
                 "rope type \"dynamic\" needs a head_dim above 2, 2 found"},
        BadField{"llama3_no_low",
                 scaling({{"rope_type", "llama3"}, {"factor", 8.0}, {"high_freq_factor", 4.0}}),
                 "field \"rope_scaling.low_freq_factor\" is missing"},
        BadField{"llama3_no_high",
                 scaling({{"rope_type", "llama3"}, {"factor", 8.0}, {"low_freq_factor", 1.0}}),
                 "field \"rope_scaling.high_freq_factor\" is missing"},
        BadField{"llama3_equal", llama3({{"low_freq_factor", 4.0}}),
                 "field \"rope_scaling.low_freq_factor\": less than high_freq_factor (4) expected, 4 found"},
        BadField{"llama3_reversed", llama3({{"low_freq_factor", 8.0}}),
                 "less than high_freq_factor (4) expected, 8 found"},
        BadField{"llama3_low_zero", llama3({{"low_freq_factor", 0}}),
                 "field \"rope_scaling.low_freq_factor\": a number above 0 expected"},
        BadField{"llama3_original_zero", llama3({{"original_max_position_embeddings", 0}}),
                 "field \"rope_scaling.original_max_position_embeddings\": a whole number from 1"},
        BadField{"llama3_two_originals",
                 [] {
                   json c = llama3({{"original_max_position_embeddings", 32}});
                   c["original_max_position_embeddings"] = 16;
                   return c;
                 }(),
                 "field \"original_max_position_embeddings\": 32 expected, as "
                 "\"rope_scaling.original_max_position_embeddings\" says, 16 found"},
        BadField{"parameters_theta_zero", parameters({{"rope_theta", 0.0}}),
                 "field \"rope_parameters.rope_theta\": a number above 0 expected"},
        BadField{"parameters_partial", parameters({{"partial_rotary_factor", 0.25}}),
                 "field \"rope_parameters.partial_rotary_factor\": 1 expected (the whole head is rotated), "
                 "0.25 found"},
        BadField{"scaling_theta", scaling({{"type", "linear"}, {"factor", 2}, {"rope_theta", 5.0}}),
                 "field \"rope_scaling.rope_theta\": 10000 expected, as \"rope_theta\" says, 5 found"},
        BadField{"spellings_differ",
                 {{"rope_scaling", {{"type", "linear"}, {"factor", 2}}},
                  {"rope_parameters", {{"rope_type", "linear"}, {"factor", 4}}}},
                 "fields \"rope_scaling\" and \"rope_parameters\" describe different ropes"},
        BadField{"layer_types_differ",
                 parameters({{"full_attention", {{"rope_theta", 1e6}}},
                             {"sliding_attention", {{"rope_theta", 1e4}}}}),
                 "field \"rope_parameters.sliding_attention\": the same rope as "
                 "\"rope_parameters.full_attention\" expected; a rope per layer type is not supported"},
        BadField{"layer_type_null", parameters({{"full_attention", nullptr}}),
                 "field \"rope_parameters.full_attention\": an object expected, null found"},
        BadField{"layer_type_yarn", parameters({{"full_attention", {{"rope_type", "yarn"}}}}),
                 "field \"rope_parameters.full_attention.rope_type\": rope type \"yarn\" is not supported"}),
    test::kByName);

// Values of every kind at every place, and cut or garbled text: a description or one Error, nothing else.
TEST(ConfigFuzz, AnyConfigIsReadOrRefused) {
  std::vector<json> starts{test::tiny_config(), test::tiny_config(), test::tiny_config()};
  starts[1].update({{"model_type", "qwen2"},
                    {"architectures", nullptr},
                    {"use_sliding_window", true},
                    {"sliding_window", 4},
                    {"max_window_layers", 1},
                    {"layer_types", {"full_attention", "sliding_attention"}}});
  starts[2].update(llama3({{"original_max_position_embeddings", 32}}));
  starts[2]["rope_parameters"] = starts[2]["rope_scaling"];
  const std::vector<json> values{nullptr,
                                 true,
                                 0,
                                 1,
                                 2,
                                 -1,
                                 3,
                                 64,
                                 1e-300,
                                 1e300,
                                 0.5,
                                 -0.0,
                                 INT64_MAX,
                                 UINT64_MAX,
                                 INT64_MIN,
                                 "",
                                 "linear",
                                 "llama",
                                 "sliding_attention",
                                 json::array(),
                                 json::object(),
                                 {1, 2},
                                 {{"rope_type", "dynamic"}, {"factor", 2}},
                                 std::string(10'000, 'x')};
  std::mt19937 random(11);
  const auto below = [&](size_t n) { return static_cast<size_t>(random()) % n; };
  const test::TempFolder folder;
  int read = 0;
  int refused = 0;
  for (int round = 0; round < 1500; ++round) {
    json config = starts[below(starts.size())];
    for (size_t changes = 1 + below(8) / 7; changes-- > 0;) {
      const auto pointers = config.flatten();
      auto at = pointers.begin();
      std::advance(at, static_cast<long>(below(pointers.size())));
      json::json_pointer place(at.key());
      if (below(4) == 0 && place.parent_pointer() != json::json_pointer()) place = place.parent_pointer();
      config[place] = values[below(values.size())];
    }
    std::string text = config.dump();
    if (below(6) == 0) {
      const size_t at = below(text.size());
      if (below(2) == 0)
        text[at] = static_cast<char>(random());
      else
        text.resize(at);
    }
    folder.write("config.json", text);
    try {
      const ModelConfig c = read_config(folder.path());
      EXPECT_EQ(static_cast<int64_t>(c.sliding_window.size()), c.n_layers);
      EXPECT_EQ(c.n_heads % c.n_kv_heads, 0);
      EXPECT_GT(c.rope.theta, 0);
      ++read;
    } catch (const Error& error) {
      EXPECT_TRUE(test::is_one_line(error.what())) << error.what();
      EXPECT_LT(std::string_view(error.what()).size(), 700u);
      ++refused;
    }
  }
  EXPECT_GT(read, 100);
  EXPECT_GT(refused, 300);
}

}  // namespace
}  // namespace circuitdiff
