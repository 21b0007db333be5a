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
// text is of another form: "(1)(2)" and "(a) + (b)" are formulas, "(1) and (2) only" choices. A label right
// behind a letter, digit or bracket ("C(2)", "3(b)") counts only where `glued` says so.
std::vector<LabelledPart> labelled_parts(std::string_view written, bool glued);

}  // namespace circuitdiff
