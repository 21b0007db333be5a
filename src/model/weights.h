// The weights of a checkpoint as tensors of the compute dtype on the compute device. Resident weights are
// converted once; streamed ones are read from the mapped file each time a layer is asked for, so a model
// larger than memory can pass by; their embedding and head stay mapped, in the stored type, and whoever reads
// them converts the rows that it needs.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace circuitdiff {

using at::Tensor;

// One layer under llama's names, whatever the checkpoint calls them: fused matrices are taken apart, and a
// norm's weight is the factor that it multiplies by. Biases and norms that the model lacks are undefined.
struct LayerWeights {
  Tensor input_layernorm;         // of what attention reads, [d_model]
  Tensor q_proj, k_proj, v_proj;  // [n_heads * d_head, d_model], [n_kv_heads * d_head, d_model] twice
  Tensor q_bias, k_bias, v_bias;
  Tensor q_norm, k_norm;            // [d_head], or [n_heads * d_head] and [n_kv_heads * d_head]
  Tensor o_proj, o_bias;            // [d_model, n_heads * d_head], [d_model]
  Tensor post_attention_layernorm;  // of what the MLP reads, [d_model]
  Tensor gate_proj, up_proj;        // [d_mlp, d_model]
  Tensor gate_bias, up_bias;
  Tensor down_proj, down_bias;                    // [d_model, d_mlp], [d_model]
  Tensor attention_output_norm, mlp_output_norm;  // of what attention and MLP add, [d_model]
};

// Every tensor of a layer.
inline constexpr std::array kLayerTensors{&LayerWeights::input_layernorm,
                                          &LayerWeights::q_proj,
                                          &LayerWeights::k_proj,
                                          &LayerWeights::v_proj,
                                          &LayerWeights::q_bias,
                                          &LayerWeights::k_bias,
                                          &LayerWeights::v_bias,
                                          &LayerWeights::q_norm,
                                          &LayerWeights::k_norm,
                                          &LayerWeights::o_proj,
                                          &LayerWeights::o_bias,
                                          &LayerWeights::post_attention_layernorm,
                                          &LayerWeights::gate_proj,
                                          &LayerWeights::up_proj,
                                          &LayerWeights::gate_bias,
                                          &LayerWeights::up_bias,
                                          &LayerWeights::down_proj,
                                          &LayerWeights::down_bias,
                                          &LayerWeights::attention_output_norm,
                                          &LayerWeights::mlp_output_norm};

// A tensor in its stored type: the file's own pages where its bytes lie in them (they live as long as the
// checkpoint), else bytes that it owns.
Tensor stored_tensor(const Checkpoint& checkpoint, const std::string& name);

class Weights {
 public:
  Weights(std::shared_ptr<const Checkpoint> checkpoint, at::Device device, at::ScalarType dtype,
          bool resident = true);
  // Tensors by their checkpoint names in place of those of the files; they are shared, not copied, and agree
  // in dtype and device. Error where one is missing.
  Weights(std::shared_ptr<const Checkpoint> checkpoint, const std::map<std::string, Tensor>& tensors);
  LayerWeights layer(int64_t index) const;
  // The same of the file, on the host: matrices in their stored type, what has one dimension as layer() has
  // it.
  LayerWeights host_layer(int64_t index) const;
  // Shapes and types of that, which are the same for every layer; no memory is behind them. By one thread.
  const LayerWeights& layer_outline() const;
  const Tensor& embed_tokens() const { return embed_tokens_; }  // [d_vocab, d_model]
  const Tensor& norm() const { return norm_; }                  // [d_model], the factor
  const Tensor& lm_head() const { return lm_head_; }  // [d_vocab, d_model]; the same tensor where tied
  at::Device device() const { return device_; }
  at::ScalarType dtype() const { return dtype_; }
  const Checkpoint& checkpoint() const { return *checkpoint_; }
  const std::shared_ptr<const Checkpoint>& shared_checkpoint() const { return checkpoint_; }

 private:
  using Reader = std::function<Tensor(const std::string&)>;
  Tensor read(const std::string& name) const;
  Tensor read_norm(const std::string& name, const Reader& read) const;
  LayerWeights read_layer(int64_t index, const Reader& read) const;
  // embed_tokens and lm_head by `table`, the last norm by `read`.
  void read_ends(const Reader& read, const Reader& table);
  void read_layers(const Reader& read);

  std::shared_ptr<const Checkpoint> checkpoint_;
  at::Device device_;
  at::ScalarType dtype_;
  mutable std::shared_ptr<const LayerWeights> outline_;
  std::vector<LayerWeights> layers_;  // empty where weights are streamed
  Tensor embed_tokens_, norm_, lm_head_;
};

}  // namespace circuitdiff
