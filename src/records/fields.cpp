#include "records/fields.h"

#include "base/error.h"

namespace circuitdiff {

std::string Place::field() const {
  if (!outer_) return "";
  const std::string outer = outer_->field();
  if (index_) return fmt::format("{}[{}]", outer, *index_);
  return outer.empty() ? std::string(name_) : fmt::format("{}.{}", outer, name_);
}

void Place::bad(std::string_view expected, std::string_view found) const {
  const std::string name = field();
  fail("{}{}: {} expected, {} found{}{}", file_,
       name.empty() ? "" : fmt::format(": field {}", in_quotes(name)), expected, found,
       hint_.empty() ? "" : "; ", hint_);
}

void Place::bad_value(std::string_view expected, const ordered_json& found) const {
  bad(expected, json_kind(found));
}

void Place::missing() const {
  fail("{}: field {} is missing{}{}", file_, in_quotes(field()), hint_.empty() ? "" : "; ", hint_);
}

ordered_json FieldWriter::to_json(std::optional<double>& value) {
  return value ? ordered_json(*value) : ordered_json();
}

ordered_json FieldWriter::to_json(std::optional<std::pair<int64_t, int64_t>>& range) {
  return range ? ordered_json{range->first, range->second} : ordered_json();
}

ordered_json FieldWriter::to_json(IntervalOrNull& interval) {
  return interval.low && interval.high ? ordered_json{*interval.low, *interval.high} : ordered_json();
}

ordered_json FieldWriter::to_json(TextOrNull& text) {
  return text.text.empty() ? ordered_json() : ordered_json(text.text);
}

void read_field(const ordered_json& value, const Place& at, double& out) {
  if (!value.is_number()) at.bad_value("a number", value);
  out = value.get<double>();
}

void read_field(const ordered_json& value, const Place& at, std::optional<double>& out) {
  out.reset();
  if (value.is_null()) return;
  if (!value.is_number()) at.bad_value("a number or null", value);
  out = value.get<double>();
}

void read_field(const ordered_json& value, const Place& at, int64_t& out) {
  if (!value.is_number_integer() ||
      (value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{INT64_MAX}))
    at.bad_value("a whole number", value);
  out = value.get<int64_t>();
}

void read_field(const ordered_json& value, const Place& at, uint64_t& out) {
  if (!value.is_number_unsigned()) at.bad_value("a whole number of 0 or more", value);
  out = value.get<uint64_t>();
}

void read_field(const ordered_json& value, const Place& at, uint8_t& out) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > 1) at.bad_value("0 or 1", value);
  out = value.get<uint8_t>();
}

void read_field(const ordered_json& value, const Place& at, std::string& out) {
  if (!value.is_string()) at.bad_value("a string", value);
  out = value.get<std::string>();
}

void read_field(const ordered_json& value, const Place& at, bool& out) {
  if (!value.is_boolean()) at.bad_value("true or false", value);
  out = value.get<bool>();
}

void read_field(const ordered_json& value, const Place& at, const TextOrNull& out) {
  if (!value.is_null() && !value.is_string()) at.bad_value("a string or null", value);
  out.text = value.is_null() ? "" : value.get<std::string>();
}

void read_field(const ordered_json& value, const Place& at, const IntervalOrNull& out) {
  out.low.reset(), out.high.reset();
  if (value.is_null()) return;
  if (!value.is_array() || value.size() != 2 || !value[0].is_number() || !value[1].is_number())
    at.bad_value("[low, high] or null", value);
  out.low = value[0].get<double>();
  out.high = value[1].get<double>();
}

void read_field(const ordered_json& value, const Place& at, std::optional<std::pair<int64_t, int64_t>>& out) {
  out.reset();
  if (value.is_null()) return;
  if (!value.is_array() || value.size() != 2 || !value[0].is_number_integer() ||
      !value[1].is_number_integer())
    at.bad_value("[first, last] or null", value);
  out = {value[0].get<int64_t>(), value[1].get<int64_t>()};
}

void read_field(const ordered_json& value, const Place& at, json& out) {
  expect_object(value, at);
  out = value;
}

void expect_object(const ordered_json& value, const Place& at) {
  if (!value.is_object()) at.bad_value("an object", value);
}

void expect_array(const ordered_json& value, const Place& at) {
  if (!value.is_array()) at.bad_value("an array", value);
}

void expect_size(size_t found, const Place& at, int64_t size, std::string_view what) {
  if (static_cast<int64_t>(found) != size)
    at.bad(fmt::format("an array of {} {}", size, what), fmt::format("{}", found));
}

void expect_array_of(const ordered_json& value, const Place& at, int64_t size, std::string_view what) {
  if (!value.is_array()) at.bad_value(fmt::format("an array of {} {}", size, what), value);
  expect_size(value.size(), at, size, what);
}

}  // namespace circuitdiff
