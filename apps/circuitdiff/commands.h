// One function a subcommand file: it adds its subcommand to the program.
#pragma once

#include <CLI/CLI.hpp>

namespace circuitdiff {

void setup_inspect(CLI::App& app, int& exit_code);
void setup_text(CLI::App& app, int& exit_code);  // tokenize, detokenize, chat
void setup_score(CLI::App& app, int& exit_code);
void setup_generate(CLI::App& app, int& exit_code);
void setup_grade(CLI::App& app, int& exit_code);
void setup_select(CLI::App& app, int& exit_code);
void setup_attribute(CLI::App& app, int& exit_code);
void setup_compare(CLI::App& app, int& exit_code);
void setup_run(CLI::App& app, int& exit_code);
void setup_report(CLI::App& app, int& exit_code);
void setup_verify(CLI::App& app, int& exit_code);
void setup_exchange(CLI::App& app, int& exit_code);  // export, import
void setup_accuracy(CLI::App& app, int& exit_code);
void setup_train(CLI::App& app, int& exit_code);
void setup_data(CLI::App& app, int& exit_code);

}  // namespace circuitdiff
