// Typed, range-checked access to the fields of one config.json, for the readers of this room.
// Absent and null are the same unless a reader asks. Every error names the file, the field,
// what was expected and what was found.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"

namespace circuitdiff {

// Limits that no real checkpoint comes near; they keep every product of sizes far from overflow and every
// list that is made from a number of the file small.
inline constexpr int64_t kMostLayers = 4096;
inline constexpr int64_t kMostHeads = 1 << 16;
inline constexpr int64_t kMostWidth = int64_t{1} << 26;  // d_model, d_mlp, d_vocab
inline constexpr int64_t kMostPositions = (int64_t{1} << 31) - 1;

class ConfigFields {
 public:
  ConfigFields(json value, std::string where) : row_(std::move(value), std::move(where)) {}
  bool present(std::string_view field) const { return row_.has(field); }  // and not null
  bool written(std::string_view field) const;                             // null counts
  // A whole number in [least, most]; without `otherwise` the field must be there.
  int64_t whole(std::string_view field, int64_t least, int64_t most,
                std::optional<int64_t> otherwise = std::nullopt) const;
  // A finite number > 0.
  double positive(std::string_view field, std::optional<double> otherwise = std::nullopt) const;
  bool flag(std::string_view field, bool otherwise) const;
  std::string text(std::string_view field, std::string otherwise) const;
  std::vector<std::string> texts(std::string_view field) const;  // an array of strings; absent: empty
  std::vector<int64_t> token_ids(
      std::string_view field) const;  // a token id or an array of them; absent: empty
  const Row& row() const { return row_; }
  const std::string& where() const { return row_.where(); }

 private:
  Row row_;
};

}  // namespace circuitdiff
