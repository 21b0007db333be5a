// The attributes of values: the methods of str and dict, and what objects have. Indices count code points;
// markup stays markup where markupsafe keeps it. What would change a value, and names with two leading
// underscores, the sandbox refuses; methods that are not kept are an error that names them.
#include <algorithm>

#include "jinja/builtins.h"
#include "jinja/objects.h"
#include "jinja/runtime.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {
namespace {

Value like(const Value& self, std::string_view text) { return Value(std::string(text), self.text().safe); }

template <std::string (*change)(std::string_view)>
Value changed(Runtime& rt, const Value& self, const Bound&) {
  rt.budget.copy(8 * self.bytes().size());
  return like(self, change(self.bytes()));
}

template <Side side>
Value stripped(Runtime& rt, const Value& self, const Bound& bound) {
  rt.budget.copy(self.bytes().size());
  if (bound[0].is_none()) return like(self, strip(self.bytes(), side));
  const std::string& chars = bound.exact_text(0);
  rt.budget.copy(self.bytes().size() * std::min<size_t>(chars.size(), 1000));
  return like(self, strip(self.bytes(), chars, side));
}

template <bool from_right>
Value split(Runtime& rt, const Value& self, const Bound& bound) {
  const bool at_space = bound[0].is_none();
  if (!at_space && bound.exact_text(0).empty()) raise("ValueError", "empty separator");
  const int64_t most = bound.integer(1, -1);
  rt.budget.copy(3 * self.bytes().size());
  const auto pieces = at_space ? cut_at_space(self.bytes(), most, from_right)
                               : cut_at(self.bytes(), bound[0].bytes(), most, from_right);
  rt.budget.items(2 * pieces.size());
  std::vector<Value> out;
  for (const auto piece : pieces) out.push_back(like(self, piece));
  return Value::list(std::move(out));
}

// startswith and endswith, of one text or any of a tuple.
template <bool at_end>
Value begins(Runtime&, const Value& self, const Bound& bound) {
  const auto matches = [&](const Value& affix) {
    if (!affix.is_text())
      raise("TypeError", "first arg must be str or a tuple of str, not {}", type_name(affix));
    return at_end ? self.bytes().ends_with(affix.bytes()) : self.bytes().starts_with(affix.bytes());
  };
  if (!bound[0].get<TuplePtr>()) return Value(matches(bound[0]));
  const auto& all = bound[0].items()->values;
  return Value(std::any_of(all.begin(), all.end(), matches));
}

Value find(Runtime& rt, const Value& self, const Bound& bound) {
  rt.budget.copy(self.bytes().size());
  const size_t at = self.bytes().find(bound.exact_text(0));
  if (at == std::string::npos) return Value(-1);
  return Value(count_code_points(std::string_view(self.bytes()).substr(0, at)));
}

// What is put into markup is escaped, unless it is markup itself.
std::string part_of(const Value& self, const Value& part) {
  if (!part.is_text()) raise("TypeError", "expected str instance, {} found", type_name(part));
  return self.text().safe && !part.text().safe ? escape_html(part.bytes()) : part.bytes();
}

Value replace(Runtime& rt, const Value& self, const Bound& bound) {
  rt.budget.copy(self.bytes().size());
  const std::string out = replace_text(self.bytes(), bound.exact_text(0), part_of(self, bound[1]),
                                       bound.integer(2, -1), kMaxTextBytes);
  rt.budget.text(out.size());
  return like(self, out);
}

Value join(Runtime& rt, const Value& self, const Bound& bound) {
  std::string out;
  bool first = true;
  for (const Value& v : collect(rt, bound[0])) {
    if (!first) out += self.bytes();
    first = false;
    out += part_of(self, v);
    if (out.size() > kMaxTextBytes) break;
  }
  rt.budget.text(out.size());
  return like(self, out);
}

// The value that a field of format() names; `automatic` counts the fields without a name.
const Value& field_value(std::string_view name, const Arguments& arguments, size_t& automatic) {
  if (name.empty() && automatic < arguments.positional.size()) return arguments.positional[automatic++];
  for (const auto& [known, value] : arguments.keyword)
    if (known == name) return value;
  if (name.find_first_of("0123456789.[!") != name.npos) raise_unsupported("format field", name);
  raise("KeyError", "{}", repr(name));
}

// Fields {}, {name} and {name:d}; {{ and }} are braces.
Value format(Runtime& rt, const Value& self, const Bound& bound) {
  if (self.text().safe) raise_unsupported("method of Markup", "format");
  const std::string_view text = self.bytes();
  std::string out;
  size_t automatic = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool brace = c == '{' || c == '}', doubled = brace && i + 1 < text.size() && text[i + 1] == c;
    if (doubled) ++i;
    if (!brace || doubled) {
      out += c;
      continue;
    }
    const size_t end = text.find('}', i);
    if (c == '}' || end == text.npos) raise("ValueError", "Single '{}' encountered in format string", c);
    const std::string_view field = text.substr(i + 1, end - i - 1);
    const size_t colon = std::min(field.find(':'), field.size());
    const Value& value = field_value(field.substr(0, colon), bound.all, automatic);
    if (colon < field.size() && !(field.substr(colon) == ":d" && value.get<int64_t>()))
      raise_unsupported("format field", field);
    out += to_text(rt, value);
    rt.budget.text(out.size());
    i = end;
  }
  return Value(std::move(out));
}

