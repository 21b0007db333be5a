#include "base/progress.h"

#include <csignal>

#include "base/error.h"

namespace circuitdiff {
namespace {

volatile std::sig_atomic_t is_requested = 0;

}  // namespace

void request_interrupt() { is_requested = 1; }

bool interrupt_requested() { return is_requested != 0; }

void check_interrupt() {
  if (is_requested) throw Interrupted();
}

}  // namespace circuitdiff
