// Strict JSON: what it refuses, with which words, and the typed fields of a row.
#include "io/json.h"

#include <gmock/gmock.h>

#include <chrono>
#include <limits>

#include "support/temp_folder.h"

namespace circuitdiff {
namespace {

using test::error_of;
using testing::HasSubstr;
using testing::StartsWith;

std::string parse_error(std::string_view text) {
  return error_of([&] { parse_json(text, "x.json"); });
}

TEST(ParseJson, ReadsAnyValue) {
  EXPECT_EQ(parse_json(R"({"a": [1, 2.5, "\u00e9", null, true]})", "x")["a"][2], "é");
  EXPECT_EQ(parse_json(" 7 ", "x"), 7);
  EXPECT_EQ(parse_json("\xef\xbb\xbf{}", "x"), json::object());  // a byte order mark is passed over
}

TEST(ParseJson, SameKeyInDifferentObjectsIsNoDuplicate) {
  EXPECT_EQ(parse_json(R"({"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]})", "x")["b"][1]["a"], 2);
}

struct BadJson {
  const char* name;
  std::string text;
  const char* expected;
};

class ParseJsonErrors : public testing::TestWithParam<BadJson> {};

TEST_P(ParseJsonErrors, NamesThePlaceOnOneLine) {
  const std::string message = parse_error(GetParam().text);
  EXPECT_THAT(message, StartsWith("x.json: "));
  EXPECT_THAT(message, HasSubstr(GetParam().expected));
  EXPECT_TRUE(test::is_one_line(message));
  EXPECT_LT(message.size(), 400u);
  for (const char c : message) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << message;
}

INSTANTIATE_TEST_SUITE_P(
    All, ParseJsonErrors,
    testing::Values(
        BadJson{"empty", "", "not valid JSON"}, BadJson{"blank", " \n ", "not valid JSON"},
        BadJson{"truncated", R"({"a": )", "not valid JSON"}, BadJson{"trailing", "{} x", "not valid JSON"},
        BadJson{"two", "{}{}", "not valid JSON"}, BadJson{"nan", R"({"a": NaN})", "not valid JSON"},
        BadJson{"infinity", R"({"a": Infinity})", "not valid JSON"},
        BadJson{"overflow", R"({"a": 1e999})", "number overflow"},
        BadJson{"comment", "{} // x", "not valid JSON"},
        BadJson{"single_quotes", "{'a': 1}", "not valid JSON"},
        BadJson{"trailing_comma", "[1,]", "not valid JSON"},
        BadJson{"leading_zero", "[01]", "not valid JSON"},
        BadJson{"utf8", "{\"a\": \"\xff\xfe\"}", "not valid JSON"},
        BadJson{"overlong", "[\"\xc0\x80\"]", "not valid JSON"},
        BadJson{"surrogate", R"(["\ud800"])", "not valid JSON"},
        BadJson{"raw_newline", "[\"a\nb\"]", "not valid JSON"},
        BadJson{"nul", std::string("{\"a\": 1}\0", 9), "not valid JSON"},
        BadJson{"duplicate", R"({"a": 1, "a": 1})", "key \"a\" stands twice in one object"},
        BadJson{"nested_duplicate", R"([{"b": {"a\n": 1, "a\n": 2}}])", "key \"a\\n\" stands twice"},
        BadJson{"long_duplicate",
                "{\"" + std::string(5000, 'k') + "\":1,\"" + std::string(5000, 'k') + "\":1}",
                "kkk...\" stands twice"},
        BadJson{"deep_arrays", std::string(300, '[') + std::string(300, ']'), "nested deeper than 256"},
        BadJson{"bomb", std::string(5'000'000, '['), "nested deeper than 256"},
        BadJson{"long_garbage", "[\"" + std::string(1'000'000, 'x'), "..."}),
    test::kByName);

TEST(ParseJson, DepthOf256IsStillRead) {
  const std::string text = std::string(256, '[') + std::string(256, ']');
  EXPECT_TRUE(parse_json(text, "x").is_array());
}

TEST(ParseJson, ABombOfObjectsIsRefusedAtOnce) {
  std::string text;
  for (int i = 0; i < 300'000; ++i) text += "{\"a\":";
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THAT(parse_error(text), HasSubstr("nested deeper than 256"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

TEST(ParseJson, TimeGrowsWithTheTextAlone) {
  std::string text = "{";
  for (int i = 0; i < 100'000; ++i) text += fmt::format("{}\"k{}\":{{\"a\":[{}]}}", i ? "," : "", i, i);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(parse_json(text + "}", "x")["k99999"]["a"][0], 99999);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
}

TEST(ReadJsonFile, NamesTheFile) {
  const test::TempFolder folder;
  EXPECT_EQ(error_of([&] { read_json_file(folder / "no.json"); }),
            (folder / "no.json").string() + ": cannot open: No such file or directory");
  folder.write("bad.json", "{");
  EXPECT_THAT(error_of([&] { read_json_file(folder / "bad.json"); }), HasSubstr("bad.json: not valid JSON"));
}

TEST(InQuotes, IsOneShortLineOfValidText) {
  EXPECT_EQ(in_quotes("a\"b\n"), R"("a\"b\n")");
  EXPECT_EQ(in_quotes(std::string(101, 'a')), "\"" + std::string(100, 'a') + "...\"");
  EXPECT_EQ(in_quotes("\xff"), "\"\xef\xbf\xbd\"");
  EXPECT_NO_THROW(json(in_quotes(std::string(99, 'a') + "é")).dump());  // cut inside the last character
}

TEST(ValidUtf8, ReplacesOnlyWhatIsInvalid) {
  EXPECT_EQ(valid_utf8("a\n\"\xe2\x88\x9a"), "a\n\"\xe2\x88\x9a");
  EXPECT_EQ(valid_utf8("caf\xe9!"), "caf\xef\xbf\xbd!");
  EXPECT_EQ(valid_utf8(""), "");
}

Row row(const char* text) { return Row(parse_json(text, "f.jsonl:3"), "f.jsonl:3"); }

TEST(Row, ReadsPlainAndDottedFields) {
  const Row r = row(R"({"id": 17, "after": {"tokens": [0, 5], "n": null}, "s": "x", "b": false})");
  EXPECT_EQ(r.id(), "17");
  EXPECT_EQ(r.tokens("after.tokens"), (std::vector<int64_t>{0, 5}));
  EXPECT_FALSE(r.has("after.n"));
  EXPECT_FALSE(r.has("after.tokens.deeper"));
  EXPECT_FALSE(r.has("s.t"));
  EXPECT_EQ(r.string_or("none", "y"), "y");
  EXPECT_EQ(r.integer_or("after.n", 4), 4);
  EXPECT_EQ(r.boolean("b"), std::optional(false));
  EXPECT_EQ(r.boolean("after.n"), std::nullopt);
}

TEST(Row, IntegersKeepAll64Bits) {
  EXPECT_EQ(row(R"({"i": 9223372036854775807})").integer("i"), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(row(R"({"i": -9223372036854775808})").integer("i"), std::numeric_limits<int64_t>::min());
}

TEST(Row, ErrorsNamePlaceFieldExpectedAndFound) {
  const Row r =
      row(R"({"s": 1, "i": "1", "f": 1.5, "big": 18446744073709551615, "t": {"a": 1}, "neg": [1, -2],
                        "mixed": [1, "a"], "frac": [0.5], "b": "yes", "id": "", "n": null, "o": {}})");
  EXPECT_EQ(error_of([&] { r.string("s"); }),
            "f.jsonl:3: field \"s\": a string expected, the number 1 found");
  EXPECT_EQ(error_of([&] { r.string("no"); }), "f.jsonl:3: field \"no\" is missing (a string expected)");
  EXPECT_EQ(error_of([&] { r.at("o.no"); }), "f.jsonl:3: field \"o.no\" is missing");
  EXPECT_EQ(error_of([&] { r.string("n"); }), "f.jsonl:3: field \"n\": a string expected, null found");
  EXPECT_EQ(error_of([&] { r.integer("i"); }),
            "f.jsonl:3: field \"i\": a whole number expected, a string found");
  EXPECT_EQ(error_of([&] { r.integer("f"); }),
            "f.jsonl:3: field \"f\": a whole number expected, the number 1.5 found");
  EXPECT_EQ(error_of([&] { r.integer_or("big", 0); }),
            "f.jsonl:3: field \"big\": a whole number expected, the number 18446744073709551615 found");
  EXPECT_EQ(error_of([&] { r.tokens("t"); }),
            "f.jsonl:3: field \"t\": an array of token ids expected, an object found");
  EXPECT_EQ(error_of([&] { r.tokens("neg"); }),
            "f.jsonl:3: field \"neg\": entry 1: a token id expected, the number -2 found");
  EXPECT_EQ(error_of([&] { r.tokens("mixed"); }),
            "f.jsonl:3: field \"mixed\": entry 1: a token id expected, a string found");
  EXPECT_EQ(error_of([&] { r.tokens("frac"); }),
            "f.jsonl:3: field \"frac\": entry 0: a token id expected, the number 0.5 found");
  EXPECT_EQ(error_of([&] { r.boolean("b"); }),
            "f.jsonl:3: field \"b\": true, false or null expected, a string found");
  EXPECT_EQ(error_of([&] { r.id(); }),
            "f.jsonl:3: field \"id\": a non-empty string or a whole number expected, a string found");
}

TEST(ReadJsonl, BlankLinesMayEndAFile) {
  const test::TempFolder folder;
  const auto file = folder.write("a.jsonl", "{\"id\": 1}\r\n{\"id\": 2}\n\n  \n");
  std::vector<std::string> places;
  read_jsonl(file, [&](Row&& r) { places.push_back(r.where()); });
  EXPECT_EQ(places, (std::vector<std::string>{file.string() + ":1", file.string() + ":2"}));
}

TEST(ReadJsonl, ErrorsNameTheLine) {
  const test::TempFolder folder;
  const auto read = [](const std::filesystem::path& file) {
    return error_of([&] { read_jsonl(file, [](Row&&) {}); });
  };
  EXPECT_THAT(read(folder.write("a.jsonl", "{}\n{\"a\": }\n")), HasSubstr("a.jsonl:2: not valid JSON"));
  EXPECT_THAT(read(folder.write("b.jsonl", "{}\n[1]\n")),
              HasSubstr("b.jsonl:2: an object expected, an array found"));
  EXPECT_THAT(read(folder.write("c.jsonl", "{}\n{\"a\": 1")), HasSubstr("c.jsonl:2: not valid JSON"));
  EXPECT_THAT(read(folder.write("d.jsonl", "{}\n\n \n{}\n")),
              HasSubstr("d.jsonl:2: an object expected, a blank line found"));
  EXPECT_THAT(read(folder.write("e.jsonl", "\n{}\n")),
              HasSubstr("e.jsonl:1: an object expected, a blank line found"));
  EXPECT_THAT(read(folder / "none.jsonl"), HasSubstr("none.jsonl: cannot open"));
}

TEST(ReadJsonl, ATornTailIsPassedOverOnlyWhereAsked) {
  const test::TempFolder folder;
  const auto file = folder.write("a.jsonl", "{\"id\": 1}\n{\"id\": 2}");
  int rows = 0;
  read_jsonl(
      file, [&](Row&&) { ++rows; }, /*torn_tail_ok=*/true);
  EXPECT_EQ(rows, 1);
}

}  // namespace
}  // namespace circuitdiff
