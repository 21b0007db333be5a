// The values of a template, as Python has them: None, bool, int, float, str, list, tuple, dict, jinja2's
// Undefined, and objects (ranges, iterators, macros, namespaces, ...). Values are immutable and shared; only
// namespaces and iterators change. Python's equality, ordering, hashing, truth and printing over them live
// here.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "jinja/big_int.h"
#include "jinja/limits.h"

namespace circuitdiff::jinja {

class Runtime;
class Value;
class Object;

struct Text {
  std::string bytes;
  bool ascii = true;
  bool safe = false;  // markupsafe.Markup: concatenation escapes what is joined to it
};
struct Undefined {
  std::string message;
  std::string kind = "UndefinedError";
};
struct Items {
  std::vector<Value> values;
  int depth = 1;         // containers inside each other, this one included
  bool grouped = false;  // a (grouper, list) of the groupby filter
};
class Dict;

using TextPtr = std::shared_ptr<const Text>;
using UndefinedPtr = std::shared_ptr<const Undefined>;
struct ListPtr : std::shared_ptr<const Items> {
  explicit ListPtr(std::shared_ptr<const Items> items) : std::shared_ptr<const Items>(std::move(items)) {}
};
struct TuplePtr : std::shared_ptr<const Items> {
  explicit TuplePtr(std::shared_ptr<const Items> items) : std::shared_ptr<const Items>(std::move(items)) {}
};
using DictPtr = std::shared_ptr<const Dict>;
using BigPtr = std::shared_ptr<const BigInt>;
using ObjectPtr = std::shared_ptr<Object>;

class Value {
 public:
  using Storage = std::variant<std::monostate, bool, int64_t, double, BigPtr, TextPtr, ListPtr, TuplePtr,
                               DictPtr, ObjectPtr, UndefinedPtr>;
  Value() = default;  // None
  explicit Value(bool b) : storage_(b) {}
  explicit Value(int64_t i) : storage_(i) {}
  explicit Value(int i) : storage_(static_cast<int64_t>(i)) {}
  explicit Value(size_t i) : storage_(static_cast<int64_t>(i)) {}
  explicit Value(double d) : storage_(d) {}
  explicit Value(const BigInt& i);  // becomes int64 where it fits
  explicit Value(std::string text, bool safe = false);
  explicit Value(std::string_view text) : Value(std::string(text)) {}
  explicit Value(const char* text) : Value(std::string(text)) {}
  explicit Value(ListPtr list) : storage_(std::move(list)) {}
  explicit Value(TuplePtr tuple) : storage_(std::move(tuple)) {}
  explicit Value(DictPtr dict) : storage_(std::move(dict)) {}
  explicit Value(ObjectPtr object) : storage_(std::move(object)) {}
  static Value list(std::vector<Value> values);
  static Value tuple(std::vector<Value> values, bool grouped = false);
  static Value undefined(std::string message, std::string kind = "UndefinedError");

  template <class T>
  const T* get() const {
    return std::get_if<T>(&storage_);
  }
  bool is_none() const { return storage_.index() == 0; }
  bool is_undefined() const { return get<UndefinedPtr>() != nullptr; }
  bool is_text() const { return get<TextPtr>() != nullptr; }
  bool is_bool() const { return get<bool>() != nullptr; }
  bool is_integer() const {
    return get<bool>() || get<int64_t>() || get<BigPtr>();
  }  // bool is an int, as in Python
  bool is_number() const { return is_integer() || get<double>(); }
  const Text& text() const { return **get<TextPtr>(); }  // only where is_text()
  const std::string& bytes() const { return text().bytes; }
  const Items* items() const;  // of a list or a tuple, else null
  const Dict* dict() const;    // of a dict, else null
  template <class T>
  T* object() const {
    const ObjectPtr* p = get<ObjectPtr>();
    return p ? dynamic_cast<T*>(p->get()) : nullptr;
  }
  const Storage& storage() const { return storage_; }
  int depth() const;

 private:
  Storage storage_;
};

// Insertion-ordered, keys as Python compares them (1, 1.0 and True are one key).
class Dict {
 public:
  using Entry = std::pair<Value, Value>;
  void set(Runtime& rt, Value key, Value value);  // TypeError if the key cannot be hashed
  const Value* find(Runtime& rt, const Value& key) const;
  const Value* find(std::string_view key) const;
  const std::vector<Entry>& entries() const { return entries_; }
  size_t size() const { return entries_.size(); }
  int depth() const { return depth_; }

 private:
  std::vector<Entry> entries_;
  std::unordered_multimap<size_t, uint32_t> index_;  // hash -> position
  int depth_ = 1;
};

// The arguments of a call.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> keyword;
};

// Yields values one by one; what it costs is charged by whoever advances it.
class Iterator {
 public:
  virtual ~Iterator() = default;
  virtual bool next(Runtime& rt, Value& out) = 0;
  int depth = 0;  // iterators inside each other
};
using IteratorPtr = std::shared_ptr<Iterator>;

// What is not plain data. The defaults are those of a Python object that supports nothing.
class Object {
 public:
  virtual ~Object() = default;
  virtual std::string type_name() const = 0;  // as in Python's messages
  virtual std::string qualified_name() const {
    return type_name();
  }  // with the module, as jinja2's messages have it
  virtual std::string repr(Runtime& rt) const;
  virtual std::optional<Value> attribute(Runtime& rt, std::string_view name);
  virtual std::optional<Value> item(Runtime& rt,
                                    const Value& key);  // nullopt: no such element, or not subscriptable
  virtual bool callable() const { return false; }
  virtual Value call(Runtime& rt, Arguments arguments);
  virtual IteratorPtr iterate(Runtime& rt);            // null: not iterable
  virtual IteratorPtr iterate_backwards(Runtime& rt);  // null: reversed() refuses it
  virtual std::optional<size_t> length(Runtime& rt);
  virtual bool sequence() const { return false; }  // has __getitem__
  virtual bool hashable() const { return true; }
  virtual bool same(const Object& other) const { return this == &other; }
  virtual int depth() const { return 1; }
};

Value from_json(const nlohmann::ordered_json& json, Runtime& rt, int depth = 0);

std::string type_name(const Value& value);         // "str", "NoneType", "dict_items", ...
std::string object_type_repr(const Value& value);  // jinja2.utils.object_type_repr: "dict object", "None"

[[noreturn]] void raise_undefined(const Value& undefined);

bool truth(Runtime& rt, const Value& value);
std::string to_text(Runtime& rt, const Value& value);  // str()
std::string to_repr(Runtime& rt, const Value& value);  // repr()
bool equal(Runtime& rt, const Value& a, const Value& b);
// <0, 0, >0 for ordered values; for NaN `unordered` is set. `symbol` is for the TypeError of values without
// order.
int compare(Runtime& rt, const Value& a, const Value& b, const char* symbol, bool& unordered);
bool less(Runtime& rt, const Value& a, const Value& b);
size_t hash(Runtime& rt, const Value& value);    // TypeError if it cannot be hashed
bool identical(const Value& a, const Value& b);  // `is`
std::optional<size_t> length(Runtime& rt, const Value& value);
IteratorPtr iterate(Runtime& rt, const Value& value);  // TypeError "'int' object is not iterable"
bool iterable(Runtime& rt, const Value& value);
std::vector<Value> collect(Runtime& rt, const Value& value);  // list(value)
BigInt to_big(const Value& integer);
double to_double(const Value& number);                // OverflowError if an int is too large for a float
std::optional<int64_t> to_index(const Value& value);  // an int that fits in 64 bits, or a bool

}  // namespace circuitdiff::jinja
