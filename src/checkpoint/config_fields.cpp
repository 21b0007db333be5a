#include "checkpoint/config_fields.h"

#include <cmath>

#include "base/error.h"

namespace circuitdiff {

bool ConfigFields::written(std::string_view field) const {
  if (row_.has(field)) return true;
  const size_t dot = field.rfind('.');
  const json* holder = &row_.value();
  if (dot != std::string_view::npos) {
    if (!row_.has(field.substr(0, dot))) return false;
    holder = &row_.at(field.substr(0, dot));
  }
  return holder->is_object() &&
         holder->contains(std::string(field.substr(dot == std::string_view::npos ? 0 : dot + 1)));
}

int64_t ConfigFields::whole(std::string_view field, int64_t least, int64_t most,
                            std::optional<int64_t> otherwise) const {
  if (!present(field) && otherwise) return *otherwise;
  const std::string expected = fmt::format("a whole number from {} to {}", least, most);
  if (!present(field)) row_.bad(field, expected);
  const json& value = row_.at(field);
  if (!value.is_number_integer() ||
      (value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{INT64_MAX}) ||
      value.get<int64_t>() < least || value.get<int64_t>() > most)
    row_.bad(field, expected);
  return value.get<int64_t>();
}

double ConfigFields::positive(std::string_view field, std::optional<double> otherwise) const {
  if (!present(field) && otherwise) return *otherwise;
  if (!present(field)) row_.bad(field, "a number above 0");
  const json& value = row_.at(field);
  if (!value.is_number() || !std::isfinite(value.get<double>()) || value.get<double>() <= 0)
    row_.bad(field, "a number above 0");
  return value.get<double>();
}

bool ConfigFields::flag(std::string_view field, bool otherwise) const {
  return row_.boolean(field).value_or(otherwise);
}

std::string ConfigFields::text(std::string_view field, std::string otherwise) const {
  return row_.string_or(field, std::move(otherwise));
}

std::vector<std::string> ConfigFields::texts(std::string_view field) const {
  std::vector<std::string> out;
  if (!present(field)) return out;
  const json& value = row_.at(field);
  if (!value.is_array()) row_.bad(field, "an array of strings");
  for (const json& entry : value) {
    if (!entry.is_string())
      fail("{}: field \"{}\": entry {}: a string expected, {} found", where(), field, out.size(),
           json_kind(entry));
    out.push_back(entry.get<std::string>());
  }
  return out;
}

std::vector<int64_t> ConfigFields::token_ids(std::string_view field) const {
  if (!present(field)) return {};
  if (row_.at(field).is_array()) return row_.tokens(field);
  return {whole(field, 0, kMostWidth)};
}

}  // namespace circuitdiff
