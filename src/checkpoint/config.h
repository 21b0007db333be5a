// config.json of a Hugging Face checkpoint, read into the one description that the model room computes from.
// Every value is checked against every other before anything is allocated from it. What is not understood (an
// unknown model_type, rope type, activation, a quantised checkpoint) is an Error naming file, field, expected
// and found.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/options.h"

namespace circuitdiff {

enum class Architecture { llama, mistral, qwen2, qwen3 };
template <>
struct EnumWords<Architecture> {
  static constexpr std::array words{
      std::pair{Architecture::llama, "llama"}, std::pair{Architecture::mistral, "mistral"},
      std::pair{Architecture::qwen2, "qwen2"}, std::pair{Architecture::qwen3, "qwen3"}};
};

enum class RopeType { plain, linear, dynamic, llama3 };
template <>
struct EnumWords<RopeType> {
  static constexpr std::array words{
      std::pair{RopeType::plain, "default"}, std::pair{RopeType::linear, "linear"},
      std::pair{RopeType::dynamic, "dynamic"}, std::pair{RopeType::llama3, "llama3"}};
};

struct Rope {
  RopeType type = RopeType::plain;
  double theta = 10000.0;
  bool theta_defaulted = false;   // neither rope_theta nor rope_parameters was written: the class's default
  double factor = 1.0;            // linear, dynamic, llama3
  double low_freq_factor = 1.0;   // llama3
  double high_freq_factor = 4.0;  // llama3
  int64_t original_max_positions = 0;  // llama3; dynamic: max_position_embeddings, as transformers uses it
};

struct ModelConfig {
  Architecture architecture = Architecture::llama;
  int64_t n_layers = 0, d_model = 0, d_mlp = 0, d_vocab = 0;
  int64_t n_heads = 0, n_kv_heads = 0,
          d_head = 0;  // n_heads % n_kv_heads == 0; d_head may differ from d_model / n_heads
  int64_t max_positions = 0;
  double norm_eps = 1e-6;
  Rope rope;
  bool qkv_bias = false, o_bias = false, mlp_bias = false;
  bool qk_norm = false;    // qwen3: RMS norm over d_head of q and k ahead of RoPE
  bool tied_head = false;  // lm_head = embed_tokens
  // Per layer: 0 sees every earlier key, w > 0 sees a key only if key > query - w.
  std::vector<int64_t> sliding_window;
  std::string activation = "silu";  // hidden_act: silu, gelu, gelu_pytorch_tanh, relu
  std::string stored_dtype;         // torch_dtype / dtype of config.json; may be empty
  std::vector<int64_t> eos_ids;     // of config.json (generation_config.json and tokenizer add theirs)
  std::vector<std::string> notes;   // what was assumed or ignored, for `inspect`
};

// FOLDER/config.json
ModelConfig read_config(const std::filesystem::path& folder);

}  // namespace circuitdiff
