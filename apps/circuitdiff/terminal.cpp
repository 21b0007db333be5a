#include "terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "report/format.h"

namespace circuitdiff {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kRedraw = milliseconds(100);
constexpr auto kSilence = seconds(5);  // without a terminal, short work says nothing
constexpr auto kLogEvery = seconds(5);
constexpr auto kWorthKeeping = seconds(1);  // a phase as long as this leaves its line on the terminal
constexpr int64_t kBarWidth = 24;

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value && *value;
}

bool dumb_terminal() {
  const char* term = std::getenv("TERM");
  return term && std::string_view(term) == "dumb";
}

// At most `width` columns; what is cut off is said by an ellipsis.
std::string shortened(const std::string& text, int width) {
  if (display_width(text) <= width) return text;
  if (width < 2) return "";
  size_t at = 0;
  for (int taken = 0; at < text.size(); ++at)
    if ((static_cast<unsigned char>(text[at]) & 0xC0) != 0x80 && taken++ == width - 1) break;
  return text.substr(0, at) + "…";
}

std::string bar(int64_t filled, int64_t width, bool colour) {
  std::string done, open;
  for (int64_t i = 0; i < width; ++i) (i < filled ? done : open) += i < filled ? "━" : "─";
  return colour ? kAccent + done + kReset + kDim + open + kReset : done + open;
}

std::string rate_text(double rate) {
  if (rate >= 0.1) return fmt::format("{}/s", significant(rate, 2));
  return fmt::format("{} each", print_seconds(1 / rate));
}

}  // namespace

std::string print_seconds(double s) {
  const auto whole = static_cast<int64_t>(s + 0.5);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}:{:02} min", whole / 60, whole % 60);
  return fmt::format("{}:{:02} h", whole / 3600, whole % 3600 / 60);
}

TerminalLook stderr_look() {
  TerminalLook look;
  look.terminal = ::isatty(STDERR_FILENO) && !dumb_terminal();
  look.colour = look.terminal && !is_set("NO_COLOR");
  winsize size{};
  if (look.terminal && ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    look.columns = size.ws_col;
  return look;
}

bool stdout_has_colour() { return ::isatty(STDOUT_FILENO) && !dumb_terminal() && !is_set("NO_COLOR"); }

std::string progress_line(const PhaseState& state, const TerminalLook& look) {
  const auto fresh = static_cast<double>(state.done - state.done_before);
  const double rate = state.seconds > 0.2 && fresh > 0 ? fresh / state.seconds : 0;
  const bool finished = state.total > 0 && state.done >= state.total;
  std::string counts = state.total > 0 ? fmt::format("  {}/{} {}", state.done, state.total, state.unit)
                                       : fmt::format("  {} {}", state.done, state.unit);
  if (rate > 0) counts += "  " + rate_text(rate);
  if (finished)
    counts += "  " + print_seconds(state.seconds);
  else if (rate > 0 && state.total > 0)
    counts += fmt::format("  {} left", print_seconds(static_cast<double>(state.total - state.done) / rate));
  std::string note = state.note.empty() ? "" : "  " + state.note;
  if (!look.terminal) return state.phase + counts + note;

  // The last column stays free: a full line would wrap on some terminals and could not be redrawn.
  int room = look.columns - 1 - display_width(counts) - display_width(state.phase);
  const bool with_bar = state.total > 0 && room >= kBarWidth + 2;
  if (with_bar) room -= kBarWidth + 2;
  note = room >= 8 ? shortened(note, room) : "";
  std::string out = shortened(state.phase, std::max(0, look.columns - 1 - display_width(counts)));
  if (with_bar) {
    const int64_t filled = std::clamp<int64_t>(state.done * kBarWidth / state.total, 0, kBarWidth);
    out += "  " + bar(filled, kBarWidth, look.colour);
  }
  return out + shortened(counts, look.columns - 1) + note;
}

TerminalProgress::TerminalProgress(bool quiet) : quiet_(quiet), look_(stderr_look()), created_(Clock::now()) {
  last_drawn_ = created_;
}

TerminalProgress::~TerminalProgress() { clear_line(); }

void TerminalProgress::begin(std::string_view phase, int64_t total, std::string_view unit, int64_t done) {
  if (active_) end();
  state_ = PhaseState{std::string(phase), std::string(unit), "", total, done, done, 0};
  started_ = Clock::now();
  active_ = true;
  if (look_.terminal) draw(false);
}

void TerminalProgress::advance(int64_t units, std::string_view note) {
  state_.done += units;
  state_.note = note;
  if (quiet_ || !active_) return;
  const auto now = Clock::now();
  const bool due = look_.terminal ? now - last_drawn_ >= kRedraw
                                  : now - created_ >= kSilence && now - last_drawn_ >= kLogEvery;
  if (due) draw(false);
}

void TerminalProgress::end() {
  if (!active_) return;
  active_ = false;
  const auto now = Clock::now();
  const bool keep = look_.terminal ? now - started_ >= kWorthKeeping
                                   : now - created_ >= kSilence && now - started_ >= kLogEvery;
  if (keep)
    draw(true);
  else
    clear_line();
}

void TerminalProgress::warn(std::string_view message) {
  clear_line();
  std::fputs(
      fmt::format("{}warning:{} {}\n", look_.colour ? kAccent : "", look_.colour ? kReset : "", message)
          .c_str(),
      stderr);
}

void TerminalProgress::clear_line() {
  if (drawn_) std::fputs("\r\033[K", stderr);
  drawn_ = false;
}

void TerminalProgress::draw(bool last) {
  last_drawn_ = Clock::now();
  if (quiet_) return;
  state_.seconds = std::chrono::duration<double>(last_drawn_ - started_).count();
  if (look_.terminal) look_.columns = stderr_look().columns;  // windows are resized
  const std::string text = progress_line(state_, look_);
  clear_line();
  std::fputs(text.c_str(), stderr);
  drawn_ = look_.terminal && !last;
  if (!drawn_) std::fputs("\n", stderr);
  std::fflush(stderr);
}

}  // namespace circuitdiff
