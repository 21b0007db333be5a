// LoRA: the factors' gradients are autograd's through W + s B A, and what is trained is what is written.
#include <ATen/ops/zeros.h>

#include "train_support.h"

namespace circuitdiff {
namespace {

const std::vector<std::string> kAll{"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                    "gate_proj", "up_proj", "down_proj"};

struct LoraModel {
  TemporaryFolder folder;
  std::unique_ptr<Parameters> whole, lora;

  explicit LoraModel(const std::vector<std::string>& targets) {
    write_tiny_checkpoint(folder.path(), {});
    ParameterSettings settings;
    settings.master = settings.compute = at::kDouble;
    const auto checkpoint = Checkpoint::open(folder.path());
    whole = std::make_unique<Parameters>(checkpoint, settings);
    settings.lora = {3, 8, targets};
    lora = std::make_unique<Parameters>(checkpoint, settings);
    Philox random(4);  // B away from 0
    for (const TrainedPiece& piece : lora->pieces()) {
      auto* values = piece.value.data_ptr<double>();
      for (int64_t i = 0; i < piece.value.numel(); ++i) values[i] += 0.1 * random.normal();
    }
    lora->refresh();
  }
};

TEST(Lora, GradientsAreThoseOfAutogradThroughTheSum) {
  for (const auto& targets : {kAll, std::vector<std::string>{"q_proj", "v_proj"}}) {
    const LoraModel m(targets);
    const auto samples = random_answers(40, 6, 9);
    // The oracle: W + 8 / 3 B A of leaves A and B, through the plain forward.
    std::map<std::string, Tensor> leaves, tensors;
    for (const TrainedPiece& piece : m.whole->pieces()) tensors[piece.name] = piece.value;
    for (const TrainedPiece& piece : m.lora->pieces())
      leaves[piece.name] = piece.value.clone().requires_grad_();
    const std::string suffix = ".lora_A.weight";
    for (const auto& [name, a] : leaves) {
      if (!name.ends_with(suffix)) continue;
      const std::string module = name.substr(0, name.size() - suffix.size());
      Tensor& w = tensors.at(module + ".weight");
      w = w + 8.0 / 3.0 * leaves.at(module + ".lora_B.weight").matmul(a);
    }
    const Decoder decoder(Weights(m.whole->checkpoint(), tensors));
    Tensor loss = at::zeros({}, at::kDouble);
    for (const TrainSample& s : samples) {
      const std::vector<int64_t> input(s.tokens.begin(), s.tokens.end() - 1);
      const std::vector<int64_t> target(s.tokens.begin() + s.prompt_len, s.tokens.end());
      const Tensor logits = plain_logits(decoder, decoder.tokens(input).unsqueeze(0)).squeeze(0) / 0.7;
      loss = loss - logits.narrow(0, s.prompt_len - 1, s.answer())
                        .log_softmax(-1)
                        .gather(-1, decoder.tokens(target).unsqueeze(1))
                        .sum();
    }
    std::vector<Tensor> inputs;
    for (const auto& [name, leaf] : leaves) inputs.push_back(leaf);
    const auto grads = torch::autograd::grad({loss}, inputs);
    std::map<std::string, Tensor> expected;
    size_t i = 0;
    for (const auto& [name, leaf] : leaves) expected[name] = grads[i++];

    for (const bool recompute : {false, true}) {
      Tensor(m.lora->grads()).zero_();
      PackedModel model(*m.lora, recompute);
      const PackedBatch batch = pack(m.lora->config(), samples);
      const auto now = model.forward(batch, 0.7, true, false);
      model.backward(batch, std::vector<double>(now.logps.size(), -1.0));
      expect_same_gradients(*m.lora, expected, 1e-9);
    }
  }
}

}  // namespace
}  // namespace circuitdiff
