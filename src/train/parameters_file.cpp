// The parameters as files of the Hugging Face and PEFT layouts.
#include <ATen/TensorOperators.h>

#include "base/error.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "train/parameters.h"

namespace circuitdiff {
namespace {

at::ScalarType written_type(TensorType type) {
  switch (type) {
    case TensorType::f64:
      return at::kDouble;
    case TensorType::f16:
      return at::kHalf;
    case TensorType::bf16:
      return at::kBFloat16;
    default:
      return at::kFloat;
  }
}

std::span<const std::byte> bytes_of(const Tensor& t) {
  return {static_cast<const std::byte*>(t.const_data_ptr()), t.nbytes()};
}

}  // namespace

void Parameters::save(const std::filesystem::path& folder, bool merged) const {
  if (settings_.lora.rank > 0) {
    const LoraSettings& lora = settings_.lora;
    std::vector<Tensor> kept;
    std::vector<TensorToWrite> out;
    for (const TrainedPiece& piece : pieces_) {
      kept.push_back(piece.value.to(at::kCPU, at::kFloat).contiguous());
      out.push_back({"base_model.model." + piece.name, TensorType::f32, kept.back().sizes().vec(),
                     bytes_of(kept.back())});
    }
    write_safetensors(folder / "adapter_model.safetensors", out, {{"format", "pt"}});
    nlohmann::ordered_json config;
    config["peft_type"] = "LORA";
    config["task_type"] = "CAUSAL_LM";
    config["base_model_name_or_path"] = valid_utf8(checkpoint_->folder().string());
    config["r"] = lora.rank;
    config["lora_alpha"] = lora.alpha;
    config["lora_dropout"] = 0.0;
    config["target_modules"] = lora.targets;
    config["bias"] = "none";
    config["fan_in_fan_out"] = false;
    config["use_rslora"] = false;
    config["use_dora"] = false;
    config["init_lora_weights"] = true;
    config["inference_mode"] = true;
    write_file_atomically(folder / "adapter_config.json", config.dump(2) + "\n");
    if (!merged) return;
  }
  const TensorType type = checkpoint_->widest_type();
  const std::vector<TensorSpec> specs = tensor_table(config());
  std::vector<TensorOutline> outlines;
  for (const TensorSpec& spec : specs) outlines.push_back({spec.name, type, spec.shape});
  // One at a time: where the file's type is not the weights', a copy of all of them would be the most that a
  // run holds. The masters, not their rounded copy; with LoRA the sum.
  const Tensor& all = settings_.lora.rank > 0 ? compute_ : base_;
  write_safetensors(folder / "model.safetensors", outlines,
                    [&](size_t i, const AppendBytes& append) {
                      const Tensor one =
                          view(all, specs[i].name).to(at::kCPU, written_type(type)).contiguous();
                      append(one.const_data_ptr(), one.nbytes());
                    },
                    {{"format", "pt"}});
}

}  // namespace circuitdiff
