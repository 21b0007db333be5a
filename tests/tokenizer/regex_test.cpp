#include "tokenizer/regex.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "small_tokenizers.h"
#include "tokenizer/oniguruma.h"

namespace circuitdiff {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> matches(std::string_view pattern, std::string_view text) {
  RegexScratch scratch;
  std::vector<std::string> out;
  Regex::from_oniguruma(pattern, "test").find_all(text, scratch, [&](size_t begin, size_t end) {
    out.emplace_back(text.substr(begin, end - begin));
  });
  return out;
}

TEST(Regex, FindsMatchesLeftToRight) { EXPECT_THAT(matches("[ab]+", "xabyba"), ElementsAre("ab", "ba")); }

TEST(Regex, EmptyMatchesNeverFollowAMatchDirectly) {
  EXPECT_THAT(matches("a*", "baac"), ElementsAre("", "aa", ""));
}

TEST(Regex, LookbehindSeesTheTextBeforeTheLastMatch) {
  EXPECT_THAT(matches("(?<=a)b|a", "ab"), ElementsAre("a", "b"));
}

TEST(Regex, LiteralTextIsNotAPattern) {
  RegexScratch scratch;
  std::vector<size_t> at;
  Regex::from_literal("a.").find_all("abxa.a.", scratch, [&](size_t begin, size_t) { at.push_back(begin); });
  EXPECT_THAT(at, ElementsAre(3, 5));
}

TEST(Oniguruma, WhiteSpaceIsUnicodesAndNotTheMongolianSeparator) {
  EXPECT_THAT(matches(R"(\s+)", "a\u00a0\u2003\x0b\u0085b\u180ec"), ElementsAre("\u00a0\u2003\x0b\u0085"));
  EXPECT_THAT(matches(R"([^\s]+)", "a \u180e"), ElementsAre("a", "\u180e"));
  EXPECT_THAT(matches(R"([\S]+)", "a b"), ElementsAre("a", "b"));
}

TEST(Oniguruma, DollarAndCaretStandAtLines) {
  EXPECT_THAT(matches("^a|b$", "a\na b\nb"), ElementsAre("a", "a", "b", "b"));
}

TEST(Oniguruma, OptionMMeansDotMatchesNewline) {
  EXPECT_THAT(matches("(?m:a.b)", "a\nb"), ElementsAre("a\nb"));
  EXPECT_THAT(matches("a.b", "a\nb"), IsEmpty());
}

TEST(Oniguruma, AnOptionInsideAGroupTakesInTheAlternativesAfterIt) {
  EXPECT_THAT(matches("a(?i)b|c", "aB ac c C"), ElementsAre("aB", "ac"));
}

TEST(Oniguruma, IgnoringCaseKnowsTheLongS) {
  EXPECT_THAT(matches("(?i:'s)", "'S 'ſ"), ElementsAre("'S", "'ſ"));
}

TEST(Oniguruma, IntervalsRepeatAndAreNeverPossessive) {
  EXPECT_THAT(matches("a{2}+", "aaaaa"), ElementsAre("aaaa"));
  EXPECT_THAT(matches("a{,2}b", "aaab"), ElementsAre("aab"));
  EXPECT_THAT(matches("xa{2}?", "xaa x"), ElementsAre("xaa", "x"));
  EXPECT_THAT(matches("(?:ab){1,2}+c", "ababababc"), ElementsAre("ababababc"));
  EXPECT_THAT(matches("a{x}", "a{x}"), ElementsAre("a{x}"));
}

TEST(Oniguruma, PlusAfterPlusIsPossessive) { EXPECT_THAT(matches("a++a|b", "aaab"), ElementsAre("b")); }

TEST(Oniguruma, HexDigitAndVerticalTab) {
  EXPECT_THAT(matches(R"(\h+)", "xBEEFy"), ElementsAre("BEEF"));
  EXPECT_THAT(matches(R"(\v)", "\n\x0b"), ElementsAre("\x0b"));
}

TEST(Oniguruma, ScriptsAreScriptsAndNotTheirExtensions) {
  // U+3001 is used with Han but belongs to no script.
  EXPECT_THAT(matches(R"(\p{Han}+)", "中、文"), ElementsAre("中", "文"));
}

TEST(Oniguruma, LongPropertyNamesAndNegation) {
  EXPECT_THAT(matches(R"(\p{Letter}+)", "ab1"), ElementsAre("ab"));
  EXPECT_THAT(matches(R"(\p{^L}+)", "ab1"), ElementsAre("1"));
  EXPECT_THAT(matches(R"(\P{Decimal_Number}+)", "ab1"), ElementsAre("ab"));
}

TEST(Oniguruma, LettersOfUnicode15And16AreLetters) {
  EXPECT_THAT(matches(R"(\p{L}+)", "a\U0002EBF0b"), ElementsAre("a\U0002EBF0b"));
  EXPECT_THAT(matches(R"([^\s\p{L}\p{N}]+)", "!\U0002EBF0!"), ElementsAre("!", "!"));
}

TEST(Oniguruma, SetsInSetsAreTakenIn) { EXPECT_THAT(matches("[a[bc]]+", "abcd"), ElementsAre("abc")); }

TEST(Oniguruma, AClosingBracketFirstAndADashAfterAClassAreLiteral) {
  EXPECT_THAT(matches("[]a]+", "]a["), ElementsAre("]a"));
  EXPECT_THAT(matches(R"([\d-z]+)", "1-z"), ElementsAre("1-z"));
}

TEST(Oniguruma, WhatCannotBeRewrittenIsAnError) {
  const auto error = [](std::string_view pattern) {
    return error_of([&] { Regex::from_oniguruma(pattern, "here"); });
  };
  EXPECT_EQ(error("[a&&b]"),
            "here: the regular expression \"[a&&b]\" is not supported: an intersection (&&) of sets");
  EXPECT_THAT(error("[a[^b]]"), HasSubstr("a negated set inside a set"));
  EXPECT_THAT(error("(a"), HasSubstr("a group is not closed"));
  EXPECT_THAT(error("a)"), HasSubstr("unmatched )"));
  EXPECT_THAT(error("[a"), HasSubstr("a set is not closed"));
  EXPECT_THAT(error("*a"), HasSubstr("nothing to repeat"));
  EXPECT_THAT(error("\\"), HasSubstr("ends in a backslash"));
  EXPECT_THAT(error("(?~a)"), HasSubstr("option or group (?~"));
  EXPECT_THAT(error(R"(\p{Nonsense})"), HasSubstr("unknown property"));
  EXPECT_THAT(error(R"(\x{110000})"), HasSubstr("no character"));
  EXPECT_THAT(error("a{3,2}"), HasSubstr("not supported"));
  EXPECT_THAT(error(std::string(5000, '(')), HasSubstr("nested too deeply"));
  EXPECT_THAT(error("\xff"), HasSubstr("not valid UTF-8"));
}

TEST(Regex, AMegabyteOfBlanksBeforeAWordIsQuick) {
  const std::string text = std::string(1 << 20, ' ') + "x";
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THAT(matches(R"(\s+$)", text), IsEmpty());
  EXPECT_THAT(matches(R"(\s*[\r\n]+|\s+(?!\S)|\s+)", text), testing::SizeIs(2));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
}

}  // namespace
}  // namespace circuitdiff
