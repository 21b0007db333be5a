// What one rendering carries: its budget, its clock, the line being evaluated, and what it empties at its
// end.
#pragma once

#include <functional>
#include <vector>

#include "jinja/chat_template.h"
#include "jinja/limits.h"
#include "jinja/value.h"

namespace circuitdiff::jinja {

class Runtime {
 public:
  explicit Runtime(const Clock& time);

  Budget budget;
  const Clock& clock;
  int line = 0;  // of the template, for error messages

  // Against deep recursion of the engine itself, whatever the template did to get there.
  void check_stack() const;
  // Namespaces and the scopes that macros remember may refer to themselves; they are emptied when the
  // rendering ends.
  void empty_at_end(std::function<void()> clear) { clear_.push_back(std::move(clear)); }
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

 private:
  const char* stack_limit_;  // lowest address that a rendering may reach
  std::vector<std::function<void()>> clear_;
};

}  // namespace circuitdiff::jinja
