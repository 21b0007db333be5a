// The engine on any device that libtorch knows, in tensor operations: the path of GPUs, and on a CPU the
// plain form that the kernels are tested against. Answers of one device depend on the batch only through the
// rounding of its library's products.
#pragma once

#include <vector>

#include "generate/engine.h"
#include "model/layer.h"

namespace circuitdiff {

class TensorEngine : public Engine {
 public:
  TensorEngine(std::shared_ptr<const Checkpoint> checkpoint, at::Device device, at::ScalarType dtype,
               int64_t threads)
      : TensorEngine(Decoder(std::move(checkpoint), device, dtype), threads) {}
  TensorEngine(Decoder decoder, int64_t threads);

  Tensor step(std::span<const StepRow> rows) override;
  int64_t page_bytes() const override;
  int64_t weight_bytes() const override;
  int64_t free_bytes() const override;
  int64_t d_vocab() const override { return config().d_vocab; }
  int64_t most_rows() const override { return 4096; }
  int64_t good_batch() const override { return 256; }
  bool shares_beginnings(int64_t prompt_length) const override {
    return !config().rope.by_length() || prompt_length <= config().rope.original_max_positions;
  }
  ThreadTeam& team() override { return team_; }

 private:
  // Rows of one step as tensors on the device, the same for every layer.
  struct Step {
    int64_t n = 0;
    Tensor slots;                 // [n], where each row's key and value go
    RopeTable rope;               // [n, d_head]
    std::vector<int64_t> single;  // rows that are alone of their sequence: attended together
    Tensor single_rows;           // the same, on the device
    Tensor single_slots;          // [single, longest], the slots of what each may see, filled up with slot 0
    Tensor single_positions;      // [single, 1]
    struct Chunk {                // several rows of one sequence, in order
      int64_t begin = 0, length = 0;
      Tensor slots;  // [last position + 1]
    };
    std::vector<Chunk> chunks;
  };
  const ModelConfig& config() const { return decoder_.config(); }
  Step prepare(std::span<const StepRow> rows);
  RopeTable angles(std::span<const StepRow> rows);
  // The stream x [n, d_model] behind a layer.
  Tensor layer_forward(int64_t layer, const LayerWeights& w, const Step& step, const Tensor& x);
  Tensor attend_all(const LayerCall& call, int64_t layer, const Step& step, const Tensor& q) const;
  Tensor attend_single(int64_t layer, const Step& step, const Tensor& q) const;
  Tensor to_device(const std::vector<int64_t>& values) const;

  Decoder decoder_;
  ThreadTeam team_;
  Packing no_packing_;  // rows of a step belong to sequences by their pages
  Buffers new_tensors_;
  int64_t slots_ = 0;                  // allocated
  std::vector<Tensor> keys_, values_;  // per layer [slots, n_kv_heads, d_head]
  RopeTable table_;                    // for angles that do not hang on the length
};

}  // namespace circuitdiff