Value get(Runtime&, const Value& self, const Bound& bound) {
  const Value* found = self.dict()->find(bound[0]);
  return found ? *found : bound[1];
}

template <Part part>
Value view(Runtime& rt, const Value& self, const Bound&) {
  return make_view(rt, *self.dict(), part);
}

const Builtins& dict_methods() {
  static const Builtins table{{"get", {get, {"key", "default"}, 1}},
                              {"items", {view<Part::items>}},
                              {"keys", {view<Part::keys>}},
                              {"values", {view<Part::values>}}};
  return table;
}

template <size_t N>
bool listed(const std::string_view (&names)[N], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// clang-format off
constexpr std::string_view kTextLeftOut[] = {
    "casefold", "center", "count", "encode", "expandtabs", "format_map", "index", "isalnum", "isalpha", "isascii",
    "isdecimal", "isdigit", "isidentifier", "islower", "isnumeric", "isprintable", "isspace", "istitle", "isupper",
    "ljust", "maketrans", "partition", "removeprefix", "removesuffix", "rfind", "rindex", "rjust", "rpartition",
    "splitlines", "swapcase", "translate", "zfill"};
constexpr std::string_view kOthersLeftOut[] = {
    "as_integer_ratio", "bit_count", "bit_length", "conjugate", "copy", "count", "denominator", "fromkeys", "hex",
    "imag", "index", "is_integer", "numerator", "real", "start", "step", "stop"};
constexpr std::string_view kChangesList[] = {
    "append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"};
constexpr std::string_view kChangesDict[] = {"clear", "pop", "popitem", "setdefault", "update"};
// clang-format on

// Whether Python's type has a method of that name which this engine leaves out.
bool is_left_out(const Value& object, std::string_view name) {
  if (object.is_text()) return listed(kTextLeftOut, name);
  if (object.dict()) return name == "copy" || name == "fromkeys";
  return (object.items() || object.is_number() || object.object<Sequence>()) && listed(kOthersLeftOut, name);
}

}  // namespace

const Builtins& text_methods() {
  static const Builtins table{
      {"upper", {changed<upper>}},
      {"lower", {changed<lower>}},
      {"title", {changed<title>}},
      {"capitalize", {changed<capitalize>}},
      {"strip", {stripped<Side::both>, {"chars"}}},
      {"lstrip", {stripped<Side::left>, {"chars"}}},
      {"rstrip", {stripped<Side::right>, {"chars"}}},
      {"split", {split<false>, {"sep", "maxsplit"}}},
      {"rsplit", {split<true>, {"sep", "maxsplit"}}},
      {"startswith", {begins<false>, {"prefix"}, 1}},
      {"endswith", {begins<true>, {"suffix"}, 1}},
      {"find", {find, {"sub"}, 1}},
      {"replace", {replace, {"old", "new", "count"}, 2}},
      {"join", {join, {"iterable"}, 1}},
      {"format", {format, kAny}},
  };
  return table;
}

std::optional<Value> find_attribute(const Value& object, std::string_view name) {
  refuse_undefined(object);
  if (name.starts_with("__") || (object.get<ListPtr>() && listed(kChangesList, name)) ||
      (object.dict() && listed(kChangesDict, name)))
    raise("SecurityError", "access to attribute {} of {} object is unsafe.", repr(name),
          repr(type_name(object)));
  if (is_left_out(object, name)) raise_unsupported("method of " + type_name(object), name);
  if (const auto* p = object.get<ObjectPtr>()) return (*p)->attribute(name);
  if (!object.is_text() && !object.dict()) return std::nullopt;
  const Builtins& methods = object.is_text() ? text_methods() : dict_methods();
  const auto at = methods.find(name);
  if (at == methods.end()) return std::nullopt;
  return make_function(
      name,
      [&method = *at, object](Runtime& rt, const Arguments& arguments) {
        return run_builtin(rt, method, object, arguments);
      },
      object.depth() + 1);
}

}  // namespace circuitdiff::jinja
