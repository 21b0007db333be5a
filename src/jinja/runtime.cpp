#include "jinja/runtime.h"

#include <pthread.h>

#include <chrono>
#include <functional>

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
namespace {

// Lowest address of this thread's stack, null where the system does not say.
const char* end_of_stack() {
  static thread_local const char* const end = [] {
    pthread_attr_t attributes;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0) return static_cast<const char*>(nullptr);
    void* low = nullptr;
    size_t size = 0;
    const bool known = pthread_attr_getstack(&attributes, &low, &size) == 0;
    pthread_attr_destroy(&attributes);
    return known ? static_cast<const char*>(low) : nullptr;
  }();
  return end;
}

}  // namespace

// A rendering may use kMaxStackBytes, and of a small stack all but what one step between two checks takes.
Runtime::Runtime(const Clock& time) : clock(time) {
  const char* here = static_cast<const char*>(__builtin_frame_address(0));
  stack_limit_ = here - kMaxStackBytes;
  const char* end = end_of_stack();
  if (end && std::less<>()(end, here) &&
      here - end < static_cast<std::ptrdiff_t>(kMaxStackBytes + kStackReserve))
    stack_limit_ = std::less<>()(end + kStackReserve, here) ? end + kStackReserve : here;
}

Runtime::~Runtime() {
  for (const auto& clear : clear_) clear();
}

void Runtime::check_stack() const {
  const char* here = static_cast<const char*>(__builtin_frame_address(0));
  if (std::less<>()(here, stack_limit_)) raise("RecursionError", "the template recurses too deeply");
}

}  // namespace jinja
}  // namespace circuitdiff
