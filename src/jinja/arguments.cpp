#include "jinja/arguments.h"

#include <fmt/format.h>

#include "jinja/runtime.h"

namespace circuitdiff::jinja {

Bound::Bound(Runtime& rt, const Arguments& arguments, std::string_view function,
             std::initializer_list<const char*> names, size_t required)
    : rt_(rt), function_(function) {
  if (arguments.positional.size() > names.size())
    raise("TypeError", fmt::format("{}() takes at most {} argument{} ({} given)", function, names.size(),
                                   names.size() == 1 ? "" : "s", arguments.positional.size()));
  for (size_t i = 0; i < arguments.positional.size(); ++i) values_[i] = &arguments.positional[i];
  for (const auto& [name, value] : arguments.keyword) {
    size_t at = 0;
    while (at < names.size() && name != names.begin()[at]) ++at;
    if (at == names.size())
      raise("TypeError", fmt::format("{}() got an unexpected keyword argument '{}'", function, name));
    if (values_[at])
      raise("TypeError", fmt::format("{}() got multiple values for argument '{}'", function, name));
    values_[at] = &value;
  }
  for (size_t i = 0; i < required; ++i)
    if (!values_[i])
      raise("TypeError",
            fmt::format("{}() missing 1 required positional argument: '{}'", function, names.begin()[i]));
}

std::string Bound::text(size_t i, std::string_view otherwise) const {
  return values_[i] ? to_text(rt_, *values_[i]) : std::string(otherwise);
}

const std::string& Bound::exact_text(size_t i) const {
  const Value& value = (*this)[i];
  if (!value.is_text())
    raise("TypeError", fmt::format("{}() argument must be str, not {}", function_, type_name(value)));
  return value.bytes();
}

int64_t Bound::integer(size_t i, int64_t otherwise) const {
  if (!values_[i]) return otherwise;
  if (values_[i]->is_undefined()) raise_undefined(*values_[i]);
  if (const auto index = to_index(*values_[i])) return *index;
  if (values_[i]->is_integer()) raise("OverflowError", "Python int too large to convert to C ssize_t");
  raise("TypeError", fmt::format("'{}' object cannot be interpreted as an integer", type_name(*values_[i])));
}

bool Bound::flag(size_t i, bool otherwise) const { return values_[i] ? truth(rt_, *values_[i]) : otherwise; }

}  // namespace circuitdiff::jinja
