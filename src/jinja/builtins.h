// What a template can call by name: filters (filters_text.cpp, filters_sequence.cpp), tests (tests.cpp) and
// the methods of values (methods.cpp), and how the arguments of a call are bound to their parameters.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "jinja/value.h"

namespace circuitdiff::jinja {

// The parameters of what reads Bound::all itself.
inline const std::vector<const char*> kAny{"*"};

// The arguments of a call, bound to parameters as Python binds them.
class Bound {
 public:
  // `names` are the parameters in order, the first `required` of them without a default.
  Bound(Runtime& rt, const Arguments& arguments, std::string_view function,
        const std::vector<const char*>& names, size_t required = 0);

  bool given(size_t i) const { return values_[i] != nullptr; }
  const Value& operator[](size_t i) const { return values_[i] ? *values_[i] : none_; }
  std::string text(size_t i, std::string_view otherwise = {}) const;  // str(); `otherwise` where absent
  const std::string& exact_text(size_t i) const;                      // TypeError unless it is a str
  int64_t integer(size_t i, int64_t otherwise = 0) const;             // TypeError unless it is an int
  bool flag(size_t i) const { return truth((*this)[i]); }
  const Arguments& all;

 private:
  static constexpr size_t kMost = 4;
  Runtime& rt_;
  std::string_view function_;
  std::array<const Value*, kMost> values_{};
  Value none_;
};

// What a filter, test or method does with the value before it, and the names of its parameters.
struct Builtin {
  Value (*run)(Runtime& rt, const Value& self, const Bound& arguments);
  std::vector<const char*> parameters = {};
  size_t required = 0;
};
using Builtins = std::unordered_map<std::string_view, Builtin>;
const Builtins& text_filters();
const Builtins& sequence_filters();
const Builtins& tests();
const Builtins& text_methods();
Value run_builtin(Runtime& rt, const Builtins::value_type& entry, const Value& self,
                  const Arguments& arguments);

// value|name(arguments) and value is name(arguments).
Value call_filter(Runtime& rt, std::string_view name, const Value& value, const Arguments& arguments);
bool call_test(Runtime& rt, std::string_view name, const Value& value, const Arguments& arguments);

// getattr(object, name): nullopt if there is no such attribute; SecurityError for what the sandbox forbids.
std::optional<Value> find_attribute(const Value& object, std::string_view name);

// json.dumps as the filter tojson of transformers calls it.
Value tojson(Runtime& rt, const Value& value, const Bound& arguments);

}  // namespace circuitdiff::jinja
