#include "tokenizer/bpe.h"

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tokenizer/unicode.h"

namespace circuitdiff {

namespace {

constexpr uint32_t kNone = UINT32_MAX;
constexpr std::string_view kMark = "\u2581";
// Up to this many symbols, looking at all pairs again after each merge beats keeping a queue.
constexpr size_t kShort = 40;
constexpr size_t kLongestRemembered = 64;    // bytes
constexpr size_t kMostRemembered = 1 << 15;  // words

uint64_t mix(uint64_t x) {
  x ^= x >> 32;
  x *= 0x9E3779B97F4A7C15ull;
  return x ^ x >> 29;
}

// Where a merge's pair is looked up: the top bits of a product, which all bits of both ids reach.
size_t slot_of(uint64_t pair, size_t mask) { return mix(mix(pair)) & mask; }

}  // namespace

struct BpeModel::Scratch {
  std::vector<uint32_t> ids, lengths;   // symbols; lengths in bytes of the word, 0: joined to the one before
  std::vector<const Merge*> pairs;      // of each symbol with the next one
  std::vector<int32_t> next, previous;  // of long words
  std::vector<std::pair<uint64_t, uint32_t>> queue;  // (rank << 32 | position, id)
  std::vector<WordToken> tokens;

  // Words seen before, by open addressing; forgotten all at once when there are too many.
  struct Entry {
    uint64_t hash = 0;
    uint32_t key = 0, tokens = 0;
    uint16_t key_size = 0, n_tokens = 0;
  };
  std::vector<Entry> table = std::vector<Entry>(kMostRemembered * 2);
  std::string keys;
  std::vector<WordToken> remembered;
  size_t n_entries = 0;

