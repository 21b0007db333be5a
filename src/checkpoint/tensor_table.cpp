// The tensors of every architecture: one table, since they differ only in biases, in norms and in whether
// some matrices are one. Shapes are PyTorch's: a linear layer's weight is [outputs, inputs].
#include "checkpoint/checkpoint.h"

namespace circuitdiff {

std::vector<TensorSpec> tensor_table(const ModelConfig& config) {
  const int64_t d_q = config.n_heads * config.d_head;
  const int64_t d_kv = config.n_kv_heads * config.d_head;
  std::vector<TensorSpec> table;
  const auto norm = [&](std::string name, int64_t width) {
    table.push_back({std::move(name) + ".weight", {width}});
  };
  const auto linear = [&](const std::string& name, int64_t outputs, int64_t inputs, bool bias) {
    table.push_back({name + ".weight", {outputs, inputs}});
    if (bias) table.push_back({name + ".bias", {outputs}});
  };

  table.push_back({"model.embed_tokens.weight", {config.d_vocab, config.d_model}});
  for (int64_t l = 0; l < config.n_layers; ++l) {
    const std::string layer = "model.layers." + std::to_string(l) + ".";
    if (config.input_norms) norm(layer + "input_layernorm", config.d_model);
    if (config.fused) {
      linear(layer + "self_attn.qkv_proj", d_q + 2 * d_kv, config.d_model, config.qkv_bias);
    } else {
      linear(layer + "self_attn.q_proj", d_q, config.d_model, config.qkv_bias);
      linear(layer + "self_attn.k_proj", d_kv, config.d_model, config.qkv_bias);
      linear(layer + "self_attn.v_proj", d_kv, config.d_model, config.qkv_bias);
    }
    if (config.qk_norm) {
      norm(layer + "self_attn.q_norm", config.qk_norm_whole ? d_q : config.d_head);
      norm(layer + "self_attn.k_norm", config.qk_norm_whole ? d_kv : config.d_head);
    }
    linear(layer + "self_attn.o_proj", config.d_model, d_q, config.o_bias);
    norm(layer + "post_attention_layernorm", config.d_model);
    if (config.input_norms && config.output_norms) norm(layer + "pre_feedforward_layernorm", config.d_model);
    if (config.fused) {
      linear(layer + "mlp.gate_up_proj", 2 * config.d_mlp, config.d_model, config.mlp_bias);
    } else {
      linear(layer + "mlp.gate_proj", config.d_mlp, config.d_model, config.mlp_bias);
      linear(layer + "mlp.up_proj", config.d_mlp, config.d_model, config.mlp_bias);
    }
    linear(layer + "mlp.down_proj", config.d_model, config.d_mlp, config.mlp_bias);
    if (config.output_norms) norm(layer + "post_feedforward_layernorm", config.d_model);
  }
  norm("model.norm", config.d_model);
  if (!config.tied_head) linear("lm_head", config.d_vocab, config.d_model, /*bias=*/false);
  return table;
}

}  // namespace circuitdiff
