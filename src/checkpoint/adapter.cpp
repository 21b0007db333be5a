#include "checkpoint/adapter.h"

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "checkpoint/config_fields.h"
#include "checkpoint/torch_file.h"

namespace circuitdiff {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kLargestRank = 65536;

struct Pair {
  StoredTensor a, b;  // [rank, inputs], [outputs, rank]
  bool has_a = false, has_b = false;
};

std::span<const std::byte> bytes_of(const StoredTensor& tensor, std::vector<std::byte>& room) {
  if (!tensor.make) return tensor.mapped;
  room = tensor.make();
  return room;
}

std::vector<double> values_of(const StoredTensor& tensor) {
  std::vector<std::byte> room;
  return widened(tensor.type, bytes_of(tensor, room));
}

// base + scale * b a, row by row; sums in double, written in T.
template <class T>
std::vector<std::byte> merged(const StoredTensor& base, const StoredTensor& a, const StoredTensor& b,
                              double scale, bool transposed) {
  const std::vector<double> w = values_of(base), va = values_of(a), vb = values_of(b);
  const auto rank = static_cast<size_t>(a.shape[0]), inputs = static_cast<size_t>(a.shape[1]);
  const auto outputs = static_cast<size_t>(b.shape[0]);
  std::vector<std::byte> out(w.size() * sizeof(T));
  std::vector<double> row(inputs);
  for (size_t o = 0; o < outputs; ++o) {
    std::fill(row.begin(), row.end(), 0.0);
    for (size_t r = 0; r < rank; ++r) {
      const double factor = vb[o * rank + r] * scale;
      for (size_t i = 0; i < inputs; ++i) row[i] += factor * va[r * inputs + i];
    }
    for (size_t i = 0; i < inputs; ++i) {
      const size_t at = transposed ? i * outputs + o : o * inputs + i;
      const auto value = static_cast<T>(w[at] + row[i]);
      std::memcpy(out.data() + at * sizeof(T), &value, sizeof(T));
    }
  }
  return out;
}

WeightFiles read_adapter_files(const fs::path& folder) {
  std::error_code error;
  for (const char* name : {"adapter_model.safetensors", "adapter_model.bin"}) {
    const fs::path path = folder / name;
    if (!fs::exists(path, error)) continue;
    WeightFiles out;
    if (path.extension() == ".bin") {
      const auto file = std::make_shared<const TorchFile>(path);
      out.tensors = file->tensors();
      out.keep.push_back(file);
    } else {
      const auto file = std::make_shared<const SafetensorsFile>(path);
      for (const TensorEntry& entry : file->tensors()) {
        StoredTensor tensor;
        tensor.type = entry.type;
        tensor.type_name = entry.type_name;
        tensor.shape = entry.shape;
        tensor.file = path;
        tensor.mapped = file->bytes(entry);
        out.tensors.emplace(entry.name, std::move(tensor));
      }
      out.keep.push_back(file);
    }
    return out;
  }
  fail("{}: no adapter_model.safetensors and no adapter_model.bin", folder.string());
}

// PEFT's pattern keys match a module's whole name or what it ends in behind a dot.
std::optional<double> pattern_value(const ConfigFields& fields, const char* field,
                                    const std::string& module) {
  if (!fields.present(field)) return std::nullopt;
  const json& patterns = fields.row().at(field);
  if (!patterns.is_object()) fields.row().bad(field, "an object");
  for (const auto& [key, value] : patterns.items()) {
    if (!value.is_number())
      fail("{}: field \"{}\": {}: a number expected", fields.where(), field, in_quotes(key));
    const std::string name = key.starts_with("^") ? key.substr(1) : key;
    if (module == name || module.ends_with("." + name)) return value.get<double>();
  }
  return std::nullopt;
}

// "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight" -> module and what of it.
struct AdapterKey {
  std::string module, part;
};
AdapterKey split(const std::string& name, const std::string& where) {
  std::string rest = name;
  constexpr std::string_view kPrefix = "base_model.model.";
  if (rest.starts_with(kPrefix)) rest = rest.substr(kPrefix.size());
  for (const char* part :
       {".lora_A", ".lora_B", ".lora_embedding_A", ".lora_embedding_B", ".lora_magnitude_vector"})
    if (const size_t at = rest.rfind(part); at != std::string::npos) {
      const std::string tail = rest.substr(at + std::string_view(part).size());
      if (tail == ".weight" || tail == ".default.weight" || tail.empty()) return {rest.substr(0, at), part};
    }
  if (rest.ends_with(".lora_B.bias"))
    fail("{}: tensor {}: a bias of an adapter is not supported", where, in_quotes(name));
  return {rest, ""};
}

}  // namespace

