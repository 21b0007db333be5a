// What `inspect` says of a checkpoint: what it is, what was assumed, what was ignored, and how large its
// graphs are. The estimate of memory and time is the caller's: an object of {method: {name: value}} or any
// other, shown as it comes.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "checkpoint/checkpoint.h"

namespace circuitdiff {

nlohmann::ordered_json inspect_json(const Checkpoint& checkpoint,
                                    const nlohmann::ordered_json& estimate = nullptr);
// The same for a terminal: aligned lines, units beside the numbers, the last one ends with a newline.
std::string inspect_text(const Checkpoint& checkpoint, const nlohmann::ordered_json& estimate = nullptr);

// "1.50 GiB"
std::string print_bytes(int64_t bytes);
// "1,234,567"
std::string print_count(int64_t count);

}  // namespace circuitdiff
