// A valid llama folder of a few hundred weights, for tests that change one thing in it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "io/json.h"
#include "support/temp_folder.h"

namespace circuitdiff::test {

// Two of its tensors.
inline const std::string kQ = "model.layers.0.self_attn.q_proj.weight", kHead = "lm_head.weight";

// A number as files hold it, lowest byte first.
template <class T>
std::string little(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(T));
}

inline json tiny_config() {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"hidden_size", 8},
          {"intermediate_size", 12},
          {"num_hidden_layers", 2},
          {"num_attention_heads", 2},
          {"num_key_value_heads", 1},
          {"vocab_size", 11},
          {"max_position_embeddings", 64},
          {"rms_norm_eps", 1e-5},
          {"rope_theta", 10000.0},
          {"tie_word_embeddings", false},
          {"eos_token_id", 2},
          {"torch_dtype", "float32"}};
}

struct StoredTensor {
  TensorType type = TensorType::f32;
  std::vector<int64_t> shape;
};

// What a folder of `config` must hold, as F32; tests add, drop and reshape.
using StoredTensors = std::map<std::string, StoredTensor>;

inline StoredTensors tensors_for(const json& config) {
  const TempFolder folder;
  folder.write("config.json", config.dump());
  StoredTensors out;
  for (const TensorSpec& spec : tensor_table(read_config(folder.path())))
    out[spec.name] = {TensorType::f32, spec.shape};
  return out;
}

// Every byte of a tensor is `fill`.
inline void write_tensors(const std::filesystem::path& path, const StoredTensors& tensors,
                          unsigned char fill = 0) {
  std::vector<std::vector<std::byte>> data;
  std::vector<TensorToWrite> out;
  for (const auto& [name, tensor] : tensors) {
    int64_t size = bytes_per_entry(tensor.type);
    for (const int64_t n : tensor.shape) size *= n;
    data.emplace_back(static_cast<size_t>(size), std::byte{fill});
    out.push_back({name, tensor.type, tensor.shape, data.back()});
  }
  write_safetensors(path, out, {{"format", "pt"}});
}

struct TinyModel {
  json config = tiny_config();
  StoredTensors tensors = tensors_for(config);

  void write(const TempFolder& folder) const {
    folder.write("config.json", config.dump());
    write_tensors(folder / "model.safetensors", tensors);
  }
  // Tensors go to the shards in turn; returns the index as written.
  json write_shards(const TempFolder& folder, size_t n_shards) const {
    folder.write("config.json", config.dump());
    std::vector<StoredTensors> shards(n_shards);
    json map = json::object();
    size_t i = 0;
    for (const auto& [name, tensor] : tensors) {
      map[name] = shard_name(i % n_shards, n_shards);
      shards[i++ % n_shards][name] = tensor;
    }
    for (size_t s = 0; s < n_shards; ++s) write_tensors(folder / shard_name(s, n_shards), shards[s]);
    const json index = {{"metadata", {{"total_size", 0}}}, {"weight_map", map}};
    folder.write("model.safetensors.index.json", index.dump());
    return index;
  }
  static std::string shard_name(size_t shard, size_t n_shards) {
    return fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, n_shards);
  }
};

inline std::string open_error(const std::filesystem::path& folder) {
  return error_of([&] { Checkpoint::open(folder); });
}

}  // namespace circuitdiff::test
