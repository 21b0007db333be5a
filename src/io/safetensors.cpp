#include "io/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "io/json.h"

namespace circuitdiff {
namespace {

struct TypeRow {
  TensorType type;
  const char* name;
  int64_t bytes;
};
constexpr std::array kTypes{TypeRow{TensorType::f64, "F64", 8},     TypeRow{TensorType::f32, "F32", 4},
                            TypeRow{TensorType::f16, "F16", 2},     TypeRow{TensorType::bf16, "BF16", 2},
                            TypeRow{TensorType::i64, "I64", 8},     TypeRow{TensorType::i32, "I32", 4},
                            TypeRow{TensorType::i16, "I16", 2},     TypeRow{TensorType::i8, "I8", 1},
                            TypeRow{TensorType::u64, "U64", 8},     TypeRow{TensorType::u32, "U32", 4},
                            TypeRow{TensorType::u16, "U16", 2},     TypeRow{TensorType::u8, "U8", 1},
                            TypeRow{TensorType::boolean, "BOOL", 1}};

constexpr uint64_t kLargestHeader = 100'000'000;  // the limit of the reference implementation

uint64_t read_u64(const std::byte* at) {
  uint64_t value = 0;
  std::memcpy(&value, at, 8);  // little-endian machines only, as libtorch
  return value;
}

std::vector<int64_t> read_shape(const json& value, const std::string& where) {
  if (!value.is_array()) fail("{}: shape: an array expected, {} found", where, json_kind(value));
  std::vector<int64_t> shape;
  for (const json& v : value) {
    if (!v.is_number_unsigned() || v.get<uint64_t>() > uint64_t{INT64_MAX})
      fail("{}: shape: a non-negative whole number expected, {} found", where, json_kind(v));
    shape.push_back(v.get<int64_t>());
  }
  return shape;
}

double half_to_double(uint16_t h) {
  const int exponent = (h >> 10) & 31;
  const int mantissa = h & 1023;
  double value = 0;
  if (exponent == 0)
    value = std::ldexp(mantissa, -24);
  else if (exponent == 31)
    value = mantissa ? std::nan("") : INFINITY;
  else
    value = std::ldexp(1024 + mantissa, exponent - 25);
  return (h & 0x8000) ? -value : value;
}

template <class From, class To>
void widen(std::span<const std::byte> bytes, std::vector<To>& out) {
  for (size_t i = 0; i < out.size(); ++i) {
    From value;
    std::memcpy(&value, bytes.data() + i * sizeof(From), sizeof(From));
    out[i] = static_cast<To>(value);
  }
}

}  // namespace

int64_t bytes_per_entry(TensorType type) {
  for (const auto& row : kTypes)
    if (row.type == type) return row.bytes;
  return 0;
}

const char* tensor_type_name(TensorType type) {
  for (const auto& row : kTypes)
    if (row.type == type) return row.name;
  return "?";
}

int64_t TensorEntry::numel() const {
  int64_t n = 1;
  for (const int64_t s : shape) n *= s;
  return n;
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : path_(path), file_(path) {
  const std::string where = path.string();
  const auto bytes = file_.bytes();
  if (bytes.size() < 8)
    fail("{}: not a safetensors file: {} bytes, at least 8 expected", where, bytes.size());
  const uint64_t header_size = read_u64(bytes.data());
  if (header_size > kLargestHeader || header_size > bytes.size() - 8)
    fail("{}: truncated or not a safetensors file: its header claims {} bytes, the file has {}", where,
         header_size, bytes.size());
  const json header = parse_json(file_.text().substr(8, header_size), where + ": header");
  if (!header.is_object()) fail("{}: header: an object expected, {} found", where, json_kind(header));
  data_begin_ = 8 + header_size;
  const uint64_t data_size = bytes.size() - data_begin_;

  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") {
      if (!value.is_object()) fail("{}: __metadata__: an object expected, {} found", where, json_kind(value));
      for (const auto& [key, text] : value.items()) {
        if (!text.is_string())
          fail("{}: __metadata__.{}: a string expected, {} found", where, in_quotes(key), json_kind(text));
        metadata_[key] = text.get<std::string>();
      }
      continue;
    }
    const std::string tensor_where = where + ": tensor " + in_quotes(name);
    if (!value.is_object()) fail("{}: an object expected, {} found", tensor_where, json_kind(value));
    for (const char* key : {"dtype", "shape", "data_offsets"})
      if (!value.contains(key)) fail("{}: \"{}\" is missing", tensor_where, key);
    TensorEntry entry;
    entry.name = name;
    if (!value["dtype"].is_string())
      fail("{}: dtype: a string expected, {} found", tensor_where, json_kind(value["dtype"]));
    entry.type_name = value["dtype"].get<std::string>();
    for (const auto& row : kTypes)
      if (entry.type_name == row.name) entry.type = row.type;
    entry.shape = read_shape(value["shape"], tensor_where);
    const auto offsets = read_shape(value["data_offsets"], tensor_where + ": data_offsets");
    if (offsets.size() != 2)
      fail("{}: data_offsets: two numbers expected, {} found", tensor_where, offsets.size());
    entry.begin = static_cast<uint64_t>(offsets[0]);
    entry.end = static_cast<uint64_t>(offsets[1]);
    if (entry.begin > entry.end || entry.end > data_size)
      fail("{}: bytes {} to {} lie outside the file's {} bytes of data; is the file truncated?", tensor_where,
           entry.begin, entry.end, data_size);
    if (entry.type != TensorType::other) {
      uint64_t size = static_cast<uint64_t>(bytes_per_entry(entry.type));
      for (const int64_t s : entry.shape)
        if (__builtin_mul_overflow(size, static_cast<uint64_t>(s), &size))
          fail("{}: its shape has more entries than memory can address", tensor_where);
      if (size != entry.end - entry.begin)
        fail("{}: {} of its shape need {} bytes, its offsets give {}", tensor_where, entry.type_name, size,
             entry.end - entry.begin);
    }
    tensors_.push_back(std::move(entry));
  }
  std::sort(tensors_.begin(), tensors_.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  uint64_t expected = 0;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const TensorEntry& entry = tensors_[i];
    if (entry.begin != expected)
      fail("{}: tensor {} begins at byte {}, the one before it ends at {}: tensors overlap or leave a gap",
           where, in_quotes(entry.name), entry.begin, expected);
    expected = entry.end;
    index_[entry.name] = i;
  }
  if (expected != data_size)
    fail("{}: {} bytes of data, its tensors cover {}; is the file truncated or appended to?", where,
         data_size, expected);
}

