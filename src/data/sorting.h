// Digits to sort: "Mia has cards 7 3 1 9. Sort them from low to high.", with the sorted digits as one number
// as the answer, and worked answers by insertion, "7. 37. 137. 1379. \boxed{1379}". No arithmetic in it: what
// is asked is order and copying.
//
//   level  digits
//   0      3..4
//   1      5..6
//   2      7..8
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"
#include "data/made_question.h"

namespace circuitdiff {

struct ToldSorting {
  std::string digits;  // in the order told
  bool falling = false;
};

// Draws a level (.3/.4/.3), digits 1..9 with repetitions, and a direction.
MadeQuestion draw_sorting_question(Philox& random);

// What a question asks, read from its sentences alone; nullopt where it is not of the generator's kind.
std::optional<ToldSorting> read_sorting_question(std::string_view text);
std::string sorted_digits(const ToldSorting& told);

// Every digit is put into its place among those before it, a state a digit. With probability
// style.merge two are put in at once, which is harder to get right; style.wrong: one digit goes
// to a wrong place and stays there.
std::string sorting_answer(const ToldSorting& told, const AnswerStyle& style, Philox& random);

}  // namespace circuitdiff
