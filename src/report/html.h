// Text into HTML. Everything that comes from a file goes through here: ids, names, answers and reasons may
// hold any character, or bytes that are no UTF-8 at all.
#pragma once

#include <string>
#include <string_view>

#include "io/json.h"

namespace circuitdiff {

// & < > " ' as entities; control characters and invalid UTF-8 as U+FFFD. Safe in text and in quoted
// attributes.
std::string escape_html(std::string_view text);
// JSON for the inside of <script type="application/json">: no "<", ">" or "&" stands in it, nor U+2028 and
// U+2029.
std::string json_for_script(const nlohmann::ordered_json& value);
// & % $ # _ { } ~ ^ \ for LaTeX text.
std::string escape_latex(std::string_view text);
// At most `bytes` bytes, cut between code points.
std::string_view utf8_prefix(std::string_view text, size_t bytes);

// A name or another text out of a file, in which digits are no figures: <span class="name">.
std::string named(std::string_view text);

// Escaped HTML whose "p < .001", "[50, 78]" and "23 %" each stay on one line.
std::string unbroken(std::string html);

}  // namespace circuitdiff
