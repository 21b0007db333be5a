#include "command.h"

#include <algorithm>
#include <cstdlib>

#include "run/config_file.h"

namespace circuitdiff {
namespace {

std::string default_text(const OptionInfo& option) {
  if (option.values.empty()) return "";
  std::string out;
  for (size_t i = 0; i < option.values.size(); ++i) out += (i ? "," : "") + option.values[i];
  return out.empty() ? "" : " [" + out + "]";
}

}  // namespace

std::shared_ptr<CommandLine> add_command(CLI::App& app, const std::string& name, const std::string& summary,
                                         const std::vector<OptionInfo>& options,
                                         const std::vector<std::string>& positional, bool has_presets) {
  auto line = std::make_shared<CommandLine>();
  CLI::App* sub = app.add_subcommand(name, summary);
  for (const OptionInfo& option : options) {
    const std::string flag = flag_name(option.name);
    const auto set = [line, key = option.name](const std::vector<std::string>& values) {
      line->flags[key] = values;
      return true;
    };
    const std::string help = option.help + default_text(option);
    if (option.is_flag) {
      // --name and --no-name, and --name=false.
      sub->add_flag_function(
          flag,
          [line, key = option.name](int64_t count) { line->flags[key] = {count > 0 ? "true" : "false"}; },
          help);
      sub->add_flag_function(
             "--no-" + flag.substr(2), [line, key = option.name](int64_t) { line->flags[key] = {"false"}; },
             "")
          ->group("");
      continue;
    }
    const bool is_positional =
        std::find(positional.begin(), positional.end(), option.name) != positional.end();
    CLI::Option* added = sub->add_option_function<std::vector<std::string>>(
        is_positional ? flag + "," + option.name : flag, set, help);
    // Operands that are a list may follow each other: accuracy A B C.
    if (is_positional && option.is_list)
      added->expected(1, CLI::detail::expected_max_vector_size);
    else
      added->expected(1)->allow_extra_args(false);
    added->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    added->type_name(option.is_list ? "A,B,.." : "");
  }
  sub->add_flag("--json", line->common.json, "print the result as JSON");
  sub->add_flag("--quiet", line->common.quiet, "no progress on stderr");
  sub->add_flag("--print-config", line->common.print_config, "print the resolved options as TOML and stop");
  sub->add_option("--config", line->common.config,
                  "TOML file whose table [" + name + "] sets options below the flags");
  if (has_presets)
    sub->add_option("--preset", line->common.preset,
                    "paper or code: the settings of the paper's text or of its code");
  return line;
}

OptionValues file_values(const CommandLine& line, const std::string& command) {
  return read_config_table(line.common.config, command);
}

OptionValues environment_values(const std::vector<OptionInfo>& options) {
  OptionValues out;
  for (const OptionInfo& option : options)
    if (const char* value = std::getenv(environment_name(option.name).c_str())) out[option.name] = {value};
  return out;
}

void require_positional(const std::string& command, const std::vector<std::string>& positional,
                        const std::vector<OptionInfo>& options) {
  for (const OptionInfo& option : options) {
    const bool needed = std::find(positional.begin(), positional.end(), option.name) != positional.end();
    if (needed && (option.values.empty() || option.values.front().empty()))
      usage_error("{}: {} is missing (see circuitdiff {} --help)", command, option.name, command);
  }
}

std::string config_text(const std::string& command, const std::vector<OptionInfo>& options) {
  std::string out = "[" + command + "]\n";
  for (const OptionInfo& option : options) {
    const auto one = [&](const std::string& v) { return option.is_text ? toml_string(v) : v; };
    if (option.is_list) {
      out += option.name + " = [";
      for (size_t i = 0; i < option.values.size(); ++i) out += (i ? ", " : "") + one(option.values[i]);
      out += "]\n";
    } else if (option.values.empty()) {
      out += "# " + option.name + " is unset\n";
    } else {
      out += option.name + " = " + one(option.values.front()) + "\n";
    }
  }
  return out;
}

}  // namespace circuitdiff