std::string merge_adapter(const fs::path& adapter, WeightFiles& weights) {
  const fs::path config_path = adapter / "adapter_config.json";
  std::error_code error;
  if (!fs::is_directory(adapter, error)) fail("{}: an adapter's folder expected", adapter.string());
  json value = read_json_file(config_path);
  if (!value.is_object()) fail("{}: an object expected, {} found", config_path.string(), json_kind(value));
  const ConfigFields fields(std::move(value), config_path.string());
  const std::string kind = fields.text("peft_type", "LORA");
  if (kind != "LORA")
    fail("{}: field \"peft_type\": LORA expected, {} found", fields.where(), in_quotes(kind));
  if (fields.flag("use_dora", false))
    fail("{}: field \"use_dora\": false expected, true found", fields.where());
  const int64_t rank = fields.whole("r", 1, kLargestRank);
  const double alpha = fields.positive("lora_alpha", 8.0);
  const bool rooted = fields.flag("use_rslora", false), transposed = fields.flag("fan_in_fan_out", false);

  WeightFiles files = read_adapter_files(adapter);
  std::map<std::string, Pair> pairs;
  std::vector<std::string> replaced;
  for (auto& [name, tensor] : files.tensors) {
    const std::string where = tensor.file.string();
    if (!is_float_type(tensor.type))
      fail("{}: tensor {}: F32, F16, BF16 or F64 expected, {} found", where, in_quotes(name),
           tensor.type_name);
    const AdapterKey key = split(name, where);
    if (key.part == ".lora_A" || key.part == ".lora_B") {
      Pair& pair = pairs[key.module];
      (key.part == ".lora_A" ? pair.has_a : pair.has_b) = true;
      (key.part == ".lora_A" ? pair.a : pair.b) = tensor;
      continue;
    }
    if (!key.part.empty())
      fail("{}: tensor {}: {} is not supported", where, in_quotes(name), key.part.substr(1));
    const auto base = weights.tensors.find(key.module);
    if (base == weights.tensors.end())
      fail("{}: tensor {}: the base model has no such tensor", where, in_quotes(name));
    if (base->second.shape != tensor.shape)
      fail("{}: tensor {}: [{}] expected, as in the base model, [{}] found", where, in_quotes(name),
           fmt::join(base->second.shape, ", "), fmt::join(tensor.shape, ", "));
    base->second = tensor;
    replaced.push_back(key.module);
  }
  if (pairs.empty() && replaced.empty()) fail("{}: no lora_A and lora_B in it", adapter.string());

  for (auto& [module, pair] : pairs) {
    const std::string where = (pair.has_a ? pair.a : pair.b).file.string() + ": " + module;
    if (!pair.has_a || !pair.has_b) fail("{}: {} is missing", where, pair.has_a ? "lora_B" : "lora_A");
    const auto base = weights.tensors.find(module + ".weight");
    if (base == weights.tensors.end()) fail("{}: the base model has no such module", where);
    const int64_t own_rank = static_cast<int64_t>(
        pattern_value(fields, "rank_pattern", module).value_or(static_cast<double>(rank)));
    const double own_alpha = pattern_value(fields, "alpha_pattern", module).value_or(alpha);
    const std::vector<int64_t>& shape = base->second.shape;
    if (shape.size() != 2 || !is_float_type(base->second.type))
      fail("{}: a matrix of floating-point numbers expected in the base model", where);
    const int64_t outputs = shape[transposed ? 1 : 0], inputs = shape[transposed ? 0 : 1];
    const std::vector<int64_t> shape_a{own_rank, inputs}, shape_b{outputs, own_rank};
    if (pair.a.shape != shape_a || pair.b.shape != shape_b)
      fail("{}: lora_A [{}] and lora_B [{}] expected, [{}] and [{}] found", where, fmt::join(shape_a, ", "),
           fmt::join(shape_b, ", "), fmt::join(pair.a.shape, ", "), fmt::join(pair.b.shape, ", "));
    const double scale =
        own_alpha / (rooted ? std::sqrt(static_cast<double>(own_rank)) : static_cast<double>(own_rank));
    StoredTensor out = base->second;
    const bool wide = out.type == TensorType::f64;
    out.type = wide ? TensorType::f64 : TensorType::f32;
    out.mapped = {};
    out.make = [base = base->second, pair = pair, scale, transposed, wide] {
      return wide ? merged<double>(base, pair.a, pair.b, scale, transposed)
                  : merged<float>(base, pair.a, pair.b, scale, transposed);
    };
    base->second = std::move(out);
  }
  weights.keep.insert(weights.keep.end(), files.keep.begin(), files.keep.end());
  return fmt::format("adapter {}: rank {}, {} matrices merged, {} tensors replaced", adapter.string(), rank,
                     pairs.size(), replaced.size());
}

}  // namespace circuitdiff
