// The error type of the whole program. Thrown where the fact is known, caught once, in main.
// A message is one line: where, what, found and wanted, and the next step if it can be guessed.
// What is expected to happen (an unparsable answer, a dropped question) is a value, never an exception.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace circuitdiff {

// A failed run: exit code 1.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  virtual int exit_code() const { return 1; }
};

// A wrong command line or configuration: exit code 2.
class UsageError : public Error {
 public:
  using Error::Error;
  int exit_code() const override { return 2; }
};

// SIGINT or SIGTERM was seen; what was done is kept: exit code 130.
class Interrupted : public Error {
 public:
  Interrupted() : Error("interrupted; what was done is kept") {}
  int exit_code() const override { return 130; }
};

// fail("{}:{}: field \"{}\" is missing", file, line, field)
template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
[[noreturn]] void usage_error(fmt::format_string<Args...> format, Args&&... args) {
  throw UsageError(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace circuitdiff
