// circuitdiff: what did post-training do inside this model?
#include <c10/util/Exception.h>

#include <algorithm>
#include <cstdio>
#include <new>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/options.h"
#include "commands.h"
#include "kernels/environment.h"
#include "records/manifest.h"
#include "signals.h"

namespace {

int fail_with(const std::string& message, int code) {
  std::string line = message.substr(0, message.find('\n'));
  std::fprintf(stderr, "error: %s\n", line.c_str());
  return code;
}

// The first word of the command line must be a command; CLI11 alone would only say that one is required.
void check_command(const CLI::App& app, int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') return;
  std::vector<std::string> known;
  for (const CLI::App* command : app.get_subcommands(nullptr)) known.push_back(command->get_name());
  if (std::find(known.begin(), known.end(), argv[1]) != known.end()) return;
  const std::string near = circuitdiff::nearest(argv[1], known);
  circuitdiff::usage_error("unknown command \"{}\"{} (see --help)", argv[1],
                           near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near));
}

// libtorch's own words, less where in its sources they stand.
std::string in_words(const c10::Error& e) {
  const std::string what = e.what_without_backtrace();
  constexpr std::string_view kAhead = "you tried to allocate ";
  if (const size_t tried = what.find(kAhead); tried != std::string::npos) {
    const size_t number = tried + kAhead.size();
    return fmt::format("out of memory: no room for a tensor of {} bytes",
                       what.substr(number, what.find(' ', number) - number));
  }
  return what;
}

std::string in_words(const std::exception& e) {
  const std::string_view what = e.what();
  // What oneDNN says of an allocation that failed, too.
  const bool is_product = what == "could not create a primitive" || what == "could not execute a primitive";
  return fmt::format("{}{}", is_product ? "a matrix product failed, most likely for want of memory: " : "",
                     what);
}

// What was printed must have arrived: a full disk behind standard output is a failure like any other.
int finish_output(int exit_code) {
  if (std::fflush(stdout) == 0 && !std::ferror(stdout)) return exit_code;
  return fail_with("standard output cannot be written", 1);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace circuitdiff;
  install_interrupt_handler();
  limit_product_code();
  int exit_code = 0;
  CLI::App app{
      "What did post-training do inside this model? Edge attribution before and after, with intervals.",
      "circuitdiff"};
  app.set_version_flag("--version", std::string("circuitdiff ") + kVersion);
  app.require_subcommand(1);
  for (const auto setup : {setup_run, setup_generate, setup_grade, setup_select, setup_attribute,
                           setup_compare, setup_report, setup_accuracy, setup_exchange, setup_inspect,
                           setup_score, setup_text, setup_train, setup_data, setup_verify})
    setup(app, exit_code);
  try {
    check_command(app, argc, argv);
    app.parse(argc, argv);
    return finish_output(exit_code);
  } catch (const CLI::Success& e) {
    return app.exit(e);  // --help, --version
  } catch (const CLI::ParseError& e) {
    return fail_with(std::string(e.what()) + " (see --help)", 2);
  } catch (const Error& e) {
    return fail_with(e.what(), e.exit_code());
  } catch (const c10::Error& e) {
    return fail_with(in_words(e), 1);
  } catch (const std::bad_alloc&) {
    return fail_with("out of memory", 1);
  } catch (const std::exception& e) {
    return fail_with(in_words(e), 1);
  }
}
