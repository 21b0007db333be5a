// The weights of a model in training: one flat buffer of masters with a flat gradient of the same layout, and
// the tensors that the model computes with (the masters themselves, a copy in bfloat16, or the frozen weights
// with LoRA's products added). Rollouts, loss, probe and checkpoints all read the same object.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/layer.h"

namespace circuitdiff {

struct LoraSettings {
  int64_t rank = 0;  // 0: every weight is trained
  double alpha = 16;
  std::vector<std::string> targets;  // "q_proj", ...
};

// One low-rank change of a matrix: W + (alpha / rank) B A.
struct LoraFactor {
  std::string module;           // "model.layers.0.self_attn.q_proj"
  Tensor base, merged;          // [out, in], views
  Tensor a, b, a_grad, b_grad;  // [rank, in], [out, rank]
  double scale = 1;
};

// The gradients of a map y = x W' + b, in the master's dtype; undefined where it is frozen.
struct TrainedLinear {
  Tensor weight_grad, bias_grad;
  std::optional<LoraFactor> lora;

  // Adds those for input x [rows, in] and the gradient dy [rows, out] at the output.
  void add(const Tensor& x, const Tensor& dy) const;
};

// That of a norm's weight w, y = x w / rms(x).
struct TrainedNorm {
  Tensor weight_grad;

  // x, dy: [rows, d], inverse = 1 / rms(x): [rows, 1].
  void add(const Tensor& x, const Tensor& inverse, const Tensor& dy) const;
};

// The gradients of a layer, by the names of its weights.
class TrainedLayer : public WeightGradients {
 public:
  void linear(Member weight, const Tensor& x, const Tensor& dy) override { map(weight).add(x, dy); }
  void norm(Member weight, const Tensor& x, const Tensor& inverse, const Tensor& dy) override;

  TrainedLinear& map(Member weight);
  std::vector<std::pair<Member, TrainedLinear>> maps;
  std::vector<std::pair<Member, TrainedNorm>> norms;
};

// One tensor as the optimiser sees it.
struct TrainedPiece {
  std::string name;
  Tensor value, grad;          // views of the flat buffers
  bool decays = false;         // matrices; norms and biases do not
  bool hidden_matrix = false;  // of a layer: what Muon is for
};

struct ParameterSettings {
  at::Device device = at::kCPU;
  at::ScalarType master = at::kFloat;   // float64 in tests
  at::ScalarType compute = at::kFloat;  // bfloat16: a copy of the masters
  LoraSettings lora;
  bool random_weights = false;  // drawn instead of the checkpoint's
  uint64_t seed = 0;            // of drawn weights and LoRA factors
  bool frozen = false;          // a reference: no gradients
};

class Parameters {
 public:
  Parameters(std::shared_ptr<const Checkpoint> checkpoint, const ParameterSettings& settings);

  const ModelConfig& config() const { return checkpoint_->config(); }
  const std::shared_ptr<const Checkpoint>& checkpoint() const { return checkpoint_; }
  const ParameterSettings& settings() const { return settings_; }
  const Weights& weights() const { return *weights_; }  // what is computed with, shared
  // Where a layer's backward adds its weights' gradients.
  WeightGradients& gradients(int64_t l) const { return layers_[static_cast<size_t>(l)]; }
  const TrainedLinear& head() const { return head_; }               // of weights().lm_head()
  const TrainedNorm& norm() const { return norm_; }                 // of weights().norm()
  const Tensor& embedding() const { return embedding_; }            // [d_vocab, d_model]
  const Tensor& embedding_grad() const { return embedding_grad_; }  // undefined where frozen

  const Tensor& values() const { return values_; }  // what is trained, flat
  const Tensor& grads() const { return grads_; }
  int64_t decayed() const { return decayed_; }  // the first so many of the flat values decay
  const std::vector<TrainedPiece>& pieces() const { return pieces_; }
  int64_t trained() const { return trained_; }  // numbers, padding left out
  // After values() changed: the compute copies follow.
  void refresh();

  // model.safetensors in the type that the checkpoint was stored in; with LoRA adapter_model.safetensors and
  // adapter_config.json as PEFT writes them, and the merged model where `merged` is set.
  void save(const std::filesystem::path& folder, bool merged) const;

 private:
  struct Place {
    std::string name;
    std::vector<int64_t> shape;
    int64_t begin = 0;
  };
  void lay_out();
  void load();
  void draw(uint64_t seed);
  void make_lora();
  Tensor view(const Tensor& flat, const std::string& name) const;
  void wire();

  std::shared_ptr<const Checkpoint> checkpoint_;
  ParameterSettings settings_;
  std::vector<Place> places_;
  std::map<std::string, size_t> index_;
  int64_t size_ = 0, matrices_ = 0, decayed_ = 0, trained_ = 0;
  Tensor base_, compute_;  // flat, all weights; the same tensor where nothing has to be copied
  Tensor values_, grads_;
  mutable std::vector<TrainedLayer> layers_;  // gradients are added through it, nothing else changes
  TrainedLinear head_;
  TrainedNorm norm_;
  Tensor embedding_, embedding_grad_;
  std::vector<TrainedPiece> pieces_;
  std::unique_ptr<Weights> weights_;
};

}  // namespace circuitdiff
