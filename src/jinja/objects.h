// The objects a template can hold besides plain data: ranges, dict views, lazy sequences, callables, and what
// the globals dict, namespace, cycler and joiner make. Macros and loops belong to the interpreter.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "jinja/value.h"

namespace circuitdiff::jinja {

class RangeObject : public Object {
 public:
  RangeObject(int64_t start, int64_t stop, int64_t step) : start_(start), stop_(stop), step_(step) {}
  int64_t count() const;
  int64_t at(int64_t index) const { return start_ + index * step_; }
  Value slice(const struct SliceRange& range) const;
  std::string type_name() const override { return "range"; }
  std::string repr(Runtime& rt) const override;
  std::optional<Value> attribute(Runtime& rt, std::string_view name) override;
  std::optional<Value> item(Runtime& rt, const Value& key) override;
  IteratorPtr iterate(Runtime& rt) override;
  IteratorPtr iterate_backwards(Runtime& rt) override;
  std::optional<size_t> length(Runtime& rt) override;
  bool sequence() const override { return true; }
  bool same(const Object& other) const override;

 private:
  int64_t start_, stop_, step_;
};

class DictView : public Object {
 public:
  enum class Part { keys, values, items };
  DictView(DictPtr dict, Part part) : dict_(std::move(dict)), part_(part) {}
  std::string type_name() const override;
  std::string repr(Runtime& rt) const override;
  IteratorPtr iterate(Runtime& rt) override;
  IteratorPtr iterate_backwards(Runtime& rt) override;
  std::optional<size_t> length(Runtime&) override { return dict_->size(); }
  bool hashable() const override { return part_ == Part::values; }
  int depth() const override { return dict_->depth() + 1; }
  Value element(size_t i) const;
  Part part() const { return part_; }
  size_t size() const { return dict_->size(); }

 private:
  DictPtr dict_;
  Part part_;
};

// A Python iterator: consumed by whoever iterates it.
class LazySequence : public Object {
 public:
  LazySequence(IteratorPtr source, std::string type = "generator");
  std::string type_name() const override { return type_; }
  std::string repr(Runtime& rt) const override;
  IteratorPtr iterate(Runtime&) override { return source_; }
  int depth() const override { return source_->depth; }

 private:
  IteratorPtr source_;
  std::string type_;
};

// An iterator from a function that fills `out` and says whether there was one more. `held_depth` is the
// nesting of what the function holds.
IteratorPtr make_iterator(std::function<bool(Runtime&, Value&)> next, int held_depth);
Value make_lazy(IteratorPtr source, std::string type = "generator");
// The values of a list, last first.
IteratorPtr backwards(std::vector<Value> values);

// Anything callable that is not a macro. `self` keeps a method's object alive.
class Function : public Object {
 public:
  using Body = std::function<Value(Runtime&, const Arguments&)>;
  Function(std::string name, Body body, int depth = 1, std::string type = "function")
      : name_(std::move(name)), body_(std::move(body)), depth_(depth), type_(std::move(type)) {}
  std::string type_name() const override { return type_; }
  std::string repr(Runtime&) const override { return "<" + type_ + " " + name_ + ">"; }
  bool callable() const override { return true; }
  Value call(Runtime& rt, Arguments arguments) override;
  int depth() const override { return depth_; }

 private:
  std::string name_;
  Body body_;
  int depth_;
  std::string type_;
};
Value make_function(std::string name, Function::Body body, int depth = 1);

class Namespace : public Object {
 public:
  Namespace() = default;
  ~Namespace() override { clear(); }
  Namespace(const Namespace&) = delete;
  Namespace& operator=(const Namespace&) = delete;
  void set(const std::string& name, Value value);  // SecurityError for a leading underscore
  void clear();
  std::string type_name() const override { return "TemplateNamespace"; }
  std::string qualified_name() const override {
    return "transformers.utils.chat_template_utils.TemplateNamespace";
  }
  std::string repr(Runtime& rt) const override;
  std::optional<Value> attribute(Runtime& rt, std::string_view name) override;

 private:
  using Attributes = std::vector<std::pair<std::string, Value>>;
  Attributes attributes_;
};

// The global names of every template: range, dict, namespace, cycler, joiner, raise_exception, strftime_now.
// nullopt: there is no such global.
std::optional<Value> find_global(std::string_view name);

// dict(*args, **kwargs).
std::shared_ptr<Dict> make_dict(Runtime& rt, const Arguments& arguments);

}  // namespace circuitdiff::jinja
