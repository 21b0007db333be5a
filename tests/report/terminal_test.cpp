// The program's progress line, compiled in from apps/: its width, what gives way when
// there is little room, and silence.
#include "terminal.h"

#include <gmock/gmock.h>

#include "report/format.h"

namespace circuitdiff {
namespace {

using testing::HasSubstr;
using testing::Not;

const PhaseState kHalf{"attribute", "samples", "", 100, 50, 0, 10};

TEST(ProgressLine, HasBarRateAndTimeLeft) {
  EXPECT_EQ(progress_line(kHalf, {.terminal = true, .colour = false, .columns = 100}),
            "attribute  ━━━━━━━━━━━━────────────  50/100 samples  5.0/s  10 s left");
}

TEST(ProgressLine, WithoutATerminalThereIsNoBar) {
  EXPECT_EQ(progress_line(kHalf, {.terminal = false}), "attribute  50/100 samples  5.0/s  10 s left");
}

TEST(ProgressLine, EarlierWorkDoesNotCountInTheRate) {
  PhaseState state = kHalf;
  state.done_before = 40;
  EXPECT_THAT(progress_line(state, {}), HasSubstr("1.0/s  50 s left"));
}

TEST(ProgressLine, SlowWorkSaysSecondsAPiece) {
  EXPECT_EQ(progress_line({"exact", "samples", "", 10, 1, 0, 75}, {}),
            "exact  1/10 samples  1:15 min each  11:15 min left");
}

TEST(ProgressLine, FinishedSaysHowLongItTook) {
  EXPECT_EQ(progress_line({"grade", "answers", "", 10, 10, 0, 2}, {}), "grade  10/10 answers  5.0/s  2 s");
}

TEST(ProgressLine, ColourSurroundsTheBarOnly) {
  const std::string line = progress_line(kHalf, {.terminal = true, .colour = true, .columns = 100});
  EXPECT_THAT(line, HasSubstr(std::string("attribute  ") + kAccent + "━"));
  EXPECT_THAT(line, HasSubstr(std::string("─") + kReset + "  50/100"));
}

TEST(ProgressLine, IsNeverWiderThanTheTerminal) {
  PhaseState state = kHalf;
  state.phase = "sft-fortgeführt, Prüfung, α = 0.5: attribute";
  state.note = "a note of some length that has to give way first";
  for (int columns = 1; columns < 140; ++columns)
    EXPECT_LT(display_width(progress_line(state, {.terminal = true, .colour = false, .columns = columns})),
              std::max(columns, 2))
        << columns;
  const std::string narrow = progress_line(state, {.terminal = true, .colour = false, .columns = 50});
  EXPECT_THAT(narrow, Not(HasSubstr("━")));
  EXPECT_THAT(narrow, HasSubstr("…  50/100 samples"));
}

TEST(PrintSeconds, ChangesItsUnit) {
  EXPECT_EQ(print_seconds(59.4), "59 s");
  EXPECT_EQ(print_seconds(185), "3:05 min");
  EXPECT_EQ(print_seconds(3720), "1:02 h");
}

TEST(TerminalProgress, ShortWorkIntoAPipeSaysNothing) {
  testing::internal::CaptureStderr();
  {
    TerminalProgress progress;
    progress.begin("grade", 3, "answers", 0);
    for (int i = 0; i < 3; ++i) progress.advance(1, "");
    progress.end();
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(TerminalProgress, WarningsAreSaidEvenWhenQuiet) {
  testing::internal::CaptureStderr();
  TerminalProgress(true).warn("only 3 pairs");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "warning: only 3 pairs\n");
}

}  // namespace
}  // namespace circuitdiff
