#include "io/gguf.h"

#include <cstring>
#include <fstream>

#include "base/error.h"
#include "io/json.h"

namespace circuitdiff {
namespace {

enum ValueType : uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, text_value, array, u64, i64, f64 };

constexpr uint64_t kMostValues = 100'000, kMostTensors = 1'000'000, kLongestName = 65535;
constexpr int64_t kMostEntries = int64_t{1} << 48;

// Bytes of a number; 0 for text and arrays.
uint64_t width_of(uint32_t type) {
  switch (type) {
    case u8:
    case i8:
    case boolean:
      return 1;
    case u16:
    case i16:
      return 2;
    case u32:
    case i32:
    case f32:
      return 4;
    case u64:
    case i64:
    case f64:
      return 8;
    default:
      return 0;
  }
}

template <class T>
T load_as(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

std::optional<double> number_at(uint32_t type, const std::byte* at) {
  switch (type) {
    case u8:
      return load_as<uint8_t>(at);
    case i8:
      return load_as<int8_t>(at);
    case u16:
      return load_as<uint16_t>(at);
    case i16:
      return load_as<int16_t>(at);
    case u32:
      return load_as<uint32_t>(at);
    case i32:
      return load_as<int32_t>(at);
    case u64:
      return static_cast<double>(load_as<uint64_t>(at));
    case i64:
      return static_cast<double>(load_as<int64_t>(at));
    case f32:
      return load_as<float>(at);
    case f64:
      return load_as<double>(at);
    default:
      return std::nullopt;
  }
}

}  // namespace

class GgufFile::Reader {
 public:
  Reader(std::span<const std::byte> file, const std::string& where) : file_(file), where_(where) {}

