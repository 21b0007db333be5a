// Answers that are no mathematics, compared by their words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "formula/rule.h"

namespace circuitdiff {

// Words in lower case, numbers, signs and brackets; LaTeX's dress, articles and punctuation are left out.
std::vector<std::string> words_of(std::string_view text);

RuleTable text_rules();
Judgement compare_texts(std::string_view prediction, std::string_view gold);

}  // namespace circuitdiff
