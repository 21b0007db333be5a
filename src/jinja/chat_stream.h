// The stage behind `circuitdiff chat`: conversations in, rendered prompts out, one JSON line each.
// It only renders: nothing is tokenized, and special tokens may be unknown to the vocabulary.
#pragma once

#include <cstdint>
#include <filesystem>
#include <istream>
#include <ostream>

#include "jinja/chat_template.h"

namespace circuitdiff {

// Reads rows {"messages": [...], "tools"?, "add_generation_prompt"?, ...}; every other key becomes a template
// variable. Writes {"text": ...} or, where the template raised, {"error": ...}. Returns the number of rows
// that raised. Throws Error if the model has no template, and, before anything is written, naming the line of
// a malformed row.
int64_t chat_stream(const std::filesystem::path& model, std::istream& in, std::ostream& out,
                    const Clock& clock = local_time_now);

}  // namespace circuitdiff
