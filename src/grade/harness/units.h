// The units that the Qwen2.5-Math harness takes out of answers, wherever they stand alone between characters
// that are no word's: "5 cm" becomes "5 ", and "x sec y" loses its secant.
#pragma once

#include <string>
#include <string_view>

namespace circuitdiff {

// Python's \w for the byte at `at`; of what is not ASCII, Greek and CJK letters count.
bool is_python_word(std::string_view text, size_t at);

// Its units one after the other; one that would leave nothing stays.
void remove_harness_units(std::string& text);

}  // namespace circuitdiff
