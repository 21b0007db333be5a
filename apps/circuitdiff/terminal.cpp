#include "terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace circuitdiff {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kAccent = "\033[38;5;67m";  // the report's blue, as near as 256 colours come
constexpr const char* kReset = "\033[0m";
constexpr auto kRedraw = milliseconds(100);
constexpr auto kSilence = seconds(5);  // without a terminal, short work says nothing
constexpr auto kLogEvery = seconds(5);

bool no_colour() {
  const char* set = std::getenv("NO_COLOR");
  return set && *set;
}

std::string print_seconds(double s) {
  const auto whole = static_cast<int64_t>(s + 0.5);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}:{:02} min", whole / 60, whole % 60);
  return fmt::format("{}:{:02} h", whole / 3600, whole % 3600 / 60);
}

int terminal_columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

bool stdout_has_colour() { return ::isatty(STDOUT_FILENO) && !no_colour(); }

TerminalProgress::TerminalProgress(bool quiet)
    : quiet_(quiet), terminal_(::isatty(STDERR_FILENO)), colour_(terminal_ && !no_colour()) {}

TerminalProgress::~TerminalProgress() { clear_line(); }

void TerminalProgress::begin(std::string_view phase, int64_t total, std::string_view unit, int64_t done) {
  if (active_) end();
  phase_ = phase;
  unit_ = unit;
  note_.clear();
  total_ = total;
  done_ = done_before_ = done;
  started_ = last_drawn_ = Clock::now();
  active_ = true;
  if (terminal_) draw(false);
}

void TerminalProgress::advance(int64_t units, std::string_view note) {
  done_ += units;
  note_ = note;
  const auto now = Clock::now();
  if (quiet_ || !active_) return;
  if (terminal_ ? now - last_drawn_ >= kRedraw : now - started_ >= kSilence && now - last_drawn_ >= kLogEvery)
    draw(false);
}

void TerminalProgress::end() {
  if (active_ && !quiet_ && (terminal_ || Clock::now() - started_ >= kSilence)) draw(true);
  active_ = false;
}

void TerminalProgress::warn(std::string_view message) {
  clear_line();
  std::fputs(fmt::format("{}warning:{} {}\n", colour_ ? kAccent : "", colour_ ? kReset : "", message).c_str(),
             stderr);
}

std::string TerminalProgress::line() const {
  const double spent = std::chrono::duration<double>(Clock::now() - started_).count();
  const auto fresh = static_cast<double>(done_ - done_before_);
  const double rate = spent > 0 ? fresh / spent : 0;
  std::string out = phase_;
  if (total_ > 0) {
    constexpr int64_t kWidth = 24;
    const int64_t filled = std::min(kWidth, done_ * kWidth / total_);
    if (terminal_) {
      std::string bar;
      for (int64_t i = 0; i < kWidth; ++i) bar += i < filled ? "━" : "─";
      out += fmt::format("  {}{}{}", colour_ ? kAccent : "", bar, colour_ ? kReset : "");
    }
    out += fmt::format("  {}/{} {}", done_, total_, unit_);
  } else {
    out += fmt::format("  {} {}", done_, unit_);
  }
  if (rate > 0) out += fmt::format("  {:.3g}/s", rate);
  if (rate > 0 && total_ > done_)
    out += fmt::format("  {} left", print_seconds(static_cast<double>(total_ - done_) / rate));
  if (total_ > 0 && done_ >= total_) out += "  " + print_seconds(spent);
  if (!note_.empty()) out += "  " + note_;
  return out;
}

void TerminalProgress::clear_line() {
  if (drawn_) std::fputs("\r\033[K", stderr);
  drawn_ = false;
}

void TerminalProgress::draw(bool last) {
  last_drawn_ = Clock::now();
  if (quiet_) return;
  std::string text = line();
  if (!terminal_) {
    std::fputs((text + "\n").c_str(), stderr);
    return;
  }
  clear_line();
  // A line longer than the window would wrap and could not be redrawn; names are cut first.
  const int limit = terminal_columns() + (colour_ ? 20 : 0) + 48;  // escapes and the bar's multi-byte signs
  if (static_cast<int>(text.size()) > limit) text.resize(static_cast<size_t>(limit));
  std::fputs(text.c_str(), stderr);
  drawn_ = true;
  if (last) {
    std::fputs("\n", stderr);
    drawn_ = false;
  }
  std::fflush(stderr);
}

}  // namespace circuitdiff
