// What a person at the terminal sees of a stage at work. On a terminal: one line on stderr, redrawn, with
// bar, rate and time left; a phase that took a moment leaves its line behind. Into a pipe or file: nothing in
// the first 5 seconds of the program, then a line every few seconds. NO_COLOR and TERM=dumb are respected.
// Tables are in report/format.h.
#pragma once

#include <chrono>
#include <string>

#include "base/progress.h"

namespace circuitdiff {

struct TerminalLook {
  bool terminal = false;  // redraw one line
  bool colour = false;
  int columns = 80;
};
TerminalLook stderr_look();
// Whether stdout wants colour: a terminal and no NO_COLOR.
bool stdout_has_colour();

struct PhaseState {
  std::string phase, unit, note;
  int64_t total = 0;  // 0: unknown
  int64_t done = 0, done_before = 0;
  double seconds = 0;  // since the phase began
};
// "attribute  ━━━━━━──────  40/100 samples  3.2/s  19 s left  note"; never wider than the terminal. What
// gives way first is the note, then the bar, then the end of the phase's name.
std::string progress_line(const PhaseState& state, const TerminalLook& look);

std::string print_seconds(double seconds);  // "7 s", "3:05 min", "1:02 h"

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
  void clear_line();

  bool quiet_;
  TerminalLook look_;
  bool drawn_ = false, active_ = false;
  PhaseState state_;
  Clock::time_point created_, started_, last_drawn_;
};

}  // namespace circuitdiff
