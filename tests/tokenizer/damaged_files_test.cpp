// Files with random damage: whatever it is, loading and using the tokenizer either works or is one Error.
// Damage is done to the bytes and, so that it gets past the JSON reader, to the values; keys and words of the
// format are mixed in.
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>

#include "base/random.h"
#include "small_tokenizers.h"
#include "tokenizer/decode_stream.h"

namespace circuitdiff {
namespace {

using nlohmann::json;

std::string read(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// A small vocabulary, so that a file is quickly loaded, with the stages of a real one.
json shortened(const std::string& name) {
  json file = json::parse(read(std::filesystem::path(CIRCUITDIFF_SOURCE_DIR "/tests/golden/tokenizer") /
                               name / "tokenizer.json"));
  json& model = file["model"];
  json merges = json::array();
  for (const auto& merge : model["merges"])
    if (merges.size() < 20) merges.push_back(merge);
  model["merges"] = merges;
  return file;
}

std::string damaged_bytes(std::string text, Philox& random) {
  for (uint64_t n = 1 + random.below(4); n > 0; --n) {
    const size_t at = random.below(text.size());
    switch (random.below(4)) {
      case 0:
        text[at] = static_cast<char>(random.below(256));
        break;
      case 1:
        text.erase(at, 1 + random.below(40));
        break;
      case 2:
        text.insert(at, text.substr(random.below(text.size()), random.below(40)));
        break;
      default:
        text.resize(at + 1);
    }
  }
  return text;
}

json random_value(Philox& random) {
  static const json values =
      json::parse(R"([null, true, false, -1, 0, 7, 1e300, 16777215, 18446744073709551615, "", "a", "▁",
      "é", "[a", "\\s+$", "(?i:x)|y{2,}+", "A", "NFC", "Split", "Sequence", "ByteLevel", "Metaspace", "Isolated", "never", [], {},
      ["a", "b"], {"type": "Sequence"}, {"String": ""}, {"Regex": "a*"}, {"Regex": "(a+)+$"}, {"type": "NFKC"}, {"id": "A"}])");
  return values[random.below(values.size())];
}

// Replaces, removes or doubles a value somewhere below `node`; the vocabulary's
// many entries are mostly passed by.
void damage_value(json& node, Philox& random, int depth = 0) {
  if ((node.is_object() || node.is_array()) && !node.empty() && (depth == 0 || random.below(5) != 0)) {
    auto it = node.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(random.below(node.size())));
    if (random.below(12) == 0) {
      node.erase(it);
      return;
    }
    return damage_value(*it, random, depth + 1);
  }
  node = random_value(random);
}

// Loads the text as tokenizer.json and uses it. True if that worked, false if it was an Error.
bool survives(const TokenizerFolder& folder, const std::string& text) {
  folder.write("tokenizer.json", text);
  try {
    const Tokenizer tokenizer = Tokenizer::load(folder.path());
    const Encoding encoding = tokenizer.encode("Hello <s> wörld 12\n  中文\u00a0e\u0301!");
    EXPECT_EQ(encoding.ids.size(), encoding.offsets.size());
    for (const auto& [begin, end] : encoding.offsets) EXPECT_TRUE(0 <= begin && begin <= end && end <= 30);
    tokenizer.decode(encoding.ids);
    DecodeStream stream(tokenizer);
    for (const int64_t id : {3, 200, 195, 1500}) stream.push(id);
    stream.finish();
    return true;
  } catch (const Error&) {
    return false;
  }
}

TEST(DamagedTokenizerFiles, LoadOrAreOneError) {
  const TokenizerFolder folder;
  Philox random(3);
  int worked = 0, failed = 0;
  const auto start = std::chrono::steady_clock::now();
  for (const char* name : {"small-llama3", "small-mistral", "small-gemma", "small-deepseek-llm"}) {
    const json whole = shortened(name);
    const std::string text = whole.dump();
    // Most of a file is vocabulary; the stages before it are damaged more often than their share.
    for (int i = 0; i < 150 && std::chrono::steady_clock::now() - start < std::chrono::seconds(10); ++i) {
      SCOPED_TRACE(fmt::format("{} {}", name, i));
      json damaged = whole;
      if (i % 3 == 0) {
        ++(survives(folder, damaged_bytes(text, random)) ? worked : failed);
        continue;
      }
      for (const char* stage :
           {"normalizer", "pre_tokenizer", "post_processor", "decoder", "added_tokens", "model"})
        if (random.below(3) == 0) damage_value(damaged[stage], random);
      ++(survives(folder, damaged.dump()) ? worked : failed);
    }
  }
  EXPECT_GT(worked, 20);  // some damage is harmless
  EXPECT_GT(failed, 100);
}

}  // namespace
}  // namespace circuitdiff
