// TOML nodes as option texts, for the files of this room only: toml++ stays out of the other headers.
#pragma once

#include <toml++/toml.h>

#include <filesystem>
#include <string>

#include "base/options.h"
#include "train/options.h"

namespace circuitdiff {

// Parses a whole file; UsageError with file, line and column.
toml::table parse_toml(const std::filesystem::path& path);
// A scalar or an array of scalars as texts. UsageError naming `where` for anything else.
std::vector<std::string> toml_texts(const toml::node& node, const std::string& where);
// Every key of a table.
OptionValues toml_values(const toml::table& table, const std::string& where);
// A training file (train_file.h) that has been parsed; `path` for messages and relative paths.
TrainOptions read_train_table(const toml::table& file, const std::filesystem::path& path);

}  // namespace circuitdiff
