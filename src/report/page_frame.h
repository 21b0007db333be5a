// What every page is set in: head, style, list of contents, sections, and the script with its charting
// library and data, in one file that loads nothing.
#pragma once

#include <string>
#include <vector>

#include "io/json.h"

namespace circuitdiff::page {

struct Section {
  const char *id, *title;
  std::string body;  // HTML; empty: the section is left out
};

// `title` and `lead` are plain text, `switches` HTML. data: {"name", "pairs", "data", "cuts", "graphs",
// "maps", "charts": {id: Vega-Lite specification}} as page.js reads it.
std::string frame(const std::string& title, const std::string& lead, const std::string& switches,
                  const std::vector<Section>& sections, const nlohmann::ordered_json& data);

// The place where the script draws the chart `id`, with its caption (HTML), buttons and table of numbers. All
// it shows stands at `from` (docs/spec.md#figures-of-the-page).
std::string figure(const char* id, const std::string& from, const std::string& caption,
                   const std::string& extra = "");

}  // namespace circuitdiff::page
