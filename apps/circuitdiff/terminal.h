// What a person at the terminal sees of a stage at work. On a terminal: one line on stderr, redrawn, with
// bar, rate and time left. Into a pipe or file: nothing in the first 5 seconds, then a line every few
// seconds. NO_COLOR is respected.
#pragma once

#include <chrono>
#include <string>

#include "base/progress.h"

namespace circuitdiff {

class TerminalProgress : public Progress {
 public:
  explicit TerminalProgress(bool quiet = false);
  ~TerminalProgress() override;
  TerminalProgress(const TerminalProgress&) = delete;
  TerminalProgress& operator=(const TerminalProgress&) = delete;

  void begin(std::string_view phase, int64_t total, std::string_view unit, int64_t done) override;
  void advance(int64_t units, std::string_view note) override;
  void end() override;
  void warn(std::string_view message) override;

 private:
  using Clock = std::chrono::steady_clock;
  void draw(bool last);
  std::string line() const;
  void clear_line();

  bool quiet_, terminal_, colour_;
  bool drawn_ = false, active_ = false;
  std::string phase_, unit_, note_;
  int64_t total_ = 0, done_ = 0, done_before_ = 0;
  Clock::time_point started_, last_drawn_;
};

// Whether stdout wants colour: a terminal and no NO_COLOR.
bool stdout_has_colour();

}  // namespace circuitdiff
