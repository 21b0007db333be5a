#include "signals.h"

#include <unistd.h>

#include <csignal>

#include "base/progress.h"

namespace circuitdiff {
namespace {

void on_signal(int /*number*/) {
  if (interrupt_requested()) _exit(130);
  request_interrupt();
}

}  // namespace

void install_interrupt_handler() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

}  // namespace circuitdiff
