#include "checkpoint/gguf_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "io/json.h"

namespace circuitdiff {
namespace {

enum class Turned { no, queries, keys };  // rows of q and k that stand in pairs for RoPE

struct Part {
  const char* gguf;
  const char* name;
  Turned turned = Turned::no;
};
constexpr Part kParts[] = {{"attn_norm", "input_layernorm"},
                           {"ffn_norm", "post_attention_layernorm"},
                           {"attn_q", "self_attn.q_proj", Turned::queries},
                           {"attn_k", "self_attn.k_proj", Turned::keys},
                           {"attn_v", "self_attn.v_proj"},
                           {"attn_output", "self_attn.o_proj"},
                           {"attn_q_norm", "self_attn.q_norm"},
                           {"attn_k_norm", "self_attn.k_norm"},
                           {"ffn_gate", "mlp.gate_proj"},
                           {"ffn_up", "mlp.up_proj"},
                           {"ffn_down", "mlp.down_proj"}};

std::string architecture_of(const GgufFile& file) {
  const auto name = file.text("general.architecture");
  if (!name) fail("{}: \"general.architecture\" is missing", file.path().string());
  if (*name != "llama" && *name != "qwen2" && *name != "qwen3")
    fail("{}: general.architecture: llama, qwen2 or qwen3 expected, {} found", file.path().string(),
         in_quotes(*name));
  return *name;
}

int64_t needed(const GgufFile& file, const std::string& key) {
  const auto value = file.integer(key);
  if (!value) fail("{}: {} is missing", file.path().string(), in_quotes(key));
  return *value;
}

// The shortest decimal that rounds to the same float32: 1e-05 and not 9.99999974e-06.
double as_written(double value) { return std::stod(fmt::format("{}", static_cast<float>(value))); }

uint16_t half_bits(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, 4);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  bits &= 0x7fffffffu;
  if (bits > 0x7f800000u) return sign | 0x7e00u;   // not a number
  if (bits >= 0x477ff000u) return sign | 0x7c00u;  // rounds to infinity
  if (bits < 0x38800000u) {                        // subnormal: a multiple of 2^-24
    float magnitude = 0;
    std::memcpy(&magnitude, &bits, 4);
    return sign | static_cast<uint16_t>(std::nearbyint(std::ldexp(magnitude, 24)));
  }
  bits += 0xfffu + ((bits >> 13) & 1u);  // to nearest, ties to even
  return sign | static_cast<uint16_t>((bits - 0x38000000u) >> 13);
}

float widen_half(uint16_t half) {
  std::array<std::byte, 2> bytes{};
  std::memcpy(bytes.data(), &half, 2);
  float out = 0;
  decode_gguf_blocks(GgufType::f16, bytes, {&out, 1});
  return out;
}

// Rows of one head stand as pairs (0, 1), (2, 3) ..; the classes pair row i with row i + d_head / 2.
std::vector<std::byte> unpair(const std::vector<std::byte>& rows, int64_t n_rows, int64_t heads) {
  const auto width = rows.size() / static_cast<size_t>(n_rows);
  const int64_t d_head = n_rows / heads;
  std::vector<std::byte> out(rows.size());
  for (int64_t r = 0; r < n_rows; ++r) {
    const int64_t i = r % d_head, from = r - i + 2 * (i % (d_head / 2)) + i / (d_head / 2);
    std::memcpy(out.data() + static_cast<size_t>(r) * width, rows.data() + static_cast<size_t>(from) * width,
                width);
  }
  return out;
}

std::vector<std::byte> to_half(const GgufTensor& tensor) {
  const auto block = *gguf_block(tensor.type);
  std::vector<std::byte> out(static_cast<size_t>(tensor.numel()) * 2);
  std::vector<float> values(static_cast<size_t>(block.entries) * 64);
  const int64_t n = tensor.numel();
  for (int64_t begin = 0; begin < n; begin += static_cast<int64_t>(values.size())) {
    const auto count = static_cast<size_t>(std::min<int64_t>(n - begin, static_cast<int64_t>(values.size())));
    const auto part = std::span(values).first(count);
    decode_gguf_blocks(
        tensor.type,
        tensor.data.subspan(static_cast<size_t>(begin / block.entries * block.bytes),
                            count / static_cast<size_t>(block.entries) * static_cast<size_t>(block.bytes)),
        part);
    for (size_t i = 0; i < count; ++i) {
      const uint16_t half = half_bits(part[i]);
      std::memcpy(out.data() + 2 * (static_cast<size_t>(begin) + i), &half, 2);
    }
  }
  return out;
}

// F32 vectors (norms) whose entries are all halves are kept as such, or they alone would widen the model.
bool fits_half(const GgufTensor& tensor) {
  if (tensor.type != GgufType::f32 || tensor.shape.size() != 1) return false;
  for (size_t i = 0; i < tensor.data.size(); i += 4) {
    float value = 0;
    std::memcpy(&value, tensor.data.data() + i, 4);
    if (widen_half(half_bits(value)) != value) return false;
  }
  return true;
}

// "blk.3.attn_q.weight" -> "model.layers.3.self_attn.q_proj.weight"; empty where it is none of ours.
std::string own_name(const std::string& gguf, Turned& turned) {
  turned = Turned::no;
  if (gguf == "token_embd.weight") return "model.embed_tokens.weight";
  if (gguf == "output_norm.weight") return "model.norm.weight";
  if (gguf == "output.weight") return "lm_head.weight";
  if (!gguf.starts_with("blk.")) return {};
  const size_t dot = gguf.find('.', 4), last = gguf.rfind('.');
  if (dot == std::string::npos || last <= dot) return {};
  for (const Part& part : kParts)
    if (gguf.substr(dot + 1, last - dot - 1) == part.gguf) {
      turned = part.turned;
      return fmt::format("model.layers.{}.{}{}", gguf.substr(4, dot - 4), part.name, gguf.substr(last));
    }
  return {};
}

}  // namespace

