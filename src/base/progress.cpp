#include "base/progress.h"

#include <unistd.h>

#include <csignal>

#include "base/error.h"

namespace circuitdiff {
namespace {

volatile std::sig_atomic_t signal_seen = 0;

void on_signal(int number) {
  if (signal_seen) _exit(130);
  signal_seen = number;
}

}  // namespace

void install_interrupt_handler() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool interrupt_requested() { return signal_seen != 0; }

void check_interrupt() {
  if (signal_seen) throw Interrupted();
}

}  // namespace circuitdiff
