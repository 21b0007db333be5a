// pairs.jsonl and sequences.jsonl.
#include "records/pair.h"

#include <gmock/gmock.h>

#include "support/temp_folder.h"

namespace circuitdiff {
namespace {

using test::error_of;
using testing::HasSubstr;

const std::string kHeader = R"({"header": {"t_mean": 2.5, "filter": "both"}})";
const std::string kPair =
    R"({"id": "a", "before": {"tokens": [1, 2, 3], "prompt_len": 1}, "after": {"tokens": [1, 2], "prompt_len": 1}, "t_before": 2, "t_after": 1})";

std::string pairs_error(const std::string& content) {
  const test::TempFolder folder;
  const auto path = folder.write("p.jsonl", content);
  return error_of([&] { read_pairs(path); });
}
std::string changed(const std::string& from, const std::string& to) {
  std::string line = kPair;
  const size_t at = line.find(from);
  if (at == std::string::npos) throw std::runtime_error(from);
  return kHeader + "\n" + line.replace(at, from.size(), to) + "\n";
}

TEST(Pairs, WhatIsWrittenIsReadBack) {
  const test::TempFolder folder;
  Pairs pairs;
  pairs.header = {{"t_mean", 1.0 / 3}, {"filter", "both"}, {"counts", {{"kept", 1}}}};
  pairs.pairs.push_back({"q,1", {"q,1", {5, 6, 7}, 2}, {"q,1", {5, 6, 8, 9}, 2}, 1, 2});
  write_pairs(folder / "p.jsonl", pairs);
  const Pairs back = read_pairs(folder / "p.jsonl");
  EXPECT_EQ(back.header, pairs.header);
  EXPECT_EQ(back.t_mean(), 1.0 / 3);
  ASSERT_EQ(back.pairs.size(), 1u);
  EXPECT_EQ(back.pairs[0].id, "q,1");
  EXPECT_EQ(back.pairs[0].after.id, "q,1");
  EXPECT_EQ(back.pairs[0].after.tokens, (std::vector<int64_t>{5, 6, 8, 9}));
  EXPECT_EQ(back.pairs[0].after.prompt_len, 2);
  EXPECT_EQ(back.pairs[0].t_after, 2);
}

TEST(Pairs, ErrorsNameLineAndField) {
  EXPECT_THAT(pairs_error(""), HasSubstr("p.jsonl: empty file; a pairs file begins with a header line"));
  EXPECT_THAT(pairs_error(kHeader), HasSubstr("p.jsonl: no pairs after the header; at least one expected"));
  EXPECT_THAT(pairs_error(kPair),
              HasSubstr("p.jsonl:1: the first line of a pairs file must be {\"header\": {...}}"));
  EXPECT_THAT(pairs_error(R"({"header": 3})"), HasSubstr("the first line of a pairs file must be"));
  EXPECT_THAT(pairs_error(kHeader + "\n" + kPair + "\n" + kPair),
              HasSubstr("p.jsonl:3: id \"a\" stands already at "));
  EXPECT_THAT(pairs_error(changed("\"id\": \"a\", ", "")), HasSubstr("p.jsonl:2: field \"id\" is missing"));
  EXPECT_THAT(pairs_error(changed("\"before\"", "\"befor\"")),
              HasSubstr("field \"before.tokens\" is missing"));
  EXPECT_THAT(pairs_error(changed("[1, 2, 3]", "[1, 2, 3.5]")),
              HasSubstr("field \"before.tokens\": entry 2: a token id expected, the number 3.5 found"));
  EXPECT_THAT(
      pairs_error(changed("[1, 2, 3], \"prompt_len\": 1", "[1, 2, 3], \"prompt_len\": 0")),
      HasSubstr("field \"before.prompt_len\": 1 <= prompt_len < 3 (the number of tokens) expected, 0 found"));
  EXPECT_THAT(
      pairs_error(changed("[1, 2], \"prompt_len\": 1", "[1, 2], \"prompt_len\": 2")),
      HasSubstr("field \"after.prompt_len\": 1 <= prompt_len < 2 (the number of tokens) expected, 2 found"));
  EXPECT_THAT(pairs_error(changed("[1, 2], \"prompt_len\": 1", "[], \"prompt_len\": 1")),
              HasSubstr("field \"after.prompt_len\": 1 <= prompt_len < 0"));
  EXPECT_THAT(pairs_error(changed("\"t_before\": 2", "\"t_before\": 3")),
              HasSubstr("field \"t_before\": 2 expected (tokens after the prompt), 3 found"));
  EXPECT_THAT(pairs_error(changed("\"t_after\": 1", "\"t_after\": -1")),
              HasSubstr("field \"t_after\": 1 expected"));
  EXPECT_THAT(pairs_error(changed("\"t_after\": 1", "\"t_after\": \"1\"")),
              HasSubstr("field \"t_after\": a whole number expected, a string found"));
}

TEST(Pairs, ANumberOfTheHeaderThatIsMissingIsNamed) {
  Pairs pairs;
  pairs.file = "p.jsonl";
  EXPECT_EQ(error_of([&] { pairs.t_mean(); }), "p.jsonl: header: field \"t_mean\": a number expected");
  pairs.header = {{"t_mean", "3"}};
  EXPECT_EQ(error_of([&] { pairs.t_mean(); }), "p.jsonl: header: field \"t_mean\": a number expected");
}

TEST(Sequences, AreReadInOrder) {
  const test::TempFolder folder;
  const auto s = read_sequences(folder.write("s.jsonl",
                                             "{\"id\": 2, \"tokens\": [3, 4], \"prompt_len\": 1}\n"
                                             "{\"id\": \"1\", \"tokens\": [3, 4, 5], \"prompt_len\": 2}\n"));
  ASSERT_EQ(s.size(), 2u);
  EXPECT_EQ(s[0].id, "2");
  EXPECT_EQ(s[1].prompt_len, 2);
}

TEST(Sequences, ErrorsNameLineAndField) {
  const test::TempFolder folder;
  const auto read = [&](const std::string& content) {
    const auto path = folder.write("s.jsonl", content);
    return error_of([&] { read_sequences(path); });
  };
  EXPECT_THAT(read(""), HasSubstr("s.jsonl: no sequences; at least one expected"));
  EXPECT_THAT(read(R"({"id": "1", "prompt_len": 1})"), HasSubstr("s.jsonl:1: field \"tokens\" is missing"));
  EXPECT_THAT(read(R"({"id": "1", "tokens": [1, 2]})"),
              HasSubstr("field \"prompt_len\" is missing (a whole number expected)"));
  EXPECT_THAT(read(R"({"id": "1", "tokens": [1, 2], "prompt_len": 2})"), HasSubstr("1 <= prompt_len < 2"));
  EXPECT_THAT(read("{\"id\": \"1\", \"tokens\": [1, 2], \"prompt_len\": 1}\n{\"id\": 1, \"tokens\": [1, 2], "
                   "\"prompt_len\": 1}"),
              HasSubstr("s.jsonl:2: id \"1\" stands already at "));
}

TEST(CheckVocabulary, NamesTokenAndPosition) {
  const std::vector<Sequence> sequences{{"a", {0, 9}, 1}, {"b", {3, 10, 4}, 1}};
  EXPECT_NO_THROW(check_vocabulary(sequences, 11, "s.jsonl"));
  EXPECT_EQ(error_of([&] { check_vocabulary(sequences, 10, "s.jsonl"); }),
            "s.jsonl: \"b\": token 10 at position 1 is outside the vocabulary (10 entries); was it made with "
            "another "
            "tokenizer?");
}

}  // namespace
}  // namespace circuitdiff
