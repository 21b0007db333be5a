#include "checkpoint/checkpoint.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "base/error.h"
#include "checkpoint/config_fields.h"

namespace circuitdiff {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostNamed = 10;  // tensors listed in one message

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

bool is_weight_type(TensorType type) {
  return type == TensorType::f64 || type == TensorType::f32 || type == TensorType::f16 ||
         type == TensorType::bf16;
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

// weight_map of model.safetensors.index.json: tensor -> file name, which must be a plain one inside the
// folder.
std::map<std::string, std::string> read_index(const fs::path& path) {
  const json value = read_json_file(path);
  if (!value.is_object()) fail("{}: an object expected, {} found", path.string(), json_kind(value));
  const auto it = value.find("weight_map");
  if (it == value.end()) fail("{}: field \"weight_map\" is missing", path.string());
  if (!it->is_object())
    fail("{}: field \"weight_map\": an object expected, {} found", path.string(), json_kind(*it));
  if (it->empty()) fail("{}: field \"weight_map\": it is empty", path.string());
  std::map<std::string, std::string> map;
  for (const auto& [tensor, file] : it->items()) {
    if (!file.is_string())
      fail("{}: weight_map[{}]: a file name expected, {} found", path.string(), in_quotes(tensor),
           json_kind(file));
    const auto name = file.get<std::string>();
    if (name.empty() || name == "." || name == ".." || name.find_first_of("/\\") != std::string::npos ||
        name.find('\0') != std::string::npos)
      fail("{}: weight_map[{}]: the plain name of a file in this folder expected, {} found", path.string(),
           in_quotes(tensor), in_quotes(name));
    map[tensor] = name;
  }
  return map;
}

[[noreturn]] void no_weights(const fs::path& folder) {
  for (const char* name : {"pytorch_model.bin", "pytorch_model.bin.index.json"})
    if (is_there(folder / name))
      fail("{}: only {} found, model.safetensors expected; save the model again with safe_serialization",
           folder.string(), name);
  if (is_there(folder / "adapter_config.json"))
    fail("{}: an adapter found, a whole model expected; merge it into its base model first", folder.string());
  fail("{}: no model.safetensors and no model.safetensors.index.json", folder.string());
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

std::shared_ptr<const Checkpoint> Checkpoint::open(const fs::path& folder) {
  std::error_code error;
  if (!is_there(folder)) fail("{}: no such folder", folder.string());
  if (!fs::is_directory(folder, error)) fail("{}: a model's folder expected, a file found", folder.string());
  auto out = std::make_shared<Checkpoint>();
  out->folder_ = folder;
  out->config_ = read_config(folder);
  out->generation_eos_ids_ = generation_eos(folder / "generation_config.json");

  // A single file wins over an index, as in transformers.
  std::map<std::string, std::string> index;
  const fs::path single = folder / "model.safetensors";
  const fs::path index_path = folder / "model.safetensors.index.json";
  if (is_there(single)) {
    out->files_.push_back(std::make_unique<SafetensorsFile>(single));
  } else if (is_there(index_path)) {
    index = read_index(index_path);
    std::set<std::string> names;
    for (const auto& [tensor, file] : index) names.insert(file);
    for (const auto& name : names) {
      if (!is_there(folder / name))
        fail("{}: shard {} is missing from the folder; is the download complete?", index_path.string(),
             in_quotes(name));
      out->files_.push_back(std::make_unique<SafetensorsFile>(folder / name));
    }
  } else {
    no_weights(folder);
  }

  std::map<std::string, Place> found;
  for (const auto& file : out->files_)
    for (const TensorEntry& entry : file->tensors()) {
      const auto [it, fresh] = found.emplace(entry.name, Place{file.get(), &entry});
      if (!fresh)
        fail("{}: tensor {} stands already in {}", file->path().string(), in_quotes(entry.name),
             it->second.file->path().filename().string());
    }
  for (const auto& [tensor, file] : index) {
    const auto it = found.find(tensor);
    if (it == found.end() || it->second.file->path().filename() != file)
      fail("{}: weight_map[{}]: the tensor is not in {}", index_path.string(), in_quotes(tensor),
           in_quotes(file));
  }

  const auto bytes_of = [](const Place& place) { return place.file->bytes(*place.entry); };
  std::vector<std::string> missing, misshapen, unexpected;
  for (const TensorSpec& spec : tensor_table(out->config_)) {
    const auto it = found.find(spec.name);
    if (it == found.end()) {
      missing.push_back(spec.name);
      continue;
    }
    const TensorEntry& entry = *it->second.entry;
    if (!is_weight_type(entry.type))
      fail("{}: tensor {}: F32, F16, BF16 or F64 expected, {} found; quantised weights are not supported",
           it->second.file->path().string(), in_quotes(entry.name), in_quotes(entry.type_name));
    if (entry.shape != spec.shape)
      misshapen.push_back(fmt::format("{} ({} expected, {} found)", spec.name, print_shape(spec.shape),
                                      print_shape(entry.shape)));
    out->places_.insert(*it);
    found.erase(it);
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
      if (embedding != out->places_.end() && !looks_equal(bytes_of(place), bytes_of(embedding->second)))
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
  if (!problems.empty()) fail("{}: {}", folder.string(), fmt::join(problems, "; "));
  return out;
}

TensorBytes Checkpoint::tensor(const std::string& name) const {
  const auto it = places_.find(name);
  if (it == places_.end()) fail("{}: tensor {} is missing", folder_.string(), in_quotes(name));
  const TensorEntry& entry = *it->second.entry;
  return {entry.type, entry.shape, it->second.file->bytes(entry)};
}

int64_t Checkpoint::n_parameters() const {
  int64_t count = 0;
  for (const auto& [name, place] : places_) count += place.entry->numel();
  return count;
}

int64_t Checkpoint::stored_bytes() const {
  int64_t count = 0;
  for (const auto& [name, place] : places_)
    count += static_cast<int64_t>(place.entry->end - place.entry->begin);
  return count;
}

std::map<TensorType, int64_t> Checkpoint::tensors_by_type() const {
  std::map<TensorType, int64_t> count;
  for (const auto& [name, place] : places_) ++count[place.entry->type];
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
