#include "jinja/builtins.h"

#include "jinja/operators.h"
#include "jinja/runtime.h"

namespace circuitdiff::jinja {

Bound::Bound(Runtime& rt, const Arguments& arguments, std::string_view function,
             const std::vector<const char*>& names, size_t required)
    : all(arguments), rt_(rt), function_(function) {
  if (names == kAny) return;
  if (arguments.positional.size() > names.size())
    raise("TypeError", "{}() takes at most {} argument{} ({} given)", function, names.size(),
          names.size() == 1 ? "" : "s", arguments.positional.size());
  for (size_t i = 0; i < arguments.positional.size(); ++i) values_[i] = &arguments.positional[i];
  for (const auto& [name, value] : arguments.keyword) {
    size_t at = 0;
    while (at < names.size() && name != names[at]) ++at;
    if (at == names.size())
      raise("TypeError", "{}() got an unexpected keyword argument '{}'", function, name);
    if (values_[at]) raise("TypeError", "{}() got multiple values for argument '{}'", function, name);
    values_[at] = &value;
  }
  for (size_t i = 0; i < required; ++i)
    if (!values_[i])
      raise("TypeError", "{}() missing 1 required positional argument: '{}'", function, names[i]);
}

std::string Bound::text(size_t i, std::string_view otherwise) const {
  return values_[i] ? to_text(rt_, *values_[i]) : std::string(otherwise);
}

const std::string& Bound::exact_text(size_t i) const {
  const Value& value = (*this)[i];
  if (!value.is_text()) raise("TypeError", "{}() argument must be str, not {}", function_, type_name(value));
  return value.bytes();
}

int64_t Bound::integer(size_t i, int64_t otherwise) const {
  if (!values_[i]) return otherwise;
  refuse_undefined(*values_[i]);
  if (values_[i]->is_integer()) return values_[i]->integer();
  raise("TypeError", "'{}' object cannot be interpreted as an integer", type_name(*values_[i]));
}

Value run_builtin(Runtime& rt, const Builtins::value_type& entry, const Value& self,
                  const Arguments& arguments) {
  rt.budget.spend(1);
  const auto& [name, builtin] = entry;
  return builtin.run(rt, self, Bound(rt, arguments, name, builtin.parameters, builtin.required));
}

Value call_filter(Runtime& rt, std::string_view name, const Value& value, const Arguments& arguments) {
  for (const Builtins* table : {&text_filters(), &sequence_filters()})
    if (const auto at = table->find(name); at != table->end()) return run_builtin(rt, *at, value, arguments);
  raise_unsupported("filter", name);
}

bool call_test(Runtime& rt, std::string_view name, const Value& value, const Arguments& arguments) {
  const auto at = tests().find(name);
  if (at == tests().end()) raise_unsupported("test", name);
  return truth(run_builtin(rt, *at, value, arguments));
}
// What may stand behind `is`, and what select and its kin call by name.
namespace {

template <bool (Value::*test)() const>
Value is(Runtime&, const Value& v, const Bound&) {
  return Value((v.*test)());
}
template <bool (*test)(Runtime&, const Value&, const Value&)>
Value with(Runtime& rt, const Value& v, const Bound& bound) {
  return Value(test(rt, v, bound[0]));
}
template <bool wanted>
Value is_exactly(Runtime&, const Value& v, const Bound&) {
  return Value(v.is_bool() && truth(v) == wanted);
}
template <int rest>
Value has_remainder(Runtime& rt, const Value& v, const Bound&) {
  return Value(equal(rt, modulo(rt, v, Value(2)), Value(rest)));
}

Value is_defined(Runtime&, const Value& v, const Bound&) { return Value(!v.is_undefined()); }
Value is_integer(Runtime&, const Value& v, const Bound&) { return Value(v.is_integer() && !v.is_bool()); }
Value is_mapping(Runtime&, const Value& v, const Bound&) { return Value(v.dict() != nullptr); }
Value is_iterable(Runtime&, const Value& v, const Bound&) { return Value(iterable(v)); }
// Has a length and is indexed; so says jinja2 of mappings and of undefined values too.
Value is_sequence(Runtime&, const Value& v, const Bound&) {
  return Value(iterable(v) && (!v.get<ObjectPtr>() || type_name(v) == "range"));
}
Value is_callable(Runtime&, const Value& v, const Bound&) {
  return Value(v.get<ObjectPtr>() ? (*v.get<ObjectPtr>())->callable() : v.is_undefined());
}

}  // namespace

const Builtins& tests() {
  static const Builtins table{
      {"defined", {is_defined}},           {"undefined", {is<&Value::is_undefined>}},
      {"none", {is<&Value::is_none>}},     {"boolean", {is<&Value::is_bool>}},
      {"true", {is_exactly<true>}},        {"false", {is_exactly<false>}},
      {"integer", {is_integer}},           {"float", {is<&Value::is_real>}},
      {"number", {is<&Value::is_number>}}, {"string", {is<&Value::is_text>}},
      {"mapping", {is_mapping}},           {"iterable", {is_iterable}},
      {"sequence", {is_sequence}},         {"callable", {is_callable}},
      {"odd", {has_remainder<1>}},         {"even", {has_remainder<0>}},
      {"in", {with<is_in>, {"seq"}, 1}},   {"eq", {with<eq>, {"b"}, 1}},
      {"equalto", {with<eq>, {"b"}, 1}},   {"ne", {with<ne>, {"b"}, 1}},
      {"gt", {with<gt>, {"b"}, 1}},        {"greaterthan", {with<gt>, {"b"}, 1}},
      {"ge", {with<ge>, {"b"}, 1}},        {"lt", {with<lt>, {"b"}, 1}},
      {"lessthan", {with<lt>, {"b"}, 1}},  {"le", {with<le>, {"b"}, 1}},
  };
  return table;
}

}  // namespace circuitdiff::jinja
