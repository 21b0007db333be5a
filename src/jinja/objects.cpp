#include "jinja/objects.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <limits>

#include "jinja/arguments.h"
#include "jinja/operators.h"
#include "jinja/runtime.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {
namespace {

class FunctionIterator : public Iterator {
 public:
  explicit FunctionIterator(std::function<bool(Runtime&, Value&)> next) : next_(std::move(next)) {}
  bool next(Runtime& rt, Value& out) override {
    rt.check_stack();
    return next_(rt, out);
  }

 private:
  std::function<bool(Runtime&, Value&)> next_;
};

class Cycler : public Object {
 public:
  explicit Cycler(std::vector<Value> items) : items_(Value::tuple(std::move(items))) {}
  std::string type_name() const override { return "Cycler"; }
  std::string qualified_name() const override { return "jinja2.utils.Cycler"; }
  int depth() const override { return items_.depth() + 1; }
  std::optional<Value> attribute(Runtime&, std::string_view name) override {
    const auto& values = items_.items()->values;
    if (name == "current") return values[*at_];
    if (name == "items") return items_;
    if (name == "pos") return Value(*at_);
    if (name == "next" || name == "__next__")
      return make_function(
          "next",
          [items = items_, at = at_](Runtime&, const Arguments&) {
            const auto& all = items.items()->values;
            const Value out = all[*at];
            *at = (*at + 1) % all.size();
            return out;
          },
          depth());
    if (name == "reset")
      return make_function("reset", [at = at_](Runtime&, const Arguments&) {
        *at = 0;
        return Value();
      });
    return std::nullopt;
  }

 private:
  Value items_;
  std::shared_ptr<size_t> at_ = std::make_shared<size_t>(0);
};

class Joiner : public Object {
 public:
  explicit Joiner(Value separator) : separator_(std::move(separator)) {}
  std::string type_name() const override { return "Joiner"; }
  std::string qualified_name() const override { return "jinja2.utils.Joiner"; }
  bool callable() const override { return true; }
  int depth() const override { return separator_.depth() + 1; }
  Value call(Runtime& rt, Arguments arguments) override {
    Bound(rt, arguments, "Joiner.__call__", {});
    if (used_) return separator_;
    used_ = true;
    return Value("");
  }
  std::optional<Value> attribute(Runtime&, std::string_view name) override {
    if (name == "sep") return separator_;
    if (name == "used") return Value(used_);
    return std::nullopt;
  }

