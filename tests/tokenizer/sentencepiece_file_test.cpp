// tokenizer.model alone gives what tokenizer.json gives; damaged ones are refused.
#include <gmock/gmock.h>

#include <cstring>
#include <fstream>

#include "base/error.h"
#include "support/temp_folder.h"
#include "tokenizer/tokenizer.h"

namespace circuitdiff {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::TempFolder;
using testing::HasSubstr;

std::string varint(uint64_t n) {
  std::string out;
  for (; n > 127; n >>= 7) out += static_cast<char>(n | 128);
  return out + static_cast<char>(n);
}
std::string bytes(int field, const std::string& s) {
  return varint(static_cast<uint64_t>(field) * 8 + 2) + varint(s.size()) + s;
}
std::string number(int field, uint64_t n) { return varint(static_cast<uint64_t>(field) * 8) + varint(n); }
std::string piece(const std::string& text, float score, uint64_t type = 1) {
  std::string raw(4, '\0');
  std::memcpy(raw.data(), &score, 4);
  return bytes(1, bytes(1, text) + varint(2 * 8 + 5) + raw + number(3, type));
}
// unk, bos, eos, bytes, then letters and what they merge into.
std::string small_model(uint64_t kind = 2, const std::string& normalizer = number(3, 1) + number(4, 0)) {
  std::string out = piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("</s>", 0, 3);
  for (int i = 0; i < 256; ++i) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", i);
    out += piece(name, 0, 6);
  }
  out += piece("ab", -1) + piece("\u2581ab", -2) + piece("\u2581", -3) + piece("a", -4) + piece("b", -5);
  return out + bytes(2, number(3, kind)) + bytes(3, normalizer);
}

TEST(SentencePieceFile, AloneIsATokenizer) {
  const TempFolder folder;
  folder.write("tokenizer.model", small_model());
  const Tokenizer t = Tokenizer::load(folder.path());
  EXPECT_EQ(t.encode("ab b", false).ids, (std::vector<int64_t>{260, 261, 263}));
  EXPECT_EQ(t.encode("\xc3\xa9", false).ids, (std::vector<int64_t>{261, 3 + 0xc3, 3 + 0xa9}));
  EXPECT_EQ(t.decode(t.encode("ab b \xc3\xa9", false).ids), "ab b \xc3\xa9");
  EXPECT_TRUE(t.is_special(1));
}

TEST(SentencePieceFile, OtherKindsAndDamageAreRefused) {
  const auto refused = [](const std::string& content, const char* expected) {
    const TempFolder folder;
    folder.write("tokenizer.model", content);
    EXPECT_THAT(error_of([&] { Tokenizer::load(folder.path()); }), HasSubstr(expected));
  };
  refused(small_model(1), "only BPE (2) is read");
  refused(small_model(2, bytes(2, "map") + number(4, 0)), "its normalisation is not the identity");
  refused(small_model(2, number(4, 1)), "its normalisation is not the identity");
  refused("", "it has no pieces");
  refused("\x0a\xff\xff\xff\xff\x0f", "truncated or damaged");
  refused(piece("a", 0) + piece("a", 0) + bytes(2, number(3, 2)) + bytes(3, number(4, 0)), "twice");
  const std::string good = small_model();
  for (size_t size = 0; size < good.size(); size += 97) {
    const TempFolder folder;
    folder.write("tokenizer.model", good.substr(0, size));
    EXPECT_NE(error_of([&] { Tokenizer::load(folder.path()); }), "") << size;
  }
}

// The real files: every vector of their tokenizer.json holds for tokenizer.model alone.
class RealPieces : public testing::TestWithParam<const char*> {};
TEST_P(RealPieces, GiveTheIdsOfTheirTokenizerJson) {
  const fs::path shared = fs::path(CIRCUITDIFF_SOURCE_DIR) / "../shared/tokenizers" / GetParam();
  if (!fs::exists(shared / "tokenizer.model")) GTEST_SKIP() << shared << " is not here";
  const TempFolder folder;
  fs::copy(shared / "tokenizer.model", folder / "tokenizer.model");
  fs::copy(shared / "tokenizer_config.json", folder / "tokenizer_config.json");
  const Tokenizer whole = Tokenizer::load(shared), alone = Tokenizer::load(folder.path());
  EXPECT_EQ(alone.vocab_size(), whole.vocab_size());
  for (const char* text : {"", " ", "Hello, world!", "  two  spaces\n\nand\tlines ", "3.14159 + 2/7 = ?",
                           "caf\u00e9 na\u00efve \u6c49\u5b57 \U0001F600", "<s>[INST] a [/INST] b</s>",
                           "def f(x):\n    return x ** 2  # square\n"}) {
    const Encoding a = alone.encode(text), w = whole.encode(text);
    EXPECT_EQ(a.ids, w.ids) << text;
    EXPECT_EQ(a.offsets, w.offsets) << text;
    EXPECT_EQ(alone.decode(a.ids), whole.decode(w.ids)) << text;
  }
}
INSTANTIATE_TEST_SUITE_P(Files, RealPieces, testing::Values("mistral-v1", "mistral-v3"),
                         [](const auto& param_info) {
                           std::string name = param_info.param;
                           name[name.find('-')] = '_';
                           return name;
                         });

}  // namespace
}  // namespace circuitdiff
