#include "io/event_file.h"

#include <array>
#include <chrono>
#include <cstring>

namespace circuitdiff {
namespace {

// Protocol buffers' wire format, as much of it as an Event needs.
void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}
template <class T>
void put_fixed(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));  // little-endian machines only, as safetensors here
  out.append(bytes, sizeof(T));
}
void put_bytes(std::string& out, int field, std::string_view bytes) {
  put_varint(out, static_cast<uint64_t>(field) << 3 | 2);
  put_varint(out, bytes.size());
  out += bytes;
}

double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  static const auto table = [] {
    std::array<uint32_t, 256> t{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t c = i;
      for (int k = 0; k < 8; ++k) c = c & 1 ? 0x82F63B78u ^ (c >> 1) : c >> 1;
      t[i] = c;
    }
    return t;
  }();
  uint32_t c = 0xFFFFFFFFu;
  for (const char b : bytes) c = table[(c ^ static_cast<unsigned char>(b)) & 0xFF] ^ (c >> 8);
  return c ^ 0xFFFFFFFFu;
}

std::string tf_record(std::string_view data) {
  const auto masked = [](std::string_view bytes) {
    const uint32_t c = crc32c(bytes);
    return ((c >> 15) | (c << 17)) + 0xA282EAD8u;
  };
  std::string out;
  put_fixed<uint64_t>(out, data.size());
  put_fixed<uint32_t>(out, masked(out));
  out += data;
  put_fixed<uint32_t>(out, masked(data));
  return out;
}

// Event {1: double wall_time, 2: int64 step, 3: string file_version, 5:
// Summary {1: Value {1: tag, 2: float}}}
std::string scalar_event(double time, int64_t step,
                         const std::vector<std::pair<std::string, double>>& scalars) {
  std::string summary;
  for (const auto& [name, value] : scalars) {
    std::string entry;
    put_bytes(entry, 1, name);
    entry += static_cast<char>(2 << 3 | 5);
    put_fixed(entry, static_cast<float>(value));
    put_bytes(summary, 1, entry);
  }
  std::string event;
  event += static_cast<char>(1 << 3 | 1);
  put_fixed(event, time);
  event += static_cast<char>(2 << 3 | 0);
  put_varint(event, static_cast<uint64_t>(step));
  put_bytes(event, 5, summary);
  return event;
}

EventFile::EventFile(const std::filesystem::path& path) {
  std::error_code error;
  const bool is_new = !std::filesystem::exists(path, error) || std::filesystem::file_size(path, error) == 0;
  file_ = std::make_unique<AppendFile>(path);
  if (!is_new) return;
  std::string event;
  event += static_cast<char>(1 << 3 | 1);
  put_fixed(event, wall_time());
  put_bytes(event, 3, "brain.Event:2");
  file_->append(tf_record(event));
}

void EventFile::append(int64_t step, const std::vector<std::pair<std::string, double>>& scalars) {
  file_->append(tf_record(scalar_event(wall_time(), step, scalars)));
}

}  // namespace circuitdiff
