// config.json of a Hugging Face checkpoint, read into the one description that the model room
// computes from. Every value is checked against every other before anything is allocated from it.
// What is not understood (an unknown model_type, rope type, activation, a quantised checkpoint) is an
// Error naming file, field, expected and found.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/activation.h"
#include "base/options.h"
#include "io/json_fwd.h"

namespace circuitdiff {

enum class Architecture { llama, mistral, qwen2, qwen3, phi3, gemma2, olmo2 };
template <>
struct EnumWords<Architecture> {
  static constexpr std::array words{
      std::pair{Architecture::llama, "llama"}, std::pair{Architecture::mistral, "mistral"},
      std::pair{Architecture::qwen2, "qwen2"}, std::pair{Architecture::qwen3, "qwen3"},
      std::pair{Architecture::phi3, "phi3"},   std::pair{Architecture::gemma2, "gemma2"},
      std::pair{Architecture::olmo2, "olmo2"}};
};

enum class RopeType { plain, linear, dynamic, llama3, longrope };
template <>
struct EnumWords<RopeType> {
  static constexpr std::array words{
      std::pair{RopeType::plain, "default"}, std::pair{RopeType::linear, "linear"},
      std::pair{RopeType::dynamic, "dynamic"}, std::pair{RopeType::llama3, "llama3"},
      std::pair{RopeType::longrope, "longrope"}};
};

struct Rope {
  RopeType type = RopeType::plain;
  double theta = 10000.0;
  bool theta_defaulted = false;   // neither rope_theta nor rope_parameters was written: the class's default
  double factor = 1.0;            // linear, dynamic, llama3
  double low_freq_factor = 1.0;   // llama3
  double high_freq_factor = 4.0;  // llama3
  int64_t original_max_positions = 0;  // llama3, longrope; dynamic: max_position_embeddings, as transformers
  // longrope: what each inverse frequency is divided by, up to the original length and beyond it, and what
  // cos and sin are multiplied by. d_head / 2 entries each.
  std::vector<double> short_factor, long_factor;
  double attention_factor = 1.0;

  // Whether the angles hang on the length of the sequence, and so on the whole sequence's keys.
  bool by_length() const { return type == RopeType::dynamic || type == RopeType::longrope; }
};

// As a checkpoint's hidden_act names them.
template <>
struct EnumWords<Activation> {
  static constexpr std::array words{std::pair{Activation::silu, "silu"}, std::pair{Activation::gelu, "gelu"},
                                    std::pair{Activation::gelu_pytorch_tanh, "gelu_pytorch_tanh"},
                                    std::pair{Activation::relu, "relu"}};
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
  bool qk_norm = false;            // RMS norm of q and k ahead of RoPE, over d_head (qwen3) ...
  bool qk_norm_whole = false;      // ... or over all heads at once (olmo2)
  bool input_norms = true;         // RMS norm of what attention and MLP read; olmo2 has none
  bool output_norms = false;       // RMS norm of what attention and MLP add (gemma2, olmo2)
  bool norm_adds_one = false;      // the norms' factor is 1 + weight (gemma2)
  bool fused = false;              // q, k, v in one matrix, gate and up in one (phi3)
  bool tied_head = false;          // lm_head = embed_tokens
  double embedding_scale = 1.0;    // gemma2: sqrt(d_model)
  double attention_scale = 0.0;    // of q . k: 1 / sqrt(d_head), gemma2: 1 / sqrt(query_pre_attn_scalar)
  double attention_softcap = 0.0;  // c > 0: scores become c tanh(score / c)
  double final_softcap = 0.0;      // the same of the logits
  // Per layer: 0 sees every earlier key, w > 0 sees a key only if key > query - w.
  std::vector<int64_t> sliding_window;
  Activation activation = Activation::silu;
  std::string stored_dtype;        // torch_dtype / dtype of config.json; may be empty
  std::vector<int64_t> eos_ids;    // of config.json (generation_config.json and tokenizer add theirs)
  std::vector<std::string> notes;  // what was assumed or ignored, for `inspect`
};

// FOLDER/config.json
ModelConfig read_config(const std::filesystem::path& folder);
// Its text, already read; `where` begins messages.
ModelConfig config_of(json value, const std::string& where);

}  // namespace circuitdiff
