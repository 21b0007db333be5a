#include "jinja/runtime.h"

#include <chrono>
#include <cstdlib>

namespace circuitdiff {

LocalTime local_time_now() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  LocalTime out;
  localtime_r(&seconds, &out.date);
  const auto since = std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count();
  out.microsecond = static_cast<int>(since % 1'000'000);
  return out;
}

namespace jinja {

Runtime::Runtime(const Clock& time)
    : clock(time), stack_base_(static_cast<const char*>(__builtin_frame_address(0))) {}

Runtime::~Runtime() {
  for (const auto& clear : clear_) clear();
}

void Runtime::check_stack() const {
  const char* here = static_cast<const char*>(__builtin_frame_address(0));
  if (static_cast<size_t>(std::abs(stack_base_ - here)) > kMaxStackBytes)
    raise("RecursionError", "the template recurses too deeply");
}

CallGuard::CallGuard(Runtime& rt) : rt_(rt) {
  if (++rt_.call_depth > kMaxCallDepth) {
    --rt_.call_depth;
    raise("RecursionError", "maximum recursion depth exceeded");
  }
}

}  // namespace jinja
}  // namespace circuitdiff
