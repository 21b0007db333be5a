#include "train/parameters.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"

namespace circuitdiff {
namespace {

constexpr int64_t kAlign = 32;  // entries: groups begin at a cache line in every dtype

int64_t numel_of(const std::vector<int64_t>& shape) {
  int64_t n = 1;
  for (const int64_t s : shape) n *= s;
  return n;
}

std::string layer_prefix(int64_t l) { return "model.layers." + std::to_string(l) + "."; }

}  // namespace

Parameters::Parameters(std::shared_ptr<const Checkpoint> checkpoint, const ParameterSettings& settings)
    : checkpoint_(std::move(checkpoint)), settings_(settings) {
  lay_out();
  const auto options = at::TensorOptions().dtype(settings_.master).device(settings_.device);
  base_ = at::zeros({size_}, options);
  if (settings_.random_weights)
    draw(settings_.seed);
  else
    load();
  const bool copies = settings_.lora.rank > 0 || settings_.compute != settings_.master;
  compute_ = copies ? at::empty({size_}, options.dtype(settings_.compute)) : base_;
  if (copies) compute_.copy_(base_);
  if (settings_.lora.rank == 0 && !settings_.frozen) {
    values_ = base_;
    grads_ = at::zeros({size_}, options);
  }
  wire();
  if (settings_.lora.rank > 0) make_lora();
  for (const TrainedPiece& piece : pieces_) trained_ += piece.value.numel();
  std::map<std::string, Tensor> tensors;
  for (const Place& place : places_) tensors[place.name] = view(compute_, place.name);
  weights_ = std::make_unique<Weights>(checkpoint_, tensors);
  refresh();
}

// Matrices of the layers, then embedding and head, then vectors: what Muon takes and what decays are ranges.
void Parameters::lay_out() {
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const TensorSpec& spec : tensor_table(config())) shapes[spec.name] = spec.shape;
  const auto add_group = [&](const std::vector<std::string>& names) {
    size_ = (size_ + kAlign - 1) / kAlign * kAlign;
    for (const std::string& name : names) {
      const auto it = shapes.find(name);
      if (it == shapes.end()) continue;
      index_[name] = places_.size();
      places_.push_back({name, it->second, size_});
      size_ += numel_of(it->second);
    }
  };
  for (int64_t l = 0; l < config().n_layers; ++l) {
    const std::string p = layer_prefix(l), a = p + "self_attn.", m = p + "mlp.";
    add_group({a + "q_proj.weight", a + "k_proj.weight", a + "v_proj.weight"});
    add_group({a + "o_proj.weight"});
    add_group({m + "gate_proj.weight", m + "up_proj.weight"});
    add_group({m + "down_proj.weight"});
  }
  matrices_ = size_;
  add_group({"model.embed_tokens.weight"});
  if (!config().tied_head) add_group({"lm_head.weight"});
  decayed_ = size_;
  for (int64_t l = 0; l < config().n_layers; ++l) {
    const std::string p = layer_prefix(l), a = p + "self_attn.", m = p + "mlp.";
    add_group({p + "input_layernorm.weight"});
    add_group({p + "post_attention_layernorm.weight"});
    add_group({a + "q_norm.weight"});
    add_group({a + "k_norm.weight"});
    add_group({a + "q_proj.bias", a + "k_proj.bias", a + "v_proj.bias"});
    add_group({a + "o_proj.bias"});
    add_group({m + "gate_proj.bias", m + "up_proj.bias"});
    add_group({m + "down_proj.bias"});
  }
  add_group({"model.norm.weight"});
}

void Parameters::load() {
  for (const Place& place : places_) view(base_, place.name).copy_(stored_tensor(*checkpoint_, place.name));
}

