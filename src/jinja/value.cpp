#include "jinja/value.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "jinja/runtime.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {
namespace {

void check_depth(int depth) {
  if (depth > kMaxValueDepth) raise("RecursionError", "values of the template are nested too deeply");
}

int depth_of(const std::vector<Value>& values) {
  int deepest = 0;
  for (const Value& v : values) deepest = std::max(deepest, v.depth());
  check_depth(deepest + 1);
  return deepest + 1;
}

class ItemsIterator : public Iterator {
 public:
  explicit ItemsIterator(std::shared_ptr<const Items> items) : items_(std::move(items)) {
    depth = items_->depth;
  }
  bool next(Runtime&, Value& out) override {
    if (at_ >= items_->values.size()) return false;
    out = items_->values[at_++];
    return true;
  }

 private:
  std::shared_ptr<const Items> items_;
  size_t at_ = 0;
};

class CharacterIterator : public Iterator {
 public:
  explicit CharacterIterator(TextPtr text) : text_(std::move(text)) {}
  bool next(Runtime&, Value& out) override {
    if (at_ >= text_->bytes.size()) return false;
    const size_t start = at_;
    next_code_point(text_->bytes, at_);
    out = Value(text_->bytes.substr(start, at_ - start));
    return true;
  }

 private:
  TextPtr text_;
  size_t at_ = 0;
};

class KeyIterator : public Iterator {
 public:
  explicit KeyIterator(DictPtr dict) : dict_(std::move(dict)) { depth = dict_->depth(); }
  bool next(Runtime&, Value& out) override {
    if (at_ >= dict_->size()) return false;
    out = dict_->entries()[at_++].first;
    return true;
  }

 private:
  DictPtr dict_;
  size_t at_ = 0;
};

class NoIterator : public Iterator {
 public:
  bool next(Runtime&, Value&) override { return false; }
};

// Exact comparison of an int and a float (neither NaN).
int compare_mixed(const Value& integer, double real) {
  if (std::isinf(real)) return real > 0 ? -1 : 1;
  const BigInt whole = BigInt::from_double(real);
  const int order = to_big(integer).compare(whole);
  if (order != 0) return order;
  const double fraction = real - std::trunc(real);
  return fraction > 0 ? -1 : fraction < 0 ? 1 : 0;
}

int compare_numbers(const Value& a, const Value& b, bool& unordered) {
  const auto three_way = [](auto x, auto y) { return x < y ? -1 : x > y ? 1 : 0; };
  const double* x = a.get<double>();
  const double* y = b.get<double>();
  if ((x && std::isnan(*x)) || (y && std::isnan(*y))) {
    unordered = true;
    return 1;
  }
  if (x && y) return three_way(*x, *y);
  if (x) return -compare_mixed(b, *x);
  if (y) return compare_mixed(a, *y);
  const auto i = to_index(a), j = to_index(b);
  if (i && j) return three_way(*i, *j);
  return to_big(a).compare(to_big(b));
}

size_t mix(size_t seed, size_t value) {
  return seed ^ (value + 0x9e3779b97f4a7c15u + (seed << 6) + (seed >> 2));
}

std::string join_reprs(Runtime& rt, const Items& items) {
  std::string out;
  for (size_t i = 0; i < items.values.size(); ++i) {
    if (i) out += ", ";
    out += to_repr(rt, items.values[i]);
    if (out.size() > kMaxTextBytes) rt.budget.text(out.size());
  }
  return out;
}

std::string integer_text(const BigInt& value) {
  // 3.3219 bits a digit: refuse before the slow conversion.
  if (value.bits() > kMaxIntegerDigits * 34 / 10)
    raise("ValueError", "Exceeds the limit (4300 digits) for integer string conversion");
  std::string out = value.to_text();
  if (out.size() - (value.negative() ? 1 : 0) > kMaxIntegerDigits)
    raise("ValueError", "Exceeds the limit (4300 digits) for integer string conversion");
  return out;
}

}  // namespace

