#include "checkpoint/weight_files.h"

#include <set>

#include "base/error.h"
#include "checkpoint/torch_file.h"
#include "io/json.h"

namespace circuitdiff {
namespace {

namespace fs = std::filesystem;

bool is_present(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

// weight_map of an index: tensor -> file name, which must be a plain one inside the folder.
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
  if (is_present(folder / "adapter_config.json"))
    fail("{}: an adapter found, a whole model expected; give its base model, and this as --adapter",
         folder.string());
  fail("{}: no model.safetensors and no model.safetensors.index.json, no pytorch_model.bin either",
       folder.string());
}

void add(WeightFiles& out, const std::string& name, StoredTensor tensor) {
  const fs::path file = tensor.file;
  const auto [it, fresh] = out.tensors.emplace(name, std::move(tensor));
  if (!fresh)
    fail("{}: tensor {} stands already in {}", file.string(), in_quotes(name),
         it->second.file.filename().string());
}

void read_safetensors(const fs::path& path, WeightFiles& out) {
  const auto file = std::make_shared<const SafetensorsFile>(path);
  for (const TensorEntry& entry : file->tensors()) {
    StoredTensor tensor;
    tensor.type = entry.type;
    tensor.type_name = entry.type_name;
    tensor.shape = entry.shape;
    tensor.file = path;
    tensor.stored_bytes = static_cast<int64_t>(entry.end - entry.begin);
    tensor.mapped = file->bytes(entry);
    add(out, entry.name, std::move(tensor));
  }
  out.keep.push_back(file);
}

void read_torch(const fs::path& path, WeightFiles& out) {
  const auto file = std::make_shared<const TorchFile>(path);
  for (const auto& [name, tensor] : file->tensors()) add(out, name, tensor);
  out.keep.push_back(file);
}

}  // namespace

int64_t StoredTensor::numel() const {
  int64_t n = 1;
  for (const int64_t s : shape) n *= s;
  return n;
}

WeightFiles read_weight_files(const fs::path& folder) {
  WeightFiles out;
  // A single file wins over an index.
  for (const auto& [stem, read] :
       {std::pair{"model.safetensors", &read_safetensors}, std::pair{"pytorch_model.bin", &read_torch}}) {
    const fs::path single = folder / stem, index_path = folder / (std::string(stem) + ".index.json");
    if (is_present(single)) {
      read(single, out);
      return out;
    }
    if (!is_present(index_path)) continue;
    const std::map<std::string, std::string> index = read_index(index_path);
    std::set<std::string> names;
    for (const auto& [tensor, file] : index) names.insert(file);
    for (const auto& name : names) {
      if (!is_present(folder / name))
        fail("{}: shard {} is missing from the folder; is the download complete?", index_path.string(),
             in_quotes(name));
      read(folder / name, out);
    }
    for (const auto& [tensor, file] : index) {
      const auto it = out.tensors.find(tensor);
      if (it == out.tensors.end() || it->second.file.filename() != file)
        fail("{}: weight_map[{}]: the tensor is not in {}", index_path.string(), in_quotes(tensor),
             in_quotes(file));
    }
    return out;
  }
  no_weights(folder);
}

}  // namespace circuitdiff
