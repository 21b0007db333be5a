// Answers to several parts of one question in one text: "(a) 1 (b) 2", "(1) 5; (2) 7".
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace circuitdiff {

struct LabelledPart {
  std::string label;  // "a", "1", "i"
  std::string text;
};

// At least two parts, each behind the label in round brackets that follows the one before. Nothing where the
// text is of another form: "(1)(2)" and "(a) + (b)" are formulas.
std::vector<LabelledPart> labelled_parts(std::string_view written);

}  // namespace circuitdiff
