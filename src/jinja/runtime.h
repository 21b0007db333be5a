// What one rendering carries: its budget, its clock, the line being evaluated, and the way back into the
// interpreter for filters and objects that call macros or other filters by name.
#pragma once

#include <memory>
#include <string>
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
  int call_depth = 0;

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

// Counts a macro, caller, recursive loop or block while it runs.
class CallGuard {
 public:
  explicit CallGuard(Runtime& rt);
  ~CallGuard() { --rt_.call_depth; }
  CallGuard(const CallGuard&) = delete;
  CallGuard& operator=(const CallGuard&) = delete;

 private:
  Runtime& rt_;
};

}  // namespace circuitdiff::jinja
