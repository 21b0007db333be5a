#include "jinja/macro.h"

#include <fmt/format.h>

#include <algorithm>

#include "jinja/arguments.h"
#include "jinja/objects.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {

std::string Macro::shown_name() const { return named_ ? jinja::repr(stmt_.text) : "None"; }

std::string Macro::repr(Runtime&) const {
  return named_ ? "<Macro " + jinja::repr(stmt_.text) + ">" : "<Macro anonymous>";
}

std::optional<Value> Macro::attribute(Runtime&, std::string_view name) {
  const Signature& s = stmt_.signature;
  if (name == "name") return named_ ? Value(stmt_.text) : Value();
  if (name == "arguments") {
    std::vector<Value> names;
    for (const std::string& n : s.names) names.push_back(Value(n));
    return Value::tuple(std::move(names));
  }
  if (name == "catch_kwargs") return Value(s.uses_kwargs);
  if (name == "catch_varargs") return Value(s.uses_varargs);
  if (name == "caller") return Value(s.uses_caller);
  if (name == "explicit_caller")
    return Value(std::find(s.names.begin(), s.names.end(), "caller") != s.names.end());
  return std::nullopt;
}

// Binds the arguments as jinja2.runtime.Macro does, fills in the defaults and renders the body.
Value Macro::call(Runtime& rt, Arguments arguments) {
  const CallGuard guard(rt);
  rt.check_stack();
  const Signature& s = stmt_.signature;
  const size_t count = s.parameters.size();
  const auto scope = std::make_shared<Scope>(scope_);
  interpreter_.hide(*scope, stmt_.hidden);
  const auto bind = [&](uint32_t symbol, Value value) { interpreter_.set(scope, symbol, std::move(value)); };
  const auto take = [&](std::string_view name) -> std::optional<Value> {
    const auto at = std::find_if(arguments.keyword.begin(), arguments.keyword.end(),
                                 [&](const auto& entry) { return entry.first == name; });
    if (at == arguments.keyword.end()) return std::nullopt;
    Value value = std::move(at->second);
    arguments.keyword.erase(at);
    return value;
  };

  const size_t positional = std::min(arguments.positional.size(), count);
  std::vector<size_t> absent;
  bool found_caller =
      positional == count && std::find(s.names.begin(), s.names.end(), "caller") != s.names.end();
  for (size_t i = 0; i < count; ++i) {
    if (i < positional) {
      bind(s.parameters[i], arguments.positional[i]);
      continue;
    }
    found_caller = found_caller || s.names[i] == "caller";
    if (auto value = take(s.names[i])) {
      bind(s.parameters[i], std::move(*value));
    } else {
      bind(s.parameters[i], Value::undefined(fmt::format("{} is undefined", jinja::repr(s.names[i]))));
      absent.push_back(i);
    }
  }
  if (s.uses_caller && !found_caller) {
    auto caller = take("caller");
    bind(interpreter_.caller_symbol,
         caller && !caller->is_none() ? std::move(*caller) : Value::undefined("No caller defined"));
  }
  if (s.uses_kwargs) {
    auto dict = std::make_shared<Dict>();
    for (auto& [name, value] : arguments.keyword) dict->set(rt, Value(name), std::move(value));
    bind(interpreter_.kwargs_symbol, Value(DictPtr(std::move(dict))));
  } else if (!arguments.keyword.empty()) {
    for (const auto& [name, value] : arguments.keyword)
      if (name == "caller")
        raise("TypeError",
              fmt::format("macro {} was invoked with two values for the special caller argument. This is "
                          "most likely a bug.",
                          shown_name()));
    raise("TypeError", fmt::format("macro {} takes no keyword argument {}", shown_name(),
                                   jinja::repr(arguments.keyword.front().first)));
  }
  if (s.uses_varargs) {
    bind(interpreter_.varargs_symbol,
         Value::tuple({arguments.positional.begin() + static_cast<std::ptrdiff_t>(positional),
                       arguments.positional.end()}));
  } else if (arguments.positional.size() > count) {
    raise("TypeError", fmt::format("macro {} takes not more than {} argument(s)", shown_name(), count));
  }
  for (const size_t i : absent) {
    const size_t without_default = count - s.defaults.size();
    bind(s.parameters[i],
         i < without_default
             ? Value::undefined(fmt::format("parameter {} was not provided", jinja::repr(s.names[i])))
             : interpreter_.evaluate(*s.defaults[i - without_default], scope));
  }
  std::string out = interpreter_.render_body(stmt_.body, scope);
  rt.budget.text(out.size());
  return Value(std::move(out));
}

