// A model ready to compute: its weights on their device, the embedding of tokens, and logits. Layers are
// model/layer.h's.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <span>
#include <string>

#include "base/options.h"
#include "model/rope.h"
#include "model/weights.h"

namespace circuitdiff {

enum class DtypeChoice { automatic, float32, bfloat16, float64 };
template <>
struct EnumWords<DtypeChoice> {
  static constexpr std::array words{
      std::pair{DtypeChoice::automatic, "auto"}, std::pair{DtypeChoice::float32, "float32"},
      std::pair{DtypeChoice::bfloat16, "bfloat16"}, std::pair{DtypeChoice::float64, "float64"}};
};

// "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1". UsageError where that device is not there. A GPU
// becomes the current one of this thread, and libtorch is told to keep the sums inside its products in
// float32.
at::Device resolve_device(const std::string& name);
// auto: float32 on a CPU; on a GPU bfloat16 where the checkpoint is stored in 16 bits, else float32.
at::ScalarType resolve_dtype(DtypeChoice choice, at::Device device, const Checkpoint& checkpoint);
const char* dtype_name(at::ScalarType dtype);  // "float32"
const char* torch_version();                   // "2.11.0", of the libtorch this was built with

class Decoder {
 public:
  Decoder(std::shared_ptr<const Checkpoint> checkpoint, at::Device device, at::ScalarType dtype,
          bool resident = true)
      : Decoder(Weights(std::move(checkpoint), device, dtype, resident)) {}
  explicit Decoder(Weights weights);

  const ModelConfig& config() const { return weights_.checkpoint().config(); }
  const Weights& weights() const { return weights_; }
  at::Device device() const { return weights_.device(); }
  at::ScalarType dtype() const { return weights_.dtype(); }
  at::TensorOptions options() const { return at::TensorOptions().dtype(dtype()).device(device()); }

  Tensor tokens(std::span<const int64_t> ids) const;  // int64 on the device, [pos]
  Tensor embed(const Tensor& tokens) const;           // [.., pos] -> [.., pos, d_model]
  RopeTable rope(int64_t pos) const { return rope_table(config(), 0, pos, pos, options()); }
  int64_t window(int64_t layer) const { return config().sliding_window[static_cast<size_t>(layer)]; }
  // Logits of rows of the final stream, float32 at least. x: [rows, d_model] -> [rows, d_vocab].
  Tensor head(const Tensor& x) const;

  // tokens: [pos] -> logits [pos, d_vocab], float32 at least.
  Tensor logits(const Tensor& tokens) const;

 private:
  Weights weights_;
};

}  // namespace circuitdiff
