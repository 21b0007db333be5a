// The words and commands that the cutter of tokens (tokens.cpp) tells apart.
#pragma once

#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace circuitdiff {

using WordSet = std::unordered_set<std::string_view>;

const WordSet& function_words();  // names that plain text writes without a backslash
const WordSet& short_words();     // words that are no products of letters
const WordSet& greek_commands();  // commands that are one symbol
const WordSet&
shaping_commands();              // commands that shape the page; with a braced argument, the argument stays
const WordSet& text_commands();  // their argument is text
const WordSet& decorating_commands();  // their argument is one symbol with a dress

// Commands that are a mark: "leq" is "<=".
const std::unordered_map<std::string_view, const char*>& mark_commands();

}  // namespace circuitdiff
