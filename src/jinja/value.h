// The values of a template, as Python has them: None, bool, int (of 64 bits), float, str, list, tuple, dict
// (with text and ints as keys), jinja2's Undefined, and objects (ranges, generators, macros, namespaces,
// ...). Values are immutable and shared; only namespaces and the places of generators change. What Python
// does with any value (truth, printing, equality, order) is in protocol.cpp.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "jinja/limits.h"

namespace circuitdiff::jinja {

class Runtime;
class Value;
class Object;
class Dict;

struct Text {
  std::string bytes;
  size_t length = 0;  // in code points
  bool safe = false;  // markupsafe.Markup: what is added to it is escaped
};
struct Undefined {
  std::string message;
};
struct Items {
  std::vector<Value> values;
  int depth = 1;  // containers inside each other, this one included
};

using TextPtr = std::shared_ptr<const Text>;
using UndefinedPtr = std::shared_ptr<const Undefined>;
using ItemsPtr = std::shared_ptr<const Items>;
struct ListPtr : ItemsPtr {
  explicit ListPtr(ItemsPtr items) : ItemsPtr(std::move(items)) {}
};
struct TuplePtr : ItemsPtr {
  explicit TuplePtr(ItemsPtr items) : ItemsPtr(std::move(items)) {}
};
using DictPtr = std::shared_ptr<const Dict>;
using ObjectPtr = std::shared_ptr<Object>;

class Value {
 public:
  Value() = default;  // None
  explicit Value(bool b) : storage_(b) {}
  explicit Value(int64_t i) : storage_(i) {}
  explicit Value(int i) : storage_(static_cast<int64_t>(i)) {}
  explicit Value(size_t i) : storage_(static_cast<int64_t>(i)) {}
  explicit Value(double d) : storage_(d) {}
  explicit Value(std::string text, bool safe = false);
  explicit Value(std::string_view text) : Value(std::string(text)) {}
  explicit Value(const char* text) : Value(std::string(text)) {}
  explicit Value(DictPtr dict) : storage_(std::move(dict)) {}
  explicit Value(ObjectPtr object) : storage_(std::move(object)) {}
  static Value list(std::vector<Value> values);
  static Value tuple(std::vector<Value> values);
  static Value undefined(std::string message);

  template <class T>
  const T* get() const {
    return std::get_if<T>(&storage_);
  }
  bool is_none() const { return kind() == 0; }
  bool is_undefined() const { return get<UndefinedPtr>() != nullptr; }
  bool is_text() const { return get<TextPtr>() != nullptr; }
  bool is_bool() const { return get<bool>() != nullptr; }
  bool is_integer() const { return get<bool>() || get<int64_t>(); }  // bool is an int, as in Python
  bool is_real() const { return get<double>() != nullptr; }
  bool is_number() const { return is_integer() || is_real(); }
  int64_t integer() const { return is_bool() ? int64_t{*get<bool>()} : *get<int64_t>(); }  // of is_integer()
  double real() const {
    return is_real() ? *get<double>() : static_cast<double>(integer());
  }                                                      // of is_number()
  const Text& text() const { return **get<TextPtr>(); }  // of is_text()
  const std::string& bytes() const { return text().bytes; }
  const Items* items() const;  // of a list or a tuple, else null
  const Dict* dict() const;    // of a dict, else null
  template <class T>
  T* object() const {
    const ObjectPtr* p = get<ObjectPtr>();
    return p ? dynamic_cast<T*>(p->get()) : nullptr;
  }
  size_t kind() const { return storage_.index(); }
  int depth() const;

 private:
  std::variant<std::monostate, bool, int64_t, double, TextPtr, ListPtr, TuplePtr, DictPtr, ObjectPtr,
               UndefinedPtr>
      storage_;
};

// In the order in which the keys were first set.
class Dict {
 public:
  using Entry = std::pair<Value, Value>;
  void set(const Value& key, Value value);  // an error that names the type of any other key
  const Value* find(std::string_view key) const;
  const Value* find(const Value& key) const;
  const std::vector<Entry>& entries() const { return entries_; }
  size_t size() const { return entries_.size(); }
  int depth() const { return depth_; }

 private:
  std::vector<Entry> entries_;
  std::unordered_map<std::string, size_t> index_;  // into entries_
  int depth_ = 1;
};

// The arguments of a call.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> keyword;
};

// The values that a loop or a filter reads, one after the other. Copies share the place that is read next.
class Source {
 public:
  explicit Source(ItemsPtr items) : items_(std::move(items)) {}
  explicit Source(std::vector<Value> values);
  bool next(Value& out);
  std::vector<Value> rest();
  Source again() const { return Source(items_); }
  size_t size() const { return items_->values.size(); }
  int depth() const { return items_->depth; }

 private:
  ItemsPtr items_;
  std::shared_ptr<size_t> at_ = std::make_shared<size_t>(0);
};

// What is not plain data. The defaults are those of a Python object that supports nothing.
class Object {
 public:
  virtual ~Object() = default;
  virtual std::string type_name() const = 0;  // as in Python's messages
  virtual std::string repr(Runtime&) const { return "<" + type_name() + " object>"; }
  virtual std::optional<Value> attribute(std::string_view) { return std::nullopt; }
  virtual bool callable() const { return false; }
  virtual Value call(Runtime& rt, Arguments arguments);
  virtual int depth() const { return 1; }
};

Value from_json(const nlohmann::ordered_json& json, int depth = 0);

std::optional<size_t> length(const Value& value);
bool iterable(const Value& value);
Source source_of(Runtime& rt, const Value& value);            // TypeError "'int' object is not iterable"
std::vector<Value> collect(Runtime& rt, const Value& value);  // list(value)

// protocol.cpp
std::string type_name(const Value& value);  // "str", "NoneType", "dict_items", ...
void refuse_undefined(const Value& value);  // raises UndefinedError
bool truth(const Value& value);
std::string to_text(Runtime& rt, const Value& value);  // str()
std::string to_repr(Runtime& rt, const Value& value);  // repr()
bool equal(Runtime& rt, const Value& a, const Value& b);
// Of numbers and of texts, with `symbol` for the TypeError of others.
std::partial_ordering order(Runtime& rt, const Value& a, const Value& b, const char* symbol);

}  // namespace circuitdiff::jinja