 private:
  Value separator_;
  bool used_ = false;
};

// transformers puts this in the place of Python's dict class.
class DictMaker : public Object {
 public:
  std::string type_name() const override { return "TemplateDict"; }
  std::string qualified_name() const override {
    return "transformers.utils.chat_template_utils.TemplateDict";
  }
  bool callable() const override { return true; }
  Value call(Runtime& rt, Arguments arguments) override { return Value(DictPtr(make_dict(rt, arguments))); }
  std::optional<Value> attribute(Runtime&, std::string_view name) override {
    if (name != "fromkeys") return std::nullopt;
    return make_function("fromkeys", [](Runtime& rt, const Arguments& arguments) {
      const Bound bound(rt, arguments, "fromkeys", {"iterable", "value"}, 1);
      auto dict = std::make_shared<Dict>();
      for (Value& key : collect(rt, bound[0])) dict->set(rt, std::move(key), bound[1]);
      return Value(DictPtr(std::move(dict)));
    });
  }
};

Value make_range(Runtime& rt, const Arguments& arguments) {
  const Bound bound(rt, arguments, "range", {"start", "stop", "step"}, 1);
  const bool one = !bound.given(1);
  const int64_t start = one ? 0 : bound.integer(0), stop = one ? bound.integer(0) : bound.integer(1);
  const int64_t step = bound.integer(2, 1);
  if (step == 0) raise("ValueError", "range() arg 3 must not be zero");
  auto range = std::make_shared<RangeObject>(start, stop, step);
  if (range->count() > kMaxRange)
    raise("OverflowError", "Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000).");
  return Value(ObjectPtr(std::move(range)));
}

Value make_namespace(Runtime& rt, const Arguments& arguments) {
  auto out = std::make_shared<Namespace>();
  const auto dict = make_dict(rt, arguments);
  for (const auto& [key, value] : dict->entries()) {
    if (!key.is_text()) continue;  // unreachable by attribute
    rt.budget.spend(static_cast<int64_t>(dict->size() / 8));
    out->set(key.bytes(), value);
  }
  rt.empty_at_end([weak = std::weak_ptr<Namespace>(out)] {
    if (const auto alive = weak.lock()) alive->clear();
  });
  return Value(ObjectPtr(std::move(out)));
}

Value print_time(Runtime& rt, const Arguments& arguments) {
  const Bound bound(rt, arguments, "strftime_now", {"format"}, 1);
  const LocalTime now = rt.clock();
  // %f is Python's own; strftime leaves the rest to the C library, as Python does.
  std::string format;
  const std::string& wanted = bound.exact_text(0);
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] == '%' && i + 1 < wanted.size()) {
      ++i;
      if (wanted[i] == 'f') {
        format += fmt::format("{:06d}", now.microsecond);
      } else {
        format += '%';
        format += wanted[i];
        // A naive datetime has no zone.
        if (wanted[i] == 'z' || wanted[i] == 'Z') format.resize(format.size() - 2);
      }
    } else {
      format += wanted[i];
    }
  }
  if (format.empty()) return Value("");
  if (format.size() > 10'000) raise("ValueError", "strftime_now: the format is too long");
  std::string out(format.size() * 16 + 256, '\0');
  out.resize(std::strftime(out.data(), out.size(), format.c_str(), &now.date));
  return Value(std::move(out));
}

}  // namespace

int64_t RangeObject::count() const {
  const bool up = step_ > 0;
  if (up ? start_ >= stop_ : start_ <= stop_) return 0;
  const auto bits = [](int64_t v) { return static_cast<uint64_t>(v); };
  const uint64_t width = up ? bits(stop_) - bits(start_) : bits(start_) - bits(stop_);
  const uint64_t step = up ? bits(step_) : 0 - bits(step_);
  const uint64_t n = (width - 1) / step + 1;
  return static_cast<int64_t>(std::min(n, bits(std::numeric_limits<int64_t>::max())));
}

Value RangeObject::slice(const SliceRange& range) const {
  int64_t step = 0;
  if (__builtin_mul_overflow(step_, range.step, &step)) raise("OverflowError", "range step too large");
  return Value(ObjectPtr(std::make_shared<RangeObject>(at(range.start), at(range.stop), step)));
}

std::string RangeObject::repr(Runtime&) const {
  if (step_ == 1) return fmt::format("range({}, {})", start_, stop_);
  return fmt::format("range({}, {}, {})", start_, stop_, step_);
}

std::optional<Value> RangeObject::attribute(Runtime&, std::string_view name) {
  if (name == "start") return Value(start_);
  if (name == "stop") return Value(stop_);
  if (name == "step") return Value(step_);
  if (name == "count" || name == "index") {
    const bool counts = name == "count";
    return make_function(std::string(name),
                         [self = *this, counts](Runtime& run, const Arguments& arguments) mutable {
                           const Bound bound(run, arguments, "range method", {"value"}, 1);
                           for (int64_t i = 0; i < self.count(); ++i) {
                             run.budget.spend(1);
                             if (equal(run, Value(self.at(i)), bound[0]))
                               return Value(counts ? int64_t{1} : i);
                           }
                           if (!counts) raise("ValueError", to_repr(run, bound[0]) + " is not in range");
                           return Value(0);
                         });
  }
  return std::nullopt;
}

std::optional<Value> RangeObject::item(Runtime&, const Value& key) {
  auto index = to_index(key);
  if (!index) return std::nullopt;
  if (*index < 0) *index += count();
  if (*index < 0 || *index >= count()) return std::nullopt;
  return Value(at(*index));
}

