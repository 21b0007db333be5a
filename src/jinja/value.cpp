#include "jinja/value.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "jinja/objects.h"
#include "jinja/runtime.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {
namespace {

void check_depth(int depth) {
  if (depth > kMaxValueDepth) raise("RecursionError", "values of the template are nested too deeply");
}

ItemsPtr make_items(std::vector<Value> values) {
  int deepest = 0;
  for (const Value& v : values) deepest = std::max(deepest, v.depth());
  check_depth(deepest + 1);
  return std::make_shared<const Items>(Items{std::move(values), deepest + 1});
}

// What a key is found by: text as it is, an int (True is 1) in digits behind a zero byte.
std::string index_of(const Value& key) {
  if (key.is_text()) return key.bytes();
  return std::string(1, '\0') + std::to_string(key.integer());
}

Value checked(const std::string& text) {
  if (!is_valid_utf8(text)) raise("ValueError", "a variable of the template is not valid UTF-8");
  return Value(text);
}

}  // namespace

Value::Value(std::string text, bool safe) {
  const size_t length = count_code_points(text);
  storage_ = std::make_shared<const Text>(Text{std::move(text), length, safe});
}

Value Value::list(std::vector<Value> values) {
  Value out;
  out.storage_ = ListPtr(make_items(std::move(values)));
  return out;
}

Value Value::tuple(std::vector<Value> values) {
  Value out;
  out.storage_ = TuplePtr(make_items(std::move(values)));
  return out;
}

Value Value::undefined(std::string message) {
  Value out;
  out.storage_ = std::make_shared<const Undefined>(Undefined{std::move(message)});
  return out;
}

const Items* Value::items() const {
  if (const auto* p = get<ListPtr>()) return p->get();
  if (const auto* p = get<TuplePtr>()) return p->get();
  return nullptr;
}

const Dict* Value::dict() const {
  const auto* p = get<DictPtr>();
  return p ? p->get() : nullptr;
}

int Value::depth() const {
  if (const Items* p = items()) return p->depth;
  if (const Dict* p = dict()) return p->depth();
  if (const auto* p = get<ObjectPtr>()) return (*p)->depth();
  return 0;
}

void Dict::set(const Value& key, Value value) {
  if (!key.is_text() && !key.is_integer()) raise_unsupported("key of type", type_name(key));
  depth_ = std::max(depth_, 1 + value.depth());
  check_depth(depth_);
  const auto [at, added] = index_.emplace(index_of(key), entries_.size());
  if (added) {
    entries_.emplace_back(key, std::move(value));
  } else {
    entries_[at->second].second = std::move(value);
  }
}

const Value* Dict::find(std::string_view key) const {
  const auto at = index_.find(std::string(key));
  return at == index_.end() ? nullptr : &entries_[at->second].second;
}

const Value* Dict::find(const Value& key) const {
  if (key.is_real()) raise_unsupported("key of type", "float");
  return key.is_text() || key.is_integer() ? find(index_of(key)) : nullptr;
}

Source::Source(std::vector<Value> values) : items_(make_items(std::move(values))) {}

bool Source::next(Value& out) {
  if (*at_ >= items_->values.size()) return false;
  out = items_->values[(*at_)++];
  return true;
}

std::vector<Value> Source::rest() {
  std::vector<Value> out(items_->values.begin() + static_cast<std::ptrdiff_t>(*at_), items_->values.end());
  *at_ = items_->values.size();
  return out;
}

Value Object::call(Runtime&, Arguments) { raise("TypeError", "'{}' object is not callable", type_name()); }

Value from_json(const nlohmann::ordered_json& json, int depth) {
  check_depth(depth);
  switch (json.type()) {
    case nlohmann::json::value_t::null:
      return Value();
    case nlohmann::json::value_t::boolean:
      return Value(json.get<bool>());
    case nlohmann::json::value_t::number_unsigned:
      if (json.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
        raise_too_large();
      [[fallthrough]];
    case nlohmann::json::value_t::number_integer:
      return Value(json.get<int64_t>());
    case nlohmann::json::value_t::number_float:
      return Value(json.get<double>());
    case nlohmann::json::value_t::string:
      return checked(json.get_ref<const std::string&>());
    case nlohmann::json::value_t::array: {
      std::vector<Value> values;
      for (const auto& element : json) values.push_back(from_json(element, depth + 1));
      return Value::list(std::move(values));
    }
    case nlohmann::json::value_t::object: {
      auto dict = std::make_shared<Dict>();
      for (const auto& [key, element] : json.items()) dict->set(checked(key), from_json(element, depth + 1));
      return Value(DictPtr(std::move(dict)));
    }
    default:
      raise("TypeError", "a variable of the template is neither text, number, list nor mapping");
  }
}

std::optional<size_t> length(const Value& value) {
  if (value.is_text()) return value.text().length;
  if (const Items* items = value.items()) return items->values.size();
  if (const Dict* dict = value.dict()) return dict->size();
  if (value.is_undefined()) return 0;
  if (const auto* sequence = value.object<Sequence>()) return sequence->length();
  return std::nullopt;
}

bool iterable(const Value& value) {
  return value.is_text() || value.items() || value.dict() || value.is_undefined() || value.object<Sequence>();
}

Source source_of(Runtime& rt, const Value& value) {
  if (const auto* p = value.get<ListPtr>()) return Source(*p);
  if (const auto* p = value.get<TuplePtr>()) return Source(*p);
  if (const auto* sequence = value.object<Sequence>()) return sequence->source();
  if (!iterable(value)) raise("TypeError", "'{}' object is not iterable", type_name(value));
  rt.budget.items(*length(value));
  std::vector<Value> values;
  if (const Dict* dict = value.dict()) {
    for (const auto& [key, element] : dict->entries()) values.push_back(key);
  } else if (value.is_text()) {
    for (const char32_t c : decode(value.bytes())) values.emplace_back(encode({&c, 1}));
  }
  return Source(std::move(values));
}

std::vector<Value> collect(Runtime& rt, const Value& value) {
  std::vector<Value> out = source_of(rt, value).rest();
  rt.budget.items(out.size());
  return out;
}

}  // namespace circuitdiff::jinja
