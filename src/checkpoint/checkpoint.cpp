#include "checkpoint/checkpoint.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "base/error.h"
#include "checkpoint/adapter.h"
#include "checkpoint/config_fields.h"
#include "checkpoint/gguf_model.h"

namespace circuitdiff {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostNamed = 10;  // tensors listed in one message

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

std::string print_shape(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

// "2 tensors missing: a, b"
std::string list_some(const std::string& what, const std::vector<std::string>& names) {
  std::string out = fmt::format("{} tensor{} {}: ", names.size(), names.size() == 1 ? "" : "s", what);
  for (size_t i = 0; i < std::min(names.size(), kMostNamed); ++i) out += (i ? ", " : "") + names[i];
  if (names.size() > kMostNamed) out += fmt::format(" and {} more", names.size() - kMostNamed);
  return out;
}

// Equal at both ends, as far as a megabyte from each shows: a hint for a note, without reading gigabytes.
bool looks_equal(std::span<const std::byte> a, std::span<const std::byte> b) {
  constexpr size_t kLook = 1 << 20;
  if (a.size() != b.size()) return false;
  const size_t look = std::min(a.size(), kLook);
  return std::memcmp(a.data(), b.data(), look) == 0 &&
         std::memcmp(a.data() + a.size() - look, b.data() + b.size() - look, look) == 0;
}

std::vector<int64_t> generation_eos(const fs::path& path) {
  if (!is_there(path)) return {};
  json value = read_json_file(path);
  if (!value.is_object()) fail("{}: an object expected, {} found", path.string(), json_kind(value));
  return ConfigFields(std::move(value), path.string()).token_ids("eos_token_id");
}

}  // namespace

json model_config_json(const fs::path& model) {
  if (const auto gguf = find_gguf(model)) return gguf_config(GgufFile(*gguf));
  return read_json_file(model / "config.json");
}

std::shared_ptr<const Checkpoint> Checkpoint::open(const fs::path& model, const fs::path& adapter) {
  std::error_code error;
  auto out = std::make_shared<Checkpoint>();
  out->folder_ = model;
  WeightFiles weights;
  if (const auto gguf = find_gguf(model)) {
    const auto file = std::make_shared<const GgufFile>(*gguf);
    out->config_ = config_of(gguf_config(*file), gguf->string());
    weights = gguf_weights(file);
  } else {
    if (!is_there(model)) fail("{}: no such folder", model.string());
    if (!fs::is_directory(model, error))
      fail("{}: a model's folder or a GGUF file expected, another file found", model.string());
    out->config_ = read_config(model);
    out->generation_eos_ids_ = generation_eos(model / "generation_config.json");
    weights = read_weight_files(model);
  }
  if (!adapter.empty()) out->config_.notes.push_back(merge_adapter(adapter, weights));
  out->keep_ = std::move(weights.keep);
  std::map<std::string, StoredTensor>& found = weights.tensors;

  std::vector<std::string> missing, misshapen, unexpected;
  for (const TensorSpec& spec : tensor_table(out->config_)) {
    const auto it = found.find(spec.name);
    if (it == found.end()) {
      missing.push_back(spec.name);
      continue;
    }
    const StoredTensor& tensor = it->second;
    if (!is_float_type(tensor.type))
      fail("{}: tensor {}: F32, F16, BF16 or F64 expected, {} found; quantised weights are not supported",
           tensor.file.string(), in_quotes(spec.name), in_quotes(tensor.type_name));
    if (tensor.shape != spec.shape)
      misshapen.push_back(fmt::format("{} ({} expected, {} found)", spec.name, print_shape(spec.shape),
                                      print_shape(tensor.shape)));
    out->places_.insert(found.extract(it));
  }
  for (const auto& [name, place] : found) {
    const bool known_extra =
        name.ends_with(".rotary_emb.inv_freq") || (name == "lm_head.weight" && out->config_.tied_head);
    if (known_extra)
      out->ignored_.push_back(name);
    else
      unexpected.push_back(in_quotes(name));
    if (name == "lm_head.weight" && known_extra) {
      const auto embedding = out->places_.find("model.embed_tokens.weight");
      if (embedding != out->places_.end() && !place.make && !embedding->second.make &&
          !looks_equal(place.mapped, embedding->second.mapped))
        out->config_.notes.push_back(
            "lm_head.weight differs from the embedding but is ignored: the head is tied");
    }
  }
  std::vector<std::string> problems;
  if (!missing.empty()) problems.push_back(list_some("missing", missing));
  if (!misshapen.empty()) problems.push_back(list_some("misshapen", misshapen));
  if (!unexpected.empty()) problems.push_back(list_some("unexpected", unexpected));
  if (missing == std::vector<std::string>{"lm_head.weight"})
    problems.push_back("is \"tie_word_embeddings\": true missing from config.json?");
  if (!problems.empty()) fail("{}: {}", model.string(), fmt::join(problems, "; "));
  return out;
}

const StoredTensor& Checkpoint::place_of(const std::string& name) const {
  const auto it = places_.find(name);
  if (it == places_.end()) fail("{}: tensor {} is missing", folder_.string(), in_quotes(name));
  return it->second;
}

TensorBytes Checkpoint::tensor(const std::string& name) const {
  const StoredTensor& tensor = place_of(name);
  if (!tensor.make) return {tensor.type, tensor.shape, tensor.mapped};
  const std::lock_guard lock(mutex_);
  const auto [made, fresh] = made_.try_emplace(name);
  if (fresh) made->second = tensor.make();
  return {tensor.type, tensor.shape, made->second};
}

Checkpoint::Outline Checkpoint::outline(const std::string& name) const {
  const StoredTensor& tensor = place_of(name);
  return {tensor.type, tensor.shape, static_cast<bool>(tensor.make)};
}

int64_t Checkpoint::Outline::bytes() const {
  int64_t n = bytes_per_entry(type);
  for (const int64_t size : shape) n *= size;
  return n;
}

std::vector<std::byte> Checkpoint::compute(const std::string& name) const { return place_of(name).make(); }

int64_t Checkpoint::n_parameters() const {
  int64_t count = 0;
  for (const auto& [name, tensor] : places_) count += tensor.numel();
  return count;
}

int64_t Checkpoint::stored_bytes() const {
  int64_t count = 0;
  for (const auto& [name, tensor] : places_) count += tensor.stored_bytes;
  return count;
}

std::map<TensorType, int64_t> Checkpoint::tensors_by_type() const {
  std::map<TensorType, int64_t> count;
  for (const auto& [name, tensor] : places_) ++count[tensor.type];
  return count;
}

TensorType Checkpoint::widest_type() const {
  const auto types = tensors_by_type();
  if (types.contains(TensorType::f64)) return TensorType::f64;
  // Neither of F16 and BF16 holds the other's values; F32 holds both.
  if (types.contains(TensorType::f32) || types.size() > 1) return TensorType::f32;
  return types.begin()->first;
}

std::vector<int64_t> Checkpoint::eos_ids() const {
  std::set<int64_t> ids(generation_eos_ids_.begin(), generation_eos_ids_.end());
  ids.insert(config_.eos_ids.begin(), config_.eos_ids.end());
  return {ids.begin(), ids.end()};
}

}  // namespace circuitdiff
