// Writes a tiny random llama checkpoint into a folder, for tests that need a model of a given shape or with
// given flaws.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "io/files.h"
#include "io/json.h"
#include "io/safetensors.h"

namespace circuitdiff {

struct TinyModel {
  int64_t n_layers = 2, d_model = 16, d_mlp = 24, n_heads = 4, n_kv_heads = 2, d_head = 4, d_vocab = 40;
  double norm_eps = 1e-5;
  bool mlp_bias = false;
  bool gemma2 = false;  // norms behind the branches too, softcaps, GELU
  uint64_t seed = 1;
  json extra_config = json::object();
  // Called for every tensor before it is written.
  std::function<void(const std::string& name, std::vector<float>& values)> edit;
};

inline void write_tiny_checkpoint(const std::filesystem::path& folder, const TinyModel& m) {
  std::filesystem::create_directories(folder);
  json config{{"architectures", {"LlamaForCausalLM"}},
              {"model_type", "llama"},
              {"hidden_size", m.d_model},
              {"intermediate_size", m.d_mlp},
              {"num_hidden_layers", m.n_layers},
              {"num_attention_heads", m.n_heads},
              {"num_key_value_heads", m.n_kv_heads},
              {"head_dim", m.d_head},
              {"vocab_size", m.d_vocab},
              {"rms_norm_eps", m.norm_eps},
              {"rope_theta", 10000.0},
              {"max_position_embeddings", 128},
              {"tie_word_embeddings", false},
              {"hidden_act", "silu"},
              {"attention_bias", false},
              {"mlp_bias", m.mlp_bias},
              {"eos_token_id", 2},
              {"torch_dtype", "float32"}};
  if (m.gemma2)
    config.update({{"architectures", {"Gemma2ForCausalLM"}},
                   {"model_type", "gemma2"},
                   {"hidden_activation", "gelu_pytorch_tanh"},
                   {"hidden_act", "gelu_pytorch_tanh"},
                   {"query_pre_attn_scalar", m.d_head},
                   {"sliding_window", 64}});
  config.update(m.extra_config);
  write_file_atomically(folder / "config.json", config.dump(1));

  Philox random(m.seed);
  std::vector<std::pair<std::string, std::vector<int64_t>>> names;
  const auto add = [&](const std::string& name, std::vector<int64_t> shape) {
    names.emplace_back(name, shape);
  };
  add("model.embed_tokens.weight", {m.d_vocab, m.d_model});
  for (int64_t l = 0; l < m.n_layers; ++l) {
    const std::string p = "model.layers." + std::to_string(l) + ".";
    add(p + "input_layernorm.weight", {m.d_model});
    add(p + "self_attn.q_proj.weight", {m.n_heads * m.d_head, m.d_model});
    add(p + "self_attn.k_proj.weight", {m.n_kv_heads * m.d_head, m.d_model});
    add(p + "self_attn.v_proj.weight", {m.n_kv_heads * m.d_head, m.d_model});
    add(p + "self_attn.o_proj.weight", {m.d_model, m.n_heads * m.d_head});
    add(p + "post_attention_layernorm.weight", {m.d_model});
    if (m.gemma2)
      for (const char* norm : {"pre_feedforward_layernorm", "post_feedforward_layernorm"})
        add(p + norm + ".weight", {m.d_model});
    for (const char* part : {"gate_proj", "up_proj"}) {
      add(p + "mlp." + part + ".weight", {m.d_mlp, m.d_model});
      if (m.mlp_bias) add(p + "mlp." + part + ".bias", {m.d_mlp});
    }
    add(p + "mlp.down_proj.weight", {m.d_model, m.d_mlp});
    if (m.mlp_bias) add(p + "mlp.down_proj.bias", {m.d_model});
  }
  add("model.norm.weight", {m.d_model});
  add("lm_head.weight", {m.d_vocab, m.d_model});
  std::vector<std::vector<float>> data;
  for (const auto& [name, shape] : names) {
    int64_t n = 1;
    for (const int64_t s : shape) n *= s;
    std::vector<float> values(static_cast<size_t>(n));
    const bool norm = shape.size() == 1 && name.find("norm") != std::string::npos;
    for (float& v : values)
      v = static_cast<float>(norm ? 1.0 + 0.1 * random.normal() : 0.3 * random.normal());
    if (m.edit) m.edit(name, values);
    data.push_back(std::move(values));
  }
  std::vector<TensorToWrite> tensors;
  for (size_t i = 0; i < names.size(); ++i)
    tensors.push_back(
        {names[i].first, TensorType::f32, names[i].second, std::as_bytes(std::span<const float>(data[i]))});
  write_safetensors(folder / "model.safetensors", tensors, {{"format", "pt"}});
}

// A fresh folder that goes away with the object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "circuitdiff-test-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace circuitdiff
