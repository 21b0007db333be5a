#include "model/weights.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <bit>

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

// A copy in another type. From bfloat16 on a CPU by this thread alone: the reader beside the computation must
// not ask for its threads.
Tensor convert(const Tensor& from, at::Device device, at::ScalarType type) {
  if (from.scalar_type() != at::kBFloat16 || type != at::kFloat || !device.is_cpu())
    return from.to(device, type);
  Tensor to = at::empty(from.sizes(), from.options().dtype(type));
  const auto* in = static_cast<const uint16_t*>(from.const_data_ptr());
  auto* out = static_cast<float*>(to.mutable_data_ptr());
  const int64_t n = from.numel();
  for (int64_t i = 0; i < n; ++i) out[i] = std::bit_cast<float>(static_cast<uint32_t>(in[i]) << 16);
  return to;
}

}  // namespace

Tensor stored_tensor(const Checkpoint& checkpoint, const std::string& name) {
  const Checkpoint::Outline outline = checkpoint.outline(name);
  const auto options = at::TensorOptions().dtype(scalar_type(outline.type));
  if (!outline.computed) {
    const TensorBytes bytes = checkpoint.tensor(name);
    return at::from_blob(const_cast<std::byte*>(bytes.data.data()), bytes.shape, options);
  }
  const auto own = std::make_shared<std::vector<std::byte>>(checkpoint.compute(name));
  return at::from_blob(
      own->data(), outline.shape, [own](void*) {}, options);
}

Weights::Weights(std::shared_ptr<const Checkpoint> checkpoint, at::Device device, at::ScalarType dtype,
                 bool resident)
    : checkpoint_(std::move(checkpoint)), device_(device), dtype_(dtype) {
  const Reader from_file = [this](const std::string& name) { return read(name); };
  const Reader in_file = [this](const std::string& name) { return stored_tensor(*checkpoint_, name); };
  read_ends(from_file, resident ? from_file : in_file);
  if (resident) read_layers(from_file);
}

Weights::Weights(std::shared_ptr<const Checkpoint> checkpoint, const std::map<std::string, Tensor>& tensors)
    : checkpoint_(std::move(checkpoint)), device_(at::kCPU), dtype_(at::kFloat) {
  const Reader given = [&](const std::string& name) {
    const auto it = tensors.find(name);
    if (it == tensors.end()) fail("weights: the tensor {} is missing", name);
    return it->second;
  };
  read_ends(given, given);
  read_layers(given);
  device_ = embed_tokens_.device();
  dtype_ = embed_tokens_.scalar_type();
}

void Weights::read_ends(const Reader& read, const Reader& table) {
  embed_tokens_ = table("model.embed_tokens.weight");
  norm_ = read_norm("model.norm.weight", read);
  lm_head_ = checkpoint_->config().tied_head ? embed_tokens_ : table("lm_head.weight");
}

void Weights::read_layers(const Reader& read) {
  for (int64_t l = 0; l < checkpoint_->config().n_layers; ++l) layers_.push_back(read_layer(l, read));
}

LayerWeights Weights::layer(int64_t index) const {
  if (!layers_.empty()) return layers_[static_cast<size_t>(index)];
  return read_layer(index, [this](const std::string& name) { return read(name); });
}

LayerWeights Weights::host_layer(int64_t index) const {
  return read_layer(index, [this](const std::string& name) {
    const Tensor stored = stored_tensor(*checkpoint_, name);
    return stored.dim() > 1 ? stored : convert(stored, at::kCPU, dtype_);
  });
}

const LayerWeights& Weights::layer_outline() const {
  if (outline_) return *outline_;
  auto outline = std::make_shared<LayerWeights>(host_layer(0));
  for (const auto member : kLayerTensors)
    if (Tensor& t = (*outline).*member; t.defined()) t = at::empty(t.sizes(), t.options().device(at::kMeta));
  outline_ = std::move(outline);
  return *outline_;
}

Tensor Weights::read(const std::string& name) const {
  // The mapping is read-only and outlives the tensor; where dtype and device already fit, the file's own
  // pages are used.
  return convert(stored_tensor(*checkpoint_, name), device_, dtype_);
}

