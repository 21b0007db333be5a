// A tiny model in float64, random answers for it, and the plain forward with autograd that every hand-written
// gradient is held to.
#pragma once

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <map>

#include "support/plain_decoder.h"
#include "support/tiny_checkpoint.h"
#include "train/algorithm.h"
#include "train/packed_model.h"

namespace circuitdiff {

inline std::vector<TrainSample> random_answers(int64_t d_vocab, int64_t count, uint64_t seed) {
  Philox random(seed);
  std::vector<TrainSample> out;
  for (int64_t i = 0; i < count; ++i) {
    TrainSample s;
    s.id = std::to_string(i);
    s.prompt_len = 1 + static_cast<int64_t>(random.below(6));
    const int64_t answer = 1 + static_cast<int64_t>(random.below(9));
    for (int64_t t = 0; t < s.prompt_len + answer; ++t)
      s.tokens.push_back(static_cast<int64_t>(random.below(static_cast<uint64_t>(d_vocab))));
    s.reward = random.normal();
    out.push_back(s);
  }
  return out;
}

inline PackedBatch pack(const ModelConfig& config, std::span<const TrainSample> samples,
                        at::ScalarType type = at::kDouble) {
  std::vector<PackedSequence> sequences;
  for (const TrainSample& s : samples) sequences.push_back({s.tokens, s.prompt_len});
  return pack_sequences(config, sequences, at::TensorOptions().dtype(type));
}

inline std::vector<std::vector<double>> split_answers(const PackedBatch& batch,
                                                      const std::vector<double>& values) {
  std::vector<std::vector<double>> out;
  for (size_t i = 0; i + 1 < batch.answer_begin.size(); ++i)
    out.emplace_back(values.begin() + batch.answer_begin[i], values.begin() + batch.answer_begin[i + 1]);
  return out;
}

// The weights as leaves of autograd.
class AutogradModel {
 public:
  explicit AutogradModel(const Parameters& p) : decoder_(make(p)) {}
  // log p of the answer's tokens, [answer]
  Tensor logps(const TrainSample& s, double temperature) const {
    const std::vector<int64_t> input(s.tokens.begin(), s.tokens.end() - 1);
    const std::vector<int64_t> target(s.tokens.begin() + s.prompt_len, s.tokens.end());
    const Tensor logits =
        plain_logits(decoder_, decoder_.tokens(input).unsqueeze(0)).squeeze(0) / temperature;
    return logits.narrow(0, s.prompt_len - 1, s.answer())
        .log_softmax(-1)
        .gather(-1, decoder_.tokens(target).unsqueeze(1))
        .squeeze(1);
  }
  std::map<std::string, Tensor> gradients(const Tensor& loss) const {
    std::vector<Tensor> inputs;
    for (const auto& [name, leaf] : leaves_) inputs.push_back(leaf);
    const auto grads = torch::autograd::grad({loss}, inputs, {}, {}, false, /*allow_unused=*/true);
    std::map<std::string, Tensor> out;
    size_t i = 0;
    for (const auto& [name, leaf] : leaves_) out[name] = grads[i++];
    return out;
  }

 private:
  Decoder make(const Parameters& p) {
    std::map<std::string, Tensor> tensors;
    for (const TrainedPiece& piece : p.pieces()) {
      leaves_[piece.name] = piece.value.clone().requires_grad_();
      tensors[piece.name] = leaves_[piece.name];
    }
    return Decoder(Weights(p.checkpoint(), tensors));
  }
  std::map<std::string, Tensor> leaves_;  // ahead of decoder_, which is made of them
  Decoder decoder_;
};

// Every tensor's gradient, to `tolerance` of the largest entry of all.
inline void expect_same_gradients(const Parameters& p, const std::map<std::string, Tensor>& expected,
                                  double tolerance) {
  double largest = 0;
  for (const auto& [name, grad] : expected)
    if (grad.defined()) largest = std::max(largest, grad.abs().max().item<double>());
  ASSERT_GT(largest, 0);
  for (const TrainedPiece& piece : p.pieces()) {
    const Tensor& wanted = expected.at(piece.name);
    const double off = wanted.defined() ? (piece.grad - wanted).abs().max().item<double>()
                                        : piece.grad.abs().max().item<double>();
    EXPECT_LT(off / largest, tolerance) << piece.name;
  }
}

}  // namespace circuitdiff
