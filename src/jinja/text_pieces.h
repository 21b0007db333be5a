// Text cut at separators or at white space, as str.split and str.rsplit do, and put together again around
// another word (str.replace).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace circuitdiff::jinja {

// All pieces between occurrences of `separator`, at most `most` cuts (negative: all), from the left or the
// right. The pieces point into `text`.
std::vector<std::string_view> cut_at(std::string_view text, std::string_view separator, int64_t most,
                                     bool from_right);
// The same between runs of white space, without empty pieces.
std::vector<std::string_view> cut_at_space(std::string_view text, int64_t most, bool from_right);

}  // namespace circuitdiff::jinja
