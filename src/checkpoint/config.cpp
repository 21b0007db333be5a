#include "checkpoint/config.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "checkpoint/config_fields.h"
#include "checkpoint/rope_config.h"

namespace circuitdiff {

namespace {

// What the classes of transformers assume where config.json is silent.
struct ClassDefaults {
  const char* causal_class;
  int64_t max_positions;
  int64_t n_kv_heads;  // 0: as n_heads
  int64_t d_head;      // 0: d_model / n_heads
  double norm_eps;
};

ClassDefaults class_defaults(Architecture architecture) {
  switch (architecture) {
    case Architecture::llama:
      return {"LlamaForCausalLM", 2048, 0, 0, 1e-6};
    case Architecture::mistral:
      return {"MistralForCausalLM", 131072, 8, 0, 1e-6};
    case Architecture::qwen2:
      return {"Qwen2ForCausalLM", 32768, 32, 0, 1e-6};
    case Architecture::qwen3:
      return {"Qwen3ForCausalLM", 32768, 32, 128, 1e-6};
    case Architecture::phi3:
      return {"Phi3ForCausalLM", 4096, 0, 0, 1e-5};
    case Architecture::gemma2:
      return {"Gemma2ForCausalLM", 8192, 4, 256, 1e-6};
    case Architecture::olmo2:
      return {"Olmo2ForCausalLM", 2048, 0, 0, 1e-5};
  }
  return {};
}

constexpr int64_t kDefaultWindow = 4096;         // mistral, qwen2, qwen3, gemma2
constexpr int64_t kDefaultMaxWindowLayers = 28;  // qwen2, qwen3

Architecture read_architecture(const ConfigFields& fields) {
  if (!fields.present("model_type")) fields.row().bad("model_type", list_words<Architecture>());
  const std::string type = fields.row().string("model_type");
  const auto architecture = from_word<Architecture>(type);
  if (!architecture)
    fail("{}: field \"model_type\": architecture {} is not supported; {} expected", fields.where(),
         in_quotes(type), list_words<Architecture>());
  const std::string expected = class_defaults(*architecture).causal_class;
  const auto names = fields.texts("architectures");
  if (!names.empty() && std::find(names.begin(), names.end(), expected) == names.end())
    fail("{}: field \"architectures\": {} expected, {} found", fields.where(), expected,
         in_quotes(names.front()));
  return *architecture;
}

void refuse_quantised(const ConfigFields& fields) {
  for (const char* field : {"quantization_config", "compression_config"}) {
    if (!fields.present(field)) continue;
    const std::string method = std::string(field) + ".quant_method";
    const json* name = fields.present(method) ? &fields.row().at(method) : nullptr;
    fail("{}: field \"{}\": the checkpoint is quantised{}; F32, F16, BF16 or F64 weights expected",
         fields.where(), field,
         name && name->is_string() ? " by " + in_quotes(name->get<std::string>()) : "");
  }
}

Activation read_activation(const ConfigFields& fields, Architecture architecture) {
  const bool gemma = architecture == Architecture::gemma2;  // it does not look at hidden_act
  const char* field = gemma ? "hidden_activation" : "hidden_act";
  const std::string found = fields.text(field, gemma ? "gelu_pytorch_tanh" : "silu");
  if (found == "swish") return Activation::silu;  // transformers' other name for it
  for (const auto& [value, word] : EnumWords<Activation>::words)
    if (found == word) return value;
  fail("{}: field \"{}\": silu, gelu, gelu_pytorch_tanh or relu expected, {} found", fields.where(), field,
       in_quotes(found));
}

void read_heads(const ConfigFields& fields, ModelConfig& config) {
  const ClassDefaults defaults = class_defaults(config.architecture);
  const std::string name = to_word(config.architecture);
  config.n_heads = fields.whole("num_attention_heads", 1, kMostHeads);

  // A null means "as many as heads"; absence means the class's own number.
  config.n_kv_heads = config.n_heads;
  if (fields.present("num_key_value_heads")) {
    config.n_kv_heads = fields.whole("num_key_value_heads", 1, kMostHeads);
  } else if (!fields.written("num_key_value_heads") && defaults.n_kv_heads) {
    config.n_kv_heads = defaults.n_kv_heads;
    config.notes.push_back(fmt::format(
        "no num_key_value_heads is written: {}, the default of {} in transformers", config.n_kv_heads, name));
  }
  if (config.n_heads % config.n_kv_heads != 0)
    fail("{}: field \"num_key_value_heads\": a divisor of num_attention_heads ({}) expected, {} found",
         fields.where(), config.n_heads, config.n_kv_heads);

  if (fields.present("head_dim") || (defaults.d_head && fields.written("head_dim"))) {
    config.d_head = fields.whole("head_dim", 1, kMostHeads);
  } else if (defaults.d_head) {
    config.d_head = defaults.d_head;
    config.notes.push_back(
        fmt::format("no head_dim is written: {}, the default of {} in transformers", config.d_head, name));
  } else {
    if (config.d_model % config.n_heads != 0)
      fail("{}: field \"hidden_size\": a multiple of num_attention_heads ({}) expected, {} found",
           fields.where(), config.n_heads, config.d_model);
    config.d_head = config.d_model / config.n_heads;
  }
  if (config.d_head % 2 != 0)
    fail("{}: field \"head_dim\": an even number expected (RoPE turns pairs), {} found", fields.where(),
         config.d_head);
}

void read_biases(const ConfigFields& fields, ModelConfig& config) {
  const bool attention_bias = fields.flag("attention_bias", false);
  const bool mlp_bias = fields.flag("mlp_bias", false);
  const bool llama = config.architecture == Architecture::llama;
  if (llama || config.architecture == Architecture::qwen3 || config.architecture == Architecture::gemma2 ||
      config.architecture == Architecture::olmo2) {
    config.qkv_bias = config.o_bias = attention_bias;
  } else {
    config.qkv_bias = config.architecture == Architecture::qwen2;
    if (attention_bias)
      config.notes.push_back(fmt::format("attention_bias is ignored: {} has {}", to_word(config.architecture),
                                         config.qkv_bias ? "biases on q, k and v always" : "none"));
  }
  if (llama)
    config.mlp_bias = mlp_bias;
  else if (mlp_bias)
    config.notes.push_back(fmt::format("mlp_bias is ignored: {} has none", to_word(config.architecture)));
}

// The window that a "sliding_attention" layer of this checkpoint has; 0 where there is none.
int64_t read_window(const ConfigFields& fields, ModelConfig& config) {
  switch (config.architecture) {
    case Architecture::llama:
    case Architecture::olmo2:
      if (fields.present("sliding_window"))
        config.notes.push_back(
            fmt::format("sliding_window is ignored: {} has none", to_word(config.architecture)));
      return 0;
    case Architecture::phi3:
      return fields.present("sliding_window") ? fields.whole("sliding_window", 1, kMostPositions) : 0;
    case Architecture::gemma2:
      if (fields.written("sliding_window") && !fields.present("sliding_window")) return 0;
      return fields.whole("sliding_window", 1, kMostPositions, kDefaultWindow);
    case Architecture::mistral:
      if (fields.written("sliding_window") && !fields.present("sliding_window")) return 0;
      if (!fields.present("sliding_window"))
        config.notes.push_back(fmt::format(
            "no sliding_window is written: {}, the default of mistral in transformers", kDefaultWindow));
      return fields.whole("sliding_window", 1, kMostPositions, kDefaultWindow);
    case Architecture::qwen2:
    case Architecture::qwen3:
      if (!fields.flag("use_sliding_window", false)) {
        if (fields.present("sliding_window"))
          config.notes.push_back("sliding_window is not used: use_sliding_window is off");
        return 0;
      }
      if (fields.written("sliding_window") && !fields.present("sliding_window")) return 0;
      return fields.whole("sliding_window", 1, kMostPositions, kDefaultWindow);
  }
  return 0;
}

void read_windows(const ConfigFields& fields, ModelConfig& config) {
  const int64_t window = read_window(fields, config);
  const bool qwen = config.architecture == Architecture::qwen2 || config.architecture == Architecture::qwen3;
  config.sliding_window.assign(static_cast<size_t>(config.n_layers), 0);
  if (!fields.present("layer_types")) {
    const int64_t first =
        qwen ? fields.whole("max_window_layers", 0, kMostPositions, kDefaultMaxWindowLayers) : 0;
    const int64_t step = config.architecture == Architecture::gemma2 ? 2 : 1;  // every other layer, the first
    for (int64_t layer = first; layer < config.n_layers; layer += step)
      config.sliding_window[static_cast<size_t>(layer)] = window;
    return;
  }
  const auto types = fields.texts("layer_types");
  if (static_cast<int64_t>(types.size()) != config.n_layers)
    fail("{}: field \"layer_types\": {} entries expected, one a layer, {} found", fields.where(),
         config.n_layers, types.size());
  for (size_t layer = 0; layer < types.size(); ++layer) {
    if (types[layer] == "full_attention") continue;
    if (types[layer] != "sliding_attention")
      fail("{}: field \"layer_types\": entry {}: full_attention or sliding_attention expected, {} found",
           fields.where(), layer, in_quotes(types[layer]));
    if (window == 0)
      fail("{}: field \"layer_types\": entry {}: sliding_attention, but {}", fields.where(), layer,
           config.architecture == Architecture::llama   ? "llama has no sliding window"
           : config.architecture == Architecture::olmo2 ? "olmo2 has no sliding window"
           : qwen && !fields.flag("use_sliding_window", false)
               ? "use_sliding_window is off, so there is no window"
               : "sliding_window is null");
    config.sliding_window[layer] = window;
  }
  if (config.architecture == Architecture::mistral && window &&
      std::find(config.sliding_window.begin(), config.sliding_window.end(), 0) != config.sliding_window.end())
    config.notes.push_back(
        "layer_types is followed: some layers see everything (transformers' mistral slides in all)");
}

// A cap of scores or logits; null is none.
double read_softcap(const ConfigFields& fields, const char* field, double otherwise) {
  return fields.written(field) && !fields.present(field) ? 0.0 : fields.positive(field, otherwise);
}

// What sets phi3, gemma2 and olmo2 apart, beside fields that they share with others.
void read_particulars(const ConfigFields& fields, ModelConfig& config) {
  config.attention_scale = 1.0 / std::sqrt(static_cast<double>(config.d_head));
  switch (config.architecture) {
    case Architecture::phi3:
      config.fused = true;
      break;
    case Architecture::gemma2:
      if (fields.flag("use_bidirectional_attention", false))
        fail("{}: field \"use_bidirectional_attention\": false expected, true found", fields.where());
      config.norm_adds_one = config.output_norms = true;
      config.embedding_scale = std::sqrt(static_cast<double>(config.d_model));
      config.attention_scale = 1.0 / std::sqrt(fields.positive("query_pre_attn_scalar", 256.0));
      config.attention_softcap = read_softcap(fields, "attn_logit_softcapping", 50.0);
      config.final_softcap = read_softcap(fields, "final_logit_softcapping", 30.0);
      break;
    case Architecture::olmo2:
      config.qk_norm = config.qk_norm_whole = config.output_norms = true;
      config.input_norms = false;
      break;
    case Architecture::qwen3:
      config.qk_norm = true;
      break;
    default:
      break;
  }
}

}  // namespace

ModelConfig read_config(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "config.json";
  return config_of(read_json_file(path), path.string());
}

ModelConfig config_of(json value, const std::string& where) {
  if (!value.is_object()) fail("{}: an object expected, {} found", where, json_kind(value));
  const ConfigFields fields(std::move(value), where);

  ModelConfig config;
  config.architecture = read_architecture(fields);
  refuse_quantised(fields);
  config.n_layers = fields.whole("num_hidden_layers", 1, kMostLayers);
  config.d_model = fields.whole("hidden_size", 1, kMostWidth);
  config.d_mlp = fields.whole("intermediate_size", 1, kMostWidth);
  config.d_vocab = fields.whole("vocab_size", 1, kMostWidth);
  config.max_positions = fields.whole("max_position_embeddings", 1, kMostPositions,
                                      class_defaults(config.architecture).max_positions);
  read_heads(fields, config);
  config.norm_eps = fields.positive("rms_norm_eps", class_defaults(config.architecture).norm_eps);
  if (config.norm_eps > 1)
    fail("{}: field \"rms_norm_eps\": a number above 0 and at most 1 expected, {} found", fields.where(),
         config.norm_eps);
  read_rope(fields, config);
  read_biases(fields, config);
  read_particulars(fields, config);
  config.tied_head = fields.flag("tie_word_embeddings", config.architecture == Architecture::gemma2);
  read_windows(fields, config);
  config.activation = read_activation(fields, config.architecture);
  config.stored_dtype = fields.text("dtype", fields.text("torch_dtype", ""));
  config.eos_ids = fields.token_ids("eos_token_id");
  return config;
}

}  // namespace circuitdiff
