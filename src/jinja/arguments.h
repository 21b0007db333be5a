// Binds the arguments of a call to the parameters of a filter, test or method, as Python binds them.
#pragma once

#include <array>
#include <initializer_list>
#include <string>
#include <string_view>

#include "jinja/value.h"

namespace circuitdiff::jinja {

class Bound {
 public:
  // `names` are the parameters in order, the first `required` of them without a default.
  Bound(Runtime& rt, const Arguments& arguments, std::string_view function,
        std::initializer_list<const char*> names, size_t required = 0);

  bool given(size_t i) const { return values_[i] != nullptr; }
  const Value& operator[](size_t i) const { return values_[i] ? *values_[i] : none_; }
  std::string text(size_t i, std::string_view otherwise = {}) const;  // str(); `otherwise` where absent
  const std::string& exact_text(size_t i) const;                      // TypeError unless it is a str
  int64_t integer(size_t i, int64_t otherwise = 0) const;             // TypeError unless it is an int
  bool flag(size_t i, bool otherwise = false) const;                  // truth

 private:
  static constexpr size_t kMost = 8;
  Runtime& rt_;
  std::string_view function_;
  std::array<const Value*, kMost> values_{};
  Value none_;
};

}  // namespace circuitdiff::jinja
