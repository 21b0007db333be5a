// A checkpoint on disk: a Hugging Face folder (config.json with model.safetensors, pytorch_model.bin or
// shards of either) or a GGUF file, memory-mapped; a LoRA adapter may be merged into it. The tensor table of
// the architecture says which tensors must be there and in what shape; loading and `inspect` read the same
// table. No torch here: weights are handed out as bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/config.h"
#include "checkpoint/weight_files.h"

namespace circuitdiff {

struct TensorSpec {
  std::string name;  // the checkpoint's own: "model.layers.3.self_attn.q_proj.weight"
  std::vector<int64_t> shape;
};

// Every tensor that a checkpoint of this configuration must have, in the order of the forward pass.
std::vector<TensorSpec> tensor_table(const ModelConfig& config);

struct TensorBytes {
  TensorType type;  // f32, f16, bf16 or f64
  std::vector<int64_t> shape;
  std::span<const std::byte> data;  // lives as long as the Checkpoint
};

// config.json of a model; of a GGUF file the same words out of its metadata.
json model_config_json(const std::filesystem::path& model);

class Checkpoint {
 public:
  // Reads config and headers and checks every tensor of the table. Errors: missing, extra or misshapen
  // tensors (all of them named, up to ten), quantised or integer weights, a shard named by the index but
  // absent, a damaged header. Ignored and listed in `ignored()`: *.rotary_emb.inv_freq, and lm_head.weight
  // where the head is tied.
  // `adapter`: a LoRA adapter's folder, merged into the weights; empty for none.
  static std::shared_ptr<const Checkpoint> open(const std::filesystem::path& model,
                                                const std::filesystem::path& adapter = {});

  const std::filesystem::path& folder() const { return folder_; }
  const ModelConfig& config() const { return config_; }
  // Bytes that must be computed first are kept from then on.
  TensorBytes tensor(const std::string& name) const;
  // What is known of a tensor before its bytes are asked for.
  struct Outline {
    TensorType type;
    std::vector<int64_t> shape;
    bool computed;  // not as they lie in a file: dequantised, gathered or merged
    int64_t bytes() const;
  };
  Outline outline(const std::string& name) const;
  // Bytes of a computed tensor, made anew at each call and kept by nobody: for models that pass by.
  std::vector<std::byte> compute(const std::string& name) const;
  const std::vector<std::string>& ignored() const { return ignored_; }
  int64_t n_parameters() const;
  int64_t stored_bytes() const;
  int64_t n_tensors() const { return static_cast<int64_t>(places_.size()); }
  std::map<TensorType, int64_t> tensors_by_type() const;
  TensorType widest_type() const;  // the narrowest of F16, BF16, F32, F64 that holds every weight
  // Union of generation_config.json's and config.json's eos_token_id (the
  // tokenizer's is added by the caller).
  std::vector<int64_t> eos_ids() const;

 private:
  const StoredTensor& place_of(const std::string& name) const;

  std::filesystem::path folder_;
  ModelConfig config_;
  std::map<std::string, StoredTensor> places_;
  std::vector<std::shared_ptr<const void>> keep_;  // what `places_` points into
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::vector<std::byte>> made_;  // under mutex_: bytes that were computed
  std::vector<std::string> ignored_;
  std::vector<int64_t> generation_eos_ids_;
};

}  // namespace circuitdiff
