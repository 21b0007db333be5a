// TOML configuration files: a table is named for its command, a key for its flag with underscores.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/options.h"

namespace circuitdiff {

// The table [command] of a file as option texts; empty if the file has no such
// table. Errors name file, line and key.
OptionValues read_config_table(const std::filesystem::path& path, std::string_view command);

// A TOML basic string with its quotes.
std::string toml_string(std::string_view text);

}  // namespace circuitdiff
