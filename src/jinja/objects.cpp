#include "jinja/objects.h"

#include <ctime>
#include <limits>

#include "jinja/builtins.h"
#include "jinja/runtime.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {
namespace {

// dict(mapping, **keywords).
std::shared_ptr<Dict> make_dict(Runtime& rt, const Arguments& arguments) {
  auto dict = std::make_shared<Dict>();
  for (const Value& source : arguments.positional) {
    refuse_undefined(source);
    if (!source.dict() || arguments.positional.size() > 1)
      raise_unsupported("argument of dict", type_name(source));
    rt.budget.items(source.dict()->size());
    for (const auto& [key, value] : source.dict()->entries()) dict->set(key, value);
  }
  for (const auto& [name, value] : arguments.keyword) dict->set(Value(name), value);
  return dict;
}

Value make_range(Runtime& rt, const Arguments& arguments) {
  const Bound bound(rt, arguments, "range", {"start", "stop", "step"}, 1);
  const int64_t start = bound.given(1) ? bound.integer(0) : 0;
  const int64_t stop = bound.integer(bound.given(1) ? 1 : 0), step = bound.integer(2, 1);
  if (step == 0) raise("ValueError", "range() arg 3 must not be zero");
  std::vector<Value> values;
  for (int64_t i = start; step > 0 ? i < stop : i > stop;) {
    if (static_cast<int64_t>(values.size()) == kMaxRange)
      raise("OverflowError", "Range too big. The sandbox blocks ranges larger than MAX_RANGE ({}).",
            kMaxRange);
    values.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  rt.budget.items(values.size());
  std::string shown = fmt::format("range({}, {})", start, stop);
  if (step != 1) shown = fmt::format("range({}, {}, {})", start, stop, step);
  return Value(ObjectPtr(std::make_shared<Sequence>("range", std::move(values), std::move(shown))));
}

// A namespace may hold itself, or another that holds a third, and so on: all are kept and emptied when the
// rendering ends.
Value make_namespace(Runtime& rt, const Arguments& arguments) {
  auto out = std::make_shared<Namespace>();
  const auto attributes = make_dict(rt, arguments);
  for (const auto& [key, value] : attributes->entries()) {
    rt.budget.spend(static_cast<int64_t>(attributes->size() / 8));
    if (key.is_text()) out->set(key.bytes(), value);  // others are not reached by attribute
  }
  rt.empty_at_end([out] { out->clear(); });
  return Value(ObjectPtr(std::move(out)));
}

Value strftime_now(Runtime& rt, const Arguments& arguments) {
  const Bound bound(rt, arguments, "strftime_now", {"format"}, 1);
  const LocalTime now = rt.clock();
  // %f is Python's own; strftime leaves the rest to the C library, as Python does. There is no time zone.
  std::string format;
  const std::string& wanted = bound.exact_text(0);
  for (size_t i = 0; i < wanted.size(); ++i) {
    const char letter = wanted[i] == '%' && i + 1 < wanted.size() ? wanted[++i] : '\0';
    if (letter == 'f') {
      format += fmt::format("{:06d}", now.microsecond);
    } else if (letter == '\0') {
      format += wanted[i];
    } else if (letter != 'z' && letter != 'Z') {
      format += {'%', letter};
    }
  }
  if (format.empty()) return Value("");
  if (format.size() > 10'000) raise("ValueError", "strftime_now: the format is too long");
  std::string out(format.size() * 16 + 256, '\0');
  out.resize(std::strftime(out.data(), out.size(), format.c_str(), &now.date));
  return Value(std::move(out));
}

}  // namespace

std::string Sequence::repr(Runtime& rt) const {
  if (!shown_.empty()) return shown_;
  return type_ + "(" + to_repr(rt, Value::list(source_.again().rest())) + ")";
}

Value make_generator(std::vector<Value> values) {
  return Value(ObjectPtr(std::make_shared<Sequence>("generator", std::move(values), "<generator object>")));
}

Value make_view(Runtime& rt, const Dict& dict, Part part) {
  rt.budget.items(dict.size());
  std::vector<Value> values;
  for (const auto& [key, value] : dict.entries())
    values.push_back(part == Part::keys ? key : part == Part::values ? value : Value::tuple({key, value}));
  const char* type = part == Part::keys ? "dict_keys" : part == Part::values ? "dict_values" : "dict_items";
  return Value(ObjectPtr(std::make_shared<Sequence>(type, std::move(values), "")));
}

Value make_function(std::string_view name, Function::Body body, int depth) {
  return Value(ObjectPtr(std::make_shared<Function>(std::string(name), std::move(body), depth)));
}

void Namespace::set(const std::string& name, Value value) {
  if (name.starts_with("_"))
    raise("SecurityError",
          "Chat templates cannot store underscore-prefixed attributes on a namespace, but got {}. Please "
          "rename the "
          "attribute.",
          jinja::repr(name));
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
  Dict shown;
  for (const auto& [name, value] : attributes_) shown.set(Value(name), value);
  return "<Namespace " + to_repr(rt, Value(std::make_shared<const Dict>(std::move(shown)))) + ">";
}

std::optional<Value> Namespace::attribute(std::string_view name) {
  for (const auto& [known, value] : attributes_)
    if (known == name) return value;
  return std::nullopt;
}

std::optional<Value> find_global(std::string_view name) {
  if (name == "range") return make_function(name, make_range);
  if (name == "self") return Value(ObjectPtr(std::make_shared<Namespace>()));  // there are no blocks to find
  if (name == "namespace") return make_function(name, make_namespace);
  if (name == "strftime_now") return make_function(name, strftime_now);
  if (name == "dict")
    return make_function(name, [](Runtime& rt, const Arguments& arguments) {
      return Value(DictPtr(make_dict(rt, arguments)));
    });
  if (name == "raise_exception")
    return make_function(name, [](Runtime& rt, const Arguments& arguments) -> Value {
      const Bound bound(rt, arguments, "raise_exception", {"message"}, 1);
      raise("TemplateError", "{}", to_text(rt, bound[0]));
    });
  return std::nullopt;
}

void refuse_global(std::string_view name) {
  for (const std::string_view known : {"cycler", "joiner", "lipsum", "super", "varargs", "kwargs"})
    if (name == known) raise_unsupported("name", name);
}

}  // namespace circuitdiff::jinja
