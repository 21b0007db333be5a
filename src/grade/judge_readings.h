// Two texts, both read as formulas where they can be, else compared by their words.
#pragma once

#include <string_view>
#include <vector>

#include "formula/rule.h"

namespace circuitdiff {

Judgement judge_readings(std::string_view prediction, std::string_view gold);

// Its tables of rules, and those that they hand on to.
std::vector<RuleTable> reading_rules();

}  // namespace circuitdiff