LoopContext::LoopContext(Interpreter& interpreter, const Stmt& stmt, ScopePtr scope, IteratorPtr source,
                         std::optional<size_t> length, int depth0)
    : interpreter_(interpreter),
      stmt_(stmt),
      scope_(std::move(scope)),
      source_(std::move(source)),
      length_(length),
      depth0_(depth0),
      depth_(source_->depth + 1) {}

bool LoopContext::advance(Runtime& rt, Value& out) {
  Value value;
  if (after_) {
    value = std::move(*after_);
    after_.reset();
  } else if (!source_->next(rt, value)) {
    return false;
  }
  ++index0_;
  before_ = std::move(current_);
  current_ = value;
  out = std::move(value);
  return true;
}

const std::optional<Value>& LoopContext::peek(Runtime& rt) {
  if (!after_) {
    Value value;
    if (source_->next(rt, value)) after_ = std::move(value);
  }
  return after_;
}

// Of a lazy sequence: what is left is read into memory.
size_t LoopContext::count(Runtime& rt) {
  if (length_) return *length_;
  std::vector<Value> rest;
  Value value;
  while (source_->next(rt, value)) {
    rt.budget.spend(1);
    if (rest.size() >= kMaxItems) rt.budget.items(rest.size() + 1);
    rest.push_back(std::move(value));
  }
  length_ = rest.size() + static_cast<size_t>(index0_ + 1) + (after_ ? 1 : 0);
  source_ = jinja::iterate(rt, Value::list(std::move(rest)));
  return *length_;
}

std::string LoopContext::repr(Runtime& rt) const {
  return fmt::format("<LoopContext {}/{}>", index0_ + 1, const_cast<LoopContext*>(this)->count(rt));
}

Value LoopContext::call(Runtime& rt, Arguments arguments) {
  const Bound bound(rt, arguments, "loop", {"iterable"}, 1);
  if (!stmt_.recursive)
    raise("TypeError", "The loop must have the 'recursive' marker to be called recursively.");
  return Value(interpreter_.render_loop(stmt_, scope_, bound[0], depth0_ + 1));
}

IteratorPtr LoopContext::iterate(Runtime&) {
  return make_iterator(
      [self = shared_from_this()](Runtime& rt, Value& out) {
        Value value;
        if (!self->advance(rt, value)) return false;
        out = Value::tuple({std::move(value), Value(ObjectPtr(self))});
        return true;
      },
      depth_);
}

std::optional<Value> LoopContext::attribute(Runtime& rt, std::string_view name) {
  if (name == "index0") return Value(index0_);
  if (name == "index") return Value(index0_ + 1);
  if (name == "first") return Value(index0_ == 0);
  if (name == "last") return Value(!peek(rt));
  if (name == "length") return Value(count(rt));
  if (name == "revindex0") return Value(static_cast<int64_t>(count(rt)) - index0_ - 1);
  if (name == "revindex") return Value(static_cast<int64_t>(count(rt)) - index0_);
  if (name == "depth0") return Value(depth0_);
  if (name == "depth") return Value(depth0_ + 1);
  if (name == "previtem")
    return index0_ == 0 || !before_ ? Value::undefined("there is no previous item") : *before_;
  if (name == "nextitem") {
    const auto& next = peek(rt);
    return next ? *next : Value::undefined("there is no next item");
  }
  if (name == "cycle")
    return make_function("cycle", [self = shared_from_this()](Runtime&, const Arguments& arguments) {
      if (arguments.positional.empty()) raise("TypeError", "no items for cycling given");
      return arguments.positional[static_cast<size_t>(self->index0_) % arguments.positional.size()];
    });
  if (name == "changed")
    return make_function("changed", [self = shared_from_this()](Runtime& run, const Arguments& arguments) {
      Value now = Value::tuple(arguments.positional);
      if (self->last_changed_ && equal(run, *self->last_changed_, now)) return Value(false);
      self->last_changed_ = std::move(now);
      return Value(true);
    });
  return std::nullopt;
}

std::optional<Value> SelfObject::item(Runtime&, const Value& key) {
  if (!key.is_text()) return std::nullopt;
  for (const auto& [name, block] : interpreter_.tree.blocks)
    if (name == key.bytes())
      return make_function(name, [this, stmt = block](Runtime&, const Arguments&) {
        return Value(interpreter_.render_block(*stmt));
      });
  return std::nullopt;
}

}  // namespace circuitdiff::jinja
