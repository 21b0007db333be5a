// tokenizer.model: the protobuf that SentencePiece saves, read field by field.
// Only what a BPE vocabulary needs.
#include <algorithm>
#include <cstring>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "io/files.h"
#include "tokenizer/tokenizer_files.h"
#include "tokenizer/unicode.h"

namespace circuitdiff {
namespace {

constexpr size_t kMostPieces = 4'000'000, kLongestPiece = 4096;
constexpr int64_t kBpe = 2;
constexpr const char* kSpace = "\u2581";

// One protobuf message; fields in the order of the file.
class Message {
 public:
  Message(std::string_view content, const std::string& where) : bytes_(content), where_(where) {}

  // Moves to the next field; false at the end. `number` or `bytes` is set, by its kind.
  bool next() {
    if (at_ == bytes_.size()) return false;
    const uint64_t tag = varint();
    field = tag >> 3;
    number = 0;
    bytes = {};
    switch (tag & 7) {
      case 0:
        number = varint();
        return true;
      case 1:
        bytes = take(8);
        return true;
      case 2:
        bytes = take(varint());
        return true;
      case 5:
        bytes = take(4);
        return true;
      default:
        damaged();
    }
  }
  float as_float() const {
    float value = 0;
    if (bytes.size() != 4) damaged();
    std::memcpy(&value, bytes.data(), 4);
    return value;
  }

  uint64_t field = 0, number = 0;
  std::string_view bytes;

 private:
  [[noreturn]] void damaged() const {
    fail("{}: truncated or damaged: no SentencePiece model from byte {} on", where_, at_);
  }
  std::string_view take(uint64_t n) {
    if (n > bytes_.size() - at_) damaged();
    const auto out = bytes_.substr(at_, n);
    at_ += n;
    return out;
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= uint64_t{byte & 127u} << shift;
      if (byte < 128) return value;
    }
    damaged();
  }

  std::string_view bytes_;
  const std::string& where_;
  size_t at_ = 0;
};

struct Merge {
  uint32_t left = 0, right = 0;  // ids
  float score = 0;
  size_t left_length = 0, right_length = 0;  // code points
};

}  // namespace

nlohmann::json bpe_of_pieces(const std::vector<SentencePiece>& pieces, bool space_in_front,
                             const std::string& where) {
  using Json = nlohmann::json;
  if (pieces.empty()) fail("{}: the vocabulary is empty", where);
  std::unordered_map<std::string_view, uint32_t> ids;
  Json vocabulary = Json::object(), added = Json::array(), unknown = nullptr;
  bool bytes = false;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const SentencePiece& piece = pieces[i];
    if (piece.text.empty() || piece.text.size() > kLongestPiece || invalid_utf8_at(piece.text))
      fail("{}: piece {}: a short text expected", where, i);
    if (!ids.emplace(piece.text, static_cast<uint32_t>(i)).second)
      fail("{}: piece {} stands in the vocabulary twice", where, i);
    vocabulary[piece.text] = i;
    if (piece.type == kUnknownPiece) unknown = piece.text;
    bytes = bytes || piece.type == kBytePiece;
    if (piece.type == kUnknownPiece || piece.type == kControlPiece || piece.type == kUserPiece)
      added.push_back({{"id", i},
                       {"content", piece.text},
                       {"single_word", false},
                       {"lstrip", false},
                       {"rstrip", false},
                       {"normalized", false},
                       {"special", piece.type != kUserPiece}});
  }

  // Every way to put a piece together from two others. A piece's own splits
  // are tried in the order of their ids.
  std::vector<Merge> merges;
  for (const SentencePiece& piece : pieces) {
    const size_t first = merges.size();
    const auto total = static_cast<size_t>(
        std::count_if(piece.text.begin(), piece.text.end(), [](char c) { return !is_continuation(c); }));
    size_t length = 0;
    for (size_t at = 1; at < piece.text.size(); ++at) {
      if (is_continuation(piece.text[at])) continue;
      ++length;
      const std::string_view text(piece.text);
      const auto left = ids.find(text.substr(0, at)), right = ids.find(text.substr(at));
      if (left != ids.end() && right != ids.end())
        merges.push_back({left->second, right->second, piece.score, length, total - length});
    }
    std::sort(merges.begin() + static_cast<std::ptrdiff_t>(first), merges.end(),
              [](const Merge& a, const Merge& b) {
                return std::pair(a.left, a.right) < std::pair(b.left, b.right);
              });
  }
  std::stable_sort(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) {
    return std::tuple(a.score, a.left_length, a.right_length) >
           std::tuple(b.score, b.left_length, b.right_length);
  });
  Json rules = Json::array();
  for (const Merge& m : merges) rules.push_back({pieces[m.left].text, pieces[m.right].text});

  const auto replace = [](const char* from, const char* to) {
    return Json{{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
  };
  Json normalizers = Json::array(), decoders = Json::array();
  if (space_in_front) normalizers.push_back({{"type", "Prepend"}, {"prepend", kSpace}});
  normalizers.push_back(replace(" ", kSpace));
  decoders.push_back(replace(kSpace, " "));
  decoders.push_back({{"type", "ByteFallback"}});
  decoders.push_back({{"type", "Fuse"}});
  if (space_in_front) decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  return {{"added_tokens", std::move(added)},
          {"normalizer", {{"type", "Sequence"}, {"normalizers", std::move(normalizers)}}},
          {"pre_tokenizer", nullptr},
          {"post_processor", nullptr},
          {"decoder", {{"type", "Sequence"}, {"decoders", std::move(decoders)}}},
          {"model",
           {{"type", "BPE"},
            {"unk_token", std::move(unknown)},
            {"fuse_unk", true},
            {"byte_fallback", bytes},
            {"vocab", std::move(vocabulary)},
            {"merges", std::move(rules)}}}};
}

nlohmann::json read_sentencepiece(const std::filesystem::path& path) {
  const std::string where = path.string();
  const MappedFile file(path);
  std::vector<SentencePiece> pieces;
  int64_t kind = 1;
  bool space_in_front = true, squeezes = true, maps = false;
  for (Message top(file.text(), where); top.next();) {
    if (top.field == 1) {
      if (pieces.size() >= kMostPieces) fail("{}: more than {} pieces", where, kMostPieces);
      SentencePiece piece;
      for (Message m(top.bytes, where); m.next();) {
        if (m.field == 1) piece.text = m.bytes;
        if (m.field == 2) piece.score = m.as_float();
        if (m.field == 3) piece.type = static_cast<int>(m.number);
      }
      pieces.push_back(std::move(piece));
    } else if (top.field == 2) {
      for (Message m(top.bytes, where); m.next();)
        if (m.field == 3) kind = static_cast<int64_t>(m.number);
    } else if (top.field == 3) {
      for (Message m(top.bytes, where); m.next();) {
        if (m.field == 2) maps = !m.bytes.empty();
        if (m.field == 3) space_in_front = m.number != 0;
        if (m.field == 4) squeezes = m.number != 0;
      }
    }
  }
  if (pieces.empty()) fail("{}: a SentencePiece model expected; it has no pieces", where);
  if (kind != kBpe)
    fail(
        "{}: a SentencePiece model of kind {}; only BPE (2) is read: save the tokenizer as tokenizer.json "
        "first",
        where, kind);
  if (maps || squeezes)
    fail("{}: its normalisation is not the identity; save the tokenizer as tokenizer.json first", where);
  return bpe_of_pieces(pieces, space_in_front, where);
}

}  // namespace circuitdiff
