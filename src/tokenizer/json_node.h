// A JSON value that knows its file and its path in it, so that what is wrong with it can be said in one line:
//   tokenizer.json: pre_tokenizer.pretokenizers[1].pattern: a string was expected, a number found
// Every accessor checks the type; nothing here converts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace circuitdiff {

class JsonNode {
 public:
  JsonNode(const nlohmann::json& value, const std::string& file, std::string path = {})
      : value_(&value), file_(&file), path_(std::move(path)) {}

  const nlohmann::json& json() const { return *value_; }
  std::string where() const { return path_.empty() ? *file_ : *file_ + ": " + path_; }  // "FILE: PATH"
  bool is_null() const;
  bool has(const char* key) const;                                         // present and not null
  JsonNode at(const char* key) const;                                      // an error if absent
  std::optional<JsonNode> find(const char* key) const;                     // empty if absent or null
  void for_each(const std::function<void(const JsonNode&)>& visit) const;  // of an array

  std::string string() const;
  bool boolean() const;
  int64_t integer(int64_t min, int64_t max) const;
  char32_t character() const;  // a string of one code point

  // `fallback` where the member is absent or null.
  std::string string_or(const char* key, std::string_view fallback) const;
  bool boolean_or(const char* key, bool fallback) const;

  // Throws Error "FILE: PATH: MESSAGE".
  [[noreturn]] void wrong(std::string_view message) const;

 private:
  [[noreturn]] void wrong_type(std::string_view expected) const;
  const nlohmann::json* value_;
  const std::string* file_;
  std::string path_;
};

// The parsed file; Error if it cannot be read or is not JSON.
nlohmann::json read_tokenizer_json(const std::filesystem::path& file);

}  // namespace circuitdiff