IteratorPtr RangeObject::iterate(Runtime&) {
  return make_iterator(
      [self = *this, i = int64_t{0}](Runtime&, Value& out) mutable {
        if (i >= self.count()) return false;
        out = Value(self.at(i++));
        return true;
      },
      0);
}

IteratorPtr RangeObject::iterate_backwards(Runtime&) {
  return make_iterator(
      [self = *this, i = count()](Runtime&, Value& out) mutable {
        if (i <= 0) return false;
        out = Value(self.at(--i));
        return true;
      },
      0);
}

std::optional<size_t> RangeObject::length(Runtime&) { return static_cast<size_t>(count()); }

bool RangeObject::same(const Object& other) const {
  const auto* range = dynamic_cast<const RangeObject*>(&other);
  if (!range || range->count() != count()) return false;
  return count() == 0 || (start_ == range->start_ && (count() == 1 || step_ == range->step_));
}

std::string DictView::type_name() const {
  return part_ == Part::keys ? "dict_keys" : part_ == Part::values ? "dict_values" : "dict_items";
}

Value DictView::element(size_t i) const {
  const auto& [key, value] = dict_->entries()[i];
  if (part_ == Part::keys) return key;
  if (part_ == Part::values) return value;
  return Value::tuple({key, value});
}

std::string DictView::repr(Runtime& rt) const {
  std::string out = type_name() + "([";
  for (size_t i = 0; i < dict_->size(); ++i) {
    if (i) out += ", ";
    out += to_repr(rt, element(i));
    if (out.size() > kMaxTextBytes) rt.budget.text(out.size());
  }
  return out + "])";
}

IteratorPtr DictView::iterate(Runtime&) {
  return make_iterator(
      [self = *this, i = size_t{0}](Runtime&, Value& out) mutable {
        if (i >= self.size()) return false;
        out = self.element(i++);
        return true;
      },
      depth());
}

IteratorPtr DictView::iterate_backwards(Runtime&) {
  return make_iterator(
      [self = *this, i = size()](Runtime&, Value& out) mutable {
        if (i == 0) return false;
        out = self.element(--i);
        return true;
      },
      depth());
}

LazySequence::LazySequence(IteratorPtr source, std::string type)
    : source_(std::move(source)), type_(std::move(type)) {}

std::string LazySequence::repr(Runtime&) const { return "<" + type_ + " object>"; }

IteratorPtr make_iterator(std::function<bool(Runtime&, Value&)> next, int held_depth) {
  auto out = std::make_shared<FunctionIterator>(std::move(next));
  out->depth = 1 + held_depth;
  if (out->depth > kMaxValueDepth)
    raise("RecursionError", "lazy sequences of the template are nested too deeply");
  return out;
}

Value make_lazy(IteratorPtr source, std::string type) {
  return Value(ObjectPtr(std::make_shared<LazySequence>(std::move(source), std::move(type))));
}

IteratorPtr backwards(std::vector<Value> values) {
  int deepest = 0;
  for (const Value& v : values) deepest = std::max(deepest, v.depth());
  return make_iterator(
      [all = std::move(values)](Runtime&, Value& out) mutable {
        if (all.empty()) return false;
        out = std::move(all.back());
        all.pop_back();
        return true;
      },
      deepest);
}

Value Function::call(Runtime& rt, Arguments arguments) { return body_(rt, arguments); }

Value make_function(std::string name, Function::Body body, int depth) {
  return Value(ObjectPtr(std::make_shared<Function>(std::move(name), std::move(body), depth)));
}

// A namespace may hold a namespace that holds a namespace, and so on for as long as the template's work
// lasts. The first to go takes the others in a row, not one inside the other: the stack would not do for a
// long chain.
void Namespace::clear() {
  static thread_local std::vector<Attributes>* waiting = nullptr;
  if (attributes_.empty()) return;
  if (waiting) {
    waiting->push_back(std::move(attributes_));
    attributes_.clear();
    return;
  }
  std::vector<Attributes> row;
  waiting = &row;
  row.push_back(std::move(attributes_));
  attributes_.clear();
  while (!row.empty()) {
    const Attributes next = std::move(row.back());
    row.pop_back();
  }
  waiting = nullptr;
}