  Entry& find(std::string_view word, uint64_t hash) {
    size_t i = hash & (table.size() - 1);
    while (table[i].key_size != 0 &&
           (table[i].hash != hash || std::string_view(keys).substr(table[i].key, table[i].key_size) != word))
      i = (i + 1) & (table.size() - 1);
    return table[i];
  }
  void forget() {
    std::fill(table.begin(), table.end(), Entry{});
    keys.clear();
    remembered.clear();
    n_entries = 0;
  }
};

void BpeModel::ScratchDeleter::operator()(Scratch* scratch) const { delete scratch; }
BpeModel::ScratchPtr BpeModel::make_scratch() { return ScratchPtr(new Scratch); }

BpeModel::BpeModel(const JsonNode& node) : file_(node.where()) {
  if (const auto dropout = node.find("dropout");
      dropout && !(dropout->json().is_number() && dropout->json().get<double>() == 0))
    dropout->wrong("BPE dropout is not supported: it makes the tokens random");
  const JsonNode vocabulary = node.at("vocab");
  if (!vocabulary.json().is_object()) vocabulary.wrong("an object from tokens to ids was expected");
  vocabulary_.reserve(vocabulary.json().size());
  for (const auto& [token, id] : vocabulary.json().items()) {
    if (!id.is_number_integer() || id < 0 || id > kLargestTokenId)
      vocabulary.wrong(
          fmt::format("the id of \"{}\" is not an integer from 0 to {}", token, kLargestTokenId));
    vocabulary_.emplace(token, id.get<uint32_t>());
  }
  if (const auto token = node.find("unk_token")) {
    unknown_token_ = token->string();
    unknown_id_ = id_of(*unknown_token_);
  }
  prefix_ = node.string_or("continuing_subword_prefix", "");
  suffix_ = node.string_or("end_of_word_suffix", "");
  fuse_unknown_ = node.boolean_or("fuse_unk", false);
  ignore_merges_ = node.boolean_or("ignore_merges", false);
  if (node.boolean_or("byte_fallback", false)) {
    for (unsigned b = 0; b < 256; ++b)
      byte_tokens_.push_back(id_of(fmt::format("<0x{:02X}>", b)).value_or(kNone));
  }
  for (char c = 0; c >= 0; ++c) {
    ascii_symbols_.push_back(id_of(std::string(1, c)).value_or(kNone));
    if (c == 127) break;
  }
  read_merges(node.at("merges"));
}

std::optional<uint32_t> BpeModel::id_of(std::string_view token) const {
  const auto it = vocabulary_.find(token);
  if (it == vocabulary_.end()) return std::nullopt;
  return it->second;
}

void BpeModel::read_merges(const JsonNode& node) {
  if (!node.json().is_array()) node.wrong("an array was expected");
  size_t size = 16;
  while (size < node.json().size() * 2) size *= 2;
  merges_.assign(size, Merge{UINT64_MAX, 0, 0});
  cuts_ =
      prefix_.empty() && suffix_.empty() && id_of(kMark) && unknown_id_ && !unknown_token_->ends_with(kMark);
  uint32_t rank = 0, index = 0;
  for (const auto& merge : node.json()) {
    const auto bad = [&](std::string_view what) { node.wrong(fmt::format("merge {}: {}", index, what)); };
    std::string_view left, right;
    if (merge.is_string()) {
      const std::string_view both = merge.get_ref<const std::string&>();
      ++index;
      if (both.starts_with("#version")) continue;
      const size_t blank = both.find(' ');
      if (blank == std::string_view::npos || both.find(' ', blank + 1) != std::string_view::npos)
        bad(fmt::format("two tokens with one blank between were expected, \"{}\" found", both));
      left = both.substr(0, blank);
      right = both.substr(blank + 1);
    } else {
      ++index;
      if (!merge.is_array() || merge.size() != 2 || !merge[0].is_string() || !merge[1].is_string())
        bad("\"left right\" or [\"left\", \"right\"] was expected");
      left = merge[0].get_ref<const std::string&>();
      right = merge[1].get_ref<const std::string&>();
    }
    if (right.size() < prefix_.size())
      bad(fmt::format("\"{}\" is shorter than the continuing_subword_prefix", right));
    const std::string joined = std::string(left) + std::string(right.substr(prefix_.size()));
    const auto left_id = id_of(left), right_id = id_of(right), id = id_of(joined);
    if (!left_id || !right_id || !id)
      bad(fmt::format("\"{}\" is not in the vocabulary", !left_id    ? left
                                                         : !right_id ? right
                                                                     : std::string_view(joined)));
    add_merge(*left_id, *right_id, rank++, *id);
    if (right.starts_with(kMark) && !left.ends_with(kMark)) cuts_ = false;
  }
}

void BpeModel::add_merge(uint32_t left, uint32_t right, uint32_t rank, uint32_t id) {
  const uint64_t pair = uint64_t{left} << 32 | right;
  size_t i = slot_of(pair, merges_.size() - 1);
  while (merges_[i].pair != UINT64_MAX && merges_[i].pair != pair) i = (i + 1) & (merges_.size() - 1);
  merges_[i] = {pair, rank, id};  // a pair listed twice has its last rank
}

const BpeModel::Merge* BpeModel::find_merge(uint32_t left, uint32_t right) const {
  const uint64_t pair = uint64_t{left} << 32 | right;
  size_t i = slot_of(pair, merges_.size() - 1);
  while (merges_[i].pair != UINT64_MAX) {
    if (merges_[i].pair == pair) return &merges_[i];
    i = (i + 1) & (merges_.size() - 1);
  }
  return nullptr;
}

bool BpeModel::use_raw_bytes() {
  if (!prefix_.empty() || !suffix_.empty()) return false;
  std::vector<uint32_t> symbols;
  for (unsigned b = 0; b < 256; ++b) {
    std::string spelled;
    append_utf8(spelled, byte_to_char(static_cast<unsigned char>(b)));
    const auto id = id_of(spelled);
    if (!id) return false;
    symbols.push_back(*id);
  }
  raw_symbols_ = std::move(symbols);
  raw_bytes_ = true;
  cuts_ = false;
  if (ignore_merges_) {
    raw_vocabulary_.reserve(vocabulary_.size());
    for (const auto& [token, id] : vocabulary_)
      if (auto bytes = byte_level_bytes(token)) raw_vocabulary_.emplace(std::move(*bytes), id);
  }
  return true;
}

void BpeModel::encode(std::string_view word, Scratch& scratch, std::vector<WordToken>& out) const {
  if (ignore_merges_) {
    const auto& words = raw_bytes_ ? raw_vocabulary_ : vocabulary_;
    if (const auto it = words.find(word); it != words.end()) {
      out.push_back({it->second, static_cast<uint32_t>(word.size())});
      return;
    }
  }
  if (!cuts_) return encode_chunk(word, scratch, out);
  size_t begin = 0;
  while (begin < word.size()) {
    size_t end = begin;
    while (word.substr(end).starts_with(kMark)) end += kMark.size();
    end = std::min(word.find(kMark, end), word.size());
    const size_t first = out.size();
    encode_chunk(word.substr(begin, end - begin), scratch, out);
    for (size_t i = first; i < out.size(); ++i) out[i].end += static_cast<uint32_t>(begin);
    begin = end;
  }
}

void BpeModel::encode_chunk(std::string_view chunk, Scratch& scratch, std::vector<WordToken>& out) const {
  const bool remember = chunk.size() <= kLongestRemembered && !chunk.empty();
  uint64_t hash = 0;
  if (remember) {
    hash = mix(std::hash<std::string_view>()(chunk));
    const Scratch::Entry& entry = scratch.find(chunk, hash);
    if (entry.key_size != 0) {
      const auto begin = scratch.remembered.begin() + entry.tokens;
      out.insert(out.end(), begin, begin + entry.n_tokens);
      return;
    }
  }
  make_symbols(chunk, scratch);
  if (scratch.ids.size() <= kShort)
    merge_short(scratch);
  else
    merge_long(scratch);
  const size_t first = out.size();
  uint32_t end = 0;
  for (size_t i = 0; i < scratch.ids.size(); ++i) {
    if (scratch.lengths[i] == 0) continue;
    end += scratch.lengths[i];
    out.push_back({scratch.ids[i], end});
  }
  if (!remember) return;
  if (scratch.n_entries == kMostRemembered) scratch.forget();
  Scratch::Entry& entry = scratch.find(chunk, hash);
  entry = {hash, static_cast<uint32_t>(scratch.keys.size()), static_cast<uint32_t>(scratch.remembered.size()),
           static_cast<uint16_t>(chunk.size()), static_cast<uint16_t>(out.size() - first)};
  scratch.keys.append(chunk);
  scratch.remembered.insert(scratch.remembered.end(), out.begin() + static_cast<std::ptrdiff_t>(first),
                            out.end());
  ++scratch.n_entries;
}

uint32_t BpeModel::unknown_id() const {
  if (!unknown_id_) fail("{}: the unk_token \"{}\" is not in the vocabulary", file_, *unknown_token_);
  return *unknown_id_;
}

void BpeModel::make_symbols(std::string_view chunk, Scratch& scratch) const {
  auto& ids = scratch.ids;
  auto& lengths = scratch.lengths;
  ids.clear();
  lengths.clear();
  const auto add = [&](uint32_t id, uint32_t length) {
    ids.push_back(id);
    lengths.push_back(length);
  };
  if (raw_bytes_) {
    for (const char byte : chunk) add(raw_symbols_[static_cast<unsigned char>(byte)], 1);
    return;
  }
  uint32_t unknown_length = 0;  // bytes of unknown characters not yet written out
  const bool affixes = !prefix_.empty() || !suffix_.empty();
  std::string with_affixes;
  for (size_t i = 0; i < chunk.size();) {
    const size_t length = utf8_length(chunk[i]);
    std::string_view symbol = chunk.substr(i, length);
    if (affixes) {
      with_affixes = symbol;
      if (i > 0) with_affixes.insert(0, prefix_);
      if (i + length == chunk.size()) with_affixes += suffix_;
      symbol = with_affixes;
    }
    uint32_t id = kNone;
    if (symbol.size() == 1)
      id = ascii_symbols_[static_cast<unsigned char>(symbol[0])];
    else if (const auto known = id_of(symbol))
      id = *known;
    i += length;
    if (id != kNone) {
      if (unknown_length > 0) add(unknown_id(), unknown_length);
      unknown_length = 0;
      add(id, static_cast<uint32_t>(length));
      continue;
    }
    if (!byte_tokens_.empty() && std::all_of(symbol.begin(), symbol.end(), [&](char byte) {
          return byte_tokens_[static_cast<unsigned char>(byte)] != kNone;
        })) {
      // An unknown character before these bytes stays pending, and so comes
      // after them: so does the library's.
      for (const char byte : symbol) add(byte_tokens_[static_cast<unsigned char>(byte)], 1);
      continue;
    }
    if (!unknown_token_) continue;
    if (unknown_length > 0 && !fuse_unknown_) {
      add(unknown_id(), unknown_length);
      unknown_length = 0;
    }
    unknown_length += static_cast<uint32_t>(length);
  }
  if (unknown_length > 0) add(unknown_id(), unknown_length);
}

void BpeModel::merge_short(Scratch& scratch) const {
  auto& ids = scratch.ids;
  auto& lengths = scratch.lengths;
  auto& pairs = scratch.pairs;
  size_t n = ids.size();
  if (n < 2) return;
  pairs.resize(n - 1);
  for (size_t i = 0; i + 1 < n; ++i) pairs[i] = find_merge(ids[i], ids[i + 1]);
  for (;;) {
    size_t best = n;
    uint32_t rank = kNone;
    for (size_t i = 0; i + 1 < n; ++i) {
      if (pairs[i] && pairs[i]->rank < rank) {
        rank = pairs[i]->rank;
        best = i;
      }
    }
    if (best == n) break;
    ids[best] = pairs[best]->id;
    lengths[best] += lengths[best + 1];
    const auto erase = [](auto& v, size_t i) { v.erase(v.begin() + static_cast<std::ptrdiff_t>(i)); };
    erase(ids, best + 1);
    erase(lengths, best + 1);
    erase(pairs, best);
    --n;
    if (best > 0) pairs[best - 1] = find_merge(ids[best - 1], ids[best]);
    if (best + 1 < n) pairs[best] = find_merge(ids[best], ids[best + 1]);
  }
}

void BpeModel::merge_long(Scratch& scratch) const {
  auto& ids = scratch.ids;
  auto& lengths = scratch.lengths;
  auto& next = scratch.next;
  auto& previous = scratch.previous;
  auto& queue = scratch.queue;
  const auto n = static_cast<int32_t>(ids.size());
  next.resize(ids.size());
  previous.resize(ids.size());
  queue.clear();
  const auto later = [](const auto& a, const auto& b) { return a.first > b.first; };
  const auto entry = [&](const Merge& merge, int32_t at) {
    return std::pair{uint64_t{merge.rank} << 32 | static_cast<uint32_t>(at), merge.id};
  };
  for (int32_t i = 0; i < n; ++i) {
    next[static_cast<size_t>(i)] = i + 1 < n ? i + 1 : -1;
    previous[static_cast<size_t>(i)] = i - 1;
    if (i + 1 == n) break;
    if (const Merge* merge = find_merge(ids[static_cast<size_t>(i)], ids[static_cast<size_t>(i) + 1]))
      queue.push_back(entry(*merge, i));
  }
  std::make_heap(queue.begin(), queue.end(), later);
  const auto push = [&](int32_t at, int32_t after) {
    if (at < 0 || after < 0) return;
    if (const Merge* merge = find_merge(ids[static_cast<size_t>(at)], ids[static_cast<size_t>(after)])) {
      queue.push_back(entry(*merge, at));
      std::push_heap(queue.begin(), queue.end(), later);
    }
  };
  while (!queue.empty()) {
    std::pop_heap(queue.begin(), queue.end(), later);
    const auto [key, id] = queue.back();
    queue.pop_back();
    const auto at = static_cast<size_t>(key & UINT32_MAX);
    if (lengths[at] == 0 || next[at] < 0) continue;
    const auto right = static_cast<size_t>(next[at]);
    const Merge* merge = find_merge(ids[at], ids[right]);
    if (!merge || merge->id != id) continue;  // the pair has changed since
    ids[at] = id;
    lengths[at] += lengths[right];
    lengths[right] = 0;
    next[at] = next[right];
    if (next[at] >= 0) previous[static_cast<size_t>(next[at])] = static_cast<int32_t>(at);
    push(previous[at], static_cast<int32_t>(at));
    push(static_cast<int32_t>(at), next[at]);
  }
}

}  // namespace circuitdiff
