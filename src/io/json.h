// Strict JSON parsing with errors that name the place, and typed access to the fields of one JSON Lines row.
// Duplicate keys, trailing text, invalid UTF-8 and nesting deeper than 256 are errors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace circuitdiff {

using json = nlohmann::json;

// Throws Error "WHERE: not valid JSON: ..." on anything that is not one JSON value.
json parse_json(std::string_view text, std::string_view where);
json read_json_file(const std::filesystem::path& path);
// "an object", "a string", "the number 3", ... for messages.
std::string json_kind(const json& value);
// Text out of a file, fit for a message: in quotes, on one line, at most about a hundred characters.
std::string in_quotes(std::string_view text);
// The text with U+FFFD for each byte that is not UTF-8, as JSON can hold it: paths need not be UTF-8.
std::string valid_utf8(std::string_view text);

// One object with the place it came from. Field names may be dotted ("after.tokens"). Every accessor throws
// Error "WHERE: field \"after.tokens\": an array of token ids expected, a string found".
class Row {
 public:
  Row(json value, std::string where) : value_(std::move(value)), where_(std::move(where)) {}
  const json& value() const { return value_; }
  const std::string& where() const { return where_; }  // "pairs.jsonl:17"

  bool has(std::string_view field) const;        // present and not null
  const json& at(std::string_view field) const;  // present (null allowed)
  std::string string(std::string_view field) const;
  std::string string_or(std::string_view field, std::string otherwise) const;
  int64_t integer(std::string_view field) const;
  int64_t integer_or(std::string_view field, int64_t otherwise) const;
  std::optional<bool> boolean(std::string_view field) const;  // nullopt if absent or null
  std::vector<int64_t> tokens(std::string_view field) const;  // non-negative whole numbers
  std::string id(std::string_view field = "id") const;        // a string or a whole number, as text
  [[noreturn]] void bad(std::string_view field, std::string_view expected) const;  // "... expected, X found"

 private:
  const json* find(std::string_view field) const;
  json value_;
  std::string where_;
};

// Calls `each` for every line of a JSON Lines file, in order. A line must be an object; blank ones may only
// end the file. With `torn_tail_ok`, a last line without its newline is passed over instead of read (an
// append that was cut short).
void read_jsonl(const std::filesystem::path& path, const std::function<void(Row&&)>& each,
                bool torn_tail_ok = false);

}  // namespace circuitdiff
