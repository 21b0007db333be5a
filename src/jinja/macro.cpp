#include <algorithm>

#include "jinja/interpreter.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {

std::string Macro::repr(Runtime&) const {
  return stmt_.text.empty() ? "<Macro anonymous>" : "<Macro " + jinja::repr(stmt_.text) + ">";
}

std::optional<Value> Macro::attribute(std::string_view name) {
  for (const std::string_view known :
       {"name", "arguments", "catch_kwargs", "catch_varargs", "caller", "explicit_caller"})
    if (name == known) raise_unsupported("attribute of a macro", name);
  return std::nullopt;
}

// Binds the arguments as jinja2.runtime.Macro does, fills in the defaults and renders the body.
Value Macro::call(Runtime& rt, Arguments arguments) {
  rt.check_stack();
  const Signature& s = stmt_.signature;
  const size_t count = s.parameters.size(), first_default = count - s.defaults.size();
  if (arguments.positional.size() > count)
    raise("TypeError", "macro {} takes not more than {} argument(s)", jinja::repr(stmt_.text), count);
  const ScopePtr scope = interpreter_.enter(scope_, stmt_.hidden);
  const auto& symbols = s.parameters;
  std::vector<size_t> absent;
  // Sets a parameter from the keyword arguments, which it then leaves; false where there is none of that
  // name.
  const auto take = [&](uint32_t symbol, std::string_view name) {
    auto& given = arguments.keyword;
    const auto at =
        std::find_if(given.begin(), given.end(), [&](const auto& entry) { return entry.first == name; });
    const bool found = at != given.end();
    interpreter_.set(scope, symbol,
                     found ? at->second : Value::undefined(fmt::format("{} is not given", name)));
    if (found) given.erase(at);
    return found;
  };
  for (size_t i = 0; i < count; ++i) {
    if (i < arguments.positional.size()) {
      interpreter_.set(scope, symbols[i], arguments.positional[i]);
    } else if (!take(symbols[i], interpreter_.tree.names[symbols[i]]) && i >= first_default) {
      absent.push_back(i);
    }
  }
  const bool declared =
      std::find(symbols.begin(), symbols.end(), interpreter_.caller_symbol) != symbols.end();
  if (s.uses_caller && !declared) take(interpreter_.caller_symbol, "caller");
  if (!arguments.keyword.empty())
    raise("TypeError", "macro {} takes no keyword argument {}", jinja::repr(stmt_.text),
          jinja::repr(arguments.keyword.front().first));
  for (const size_t i : absent)
    interpreter_.set(scope, s.parameters[i], interpreter_.evaluate(*s.defaults[i - first_default], scope));
  std::string out = interpreter_.render_body(stmt_.body, scope);
  rt.budget.text(out.size());
  return Value(std::move(out));
}

LoopContext::LoopContext(Interpreter& interpreter, const Stmt& stmt, ScopePtr scope, const Value& iterable)
    : interpreter_(interpreter),
      stmt_(stmt),
      scope_(std::move(scope)),
      source_(source_of(interpreter.rt, iterable)),
      length_(stmt.test ? std::nullopt : jinja::length(iterable)) {}

// The next item that passes the loop's `if`.
bool LoopContext::read(Value& out) {
  while (source_.next(out)) {
    interpreter_.rt.budget.spend(1);
    if (interpreter_.passes(stmt_, scope_, out)) return true;
  }
  return false;
}

bool LoopContext::advance(Value& out) {
  if (after_) {
    out = std::move(*after_);
    after_.reset();
  } else if (!read(out)) {
    return false;
  }
  ++index0_;
  before_ = std::move(current_);
  current_ = out;
  return true;
}

const std::optional<Value>& LoopContext::peek() {
  Value value;
  if (!after_ && read(value)) after_ = std::move(value);
  return after_;
}

// Where it is not known beforehand: what is left is read.
int64_t LoopContext::count() {
  if (!length_) {
    std::vector<Value> rest;
    for (Value value; read(value);) rest.push_back(std::move(value));
    length_ = rest.size() + static_cast<size_t>(index0_ + 1) + (after_ ? 1 : 0);
    source_ = Source(std::move(rest));
  }
  return static_cast<int64_t>(*length_);
}

std::optional<Value> LoopContext::attribute(std::string_view name) {
  if (name == "index0") return Value(index0_);
  if (name == "index") return Value(index0_ + 1);
  if (name == "first") return Value(index0_ == 0);
  if (name == "last") return Value(!peek());
  if (name == "length") return Value(count());
  if (name == "revindex0") return Value(count() - index0_ - 1);
  if (name == "revindex") return Value(count() - index0_);
  if (name == "previtem")
    return index0_ == 0 || !before_ ? Value::undefined("there is no previous item") : *before_;
  if (name == "nextitem") {
    const auto& next = peek();
    return next ? *next : Value::undefined("there is no next item");
  }
  for (const std::string_view known : {"cycle", "changed", "depth", "depth0"})
    if (name == known) raise_unsupported("attribute of loop", name);
  return std::nullopt;
}

}  // namespace circuitdiff::jinja
