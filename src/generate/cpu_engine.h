// The engine on a CPU: its own kernels over packed weights, every row computed the same way whatever else is
// in the step. T is what is computed in, float or double; weights of 16 bits stay so and are widened as they
// are read.
#pragma once

#include <array>
#include <vector>

#include "generate/engine.h"
#include "kernels/packed_matrix.h"

namespace circuitdiff {

template <class T>
class CpuEngine : public Engine {
 public:
  // stored: the type the weights are kept in: float32, float16 or bfloat16 for float, float64 for double.
  CpuEngine(std::shared_ptr<const Checkpoint> checkpoint, at::ScalarType stored, int64_t threads,
            InstructionSet set = instruction_set())
      : CpuEngine(Weights(std::move(checkpoint), at::kCPU, stored, /*resident=*/false), threads, set) {}
  // Weights on the CPU, in one of those types.
  CpuEngine(const Weights& weights, int64_t threads, InstructionSet set = instruction_set());

  Tensor step(std::span<const StepRow> rows) override;
  int64_t page_bytes() const override { return page_entries_ * static_cast<int64_t>(sizeof(T)); }
  int64_t weight_bytes() const override { return weight_bytes_; }
  int64_t free_bytes() const override { return free_memory(at::kCPU) / 2; }
  int64_t d_vocab() const override { return config_.d_vocab; }
  int64_t most_rows() const override;
  int64_t good_batch() const override { return 64; }
  bool shares_beginnings(int64_t prompt_length) const override {
    return !config_.rope.by_length() || prompt_length <= config_.rope.original_max_positions;
  }
  ThreadTeam& team() override { return team_; }

 private:
  struct Layer {
    PackedMatrix qkv, o, gate_up, down;
    Aligned<T> qkv_bias, o_bias, gate_up_bias, down_bias;  // null where the model has none
    // Null where the model has none.
    Aligned<T> input_norm, post_norm, q_norm, k_norm, attention_output_norm, mlp_output_norm;
  };

  Aligned<T> vector_of(const std::vector<Tensor>& parts) const;
  void matmul(const T* x, int64_t x_stride, int64_t rows, const PackedMatrix& w, const T* bias, T* y,
              int64_t y_stride);
  void each_row(int64_t rows, int64_t work, const std::function<void(int64_t)>& body);
  void embed(std::span<const StepRow> rows);
  void set_angles(std::span<const StepRow> rows);
  void rotate(T* head, int64_t row) const;
  void norm(const T* x, const Aligned<T>& weight, T* y, int64_t n) const;
  void norm_heads(const Layer& layer, T* q) const;
  void add_to_stream(T* x, T* added, const Aligned<T>& output_norm) const;
  void attention(int64_t index, const Layer& layer, std::span<const StepRow> rows);
  void mlp(const Layer& layer, int64_t rows);
  Tensor head(std::span<const StepRow> rows);
  void make_room(std::span<const StepRow> rows);

  std::shared_ptr<const Checkpoint> checkpoint_;
  const ModelConfig& config_;
  ThreadTeam team_;
  const DecodingKernels<T>& kernels_;
  std::vector<Layer> layers_;
  Tensor embed_tokens_;  // as stored, in the mapped file
  Aligned<T> norm_;
  PackedMatrix lm_head_;
  int64_t weight_bytes_ = 0;

  // Pages: per layer and key head, the keys [d_head, 16] and then the values [16, d_padded].
  int64_t d_padded_ = 0, page_entries_ = 0;
  std::vector<Aligned<T>> pages_;
  std::vector<const T*> page_table_;

  // Of one step, [rows, ..].
  int64_t room_ = 0, qkv_stride_ = 0, gate_up_stride_ = 0, model_stride_ = 0, mixed_stride_ = 0;
  Aligned<T> x_, normed_, qkv_, mixed_, gate_up_, added_, cos_, sin_;
  std::vector<Aligned<T>> scores_;  // one a thread
  int64_t scores_room_ = 0;
  Tensor rope_cos_, rope_sin_;  // [positions, d_head], for angles that do not hang on the length
};

}  // namespace circuitdiff