void Namespace::set(const std::string& name, Value value) {
  if (name.starts_with("_"))
    raise(
        "SecurityError",
        fmt::format("Chat templates cannot store underscore-prefixed attributes on a namespace, but got {}. "
                    "Please rename the attribute.",
                    jinja::repr(name)));
  for (auto& [known, old] : attributes_) {
    if (known == name) {
      old = std::move(value);
      return;
    }
  }
  attributes_.emplace_back(name, std::move(value));
}

std::string Namespace::repr(Runtime& rt) const {
  rt.check_stack();
  std::string out = "<Namespace {";
  for (size_t i = 0; i < attributes_.size(); ++i) {
    if (i) out += ", ";
    out += jinja::repr(attributes_[i].first) + ": " + to_repr(rt, attributes_[i].second);
    if (out.size() > kMaxTextBytes) rt.budget.text(out.size());
  }
  return out + "}>";
}

std::optional<Value> Namespace::attribute(Runtime&, std::string_view name) {
  for (const auto& [known, value] : attributes_)
    if (known == name) return value;
  return std::nullopt;
}

std::shared_ptr<Dict> make_dict(Runtime& rt, const Arguments& arguments) {
  if (arguments.positional.size() > 1)
    raise("TypeError", fmt::format("dict expected at most 1 argument, got {}", arguments.positional.size()));
  auto dict = std::make_shared<Dict>();
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional[0];
    if (source.is_undefined()) raise_undefined(source);
    if (const Dict* other = source.dict()) {
      for (const auto& [key, value] : other->entries()) dict->set(rt, key, value);
    } else {
      size_t count = 0;
      for (const Value& pair : collect(rt, source)) {
        if (!iterable(rt, pair))
          raise("TypeError",
                fmt::format("cannot convert dictionary update sequence element #{} to a sequence", count));
        std::vector<Value> both = collect(rt, pair);
        if (both.size() != 2)
          raise("ValueError",
                fmt::format("dictionary update sequence element #{} has length {}; 2 is required", count,
                            both.size()));
        dict->set(rt, std::move(both[0]), std::move(both[1]));
        ++count;
      }
    }
  }
  for (const auto& [name, value] : arguments.keyword) dict->set(rt, Value(name), value);
  return dict;
}

std::optional<Value> find_global(std::string_view name) {
  if (name == "range") return make_function("range", make_range);
  if (name == "dict") return Value(ObjectPtr(std::make_shared<DictMaker>()));
  if (name == "namespace") return make_function("namespace", make_namespace);
  if (name == "raise_exception")
    return make_function("raise_exception", [](Runtime& rt, const Arguments& arguments) -> Value {
      const Bound bound(rt, arguments, "raise_exception", {"message"}, 1);
      raise("TemplateError", to_text(rt, bound[0]));
    });
  if (name == "strftime_now") return make_function("strftime_now", print_time);
  if (name == "cycler")
    return make_function("cycler", [](Runtime&, const Arguments& arguments) {
      if (arguments.positional.empty()) raise("RuntimeError", "at least one item has to be provided");
      return Value(ObjectPtr(std::make_shared<Cycler>(arguments.positional)));
    });
  if (name == "joiner")
    return make_function("joiner", [](Runtime& rt, const Arguments& arguments) {
      const Bound bound(rt, arguments, "joiner", {"sep"});
      return Value(ObjectPtr(std::make_shared<Joiner>(bound.given(0) ? bound[0] : Value(", "))));
    });
  if (name == "lipsum")
    return make_function("lipsum", [](Runtime&, const Arguments&) -> Value {
      raise("NotImplementedError", "lipsum is not supported: a prompt must not depend on chance");
    });
  return std::nullopt;
}

}  // namespace circuitdiff::jinja
