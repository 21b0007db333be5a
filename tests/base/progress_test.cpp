// A request to stop becomes an Interrupted with exit code 130.
#include "base/progress.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/temp_folder.h"

namespace circuitdiff {
namespace {

// The exit code of a child that runs `body` and returns its value.
template <class Body>
int in_child(Body&& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Interrupt, NothingHappensWithoutARequest) {
  EXPECT_FALSE(interrupt_requested());
  EXPECT_NO_THROW(check_interrupt());
}

TEST(Interrupt, ARequestFromASignalMakesTheNextCheckThrow) {
  EXPECT_EQ(in_child([] {
              ::signal(SIGTERM, [](int) { request_interrupt(); });
              ::raise(SIGTERM);
              if (!interrupt_requested()) return 1;
              try {
                check_interrupt();
              } catch (const Interrupted& stop) {
                return stop.exit_code();
              }
              return 2;
            }),
            130);
}

TEST(Errors, HaveTheExitCodesOfTheManual) {
  EXPECT_EQ(Error("x").exit_code(), 1);
  EXPECT_EQ(UsageError("x").exit_code(), 2);
  EXPECT_EQ(test::error_of([] { usage_error("{} {}", "a", 1); }), "a 1");
}

}  // namespace
}  // namespace circuitdiff
