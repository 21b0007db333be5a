#include "checkpoint/torch_file.h"

#include <cstring>

#include "base/error.h"
#include "checkpoint/torch_pickle.h"
#include "io/json.h"

namespace circuitdiff {
namespace {

constexpr int64_t kMostEntries = int64_t{1} << 48;

// Entries of the storage that the tensor reaches, and how many it has; every product checked.
struct Reach {
  int64_t numel = 1, last = 0;
  bool contiguous = true;
};

Reach reach_of(const PickledTensor& t, const std::string& where) {
  if (t.shape.size() != t.stride.size())
    fail("{}: {} axes and {} strides", where, t.shape.size(), t.stride.size());
  Reach out;
  out.last = t.offset;
  if (t.offset < 0 || t.offset > kMostEntries) fail("{}: offset {}", where, t.offset);
  for (size_t axis = t.shape.size(); axis-- > 0;) {
    const int64_t n = t.shape[axis], stride = t.stride[axis];
    if (n < 0 || stride < 0 || n > kMostEntries || stride > kMostEntries)
      fail("{}: an axis of {} entries, stride {}", where, n, stride);
    if (n != 1 && stride != out.numel) out.contiguous = false;
    if (n > 1 && stride > (kMostEntries - out.last) / (n - 1))
      fail("{}: it reaches beyond any storage", where);
    if (n > 1) out.last += (n - 1) * stride;
    if (n > 0 && out.numel > kMostEntries / n) fail("{}: more entries than a tensor has", where);
    out.numel *= n;
  }
  return out;
}

// The tensor's entries in order, out of a storage with other strides.
std::vector<std::byte> gather(const PickledTensor& t, std::span<const std::byte> storage, int64_t numel) {
  const auto width = static_cast<size_t>(bytes_per_entry(t.type));
  std::vector<std::byte> out(static_cast<size_t>(numel) * width);
  std::vector<int64_t> index(t.shape.size(), 0);
  int64_t at = t.offset;
  for (int64_t i = 0; i < numel; ++i) {
    std::memcpy(out.data() + static_cast<size_t>(i) * width, storage.data() + static_cast<size_t>(at) * width,
                width);
    for (size_t axis = t.shape.size(); axis-- > 0;) {
      at += t.stride[axis];
      if (++index[axis] < t.shape[axis]) break;
      at -= t.stride[axis] * t.shape[axis];
      index[axis] = 0;
    }
  }
  return out;
}

MappedFile mapped_archive(const std::filesystem::path& path) {
  MappedFile file(path);
  const std::string where = path.string();
  const std::string_view text = file.text();
  if (!text.starts_with("PK\x03\x04")) {
    if (text.starts_with("\x80\x02\x8a\x0al\xfc\x9c"))
      fail("{}: the format of torch before 1.6; load it and torch.save it again with a newer torch", where);
    fail("{}: a file of torch.save (a zip file) expected", where);
  }
  return file;
}

}  // namespace

TorchFile::TorchFile(const std::filesystem::path& path)
    : zip_(mapped_archive(path), path.string(), "a whole file of torch.save") {
  const std::string where = path.string();
  std::map<std::string, std::span<const std::byte>> records;
  for (const std::string& name : zip_.names())
    if (!name.ends_with("/")) records.emplace(name, zip_.mapped(name));
  // All records lie in one folder of any name; its pickle is data.pkl.
  std::string folder;
  for (const auto& [name, bytes] : records)
    if (name == "data.pkl" || name.ends_with("/data.pkl")) {
      if (!folder.empty()) fail("{}: more than one data.pkl", where);
      folder = name.substr(0, name.size() - 8);
      if (folder.empty()) folder = "./";
    }
  if (folder.empty()) fail("{}: no record data.pkl", where);
  if (folder == "./") folder.clear();
  if (const auto order = records.find(folder + "byteorder"); order != records.end()) {
    const std::string word(reinterpret_cast<const char*>(order->second.data()), order->second.size());
    if (word != "little") fail("{}: byte order {}: little expected", where, in_quotes(word));
  }
  for (auto& [name, t] : read_torch_pickle(records.at(folder + "data.pkl"), where + ": data.pkl")) {
    const std::string tensor_where = where + ": tensor " + in_quotes(name);
    const auto record = records.find(folder + "data/" + t.storage);
    if (record == records.end())
      fail("{}: its storage {} is not in the file", tensor_where, in_quotes(t.storage));
    const auto width = bytes_per_entry(t.type);
    const auto storage = record->second;
    if (t.storage_numel < 0 || t.storage_numel > kMostEntries ||
        static_cast<uint64_t>(t.storage_numel * width) != storage.size())
      fail("{}: a storage of {} entries of {} bytes announced, {} bytes found", tensor_where, t.storage_numel,
           width, storage.size());
    const Reach reach = reach_of(t, tensor_where);
    if (reach.numel > 0 && reach.last >= t.storage_numel)
      fail("{}: it reaches to entry {} of a storage of {}", tensor_where, reach.last, t.storage_numel);
    // Overlapping strides could make a small file a huge tensor.
    if (reach.numel > t.storage_numel)
      fail("{}: {} entries out of a storage of {}", tensor_where, reach.numel, t.storage_numel);
    StoredTensor out;
    out.type = t.type;
    out.type_name = tensor_type_name(t.type);
    out.shape = t.shape;
    out.file = path;
    out.stored_bytes = reach.numel * width;
    const auto whole = reach.numel == 0 ? std::span<const std::byte>()
                                        : storage.subspan(static_cast<size_t>(t.offset * width));
    if (reach.contiguous && reinterpret_cast<uintptr_t>(whole.data()) % static_cast<uintptr_t>(width) == 0)
      out.mapped = whole.first(static_cast<size_t>(out.stored_bytes));
    else
      out.make = [t = t, storage, n = reach.numel] { return gather(t, storage, n); };
    tensors_.emplace(name, std::move(out));
  }
}

}  // namespace circuitdiff
