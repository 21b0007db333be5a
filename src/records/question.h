// Questions with their reference answers (docs/generation.md#questions): {id, question, answer},
// or a benchmark's own fields, mapped by the data set's name. The question is what a model is
// asked, options of a multiple choice included; the gold is what the data set's rule takes out of
// its row, before any normalisation.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"

namespace circuitdiff {

struct Question {
  std::string id;        // the row's own, else its index from 0
  std::string question;  // text for the prompt
  std::string gold;      // reference answer
  std::string dataset;
  json source;  // the row as it came
};

// Fields to read instead of the data set's own; empty: the data set's own.
struct QuestionFields {
  std::string id, question, answer;
};

const std::vector<std::string>& dataset_names();
bool is_dataset(std::string_view name);

// The `limit` first rows (0: all). Errors: UsageError on an unknown data set, naming the nearest; Error
// naming file, line and field on a bad row, a duplicate id, no rows.
std::vector<Question> read_questions(const std::filesystem::path& path, const std::string& dataset,
                                     const QuestionFields& fields = {}, int64_t limit = 0);

// What the data set's rule takes out of a text that holds the answer of a row; the text itself where the rule
// finds nothing in it, or where the data set is not known.
std::string gold_in_text(const std::string& text, std::string_view dataset);

// What stands in the last \boxed{...} or \fbox{...} of a text, braces matched; "\boxed 5" gives the text up
// to the next $. False if there is none, or if its braces never close.
bool last_boxed(std::string_view text, std::string& content);

}  // namespace circuitdiff
