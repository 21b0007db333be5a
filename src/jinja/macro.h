// What the interpreter hands to templates as objects: macros (also the `caller` of a call block), the `loop`
// variable, and `self` with the template's blocks.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "jinja/interpreter.h"

namespace circuitdiff::jinja {

class Macro : public Object {
 public:
  Macro(Interpreter& interpreter, const Stmt& stmt, ScopePtr scope, bool named)
      : interpreter_(interpreter), stmt_(stmt), scope_(std::move(scope)), named_(named) {}
  std::string type_name() const override { return "Macro"; }
  std::string qualified_name() const override { return "jinja2.runtime.Macro"; }
  std::string repr(Runtime& rt) const override;
  bool callable() const override { return true; }
  Value call(Runtime& rt, Arguments arguments) override;
  std::optional<Value> attribute(Runtime& rt, std::string_view name) override;

 private:
  std::string shown_name() const;

  Interpreter& interpreter_;
  const Stmt& stmt_;
  ScopePtr scope_;  // where it was defined
  bool named_;
};

// The state of a for loop that uses `loop`. It reads one item ahead only when asked whether there is one.
class LoopContext : public Object, public std::enable_shared_from_this<LoopContext> {
 public:
  LoopContext(Interpreter& interpreter, const Stmt& stmt, ScopePtr scope, IteratorPtr source,
              std::optional<size_t> length, int depth0);
  bool advance(Runtime& rt, Value& out);
  std::string type_name() const override { return "LoopContext"; }
  std::string qualified_name() const override { return "jinja2.runtime.LoopContext"; }
  std::string repr(Runtime& rt) const override;
  bool callable() const override { return true; }
  Value call(Runtime& rt, Arguments arguments) override;
  std::optional<Value> attribute(Runtime& rt, std::string_view name) override;
  IteratorPtr iterate(Runtime& rt) override;
  std::optional<size_t> length(Runtime& rt) override { return count(rt); }
  int depth() const override { return depth_; }

 private:
  size_t count(Runtime& rt);
  const std::optional<Value>& peek(Runtime& rt);

  Interpreter& interpreter_;
  const Stmt& stmt_;
  ScopePtr scope_;
  IteratorPtr source_;
  std::optional<size_t> length_;
  int depth0_;
  int depth_;
  int64_t index0_ = -1;
  std::optional<Value> before_, current_, after_;
  std::optional<Value> last_changed_;
};

class SelfObject : public Object {
 public:
  explicit SelfObject(Interpreter& interpreter) : interpreter_(interpreter) {}
  std::string type_name() const override { return "TemplateReference"; }
  std::string qualified_name() const override { return "jinja2.runtime.TemplateReference"; }
  std::optional<Value> item(Runtime& rt, const Value& key) override;

 private:
  Interpreter& interpreter_;
};

}  // namespace circuitdiff::jinja