json gguf_config(const GgufFile& file) {
  const std::string type = architecture_of(file), prefix = type + ".";
  const auto embedding = file.tensors().find("token_embd.weight");
  if (embedding == file.tensors().end() || embedding->second.shape.size() != 2)
    fail("{}: tensor \"token_embd.weight\" of two axes expected", file.path().string());
  json out = {{"model_type", type},
              {"vocab_size", embedding->second.shape[0]},
              {"hidden_size", needed(file, prefix + "embedding_length")},
              {"intermediate_size", needed(file, prefix + "feed_forward_length")},
              {"num_hidden_layers", needed(file, prefix + "block_count")},
              {"num_attention_heads", needed(file, prefix + "attention.head_count")},
              {"max_position_embeddings", needed(file, prefix + "context_length")},
              {"rope_theta", as_written(file.number(prefix + "rope.freq_base").value_or(10000.0))},
              {"tie_word_embeddings", !file.tensors().contains("output.weight")},
              {"attention_bias", type != "qwen3" && file.tensors().contains("blk.0.attn_q.bias")},
              {"torch_dtype", "float16"}};
  const int64_t heads = out["num_attention_heads"];
  out["num_key_value_heads"] = file.integer(prefix + "attention.head_count_kv").value_or(heads);
  const auto eps = file.number(prefix + "attention.layer_norm_rms_epsilon");
  if (!eps)
    fail("{}: {} is missing", file.path().string(), in_quotes(prefix + "attention.layer_norm_rms_epsilon"));
  out["rms_norm_eps"] = as_written(*eps);
  if (const auto d_head = file.integer(prefix + "attention.key_length")) out["head_dim"] = *d_head;
  if (const auto eos = file.integer("tokenizer.ggml.eos_token_id")) out["eos_token_id"] = *eos;
  if (const auto scaling = file.text(prefix + "rope.scaling.type"); scaling && *scaling != "none") {
    if (*scaling != "linear")
      fail("{}: rope.scaling.type: none or linear expected, {} found", file.path().string(),
           in_quotes(*scaling));
    out["rope_scaling"] = {{"rope_type", "linear"},
                           {"factor", file.number(prefix + "rope.scaling.factor").value_or(1.0)}};
  }
  // llama3's stretched frequencies come as what each is divided by.
  if (const auto factors = file.tensors().find("rope_freqs.weight");
      factors != file.tensors().end() && factors->second.type == GgufType::f32) {
    std::vector<float> values(static_cast<size_t>(factors->second.numel()));
    decode_gguf_blocks(GgufType::f32, factors->second.data, values);
    bool plain = true;
    for (const float f : values) plain = plain && f == 1.0f;
    if (!plain)
      out["rope_scaling"] = {{"rope_type", "longrope"},
                             {"short_factor", values},
                             {"long_factor", values},
                             {"attention_factor", 1.0},
                             {"original_max_position_embeddings", out["max_position_embeddings"]}};
  }
  return out;
}

WeightFiles gguf_weights(const std::shared_ptr<const GgufFile>& file) {
  const std::string type = architecture_of(*file);
  const bool paired = type == "llama";  // its q and k are stored for rotations of neighbours
  const int64_t heads = needed(*file, type + ".attention.head_count");
  const int64_t kv_heads = file->integer(type + ".attention.head_count_kv").value_or(heads);
  WeightFiles out;
  out.keep.push_back(file);
  for (const auto& [gguf_name, tensor] : file->tensors()) {
    if (gguf_name == "rope_freqs.weight") continue;
    Turned turned = Turned::no;
    std::string name = own_name(gguf_name, turned);
    if (name.empty()) name = gguf_name;  // named as it is in the message that it is unexpected
    const int64_t turn_heads = !paired || turned == Turned::no ? 0
                               : turned == Turned::queries     ? heads
                                                               : kv_heads;
    const auto block = *gguf_block(tensor.type);
    StoredTensor stored;
    stored.type_name = block.name;
    stored.shape = tensor.shape;
    stored.file = file->path();
    stored.stored_bytes = static_cast<int64_t>(tensor.data.size());
    const bool plain = block.entries == 1 && !fits_half(tensor);
    stored.type = !plain                          ? TensorType::f16
                  : tensor.type == GgufType::f32  ? TensorType::f32
                  : tensor.type == GgufType::bf16 ? TensorType::bf16
                                                  : TensorType::f16;
    if (turn_heads > 0 && (turn_heads < 0 || tensor.shape.empty() || tensor.shape[0] % (2 * turn_heads) != 0))
      fail("{}: tensor {}: rows of {} heads expected", file->path().string(), in_quotes(gguf_name),
           turn_heads);
    if (plain && turn_heads == 0 &&
        reinterpret_cast<uintptr_t>(tensor.data.data()) % static_cast<uintptr_t>(block.bytes) == 0)
      stored.mapped = tensor.data;
    else
      stored.make = [tensor = tensor, plain, turn_heads] {
        std::vector<std::byte> bytes =
            plain ? std::vector<std::byte>(tensor.data.begin(), tensor.data.end()) : to_half(tensor);
        return turn_heads > 0 ? unpair(bytes, tensor.shape[0], turn_heads) : bytes;
      };
    out.tensors.emplace(std::move(name), std::move(stored));
  }
  return out;
}

}  // namespace circuitdiff
