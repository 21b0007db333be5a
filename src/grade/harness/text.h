// How the Qwen2.5-Math evaluation harness cleans answers before it compares them, oddities included: units go
// wherever they stand alone ("x sec y" loses sec), "and" goes, x= goes, "12.0" becomes "12". For `grade
// --compat harness`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace circuitdiff {

// The pieces between the separators: Python's split.
std::vector<std::string> split_at(std::string_view text, std::string_view separator);

// The choice letter that the harness finds in an answer's text; the text's end where there is none.
std::string harness_choice(std::string_view answer);

// What the harness extracts from an answer's text, cleaned twice as it does.
std::string harness_extract(std::string_view answer, std::string_view dataset);

// Its cleaning of one answer; not idempotent.
std::string harness_strip(std::string text, bool keep_units = false);

// What it compares with: the gold by the data set's rule (docs/generation.md#questions).
std::string harness_gold(std::string_view gold, std::string_view dataset);

}  // namespace circuitdiff