// N(0, 1 / fan_in), what writes to the stream also / sqrt(2 L), embeddings 0.1 N(0, 1), norms 1, biases 0.
void Parameters::draw(uint64_t seed) {
  for (size_t i = 0; i < places_.size(); ++i) {
    const Place& place = places_[i];
    Tensor values = at::empty(place.shape, at::kDouble);
    const bool matrix = place.shape.size() == 2;
    const bool norm = place.name.find("norm") != std::string::npos;
    double scale = 1.0 / std::sqrt(static_cast<double>(place.shape.back()));
    if (place.name.find("embed_tokens") != std::string::npos) scale = 0.1;
    if (place.name.find("o_proj") != std::string::npos || place.name.find("down_proj") != std::string::npos)
      scale /= std::sqrt(2.0 * static_cast<double>(config().n_layers));
    Philox random(seed, static_cast<uint32_t>(i), /*b=*/0x494e4954);
    auto* p = values.data_ptr<double>();
    for (int64_t k = 0; k < values.numel(); ++k) p[k] = matrix ? scale * random.normal() : norm ? 1.0 : 0.0;
    view(base_, place.name).copy_(values);
  }
}

Tensor Parameters::view(const Tensor& flat, const std::string& name) const {
  const auto it = index_.find(name);
  if (it == index_.end() || !flat.defined()) return {};
  const Place& place = places_[it->second];
  return flat.narrow(0, place.begin, numel_of(place.shape)).view(place.shape);
}

// Tensors of one group as one: rows below each other.
Tensor Parameters::fused(const Tensor& flat, const std::vector<std::string>& names) const {
  const auto first = index_.find(names.front());
  if (first == index_.end() || !flat.defined()) return {};
  std::vector<int64_t> shape = places_[first->second].shape;
  shape[0] = 0;
  for (const std::string& name : names) shape[0] += places_[index_.at(name)].shape[0];
  return flat.narrow(0, places_[first->second].begin, numel_of(shape)).view(shape);
}

void Parameters::wire() {
  const bool full = settings_.lora.rank == 0 && !settings_.frozen;
  const auto norm_of = [&](const std::string& name) {
    return TrainedNorm{view(compute_, name), full ? view(grads_, name) : Tensor()};
  };
  const auto linear_of = [&](const std::string& prefix, const std::vector<std::string>& names) {
    std::vector<std::string> weights, biases;
    for (const std::string& name : names) {
      weights.push_back(prefix + name + ".weight");
      biases.push_back(prefix + name + ".bias");
    }
    TrainedLinear out;
    out.weight = fused(compute_, weights);
    out.bias = fused(compute_, biases);
    if (full) {
      out.weight_grad = fused(grads_, weights);
      out.bias_grad = fused(grads_, biases);
    }
    return out;
  };
  for (int64_t l = 0; l < config().n_layers; ++l) {
    const std::string p = layer_prefix(l), a = p + "self_attn.", m = p + "mlp.";
    TrainedLayer layer;
    layer.input_norm = norm_of(p + "input_layernorm.weight");
    layer.post_norm = norm_of(p + "post_attention_layernorm.weight");
    layer.q_norm = norm_of(a + "q_norm.weight");
    layer.k_norm = norm_of(a + "k_norm.weight");
    layer.qkv = linear_of(a, {"q_proj", "k_proj", "v_proj"});
    layer.o = linear_of(a, {"o_proj"});
    layer.gate_up = linear_of(m, {"gate_proj", "up_proj"});
    layer.down = linear_of(m, {"down_proj"});
    layers_.push_back(std::move(layer));
  }
  embedding_ = view(compute_, "model.embed_tokens.weight");
  if (full) embedding_grad_ = view(grads_, "model.embed_tokens.weight");
  norm_ = norm_of("model.norm.weight");
  const std::string head = config().tied_head ? "model.embed_tokens.weight" : "lm_head.weight";
  head_.weight = view(compute_, head);
  if (full) head_.weight_grad = view(grads_, head);
  if (!full) return;
  for (const Place& place : places_)
    pieces_.push_back({place.name, view(values_, place.name), view(grads_, place.name),
                       place.begin < decayed_, place.begin < matrices_});
}

