#include "attribute/journal.h"

#include <cstring>

#include "base/error.h"

namespace circuitdiff {
namespace {

// A record: 8 bytes of size, 64 hex digits of SHA-256, then the payload.
constexpr size_t kHead = 8 + 64;

class Writer {
 public:
  template <class T>
  void number(T value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void text(const std::string& s) {
    number<uint64_t>(s.size());
    bytes += s;
  }
  void doubles(const std::vector<double>& v) {
    number<uint64_t>(v.size());
    bytes.append(reinterpret_cast<const char*>(v.data()), v.size() * sizeof(double));
  }
  std::string bytes;
};

// Reads what Writer wrote. The payload's checksum has been compared before, so sizes can be trusted.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::string text() { return std::string(take(number<uint64_t>())); }
  std::vector<double> doubles() {
    const auto n = number<uint64_t>();
    std::vector<double> out(n);
    std::memcpy(out.data(), take(n * sizeof(double)).data(), n * sizeof(double));
    return out;
  }

 private:
  std::string_view take(size_t n) {
    const std::string_view out = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return out;
  }
  std::string_view rest_;
};

std::string pack(int64_t chunk, const ChunkScores& scores) {
  Writer w;
  w.number(chunk);
  w.number<uint64_t>(scores.size());
  for (const auto& of_sample : scores) {
    w.number<uint64_t>(of_sample.size());
    for (const SampleScores& s : of_sample) {
      w.doubles(s.scores);
      w.number(s.loss);
      w.number(s.error);
      w.number(s.objective);
      w.text(s.problem);
    }
  }
  return w.bytes;
}

std::pair<int64_t, ChunkScores> unpack(std::string_view bytes) {
  Reader r(bytes);
  const auto chunk = r.number<int64_t>();
  ChunkScores scores(r.number<uint64_t>());
  for (auto& of_sample : scores) {
    of_sample.resize(r.number<uint64_t>());
    for (SampleScores& s : of_sample) {
      s.scores = r.doubles();
      s.loss = r.number<double>();
      s.error = r.number<double>();
      s.objective = r.number<double>();
      s.problem = r.text();
    }
  }
  return {chunk, std::move(scores)};
}

// Reads every whole record and cuts off what follows them.
std::map<int64_t, ChunkScores> read_whole_records(const std::filesystem::path& path) {
  std::map<int64_t, ChunkScores> finished;
  if (!std::filesystem::exists(path)) return finished;
  size_t at = 0;
  size_t size = 0;
  {
    const MappedFile file(path);
    const std::string_view text = file.text();
    size = text.size();
    while (text.size() - at >= kHead) {
      uint64_t length = 0;
      std::memcpy(&length, text.data() + at, 8);
      if (length > text.size() - at - kHead) break;
      const std::string_view payload = text.substr(at + kHead, length);
      if (sha256_hex(payload) != text.substr(at + 8, 64)) break;
      auto [chunk, scores] = unpack(payload);
      finished[chunk] = std::move(scores);
      at += kHead + length;
    }
  }
  if (at < size) truncate_file(path, static_cast<int64_t>(at));
  return finished;
}

}  // namespace

Journal::Journal(const std::filesystem::path& path) : finished_(read_whole_records(path)), file_(path) {}

void Journal::append(int64_t chunk, const ChunkScores& scores) {
  const std::string payload = pack(chunk, scores);
  std::string record;
  const uint64_t length = payload.size();
  record.append(reinterpret_cast<const char*>(&length), 8);
  record += sha256_hex(payload) + payload;
  file_.append(record);
  file_.sync();
  finished_[chunk] = scores;
}

}  // namespace circuitdiff
