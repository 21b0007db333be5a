#include "kernels/denormals.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <limits>

namespace circuitdiff {
namespace {

// Of the calling thread.
bool are_flushed() {
  const volatile float smallest_normal = std::numeric_limits<float>::min();
  const volatile float half = smallest_normal * 0.5F;
  return half == 0.0F;
}

// The flag is each thread's own: a share of one index for each thread.
void flush_everywhere(bool on) {
  at::parallel_for(0, at::get_num_threads(), 1, [&](int64_t, int64_t) { at::Context::setFlushDenormal(on); });
  at::Context::setFlushDenormal(on);
}

}  // namespace

FlushDenormals::FlushDenormals(at::ScalarType computed_in)
    : active_(computed_in != at::kDouble), was_on_(are_flushed()) {
  if (active_) flush_everywhere(true);
}

FlushDenormals::~FlushDenormals() {
  if (active_) flush_everywhere(was_on_);
}

}  // namespace circuitdiff
