// How a stage tells the outside what it is doing. The library never prints: it calls a Progress it is given.
// Also where a stage learns that it should stop: behind request_interrupt(), check_interrupt() throws
// Interrupted. The library handles no signal itself; the process that it lives in does
// (apps/circuitdiff/signals.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace circuitdiff {

class Progress {
 public:
  virtual ~Progress() = default;
  // A new phase of `total` units ("samples", "questions", ...); total 0: unknown.
  // `done` units come from an earlier run.
  virtual void begin(std::string_view phase, int64_t total, std::string_view unit, int64_t done = 0) = 0;
  virtual void advance(int64_t units = 1, std::string_view note = {}) = 0;
  virtual void end() = 0;
  // One line for the person at the terminal that is neither a result nor an error.
  virtual void warn(std::string_view message) = 0;
};

// Reports nothing. For tests and for callers that do not care.
class SilentProgress : public Progress {
 public:
  void begin(std::string_view, int64_t, std::string_view, int64_t) override {}
  void advance(int64_t, std::string_view) override {}
  void end() override {}
  void warn(std::string_view) override {}
};

// May be called in a signal's handler.
void request_interrupt();
bool interrupt_requested();
// Throws Interrupted where that was called. Stages ask between units of work, at least every second or so.
void check_interrupt();

}  // namespace circuitdiff
