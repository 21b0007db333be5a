#include "tokenizer/json_node.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tokenizer/unicode.h"

namespace circuitdiff {

bool JsonNode::is_null() const { return value_->is_null(); }

bool JsonNode::has(const char* key) const {
  if (!value_->is_object()) wrong_type("an object");
  const auto it = value_->find(key);
  return it != value_->end() && !it->is_null();
}

JsonNode JsonNode::at(const char* key) const {
  if (!value_->is_object()) wrong_type("an object");
  const auto it = value_->find(key);
  if (it == value_->end()) wrong(fmt::format("field \"{}\" is missing", key));
  return {*it, *file_, path_.empty() ? key : path_ + "." + key};
}

std::optional<JsonNode> JsonNode::find(const char* key) const {
  if (!has(key)) return std::nullopt;
  return at(key);
}

void JsonNode::for_each(const std::function<void(const JsonNode&)>& visit) const {
  if (!value_->is_array()) wrong_type("an array");
  size_t i = 0;
  for (const auto& element : *value_) visit({element, *file_, fmt::format("{}[{}]", path_, i++)});
}

std::string JsonNode::string() const {
  if (!value_->is_string()) wrong_type("a string");
  return value_->get_ref<const std::string&>();
}

bool JsonNode::boolean() const {
  if (!value_->is_boolean()) wrong_type("true or false");
  return value_->get<bool>();
}

int64_t JsonNode::integer(int64_t min, int64_t max) const {
  if (!value_->is_number_integer()) wrong_type("an integer");
  const bool huge =
      value_->is_number_unsigned() && value_->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX);
  const int64_t value = huge ? INT64_MAX : value_->get<int64_t>();
  if (huge || value < min || value > max)
    wrong(fmt::format("{} is outside {} to {}", value_->dump(), min, max));
  return value;
}

char32_t JsonNode::character() const {
  const std::string text = string();
  if (count_code_points(text) != 1) wrong(fmt::format("one character was expected, \"{}\" found", text));
  return code_point_at(text, 0);
}

std::string JsonNode::string_or(const char* key, std::string_view fallback) const {
  const auto member = find(key);
  return member ? member->string() : std::string(fallback);
}

bool JsonNode::boolean_or(const char* key, bool fallback) const {
  const auto member = find(key);
  return member ? member->boolean() : fallback;
}

void JsonNode::wrong(std::string_view message) const { fail("{}: {}", where(), message); }

void JsonNode::wrong_type(std::string_view expected) const {
  wrong(fmt::format("{} was expected, {} {} found", expected,
                    value_->is_array() || value_->is_object() ? "an" : "a",
                    value_->is_null() ? "null" : value_->type_name()));
}

nlohmann::json read_tokenizer_json(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) fail("{}: cannot be opened", file.string());
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (in.bad()) fail("{}: cannot be read", file.string());
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::parse_error& e) {
    fail("{}: not valid JSON at byte {}", file.string(), e.byte);
  }
}

}  // namespace circuitdiff
