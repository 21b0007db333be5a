// How a stage tells the outside what it is doing. The library never prints: it calls a Progress it is given.
// Also where a stage learns that it should stop: SIGINT or SIGTERM makes check_interrupt() throw Interrupted.
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

// SIGINT and SIGTERM set a flag; a second SIGINT ends the process at once.
void install_interrupt_handler();
bool interrupt_requested();
// Throws Interrupted if a signal was seen. Stages call it between units of work, at least every second or so.
void check_interrupt();

}  // namespace circuitdiff
