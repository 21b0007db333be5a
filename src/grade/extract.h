// Where an answer's text says what its final answer is. Rules, the first that applies:
//
//   boxed        the last complete \boxed{...} or \fbox{...}; where none is complete, the last one as far as
//                it goes
//   answer_tag   <answer>...</answer>
//   hashes       what follows the last ####
//   answer_is    what follows the last "answer is", "Answer:", "answer = ", to the end of the sentence or
//                formula
//   choice       the last capital letter A to E that stands alone (multiple-choice data sets)
//   last_number  the last number, with its sign, its decimals and a slash fraction
//
// Where the text has thoughts (<think>, </think>), what is said outside of them is the answer wherever it
// yields anything: a mark (boxed to answer_is) behind the last thought, then a mark anywhere outside of them,
// then a letter or number. Only then the thoughts count, without boxes that hold nothing or words in their
// place ("\boxed{your answer}"). The tags are no part of an answer. The text comes as it stands; reading it
// as mathematics is the judge's business.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace circuitdiff {

enum class ExtractionRule { none, boxed, answer_tag, hashes, answer_is, choice, last_number };
const char* extraction_rule_name(ExtractionRule rule);

struct Extraction {
  std::optional<std::string> text;
  ExtractionRule rule = ExtractionRule::none;
};

// Data sets whose answers are letters.
bool is_multiple_choice(std::string_view dataset);

Extraction extract_answer(std::string_view answer, std::string_view dataset);

}  // namespace circuitdiff