  std::span<const std::byte> take(uint64_t n, const char* what) {
    if (n > file_.size() - at_)
      fail("{}: truncated or damaged GGUF file: {} of {} bytes at {} ends beyond the file ({} bytes)", where_,
           what, n, at_, file_.size());
    const auto out = file_.subspan(at_, n);
    at_ += n;
    return out;
  }
  template <class T>
  T number(const char* what) {
    return load_as<T>(take(sizeof(T), what).data());
  }
  std::string name(const char* what) {
    const auto size = number<uint64_t>(what);
    if (size > kLongestName)
      fail("{}: {} of {} bytes; at most {} expected", where_, what, size, kLongestName);
    const auto bytes = take(size, what);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  uint64_t at() const { return at_; }
  std::span<const std::byte> since(uint64_t begin) const { return file_.subspan(begin, at_ - begin); }

  Stored value(const std::string& key) {
    Stored out;
    out.type = number<uint32_t>("a value's type");
    uint32_t element = out.type;
    if (out.type == array) {
      element = out.element = number<uint32_t>("an array's type");
      out.count = number<uint64_t>("an array's length");
    }
    const uint64_t begin = at_;
    if (const uint64_t width = width_of(element)) {
      if (out.count > file_.size() / width)
        fail("{}: {}: an array of {} entries announced in a file of {} bytes", where_, in_quotes(key),
             out.count, file_.size());
      take(out.count * width, "a value");
    } else if (element == text_value) {
      for (uint64_t i = 0; i < out.count; ++i) take(number<uint64_t>("a text's length"), "a text");
    } else {
      fail("{}: {}: values of type {} are not known", where_, in_quotes(key), element);
    }
    out.bytes = since(begin);
    return out;
  }

 private:
  std::span<const std::byte> file_;
  const std::string& where_;
  uint64_t at_ = 0;
};

GgufFile::GgufFile(const std::filesystem::path& path) : path_(path), file_(path) {
  const std::string where = path.string();
  if (!file_.text().starts_with("GGUF")) fail("{}: a GGUF file expected", where);
  Reader in(file_.bytes(), where);
  in.take(4, "the mark");
  const auto version = in.number<uint32_t>("the version");
  if (version != 2 && version != 3) fail("{}: GGUF version {}: 2 or 3 expected", where, version);
  const auto n_tensors = in.number<uint64_t>("the number of tensors");
  const auto n_values = in.number<uint64_t>("the number of values");
  if (n_tensors > kMostTensors || n_values > kMostValues)
    fail("{}: {} tensors and {} values announced", where, n_tensors, n_values);
  for (uint64_t i = 0; i < n_values; ++i) {
    const std::string key = in.name("a key");
    if (!values_.emplace(key, in.value(key)).second) fail("{}: {} stands there twice", where, in_quotes(key));
  }

  struct Place {
    std::string name;
    GgufTensor tensor;
    uint64_t offset;
    uint64_t size;
  };
  std::vector<Place> places;
  for (uint64_t i = 0; i < n_tensors; ++i) {
    Place place;
    place.name = in.name("a tensor's name");
    const std::string tensor_where = where + ": tensor " + in_quotes(place.name);
    const auto n_axes = in.number<uint32_t>("a tensor's axes");
    if (n_axes > 4) fail("{}: {} axes; at most 4 expected", tensor_where, n_axes);
    int64_t numel = 1;
    for (uint32_t axis = 0; axis < n_axes; ++axis) {
      const auto n = in.number<uint64_t>("a tensor's axis");
      if (n == 0 || n > uint64_t{kMostEntries} || numel > kMostEntries / static_cast<int64_t>(n))
        fail("{}: an axis of {} entries", tensor_where, n);
      numel *= static_cast<int64_t>(n);
      place.tensor.shape.insert(place.tensor.shape.begin(), static_cast<int64_t>(n));
    }
    const auto type = in.number<uint32_t>("a tensor's type");
    place.offset = in.number<uint64_t>("a tensor's place");
    place.tensor.type = static_cast<GgufType>(type);
    const auto block = gguf_block(place.tensor.type);
    if (!block)
      fail("{}: ggml type {} is not read; F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q4_K, Q5_K or Q6_K expected",
           tensor_where, type);
    const int64_t row = place.tensor.shape.empty() ? 1 : place.tensor.shape.back();
    if (row % block->entries != 0)
      fail("{}: rows of {} entries; a multiple of {} expected for {}", tensor_where, row, block->entries,
           block->name);
    place.size = static_cast<uint64_t>(numel / block->entries * block->bytes);
    places.push_back(std::move(place));
  }

  const int64_t alignment = integer("general.alignment").value_or(32);
  if (alignment < 1 || alignment > (1 << 20) || (alignment & (alignment - 1)))
    fail("{}: an alignment of {} bytes", where, alignment);
  const auto step = static_cast<uint64_t>(alignment);
  const uint64_t begin = (in.at() + step - 1) / step * step;
  const uint64_t size = file_.bytes().size();
  for (Place& place : places) {
    if (begin > size || place.offset > size - begin || place.size > size - begin - place.offset)
      fail("{}: tensor {}: truncated or damaged GGUF file: {} bytes at {} end beyond the file ({} bytes)",
           where, in_quotes(place.name), place.size, place.offset, size);
    if (place.offset % step != 0)
      fail("{}: tensor {}: its place is not aligned", where, in_quotes(place.name));
    place.tensor.data = file_.bytes().subspan(begin + place.offset, place.size);
    if (!tensors_.emplace(place.name, std::move(place.tensor)).second)
      fail("{}: tensor {} stands there twice", where, in_quotes(place.name));
  }
}

const GgufFile::Stored* GgufFile::find(const std::string& key) const {
  const auto it = values_.find(key);
  return it == values_.end() ? nullptr : &it->second;
}

void GgufFile::wrong(const std::string& key, const char* expected) const {
  fail("{}: {}: {} expected", path_.string(), in_quotes(key), expected);
}

std::optional<std::string> GgufFile::text(const std::string& key) const {
  const Stored* value = find(key);
  if (!value) return std::nullopt;
  if (value->type != text_value) wrong(key, "a text");
  return std::string(reinterpret_cast<const char*>(value->bytes.data()) + 8, value->bytes.size() - 8);
}

std::optional<int64_t> GgufFile::integer(const std::string& key) const {
  const Stored* value = find(key);
  if (!value) return std::nullopt;
  if (value->type == f32 || value->type == f64) wrong(key, "a whole number");
  const auto number = number_at(value->type, value->bytes.data());
  if (!number || *number < -9e15 || *number > 9e15) wrong(key, "a whole number");
  return static_cast<int64_t>(*number);
}

std::optional<double> GgufFile::number(const std::string& key) const {
  const Stored* value = find(key);
  if (!value) return std::nullopt;
  const auto number = number_at(value->type, value->bytes.data());
  if (!number) wrong(key, "a number");
  return number;
}

std::optional<bool> GgufFile::flag(const std::string& key) const {
  const Stored* value = find(key);
  if (!value) return std::nullopt;
  if (value->type != boolean) wrong(key, "true or false");
  return load_as<uint8_t>(value->bytes.data()) != 0;
}

std::vector<std::string_view> GgufFile::texts(const std::string& key) const {
  const Stored* value = find(key);
  if (!value) return {};
  if (value->type != array || value->element != text_value) wrong(key, "an array of texts");
  std::vector<std::string_view> out;
  const std::byte* at = value->bytes.data();
  for (uint64_t i = 0; i < value->count; ++i) {
    const auto size = load_as<uint64_t>(at);
    out.emplace_back(reinterpret_cast<const char*>(at + 8), size);
    at += 8 + size;
  }
  return out;
}

std::vector<double> GgufFile::numbers(const std::string& key) const {
  const Stored* value = find(key);
  if (!value) return {};
  const uint64_t width = value->type == array ? width_of(value->element) : 0;
  if (width == 0 || value->element == boolean) wrong(key, "an array of numbers");
  std::vector<double> out(value->count);
  for (uint64_t i = 0; i < value->count; ++i)
    out[i] = *number_at(value->element, value->bytes.data() + i * width);
  return out;
}

int64_t GgufTensor::numel() const {
  int64_t n = 1;
  for (const int64_t s : shape) n *= s;
  return n;
}

std::optional<std::filesystem::path> find_gguf(const std::filesystem::path& model) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::is_directory(model, error)) {
    if (fs::exists(model / "config.json", error)) return std::nullopt;
    std::optional<fs::path> only;
    for (const auto& entry : fs::directory_iterator(model, error))
      if (entry.path().extension() == ".gguf") {
        if (only) fail("{}: more than one .gguf file; name the one that is meant", model.string());
        only = entry.path();
      }
    return only;
  }
  if (!fs::is_regular_file(model, error)) return std::nullopt;
  char mark[4] = {};
  std::ifstream in(model, std::ios::binary);
  if (in.read(mark, 4) && std::string_view(mark, 4) == "GGUF") return model;
  return std::nullopt;
}

}  // namespace circuitdiff
