// Texts with the ids, offsets, decoded texts and streamed pieces that Hugging
// Face's tokenizers 0.22 gives for them.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tokenizer/decode_stream.h"
#include "tokenizer/tokenizer.h"

namespace circuitdiff {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Ids = std::vector<int64_t>;

void check_encode(const Tokenizer& tokenizer, const json& row) {
  const auto text = row["text"].get<std::string>();
  EXPECT_EQ(tokenizer.encode(text).ids, row["ids"].get<Ids>());
  const Encoding plain = tokenizer.encode(text, /*add_special_tokens=*/false);
  EXPECT_EQ(plain.ids, row["ids_no_special"].get<Ids>());
  if (row.contains("offsets")) {
    EXPECT_EQ(json(plain.offsets), row["offsets"]);
  }
}

void check_decode(const Tokenizer& tokenizer, const json& row) {
  const auto ids = row["ids"].get<Ids>();
  EXPECT_EQ(tokenizer.decode(ids), row["decoded"].get<std::string>());
  EXPECT_EQ(tokenizer.decode(ids, /*skip_special_tokens=*/true),
            row["decoded_skip_special"].get<std::string>());
}

void check_stream(const Tokenizer& tokenizer, const json& row) {
  const bool skip_special = row["skip_special"].get<bool>();
  DecodeStream stream(tokenizer, skip_special);
  const auto ids = row["ids"].get<Ids>();
  json chunks = json::array();
  std::string text;
  for (const int64_t id : ids) {
    const std::string piece = stream.push(id);
    text += piece;
    chunks.push_back(piece.empty() ? json() : json(piece));
  }
  EXPECT_EQ(chunks, row["chunks"]);
  const auto full = row["full_decoded"].get<std::string>();
  EXPECT_EQ(tokenizer.decode(ids, skip_special), full);
  // Where no byte makes an earlier character invalid, the pieces and the rest are the text.
  if (full.find("\uFFFD") == std::string::npos) {
    EXPECT_EQ(text + stream.finish(), full);
  }
}

// Returns the number of rows checked.
int check_file(const fs::path& folder, const fs::path& vectors) {
  const Tokenizer tokenizer = Tokenizer::load(folder);
  std::ifstream in(vectors);
  int rows = 0;
  for (std::string line; std::getline(in, line); ++rows) {
    const json row = json::parse(line);
    SCOPED_TRACE(row["id"].get<std::string>());
    const auto type = row["type"].get<std::string>();
    if (type == "encode") check_encode(tokenizer, row);
    if (type == "encode" || type == "decode") check_decode(tokenizer, row);
    if (type == "stream") check_stream(tokenizer, row);
  }
  return rows;
}

TEST(GoldenVectors, SmallTokenizersAgreeOnEveryRow) {
  int folders = 0;
  for (const auto& entry : fs::directory_iterator(CIRCUITDIFF_SOURCE_DIR "/tests/golden/tokenizer")) {
    if (!entry.is_directory()) continue;
    SCOPED_TRACE(entry.path().filename().string());
    EXPECT_GT(check_file(entry.path(), entry.path() / "vectors.jsonl"), 200);
    ++folders;
  }
  EXPECT_EQ(folders, 7);
}

TEST(GoldenVectors, FullSizeTokenizersAgreeOnEveryRow) {
  const fs::path shared = CIRCUITDIFF_SOURCE_DIR "/../shared";
  if (!fs::exists(shared / "tokenizer_vectors")) GTEST_SKIP() << "no ../shared/tokenizer_vectors here";
  for (const auto& entry : fs::directory_iterator(shared / "tokenizer_vectors")) {
    SCOPED_TRACE(entry.path().filename().string());
    EXPECT_GT(check_file(shared / "tokenizers" / entry.path().stem(), entry.path()), 200);
  }
}

}  // namespace
}  // namespace circuitdiff
