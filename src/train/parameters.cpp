#include "train/parameters.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <utility>

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

using Member = WeightGradients::Member;
using Named = std::pair<Member, std::string_view>;
constexpr std::array kMaps{
    Named{&LayerWeights::q_proj, "self_attn.q_proj"}, Named{&LayerWeights::k_proj, "self_attn.k_proj"},
    Named{&LayerWeights::v_proj, "self_attn.v_proj"}, Named{&LayerWeights::o_proj, "self_attn.o_proj"},
    Named{&LayerWeights::gate_proj, "mlp.gate_proj"}, Named{&LayerWeights::up_proj, "mlp.up_proj"},
    Named{&LayerWeights::down_proj, "mlp.down_proj"}};
constexpr std::array kNorms{Named{&LayerWeights::input_layernorm, "input_layernorm"},
                            Named{&LayerWeights::post_attention_layernorm, "post_attention_layernorm"},
                            Named{&LayerWeights::q_norm, "self_attn.q_norm"},
                            Named{&LayerWeights::k_norm, "self_attn.k_norm"}};

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

void Parameters::wire() {
  const bool full = settings_.lora.rank == 0 && !settings_.frozen;
  for (int64_t l = 0; l < config().n_layers; ++l) {
    TrainedLayer& layer = layers_.emplace_back();
    for (const auto& [member, name] : kMaps) {
      const std::string module = layer_prefix(l) + std::string(name);
      TrainedLinear& map = layer.maps.emplace_back(member, TrainedLinear{}).second;
      if (!full) continue;
      map.weight_grad = view(grads_, module + ".weight");
      map.bias_grad = view(grads_, module + ".bias");
    }
    for (const auto& [member, name] : kNorms)
      layer.norms.emplace_back(
          member,
          TrainedNorm{full ? view(grads_, layer_prefix(l) + std::string(name) + ".weight") : Tensor()});
  }
  embedding_ = view(compute_, "model.embed_tokens.weight");
  if (!full) return;
  embedding_grad_ = view(grads_, "model.embed_tokens.weight");
  norm_.weight_grad = view(grads_, "model.norm.weight");
  head_.weight_grad = view(grads_, config().tied_head ? "model.embed_tokens.weight" : "lm_head.weight");
  for (const Place& place : places_)
    pieces_.push_back({place.name, view(values_, place.name), view(grads_, place.name),
                       place.begin < decayed_, place.begin < matrices_});
}

void Parameters::make_lora() {
  const LoraSettings& lora = settings_.lora;
  struct Target {
    TrainedLinear* linear;
    std::string module;
  };
  std::vector<Target> targets;
  for (int64_t l = 0; l < config().n_layers; ++l)
    for (const auto& [member, name] : kMaps)
      if (std::find(lora.targets.begin(), lora.targets.end(), name.substr(name.rfind('.') + 1)) !=
          lora.targets.end())
        targets.push_back(
            {&layers_[static_cast<size_t>(l)].map(member), layer_prefix(l) + std::string(name)});
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
    t.linear->lora = f;
  }
}

void Parameters::refresh() {
  if (settings_.lora.rank == 0) {
    if (!compute_.is_same(base_)) compute_.copy_(base_);
    return;
  }
  for (const TrainedLayer& layer : layers_)
    for (const auto& [member, map] : layer.maps) {
      if (!map.lora) continue;
      const LoraFactor& f = *map.lora;
      Tensor merged = f.merged;
      merged.copy_(at::addmm(f.base, f.b, f.a, /*beta=*/1, /*alpha=*/f.scale));
    }
}

}  // namespace circuitdiff