const TensorEntry* SafetensorsFile::find(const std::string& name) const {
  const auto it = index_.find(name);
  return it == index_.end() ? nullptr : &tensors_[it->second];
}

const TensorEntry& SafetensorsFile::at(const std::string& name) const {
  const TensorEntry* entry = find(name);
  if (!entry) fail("{}: tensor {} is missing", path_.string(), in_quotes(name));
  return *entry;
}

std::span<const std::byte> SafetensorsFile::bytes(const TensorEntry& entry) const {
  return file_.bytes().subspan(data_begin_ + entry.begin, entry.end - entry.begin);
}

bool is_float_type(TensorType type) {
  return type == TensorType::f64 || type == TensorType::f32 || type == TensorType::f16 ||
         type == TensorType::bf16;
}

std::vector<double> widened(TensorType type, std::span<const std::byte> data) {
  std::vector<double> out(data.size() / static_cast<size_t>(bytes_per_entry(type)));
  if (type == TensorType::f64) {
    widen<double>(data, out);
  } else if (type == TensorType::f32) {
    widen<float>(data, out);
  } else {
    for (size_t i = 0; i < out.size(); ++i) {
      uint16_t bits = 0;
      std::memcpy(&bits, data.data() + 2 * i, 2);
      out[i] = type == TensorType::f16 ? half_to_double(bits)
                                       : static_cast<double>(std::bit_cast<float>(uint32_t{bits} << 16));
    }
  }
  return out;
}

std::vector<double> SafetensorsFile::doubles(const std::string& name) const {
  const TensorEntry& entry = at(name);
  if (!is_float_type(entry.type))
    fail("{}: tensor {}: F64, F32, F16 or BF16 expected, {} found", path_.string(), in_quotes(name),
         in_quotes(entry.type_name));
  return widened(entry.type, bytes(entry));
}

std::vector<int64_t> SafetensorsFile::integers(const std::string& name) const {
  const TensorEntry& entry = at(name);
  const auto data = bytes(entry);
  std::vector<int64_t> out(entry.type == TensorType::other ? 0 : static_cast<size_t>(entry.numel()));
  switch (entry.type) {
    case TensorType::i64:
      widen<int64_t>(data, out);
      break;
    case TensorType::i32:
      widen<int32_t>(data, out);
      break;
    case TensorType::i16:
      widen<int16_t>(data, out);
      break;
    case TensorType::i8:
      widen<int8_t>(data, out);
      break;
    case TensorType::u32:
      widen<uint32_t>(data, out);
      break;
    case TensorType::u16:
      widen<uint16_t>(data, out);
      break;
    case TensorType::u8:
    case TensorType::boolean:
      widen<uint8_t>(data, out);
      break;
    default:
      fail("{}: tensor {}: an integer type expected, {} found", path_.string(), in_quotes(name),
           in_quotes(entry.type_name));
  }
  return out;
}

void write_safetensors(const std::filesystem::path& path, const std::vector<TensorOutline>& tensors,
                       const std::function<void(size_t, const AppendBytes&)>& fill,
                       const std::map<std::string, std::string>& metadata) {
  json header = json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::vector<uint64_t> sizes;
  uint64_t offset = 0;
  for (const auto& tensor : tensors) {
    uint64_t size = static_cast<uint64_t>(bytes_per_entry(tensor.type));
    for (const int64_t s : tensor.shape) size *= static_cast<uint64_t>(s);
    if (header.contains(tensor.name)) fail("{}: tensor \"{}\" given twice", path.string(), tensor.name);
    header[tensor.name] = {{"dtype", tensor_type_name(tensor.type)},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, offset + size}}};
    sizes.push_back(size);
    offset += size;
  }
  // Metadata may hold a path, and a path need not be UTF-8.
  std::string text = header.dump(-1, ' ', false, json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');
  const uint64_t length = text.size();
  write_file_atomically(path, [&](const auto& append) {
    append(&length, 8);
    append(text.data(), text.size());
    for (size_t i = 0; i < tensors.size(); ++i) {
      uint64_t given = 0;
      fill(i, [&](const void* data, size_t size) {
        append(data, size);
        given += size;
      });
      if (given != sizes[i])
        fail("{}: tensor \"{}\": its shape needs {} bytes, {} given", path.string(), tensors[i].name,
             sizes[i], given);
    }
  });
}

void write_safetensors(const std::filesystem::path& path, const std::vector<TensorToWrite>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<TensorOutline> outlines;
  for (const auto& tensor : tensors) outlines.push_back({tensor.name, tensor.type, tensor.shape});
  write_safetensors(
      path, outlines,
      [&](size_t i, const AppendBytes& append) { append(tensors[i].data.data(), tensors[i].data.size()); },
      metadata);
}

}  // namespace circuitdiff
