// What every subcommand shares: its options become flags, environment variables and keys of a configuration
// file, all read off the one list that `visit` gives; precedence is flag, environment, file, preset, default
// (docs/spec.md#command-line).
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/options.h"
#include "terminal.h"

namespace circuitdiff {

// Flags that no stage knows: how a command talks.
struct CommonFlags {
  bool json = false;          // print the result as JSON
  bool quiet = false;         // no progress
  bool print_config = false;  // print the resolved options as TOML and stop
  std::string config;         // TOML file with a table [command]
  std::string preset;         // paper or code, where the command knows presets
};

struct CommandLine {
  OptionValues flags;  // filled by CLI11
  CommonFlags common;
};

// Adds the subcommand with one flag per option; those named in `positional` are taken without a flag too.
std::shared_ptr<CommandLine> add_command(CLI::App& app, const std::string& name, const std::string& summary,
                                         const std::vector<OptionInfo>& options,
                                         const std::vector<std::string>& positional, bool has_presets);
// The values below the flags: from --config and the environment.
OptionValues file_values(const CommandLine& line, const std::string& command);
OptionValues environment_values(const std::vector<OptionInfo>& options);
// UsageError where an operand that the command cannot do without was not given in any way.
void require_positional(const std::string& command, const std::vector<std::string>& positional,
                        const std::vector<OptionInfo>& options);
std::string config_text(const std::string& command, const std::vector<OptionInfo>& options);

// The stream that results go to, and the progress that a command hands to its stage.
inline TerminalProgress make_progress(const CommonFlags& common) { return TerminalProgress(common.quiet); }

// `run(options, common)` returns the exit code; `exit_code` receives it. `preset` may be null.
template <class Options>
void command(CLI::App& app, int& exit_code, const std::string& name, const std::string& summary,
             const std::vector<std::string>& positional,
             std::function<int(const Options&, const CommonFlags&)> run,
             std::function<void(Options&, const std::string&)> preset = nullptr) {
  const auto listed = list_options(Options{});
  const auto line = add_command(app, name, summary, listed, positional, preset != nullptr);
  app.get_subcommand(name)->callback([=, &exit_code] {
    Options options;
    if (!line->common.preset.empty()) preset(options, line->common.preset);
    if (!line->common.config.empty())
      set_options(options, file_values(*line, name), line->common.config + ": [" + name + "]");
    set_options(options, environment_values(listed), "environment");
    set_options(options, line->flags, name);
    if (line->common.print_config) {
      std::fputs(config_text(name, list_options(options)).c_str(), stdout);
      exit_code = 0;
      return;
    }
    require_positional(name, positional, list_options(options));
    exit_code = run(options, line->common);
  });
}

}  // namespace circuitdiff