Value::Value(const BigInt& i) {
  if (const auto fits = i.small()) {
    storage_ = *fits;
    return;
  }
  if (i.bits() > kMaxIntegerBits) raise("OverflowError", "a whole number of the template is too large");
  storage_ = std::make_shared<const BigInt>(i);
}

Value::Value(std::string text, bool safe) {
  const bool ascii = is_ascii(text);
  storage_ = std::make_shared<const Text>(Text{std::move(text), ascii, safe});
}

Value Value::list(std::vector<Value> values) {
  const int depth = depth_of(values);
  return Value(ListPtr(std::make_shared<const Items>(Items{std::move(values), depth, false})));
}

Value Value::tuple(std::vector<Value> values, bool grouped) {
  const int depth = depth_of(values);
  return Value(TuplePtr(std::make_shared<const Items>(Items{std::move(values), depth, grouped})));
}

Value Value::undefined(std::string message, std::string kind) {
  Value out;
  out.storage_ = std::make_shared<const Undefined>(Undefined{std::move(message), std::move(kind)});
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

void Dict::set(Runtime& rt, Value key, Value value) {
  const size_t code = hash(rt, key);
  const auto [from, to] = index_.equal_range(code);
  const int depth = 1 + std::max(key.depth(), value.depth());
  check_depth(depth);
  depth_ = std::max(depth_, depth);
  for (auto at = from; at != to; ++at) {
    if (equal(rt, entries_[at->second].first, key)) {
      entries_[at->second].second = std::move(value);
      return;
    }
  }
  index_.emplace(code, static_cast<uint32_t>(entries_.size()));
  entries_.emplace_back(std::move(key), std::move(value));
}

const Value* Dict::find(Runtime& rt, const Value& key) const {
  if (key.is_text()) return find(key.bytes());
  const auto [from, to] = index_.equal_range(hash(rt, key));
  for (auto at = from; at != to; ++at)
    if (equal(rt, entries_[at->second].first, key)) return &entries_[at->second].second;
  return nullptr;
}

const Value* Dict::find(std::string_view key) const {
  const auto [from, to] = index_.equal_range(std::hash<std::string_view>{}(key));
  for (auto at = from; at != to; ++at) {
    const Entry& entry = entries_[at->second];
    if (entry.first.is_text() && entry.first.bytes() == key) return &entry.second;
  }
  return nullptr;
}

std::string Object::repr(Runtime&) const { return "<" + qualified_name() + " object>"; }
std::optional<Value> Object::attribute(Runtime&, std::string_view) { return std::nullopt; }
std::optional<Value> Object::item(Runtime&, const Value&) { return std::nullopt; }
Value Object::call(Runtime&, Arguments) {
  raise("TypeError", fmt::format("'{}' object is not callable", type_name()));
}
IteratorPtr Object::iterate(Runtime&) { return nullptr; }
IteratorPtr Object::iterate_backwards(Runtime&) { return nullptr; }
std::optional<size_t> Object::length(Runtime&) { return std::nullopt; }

Value from_json(const nlohmann::ordered_json& json, Runtime& rt, int depth) {
  check_depth(depth);
  switch (json.type()) {
    case nlohmann::json::value_t::null:
      return Value();
    case nlohmann::json::value_t::boolean:
      return Value(json.get<bool>());
    case nlohmann::json::value_t::number_integer:
      return Value(json.get<int64_t>());
    case nlohmann::json::value_t::number_unsigned: {
      const uint64_t u = json.get<uint64_t>();
      if (u <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
        return Value(static_cast<int64_t>(u));
      return Value(BigInt(static_cast<int64_t>(u >> 1)) * BigInt(2) + BigInt(static_cast<int64_t>(u & 1)));
    }
    case nlohmann::json::value_t::number_float:
      return Value(json.get<double>());
    case nlohmann::json::value_t::string: {
      const auto& text = json.get_ref<const std::string&>();
      if (!is_valid_utf8(text)) raise("ValueError", "a variable of the template is not valid UTF-8");
      return Value(text);
    }
    case nlohmann::json::value_t::array: {
      std::vector<Value> values;
      values.reserve(json.size());
      for (const auto& element : json) values.push_back(from_json(element, rt, depth + 1));
      return Value::list(std::move(values));
    }
    case nlohmann::json::value_t::object: {
      auto dict = std::make_shared<Dict>();
      for (const auto& [key, element] : json.items()) {
        if (!is_valid_utf8(key)) raise("ValueError", "a variable of the template is not valid UTF-8");
        dict->set(rt, Value(key), from_json(element, rt, depth + 1));
      }
      return Value(DictPtr(std::move(dict)));
    }
    default:
      raise("TypeError", "a variable of the template is neither text, number, list nor mapping");
  }
}

std::string type_name(const Value& value) {
  if (value.is_none()) return "NoneType";
  if (value.is_bool()) return "bool";
  if (value.is_integer()) return "int";
  if (value.get<double>()) return "float";
  if (value.is_text()) return value.text().safe ? "Markup" : "str";
  if (value.get<ListPtr>()) return "list";
  if (value.get<TuplePtr>()) return value.items()->grouped ? "_GroupTuple" : "tuple";
  if (value.dict()) return "dict";
  if (value.is_undefined()) return "Undefined";
  return (*value.get<ObjectPtr>())->type_name();
}

std::string object_type_repr(const Value& value) {
  if (value.is_none()) return "None";
  if (const auto* p = value.get<ObjectPtr>()) return (*p)->qualified_name() + " object";
  if (value.is_text() && value.text().safe) return "markupsafe.Markup object";
  if (value.get<TuplePtr>() && value.items()->grouped) return "jinja2.filters._GroupTuple object";
  return type_name(value) + " object";
}

void raise_undefined(const Value& undefined) {
  const UndefinedPtr& u = *undefined.get<UndefinedPtr>();
  raise(u->kind, u->message);
}

bool truth(Runtime& rt, const Value& value) {
  if (const bool* b = value.get<bool>()) return *b;
  if (const int64_t* i = value.get<int64_t>()) return *i != 0;
  if (const double* d = value.get<double>()) return *d != 0;
  if (value.is_text()) return !value.bytes().empty();
  if (const Items* items = value.items()) return !items->values.empty();
  if (const Dict* dict = value.dict()) return dict->size() != 0;
  if (value.is_none() || value.is_undefined()) return false;
  if (const auto* p = value.get<ObjectPtr>()) {
    const auto n = (*p)->length(rt);
    return !n || *n != 0;
  }
  return true;  // a big integer
}

std::string to_text(Runtime& rt, const Value& value) {
  if (value.is_text()) {
    rt.budget.copy(value.bytes().size());
    return value.bytes();
  }
  if (value.is_undefined()) return "";
  return to_repr(rt, value);
}

std::string to_repr(Runtime& rt, const Value& value) {
  rt.check_stack();
  rt.budget.spend(1);
  if (value.is_none()) return "None";
  if (const bool* b = value.get<bool>()) return *b ? "True" : "False";
  if (const int64_t* i = value.get<int64_t>()) return std::to_string(*i);
  if (const auto* big = value.get<BigPtr>()) {
    rt.budget.spend(static_cast<int64_t>((*big)->bits() / 8));
    return integer_text(**big);
  }
  if (const double* d = value.get<double>()) return repr(*d);
  if (value.is_text()) {
    rt.budget.text(value.bytes().size());
    return value.text().safe ? "Markup(" + repr(value.bytes()) + ")" : repr(value.bytes());
  }
  rt.budget.spend(6);  // strings are made, and copied into what holds them
  if (value.get<ListPtr>()) return "[" + join_reprs(rt, *value.items()) + "]";
  if (value.get<TuplePtr>())
    return "(" + join_reprs(rt, *value.items()) + (value.items()->values.size() == 1 ? ",)" : ")");
  if (const Dict* dict = value.dict()) {
    std::string out = "{";
    for (const auto& [key, element] : dict->entries()) {
      if (out.size() > 1) out += ", ";
      out += to_repr(rt, key) + ": " + to_repr(rt, element);
      if (out.size() > kMaxTextBytes) rt.budget.text(out.size());
    }
    return out + "}";
  }
  if (value.is_undefined()) return "Undefined";
  return (*value.get<ObjectPtr>())->repr(rt);
}

bool equal(Runtime& rt, const Value& a, const Value& b) {
  rt.budget.spend(1);
  if (a.is_number() && b.is_number()) {
    bool unordered = false;
    return compare_numbers(a, b, unordered) == 0;
  }
  if (a.is_text() && b.is_text()) {
    rt.budget.copy(std::min(a.bytes().size(), b.bytes().size()));
    return a.bytes() == b.bytes();
  }
  if (a.storage().index() != b.storage().index()) return false;
  if (const Items* x = a.items()) {
    rt.check_stack();
    const Items* y = b.items();
    if (x == y) return true;
    return x->values.size() == y->values.size() &&
           std::equal(x->values.begin(), x->values.end(), y->values.begin(),
                      [&](const Value& p, const Value& q) { return identical(p, q) || equal(rt, p, q); });
  }
  if (const Dict* x = a.dict()) {
    rt.check_stack();
    const Dict* y = b.dict();
    if (x == y) return true;
    if (x->size() != y->size()) return false;
    for (const auto& [key, element] : x->entries()) {
      const Value* other = y->find(rt, key);
      if (!other || !(identical(element, *other) || equal(rt, element, *other))) return false;
    }
    return true;
  }
  if (const auto* x = a.get<ObjectPtr>()) return (*x)->same(**b.get<ObjectPtr>());
  return true;  // None and None, Undefined and Undefined
}

int compare(Runtime& rt, const Value& a, const Value& b, const char* symbol, bool& unordered) {
  rt.budget.spend(1);
  if (a.is_undefined()) raise_undefined(a);
  if (b.is_undefined()) raise_undefined(b);
  if (a.is_number() && b.is_number()) return compare_numbers(a, b, unordered);
  if (a.is_text() && b.is_text()) {
    rt.budget.copy(std::min(a.bytes().size(), b.bytes().size()));
    return a.bytes().compare(b.bytes());  // the order of UTF-8 is that of code points
  }
  const Items* x = a.items();
  const Items* y = b.items();
  if (x && y && a.storage().index() == b.storage().index()) {
    rt.check_stack();
    for (size_t i = 0; i < x->values.size() && i < y->values.size(); ++i)
      if (!identical(x->values[i], y->values[i]) && !equal(rt, x->values[i], y->values[i]))
        return compare(rt, x->values[i], y->values[i], symbol, unordered);
    return x->values.size() < y->values.size() ? -1 : x->values.size() > y->values.size() ? 1 : 0;
  }
  raise("TypeError", fmt::format("'{}' not supported between instances of '{}' and '{}'", symbol,
                                 type_name(a), type_name(b)));
}

bool less(Runtime& rt, const Value& a, const Value& b) {
  bool unordered = false;
  return compare(rt, a, b, "<", unordered) < 0 && !unordered;
}

size_t hash(Runtime& rt, const Value& value) {
  rt.budget.spend(1);
  if (value.is_text()) return std::hash<std::string_view>{}(value.bytes());
  if (const auto i = to_index(value)) return std::hash<int64_t>{}(*i);
  if (const double* d = value.get<double>()) {
    if (std::fabs(*d) < 9e18 && std::trunc(*d) == *d) return std::hash<int64_t>{}(static_cast<int64_t>(*d));
    return std::isnan(*d) ? 0 : std::hash<double>{}(*d);
  }
  if (const auto* big = value.get<BigPtr>()) return std::hash<double>{}((*big)->to_double());
  if (value.get<TuplePtr>()) {
    rt.check_stack();
    size_t out = 1;
    for (const Value& v : value.items()->values) out = mix(out, hash(rt, v));
    return out;
  }
  if (value.is_none()) return 2;
  if (value.is_undefined()) return 3;
  if (const auto* p = value.get<ObjectPtr>(); p && (*p)->hashable())
    return std::hash<const void*>{}(p->get());
  raise("TypeError", fmt::format("unhashable type: '{}'", type_name(value)));
}

bool identical(const Value& a, const Value& b) {
  if (a.storage().index() != b.storage().index()) return false;
  if (const bool* p = a.get<bool>()) return *p == *b.get<bool>();
  if (const int64_t* p = a.get<int64_t>())
    return *p == *b.get<int64_t>() && *p >= -5 && *p <= 256;  // CPython's cache
  if (const auto* p = a.get<TextPtr>()) return *p == *b.get<TextPtr>() || (*p)->bytes == b.bytes();
  if (a.items()) return a.items() == b.items();
  if (a.dict()) return a.dict() == b.dict();
  if (const auto* p = a.get<ObjectPtr>()) return *p == *b.get<ObjectPtr>();
  if (const auto* p = a.get<UndefinedPtr>()) return *p == *b.get<UndefinedPtr>();
  return a.is_none();
}

std::optional<size_t> length(Runtime& rt, const Value& value) {
  if (value.is_text()) return value.text().ascii ? value.bytes().size() : count_code_points(value.bytes());
  if (const Items* items = value.items()) return items->values.size();
  if (const Dict* dict = value.dict()) return dict->size();
  if (value.is_undefined()) return 0;
  if (const auto* p = value.get<ObjectPtr>()) return (*p)->length(rt);
  return std::nullopt;
}

bool iterable(Runtime& rt, const Value& value) {
  if (const auto* p = value.get<ObjectPtr>()) return (*p)->iterate(rt) != nullptr;
  return value.is_text() || value.items() || value.dict() || value.is_undefined();
}

IteratorPtr iterate(Runtime& rt, const Value& value) {
  if (const auto* p = value.get<ListPtr>()) return std::make_shared<ItemsIterator>(*p);
  if (const auto* p = value.get<TuplePtr>()) return std::make_shared<ItemsIterator>(*p);
  if (const auto* p = value.get<TextPtr>()) return std::make_shared<CharacterIterator>(*p);
  if (const auto* p = value.get<DictPtr>()) return std::make_shared<KeyIterator>(*p);
  if (value.is_undefined()) return std::make_shared<NoIterator>();
  if (const auto* p = value.get<ObjectPtr>())
    if (IteratorPtr it = (*p)->iterate(rt)) return it;
  raise("TypeError", fmt::format("'{}' object is not iterable", type_name(value)));
}

std::vector<Value> collect(Runtime& rt, const Value& value) {
  if (const Items* items = value.items()) {
    rt.budget.items(items->values.size());
    return items->values;
  }
  std::vector<Value> out;
  const IteratorPtr it = iterate(rt, value);
  Value v;
  while (it->next(rt, v)) {
    rt.budget.spend(1);
    if (out.size() >= kMaxItems) rt.budget.items(out.size() + 1);
    out.push_back(std::move(v));
  }
  return out;
}

BigInt to_big(const Value& integer) {
  if (const auto* big = integer.get<BigPtr>()) return **big;
  return BigInt(to_index(integer).value_or(0));
}

double to_double(const Value& number) {
  if (const double* d = number.get<double>()) return *d;
  if (const auto* big = number.get<BigPtr>()) {
    const double d = (*big)->to_double();
    if (std::isinf(d)) raise("OverflowError", "int too large to convert to float");
    return d;
  }
  return static_cast<double>(to_index(number).value_or(0));
}

std::optional<int64_t> to_index(const Value& value) {
  if (const int64_t* i = value.get<int64_t>()) return *i;
  if (const bool* b = value.get<bool>()) return *b ? 1 : 0;
  return std::nullopt;
}

}  // namespace circuitdiff::jinja
