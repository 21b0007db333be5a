// The objects a template can hold besides plain data: sequences that are no lists, functions and namespaces,
// and the global names that make them. Macros and loops belong to the interpreter.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "jinja/value.h"

namespace circuitdiff::jinja {

// range(), the views of a mapping, and the generators that map, select, unique and their kin give. A
// generator gives each value once, is true, and has no length.
class Sequence : public Object {
 public:
  Sequence(std::string type, std::vector<Value> values, std::string shown)
      : type_(std::move(type)), shown_(std::move(shown)), source_(std::move(values)) {}
  std::string type_name() const override { return type_; }
  std::string repr(Runtime& rt) const override;
  Source source() const { return is_generator() ? source_ : source_.again(); }
  std::optional<size_t> length() const {
    return is_generator() ? std::nullopt : std::optional(source_.size());
  }
  int depth() const override { return source_.depth(); }

 private:
  bool is_generator() const { return type_ == "generator"; }

  std::string type_;
  std::string shown_;  // how it prints; where empty, with its values
  Source source_;
};
Value make_generator(std::vector<Value> values);
enum class Part { keys, values, items };
Value make_view(Runtime& rt, const Dict& dict, Part part);

// Anything callable that is not a macro.
class Function : public Object {
 public:
  using Body = std::function<Value(Runtime&, const Arguments&)>;
  Function(std::string name, Body body, int depth)
      : name_(std::move(name)), body_(std::move(body)), depth_(depth) {}
  std::string type_name() const override { return "function"; }
  std::string repr(Runtime&) const override { return "<function " + name_ + ">"; }
  bool callable() const override { return true; }
  Value call(Runtime& rt, Arguments arguments) override { return body_(rt, arguments); }
  int depth() const override { return depth_; }

 private:
  std::string name_;
  Body body_;
  int depth_;  // of what the body holds
};
Value make_function(std::string_view name, Function::Body body, int depth = 1);

class Namespace : public Object {
 public:
  void set(const std::string& name, Value value);  // SecurityError for a leading underscore
  void clear() { attributes_.clear(); }
  std::string type_name() const override { return "Namespace"; }
  std::string repr(Runtime& rt) const override;
  std::optional<Value> attribute(std::string_view name) override;

 private:
  std::vector<std::pair<std::string, Value>> attributes_;
};

// range, dict, namespace, raise_exception, strftime_now. nullopt: there is no such global. refuse_global()
// raises for those of jinja2 that are not kept.
std::optional<Value> find_global(std::string_view name);
void refuse_global(std::string_view name);

}  // namespace circuitdiff::jinja
