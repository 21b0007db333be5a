// Tokenizers for tests, written to a folder of their own and loaded from there.
#pragma once

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "tokenizer/tokenizer.h"

namespace circuitdiff {

// A folder that is gone with the object.
class TokenizerFolder {
 public:
  TokenizerFolder() {
    static std::atomic<int> next{0};
    path_ = std::filesystem::temp_directory_path() /
            fmt::format("circuitdiff-tokenizer-{}-{}", ::getpid(), next.fetch_add(1));
    std::filesystem::create_directories(path_);
  }
  ~TokenizerFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TokenizerFolder(const TokenizerFolder&) = delete;
  TokenizerFolder& operator=(const TokenizerFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
  }

 private:
  std::filesystem::path path_;
};

// tokenizer.json with a BPE model: the vocabulary is `tokens` in order, the
// rest empty. `parts` replaces members.
inline nlohmann::json tokenizer_json(const std::vector<std::string>& tokens,
                                     const std::vector<std::string>& merges = {},
                                     const nlohmann::json& parts = nlohmann::json::object()) {
  nlohmann::json vocabulary = nlohmann::json::object();
  for (size_t i = 0; i < tokens.size(); ++i) vocabulary[tokens[i]] = i;
  nlohmann::json out{{"version", "1.0"},
                     {"added_tokens", nlohmann::json::array()},
                     {"normalizer", nullptr},
                     {"pre_tokenizer", nullptr},
                     {"post_processor", nullptr},
                     {"decoder", {{"type", "Fuse"}}},
                     {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", merges}}}};
  out.merge_patch(parts);
  return out;
}

inline Tokenizer load_json(const nlohmann::json& json, const std::string& config = {}) {
  TokenizerFolder folder;
  folder.write("tokenizer.json", json.dump());
  if (!config.empty()) folder.write("tokenizer_config.json", config);
  return Tokenizer::load(folder.path());
}

// One token per ASCII character, ids from 0 at the blank; `more` tokens follow from id 95.
inline std::vector<std::string> ascii_tokens(const std::vector<std::string>& more = {}) {
  std::vector<std::string> out;
  for (char c = ' '; c <= '~'; ++c) out.emplace_back(1, c);
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

// The words that a pre-tokenizer cuts `text` into. Found with a model that keeps every word whole: all
// substrings of the text are in its vocabulary and ignore_merges is set.
inline std::vector<std::string> words_of(const nlohmann::json& pre_tokenizer, const std::string& text,
                                         const nlohmann::json& parts = nlohmann::json::object()) {
  std::vector<std::string> tokens;
  for (size_t i = 0; i < text.size(); ++i)
    for (size_t n = 1; i + n <= text.size(); ++n) {
      const std::string part = text.substr(i, n);
      const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xC0u) == 0x80u; };
      if (!continues(part[0]) && (i + n == text.size() || !continues(text[i + n]))) tokens.push_back(part);
    }
  nlohmann::json json = tokenizer_json(tokens, {}, parts);
  json["pre_tokenizer"] = pre_tokenizer;
  json["model"]["ignore_merges"] = true;
  const Tokenizer tokenizer = load_json(json);
  std::vector<std::string> out;
  for (const int64_t id : tokenizer.encode(text).ids) out.push_back(*tokenizer.id_to_token(id));
  return out;
}

// The message of the Error that `run` throws.
template <class F>
std::string error_of(F&& run) {
  try {
    run();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace circuitdiff