void Parameters::make_lora() {
  const LoraSettings& lora = settings_.lora;
  struct Target {
    TrainedLinear* linear;
    std::string module;
    int64_t row;
  };
  std::vector<Target> targets;
  for (int64_t l = 0; l < config().n_layers; ++l) {
    TrainedLayer& layer = layers_[static_cast<size_t>(l)];
    const std::string a = layer_prefix(l) + "self_attn.", m = layer_prefix(l) + "mlp.";
    const int64_t q = config().n_heads * config().d_head, kv = config().n_kv_heads * config().d_head;
    for (const Target& t : std::vector<Target>{{&layer.qkv, a + "q_proj", 0},
                                               {&layer.qkv, a + "k_proj", q},
                                               {&layer.qkv, a + "v_proj", q + kv},
                                               {&layer.o, a + "o_proj", 0},
                                               {&layer.gate_up, m + "gate_proj", 0},
                                               {&layer.gate_up, m + "up_proj", config().d_mlp},
                                               {&layer.down, m + "down_proj", 0}})
      if (std::find(lora.targets.begin(), lora.targets.end(), t.module.substr(t.module.rfind('.') + 1)) !=
          lora.targets.end())
        targets.push_back(t);
  }
  int64_t n = 0;
  for (const Target& t : targets) {
    const auto& shape = places_[index_.at(t.module + ".weight")].shape;
    n += lora.rank * (shape[0] + shape[1]);
  }
  const auto options = at::TensorOptions().dtype(settings_.master).device(settings_.device);
  values_ = at::zeros({n}, options);
  grads_ = at::zeros({n}, options);
  decayed_ = n;
  int64_t at = 0;
  uint32_t number = 0;
  for (const Target& t : targets) {
    const std::string name = t.module + ".weight";
    const auto& shape = places_[index_.at(name)].shape;
    LoraFactor f;
    f.module = t.module;
    f.base = view(base_, name);
    f.merged = view(compute_, name);
    f.row = t.row;
    f.scale = lora.alpha / static_cast<double>(lora.rank);
    const auto take = [&](const Tensor& flat, int64_t begin, std::vector<int64_t> s) {
      return flat.narrow(0, begin, numel_of(s)).view(s);
    };
    f.a = take(values_, at, {lora.rank, shape[1]});
    f.a_grad = take(grads_, at, {lora.rank, shape[1]});
    at += lora.rank * shape[1];
    f.b = take(values_, at, {shape[0], lora.rank});
    f.b_grad = take(grads_, at, {shape[0], lora.rank});
    at += lora.rank * shape[0];
    // As PEFT begins: A uniform within 1 / sqrt(in), B zero.
    Philox random(settings_.seed, number++, /*b=*/0x4c4f5241);
    Tensor drawn = at::empty(f.a.sizes(), at::kDouble);
    const double bound = 1.0 / std::sqrt(static_cast<double>(shape[1]));
    for (int64_t k = 0; k < drawn.numel(); ++k)
      drawn.data_ptr<double>()[k] = bound * (2.0 * random.uniform() - 1.0);
    f.a.copy_(drawn);
    pieces_.push_back({t.module + ".lora_A.weight", f.a, f.a_grad, true, false});
    pieces_.push_back({t.module + ".lora_B.weight", f.b, f.b_grad, true, false});
    t.linear->lora.push_back(f);
  }
}

void Parameters::refresh() {
  if (settings_.lora.rank == 0) {
    if (!compute_.is_same(base_)) compute_.copy_(base_);
    return;
  }
  for (const TrainedLayer& layer : layers_)
    for (const TrainedLinear* linear : {&layer.qkv, &layer.o, &layer.gate_up, &layer.down})
      for (const LoraFactor& f : linear->lora) {
        Tensor merged = f.merged;
        merged.copy_(at::addmm(f.base, f.b, f.a, /*beta=*/1, /*alpha=*/f.scale));
      }
}

}  // namespace circuitdiff