// Where the factor is 1 + weight, it is kept in float32 at least: 16 bits would round the weight away.
Tensor Weights::read_norm(const std::string& name, const Reader& read) const {
  const Tensor weight = read(name);
  if (!checkpoint_->config().norm_adds_one) return weight;
  return weight.to(weight.scalar_type() == at::kDouble ? at::kDouble : at::kFloat) + 1;
}

LayerWeights Weights::read_layer(int64_t index, const Reader& read) const {
  const ModelConfig& config = checkpoint_->config();
  const std::string prefix = "model.layers." + std::to_string(index) + ".";
  const auto weight = [&](const char* name) { return read(prefix + name + ".weight"); };
  const auto bias = [&](bool present, const char* name) {
    return present ? read(prefix + name + ".bias") : Tensor();
  };
  const auto norm = [&](bool present, const char* name) {
    return present ? read_norm(prefix + name + ".weight", read) : Tensor();
  };
  // Rows begin .. begin + count of a matrix or bias; undefined stays so.
  const auto part = [](const Tensor& t, int64_t begin, int64_t count) {
    return t.defined() ? t.narrow(0, begin, count) : t;
  };
  LayerWeights w;
  w.input_layernorm = norm(config.input_norms, "input_layernorm");
  if (config.fused) {
    const int64_t d_q = config.n_heads * config.d_head, d_kv = config.n_kv_heads * config.d_head;
    const Tensor qkv = weight("self_attn.qkv_proj"), qkv_bias = bias(config.qkv_bias, "self_attn.qkv_proj");
    const Tensor both = weight("mlp.gate_up_proj"), both_bias = bias(config.mlp_bias, "mlp.gate_up_proj");
    w.q_proj = part(qkv, 0, d_q), w.q_bias = part(qkv_bias, 0, d_q);
    w.k_proj = part(qkv, d_q, d_kv), w.k_bias = part(qkv_bias, d_q, d_kv);
    w.v_proj = part(qkv, d_q + d_kv, d_kv), w.v_bias = part(qkv_bias, d_q + d_kv, d_kv);
    w.gate_proj = part(both, 0, config.d_mlp), w.gate_bias = part(both_bias, 0, config.d_mlp);
    w.up_proj = part(both, config.d_mlp, config.d_mlp),
    w.up_bias = part(both_bias, config.d_mlp, config.d_mlp);
  } else {
    w.q_proj = weight("self_attn.q_proj"), w.q_bias = bias(config.qkv_bias, "self_attn.q_proj");
    w.k_proj = weight("self_attn.k_proj"), w.k_bias = bias(config.qkv_bias, "self_attn.k_proj");
    w.v_proj = weight("self_attn.v_proj"), w.v_bias = bias(config.qkv_bias, "self_attn.v_proj");
    w.gate_proj = weight("mlp.gate_proj"), w.gate_bias = bias(config.mlp_bias, "mlp.gate_proj");
    w.up_proj = weight("mlp.up_proj"), w.up_bias = bias(config.mlp_bias, "mlp.up_proj");
  }
  w.q_norm = norm(config.qk_norm, "self_attn.q_norm");
  w.k_norm = norm(config.qk_norm, "self_attn.k_norm");
  w.o_proj = weight("self_attn.o_proj"), w.o_bias = bias(config.o_bias, "self_attn.o_proj");
  w.down_proj = weight("mlp.down_proj"), w.down_bias = bias(config.mlp_bias, "mlp.down_proj");
  // The same name stands for the norm ahead of the MLP where outputs are not
  // normalised, else for attention's.
  w.attention_output_norm = norm(config.output_norms, "post_attention_layernorm");
  w.mlp_output_norm = norm(config.output_norms, "post_feedforward_layernorm");
  w.post_attention_layernorm = norm(
      config.input_norms, config.output_norms ? "pre_feedforward_layernorm" : "post_attention_layernorm");
  return w;
}

}  // namespace circuitdiff
