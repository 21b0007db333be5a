#include "io/npy.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/error.h"
#include "io/json.h"
#include "io/safetensors.h"

namespace circuitdiff {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

// Reads the header's dictionary: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }. numpy writes no
// other keys and no nesting but the shape.
class Header {
 public:
  Header(std::string_view text, const std::string& where) : text_(text), where_(where) {
    expect('{');
    while (!accept('}')) {
      const std::string key = quoted();
      expect(':');
      if (key == "descr")
        descr = quoted();
      else if (key == "fortran_order")
        fortran = word();
      else if (key == "shape")
        shape = tuple();
      else
        bad("key " + in_quotes(key));
      seen_ += key + ";";
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    for (const char* key : {"descr;", "fortran_order;", "shape;"})
      if (seen_.find(key) == std::string::npos) bad("no key " + std::string(key));
  }
  std::string descr;
  bool fortran = false;
  std::vector<int64_t> shape;

 private:
  [[noreturn]] void bad(const std::string& what) const {
    fail("{}: a numpy header with descr, fortran_order and shape expected, {} found", where_, what);
  }
  void blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool accept(char c) {
    blanks();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) bad(at_ < text_.size() ? in_quotes(std::string(text_.substr(at_, 8))) : "its end");
  }
  std::string quoted() {
    blanks();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote == '[') bad("a structured type");
    if (quote != '\'' && quote != '"') bad("no quoted text");
    const size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) bad("a text without end");
    std::string out(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return out;
  }
  bool word() {
    blanks();
    for (const bool value : {true, false}) {
      const std::string_view name = value ? "True" : "False";
      if (text_.substr(at_).starts_with(name)) {
        at_ += name.size();
        return value;
      }
    }
    bad("neither True nor False");
  }
  std::vector<int64_t> tuple() {
    std::vector<int64_t> out;
    expect('(');
    while (!accept(')')) {
      blanks();
      int64_t value = -1;
      const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
      if (error != std::errc() || value < 0) bad("a dimension that is no whole number");
      at_ = static_cast<size_t>(end - text_.data());
      out.push_back(value);
      if (out.size() > 32) bad("more than 32 dimensions");
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return out;
  }
  std::string_view text_;
  const std::string& where_;
  size_t at_ = 0;
  std::string seen_;
};

int64_t bytes_of(const std::string& dtype, const std::string& where) {
  static constexpr std::string_view kNumbers[] = {"<f2", "<f4", "<f8", "<i8", "<i4", "<i2",
                                                  "|i1", "<u8", "<u4", "<u2", "|u1", "|b1"};
  if (std::find(std::begin(kNumbers), std::end(kNumbers), dtype) != std::end(kNumbers)) return dtype[2] - '0';
  if (dtype.starts_with("<U")) {
    int64_t length = -1;
    const auto [end, error] = std::from_chars(dtype.data() + 2, dtype.data() + dtype.size(), length);
    if (error == std::errc() && end == dtype.data() + dtype.size() && length >= 0 && length < (1 << 20))
      return 4 * length;
  }
  if (dtype.find('O') != std::string::npos)
    fail("{}: an array of Python objects is a pickle, which could run anything; numbers expected", where);
  fail("{}: little-endian numbers or texts expected, type {} found", where, in_quotes(dtype));
}

int64_t checked_numel(const std::vector<int64_t>& shape, int64_t width, uint64_t available,
                      const std::string& where) {
  uint64_t count = 1;
  for (const int64_t n : shape) {
    if (n == 0) return 0;
    // Above this the product could not be in the file; and it must not overflow.
    if (count > (uint64_t{1} << 62) / static_cast<uint64_t>(n))
      count = available + 1;
    else
      count *= static_cast<uint64_t>(n);
    if (count > available + 1) break;
  }
  if (width > 0 && count > available / static_cast<uint64_t>(width))
    fail("{}: its shape needs more than the {} bytes that it has", where, available);
  return static_cast<int64_t>(count);
}

// Column-major to row-major.
std::string turned(const std::string& data, const std::vector<int64_t>& shape, size_t width) {
  std::string out(data.size(), '\0');
  std::vector<int64_t> index(shape.size(), 0);
  const size_t count = width ? data.size() / width : 0;
  for (size_t to = 0; to < count; ++to) {
    size_t from = 0, stride = 1;
    for (size_t d = 0; d < shape.size(); ++d) {
      from += static_cast<size_t>(index[d]) * stride;
      stride *= static_cast<size_t>(shape[d]);
    }
    std::memcpy(out.data() + to * width, data.data() + from * width, width);
    for (size_t d = shape.size(); d-- > 0;) {
      if (++index[d] < shape[d]) break;
      index[d] = 0;
    }
  }
  return out;
}

template <class T>
NpyArray array_of(const char* dtype, const std::vector<T>& values, std::vector<int64_t> shape) {
  NpyArray out{dtype, std::move(shape), {}};
  out.data.assign(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  return out;
}

template <class T>
void widen_into(const std::string& data, std::vector<double>& out) {
  for (size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, data.data() + i * sizeof value, sizeof value);
    out[i] = static_cast<double>(value);
  }
}

std::u32string code_points(const std::string& utf8) {
  std::u32string out;
  for (size_t i = 0; i < utf8.size();) {
    const auto c = static_cast<unsigned char>(utf8[i]);
    const size_t length = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    char32_t point = length == 1 ? c : c & (0xffu >> (length + 1));
    for (size_t k = 1; k < length && i + k < utf8.size(); ++k)
      point = (point << 6) | (static_cast<unsigned char>(utf8[i + k]) & 0x3fu);
    out.push_back(point);
    i += length;
  }
  return out;
}

void put_utf8(std::string& out, char32_t c) {
  const auto byte = [&](char32_t value) {
    out.push_back(static_cast<char>(static_cast<unsigned char>(value)));
  };
  if (c < 0x80) {
    byte(c);
  } else if (c < 0x800) {
    byte(0xc0 | (c >> 6)), byte(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    byte(0xe0 | (c >> 12)), byte(0x80 | ((c >> 6) & 0x3f)), byte(0x80 | (c & 0x3f));
  } else {
    byte(0xf0 | (c >> 18)), byte(0x80 | ((c >> 12) & 0x3f)), byte(0x80 | ((c >> 6) & 0x3f)),
        byte(0x80 | (c & 0x3f));
  }
}

}  // namespace

int64_t NpyArray::numel() const {
  int64_t out = 1;
  for (const int64_t n : shape) out *= n;
  return out;
}

NpyArray parse_npy(std::string_view bytes, const std::string& where) {
  if (!bytes.starts_with(kMagic) || bytes.size() < 10)
    fail("{}: a numpy array expected, its magic is missing", where);
  const auto byte = [&](size_t i) { return static_cast<size_t>(static_cast<unsigned char>(bytes[i])); };
  const size_t major = byte(6);
  if (major < 1 || major > 3) fail("{}: numpy format 1 to 3 expected, {} found", where, major);
  const size_t head = major == 1 ? 10 : 12;
  if (bytes.size() < head) fail("{}: it ends within its header", where);
  const size_t length =
      major == 1 ? byte(8) | byte(9) << 8 : byte(8) | byte(9) << 8 | byte(10) << 16 | byte(11) << 24;
  if (length > bytes.size() - head) fail("{}: it ends within its header", where);
  const Header header(bytes.substr(head, length), where);
  NpyArray out{header.descr, header.shape, {}};
  const std::string_view data = bytes.substr(head + length);
  const int64_t width = bytes_of(out.dtype, where);
  const int64_t count = checked_numel(out.shape, width, data.size(), where);
  if (static_cast<uint64_t>(count * width) != data.size())
    fail("{}: {} bytes of data expected by its shape, {} found", where, count * width, data.size());
  out.data = std::string(data);
  if (header.fortran && out.shape.size() > 1)
    out.data = turned(out.data, out.shape, static_cast<size_t>(width));
  return out;
}

std::string npy_bytes(const NpyArray& array) {
  std::string shape;
  for (const int64_t n : array.shape) shape += std::to_string(n) + ", ";
  if (array.shape.size() > 1) shape.resize(shape.size() - 2);
  if (array.shape.size() == 1) shape.resize(shape.size() - 1);
  std::string header = "{'descr': '" + array.dtype + "', 'fortran_order': False, 'shape': (" + shape + "), }";
  header.append(63 - (10 + header.size()) % 64, ' ');
  header += '\n';
  std::string out(kMagic);
  out += {'\x01', '\x00', static_cast<char>(header.size() & 0xff), static_cast<char>(header.size() >> 8)};
  return out + header + array.data;
}

NpyArray npy_of(const std::vector<float>& values, std::vector<int64_t> shape) {
  return array_of("<f4", values, std::move(shape));
}
NpyArray npy_of(const std::vector<double>& values, std::vector<int64_t> shape) {
  return array_of("<f8", values, std::move(shape));
}
NpyArray npy_of(const std::vector<int64_t>& values, std::vector<int64_t> shape) {
  return array_of("<i8", values, std::move(shape));
}
NpyArray npy_of(const std::vector<bool>& values, std::vector<int64_t> shape) {
  NpyArray out{"|b1", std::move(shape), {}};
  for (const bool b : values) out.data.push_back(b ? '\x01' : '\x00');
  return out;
}

NpyArray npy_of(const std::vector<std::string>& values) {
  std::vector<std::u32string> texts;
  size_t width = 1;
  for (const auto& value : values) {
    texts.push_back(code_points(value));
    width = std::max(width, texts.back().size());
  }
  NpyArray out{"<U" + std::to_string(width), {static_cast<int64_t>(values.size())}, {}};
  for (auto& text : texts) {
    text.resize(width, U'\0');
    out.data.append(reinterpret_cast<const char*>(text.data()), 4 * width);
  }
  return out;
}

std::vector<double> npy_numbers(const NpyArray& array, const std::string& where) {
  std::vector<double> out(static_cast<size_t>(array.numel()));
  const auto& d = array.dtype;
  if (d == "<f8")
    widen_into<double>(array.data, out);
  else if (d == "<f4")
    widen_into<float>(array.data, out);
  else if (d == "<f2")
    out = widened(TensorType::f16, std::as_bytes(std::span(array.data)));
  else if (d == "<i8")
    widen_into<int64_t>(array.data, out);
  else if (d == "<i4")
    widen_into<int32_t>(array.data, out);
  else if (d == "<i2")
    widen_into<int16_t>(array.data, out);
  else if (d == "|i1")
    widen_into<int8_t>(array.data, out);
  else if (d == "<u8")
    widen_into<uint64_t>(array.data, out);
  else if (d == "<u4")
    widen_into<uint32_t>(array.data, out);
  else if (d == "<u2")
    widen_into<uint16_t>(array.data, out);
  else if (d == "|u1" || d == "|b1")
    widen_into<uint8_t>(array.data, out);
  else
    fail("{}: numbers expected, type {} found", where, in_quotes(d));
  return out;
}

std::vector<std::string> npy_texts(const NpyArray& array, const std::string& where) {
  if (!array.dtype.starts_with("<U"))
    fail("{}: texts expected, type {} found", where, in_quotes(array.dtype));
  const size_t count = static_cast<size_t>(array.numel()), width = count ? array.data.size() / count / 4 : 0;
  std::vector<std::string> out(count);
  for (size_t i = 0; i < count; ++i)
    for (size_t k = 0; k < width; ++k) {
      char32_t c = 0;
      std::memcpy(&c, array.data.data() + 4 * (i * width + k), 4);
      if (c == 0) break;
      if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) fail("{}: entry {}: no Unicode text", where, i);
      put_utf8(out[i], c);
    }
  return out;
}

}  // namespace circuitdiff
