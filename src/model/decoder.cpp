#include "model/decoder.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/scalar_tensor.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/headeronly/version.h>

#include "base/error.h"
#include "kernels/gpu/device_jobs.h"
#include "kernels/product.h"
#include "model/layer.h"

namespace circuitdiff {
namespace {

at::Device gpu(int64_t index) {
  const at::Device device(at::kCUDA, static_cast<at::DeviceIndex>(index));
  at::globalContext().setAllowBF16ReductionCuBLAS(/*allow_reduced_precision=*/false);
  c10::impl::VirtualGuardImpl(at::kCUDA).setDevice(device);
  return device;
}

}  // namespace

at::Device resolve_device(const std::string& name) {
  if (name == "cpu") return at::Device(at::kCPU);
  const bool have_cuda =
      at::hasCUDA() && at::globalContext().getAcceleratorHooksInterface().deviceCount() > 0;
  if (name == "auto") return have_cuda ? gpu(0) : at::Device(at::kCPU);
  if (name.rfind("cuda", 0) != 0)
    usage_error("--device: auto, cpu, cuda or cuda:INDEX expected, \"{}\" found", name);
  int64_t index = 0;
  if (name != "cuda") {
    if (name[4] != ':') usage_error("--device: auto, cpu, cuda or cuda:INDEX expected, \"{}\" found", name);
    index = parse_value<int64_t>("device", name.substr(5));
  }
  if (!have_cuda)
    usage_error("--device {}: no CUDA device found (or this build has no CUDA half); use --device cpu", name);
  const int64_t count = at::globalContext().getAcceleratorHooksInterface().deviceCount();
  if (index < 0 || index >= count) usage_error("--device {}: {} CUDA devices are there", name, count);
  return gpu(index);
}

at::ScalarType resolve_dtype(DtypeChoice choice, at::Device device, const Checkpoint& checkpoint) {
  switch (choice) {
    case DtypeChoice::float32:
      return at::kFloat;
    case DtypeChoice::bfloat16:
      return at::kBFloat16;
    case DtypeChoice::float64:
      return at::kDouble;
    case DtypeChoice::automatic:
      break;
  }
  const TensorType stored = checkpoint.widest_type();
  const bool sixteen_bits = stored == TensorType::bf16 || stored == TensorType::f16;
  return device.is_cuda() && sixteen_bits ? at::kBFloat16 : at::kFloat;
}

Decoder::Decoder(Weights weights) : weights_(std::move(weights)) {}

const char* torch_version() { return TORCH_VERSION; }

const char* dtype_name(at::ScalarType dtype) {
  switch (dtype) {
    case at::kDouble:
      return "float64";
    case at::kBFloat16:
      return "bfloat16";
    default:
      return "float32";
  }
}

Tensor Decoder::tokens(std::span<const int64_t> ids) const {
  return upload(
      at::from_blob(const_cast<int64_t*>(ids.data()), {static_cast<int64_t>(ids.size())}, at::kLong),
      device());
}

Tensor Decoder::embed(const Tensor& tokens) const {
  const Tensor& table = weights_.embed_tokens();  // where weights are streamed, it lies in the file
  const Tensor rows = at::embedding(table, tokens.to(table.device())).to(device(), dtype());
  if (config().embedding_scale == 1.0) return rows;
  return rows *
         at::scalar_tensor(config().embedding_scale, options());  // rounded to the dtype, as the model is
}

Tensor Decoder::head(const Tensor& x) const {
  Tensor inverse;
  const Tensor h = final_norm(weights_, x, inverse);
  // Where weights are streamed, lm_head is in the stored type.
  Tensor logits = linear_rows(h, weights_.lm_head().to(device(), dtype()));
  if (dtype() != at::kDouble) logits = logits.to(at::kFloat);
  if (const double cap = config().final_softcap; cap > 0) logits.div_(cap).tanh_().mul_(cap);
  return logits;
}

Tensor Decoder::logits(const Tensor& tokens) const {
  Packing packing;
  packing.sequences.push_back({0, tokens.size(0)});
  place_on(packing, device());
  const RopeTable table = rope(tokens.size(0));
  Buffers new_tensors;
  Tensor x = embed(tokens);  // [pos, d_model]
  if (dtype() != at::kDouble) x = x.to(at::kFloat);
  const Tensor added = at::empty(x.sizes(), options());
  for (int64_t l = 0; l < config().n_layers; ++l) {
    const LayerWeights w = weights_.layer(l);
    const LayerCall layer{config(), w, window(l), table, packing, new_tensors};
    AttentionSaved attention;
    attention_forward(layer, x, attention, added);
    x = x + added;
    MlpSaved mlp;
    mlp_forward(layer, x, mlp, /*keep=*/false, added);
    x = x + added;
  }
  return head(x);
}

}  // namespace circuitdiff
