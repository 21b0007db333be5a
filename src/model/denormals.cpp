#include "model/denormals.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

namespace circuitdiff {
namespace {

bool are_flushed() {
  const volatile float denormal = 1e-40F;
  const volatile float kept = denormal * 1.0F;
  return kept == 0.0F;
}

// The flag is each thread's own: a share of one index for each thread.
void flush_everywhere(bool on) {
  at::parallel_for(0, at::get_num_threads(), 1, [&](int64_t, int64_t) { at::Context::setFlushDenormal(on); });
  at::Context::setFlushDenormal(on);
}

}  // namespace

FlushDenormals::FlushDenormals() : was_on_(are_flushed()) {
  if (!was_on_) flush_everywhere(true);
}

FlushDenormals::~FlushDenormals() {
  if (!was_on_) flush_everywhere(false);
}

}  // namespace circuitdiff
