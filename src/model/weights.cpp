#include "model/weights.h"

#include <ATen/ops/from_blob.h>

#include "base/error.h"

namespace circuitdiff {
namespace {

at::ScalarType scalar_type(TensorType type) {
  switch (type) {
    case TensorType::f64:
      return at::kDouble;
    case TensorType::f32:
      return at::kFloat;
    case TensorType::f16:
      return at::kHalf;
    case TensorType::bf16:
      return at::kBFloat16;
    default:
      fail("weights of type {} cannot be computed with", tensor_type_name(type));
  }
}

}  // namespace

Weights::Weights(std::shared_ptr<const Checkpoint> checkpoint, at::Device device, at::ScalarType dtype,
                 bool resident)
    : checkpoint_(std::move(checkpoint)), device_(device), dtype_(dtype) {
  read_all([this](const std::string& name) { return read(name); }, resident);
}

Weights::Weights(std::shared_ptr<const Checkpoint> checkpoint, const std::map<std::string, Tensor>& tensors)
    : checkpoint_(std::move(checkpoint)), device_(at::kCPU), dtype_(at::kFloat) {
  const auto given = [&](const std::string& name) {
    const auto it = tensors.find(name);
    if (it == tensors.end()) fail("weights: the tensor {} is missing", name);
    return it->second;
  };
  read_all(given, /*resident=*/true);
  device_ = embed_tokens_.device();
  dtype_ = embed_tokens_.scalar_type();
}

void Weights::read_all(const Reader& read, bool resident) {
  embed_tokens_ = read("model.embed_tokens.weight");
  norm_ = read("model.norm.weight");
  lm_head_ = checkpoint_->config().tied_head ? embed_tokens_ : read("lm_head.weight");
  if (resident)
    for (int64_t l = 0; l < checkpoint_->config().n_layers; ++l) layers_.push_back(read_layer(l, read));
}

LayerWeights Weights::layer(int64_t index) const {
  if (!layers_.empty()) return layers_[static_cast<size_t>(index)];
  return read_layer(index, [this](const std::string& name) { return read(name); });
}

Tensor Weights::read(const std::string& name) const {
  const TensorBytes bytes = checkpoint_->tensor(name);
  // The mapping is read-only and outlives the tensor; where dtype and device already fit, the file's own
  // pages are used.
  const Tensor mapped = at::from_blob(const_cast<std::byte*>(bytes.data.data()), bytes.shape,
                                      at::TensorOptions().dtype(scalar_type(bytes.type)));
  return mapped.to(device_, dtype_);
}

LayerWeights Weights::read_layer(int64_t index, const Reader& read) const {
  const ModelConfig& config = checkpoint_->config();
  const std::string prefix = "model.layers." + std::to_string(index) + ".";
  const auto weight = [&](const char* name) { return read(prefix + name + ".weight"); };
  const auto bias = [&](bool present, const char* name) {
    return present ? read(prefix + name + ".bias") : Tensor();
  };
  LayerWeights w;
  w.input_layernorm = weight("input_layernorm");
  w.q_proj = weight("self_attn.q_proj");
  w.k_proj = weight("self_attn.k_proj");
  w.v_proj = weight("self_attn.v_proj");
  w.q_bias = bias(config.qkv_bias, "self_attn.q_proj");
  w.k_bias = bias(config.qkv_bias, "self_attn.k_proj");
  w.v_bias = bias(config.qkv_bias, "self_attn.v_proj");
  if (config.qk_norm) {
    w.q_norm = weight("self_attn.q_norm");
    w.k_norm = weight("self_attn.k_norm");
  }
  w.o_proj = weight("self_attn.o_proj");
  w.o_bias = bias(config.o_bias, "self_attn.o_proj");
  w.post_attention_layernorm = weight("post_attention_layernorm");
  w.gate_proj = weight("mlp.gate_proj");
  w.up_proj = weight("mlp.up_proj");
  w.gate_bias = bias(config.mlp_bias, "mlp.gate_proj");
  w.up_bias = bias(config.mlp_bias, "mlp.up_proj");
  w.down_proj = weight("mlp.down_proj");
  w.down_bias = bias(config.mlp_bias, "mlp.down_proj");
  return w;
}

}  // namespace circuitdiff
