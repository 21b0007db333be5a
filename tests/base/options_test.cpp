// Options said once: listing, setting from text, and what an unusable text is told.
#include "base/options.h"

#include <gmock/gmock.h>

#include <limits>

#include "support/temp_folder.h"

namespace circuitdiff {

enum class Colour { blue, dark_red };
template <>
struct EnumWords<Colour> {
  static constexpr std::array words{std::pair{Colour::blue, "blue"}, std::pair{Colour::dark_red, "dark-red"}};
};

namespace {

using test::error_of;
using testing::ElementsAre;
using testing::IsEmpty;

struct PaintOptions {
  int64_t n_coats = 2;
  int small = 1;
  uint64_t seed = 42;
  double thickness = 0.1;
  bool dry = false;
  Colour colour = Colour::blue;
  std::string name = "wall";
  std::filesystem::path out;
  std::vector<double> alpha{0.03, 0.1};
  std::vector<std::string> tags;
  std::vector<Colour> palette{Colour::dark_red};
  std::optional<int64_t> limit;
  std::optional<bool> chat;
};
template <class V>
void visit(V& v, PaintOptions& o) {
  v(o.n_coats, "n_coats", "how many coats");
  v(o.small, "small", "a 32-bit number");
  v(o.seed, "seed", "seed");
  v(o.thickness, "thickness", "millimetres");
  v(o.dry, "dry", "wait until dry");
  v(o.colour, "colour", "blue or dark-red");
  v(o.name, "name", "what is painted");
  v(o.out, "out", "file");
  v(o.alpha, "alpha", "shares");
  v(o.tags, "tags", "words");
  v(o.palette, "palette", "colours");
  v(o.limit, "limit", "at most");
  v(o.chat, "chat", "use the template");
}

std::string set_error(const OptionValues& values) {
  return error_of([&] {
    PaintOptions options;
    set_options(options, values, "paint.toml: [paint]");
  });
}

TEST(Options, NamesOfFlagAndEnvironment) {
  EXPECT_EQ(flag_name("ig_steps"), "--ig-steps");
  EXPECT_EQ(environment_name("ig_steps"), "CIRCUITDIFF_IG_STEPS");
}

TEST(Options, TheListHoldsDefaultsAndKinds) {
  const auto list = list_options(PaintOptions{});
  ASSERT_EQ(list.size(), 13u);
  const auto find = [&](const std::string& name) -> const OptionInfo& {
    for (const auto& info : list)
      if (info.name == name) return info;
    throw std::runtime_error(name);
  };
  EXPECT_THAT(find("n_coats").values, ElementsAre("2"));
  EXPECT_EQ(find("n_coats").help, "how many coats");
  EXPECT_FALSE(find("n_coats").is_text);
  EXPECT_THAT(find("thickness").values, ElementsAre("0.1"));
  EXPECT_TRUE(find("dry").is_flag);
  EXPECT_THAT(find("colour").values, ElementsAre("blue"));
  EXPECT_TRUE(find("colour").is_text);
  EXPECT_TRUE(find("out").is_text);
  EXPECT_THAT(find("out").values, ElementsAre(""));
  EXPECT_TRUE(find("alpha").is_list);
  EXPECT_THAT(find("alpha").values, ElementsAre("0.03", "0.1"));
  EXPECT_TRUE(find("palette").is_text);
  EXPECT_THAT(find("limit").values, IsEmpty());
  EXPECT_TRUE(find("chat").is_flag);
}

TEST(Options, TextsSetFields) {
  PaintOptions o;
  set_options(o,
              {{"n_coats", {"-3"}},
               {"seed", {"9223372036854775807"}},
               {"thickness", {"1e-3"}},
               {"dry", {"yes"}},
               {"colour", {"dark-red"}},
               {"out", {"a b/c"}},
               {"alpha", {"0.5,1", "2"}},
               {"tags", {"x", "y,z"}},
               {"palette", {"blue,blue"}},
               {"limit", {"7"}},
               {"chat", {"false"}}},
              "here");
  EXPECT_EQ(o.n_coats, -3);
  EXPECT_EQ(o.small, 1);
  EXPECT_EQ(o.seed, 9223372036854775807u);
  EXPECT_EQ(o.thickness, 1e-3);
  EXPECT_TRUE(o.dry);
  EXPECT_EQ(o.colour, Colour::dark_red);
  EXPECT_EQ(o.out, "a b/c");
  EXPECT_THAT(o.alpha, ElementsAre(0.5, 1, 2));
  EXPECT_THAT(o.tags, ElementsAre("x", "y", "z"));
  EXPECT_THAT(o.palette, ElementsAre(Colour::blue, Colour::blue));
  EXPECT_EQ(o.limit, 7);
  EXPECT_EQ(o.chat, false);
}

TEST(Options, EveryListedValueReadsBack) {
  PaintOptions o;
  o.thickness = 0.1 + 0.2;
  o.alpha = {1.0 / 3, 1e300, 5e-324};
  o.limit = std::numeric_limits<int64_t>::min();
  OptionValues values;
  for (const auto& info : list_options(o))
    if (!info.values.empty()) values[info.name] = info.values;
  PaintOptions back;
  set_options(back, values, "here");
  EXPECT_EQ(back.thickness, o.thickness);
  EXPECT_EQ(back.alpha, o.alpha);
  EXPECT_EQ(back.limit, o.limit);
  EXPECT_EQ(back.chat, std::nullopt);
}

struct BadValue {
  const char* option;
  const char* text;
  const char* expected;
};
class OptionErrors : public testing::TestWithParam<BadValue> {};

TEST_P(OptionErrors, NameTheFlagAndTheText) {
  EXPECT_EQ(set_error({{GetParam().option, {GetParam().text}}}), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    All, OptionErrors,
    testing::Values(
        BadValue{"n_coats", "two", "paint.toml: [paint]: --n-coats: a whole number expected, \"two\" found"},
        BadValue{"n_coats", "2.0", "paint.toml: [paint]: --n-coats: a whole number expected, \"2.0\" found"},
        BadValue{"n_coats", "", "paint.toml: [paint]: --n-coats: a whole number expected, \"\" found"},
        BadValue{"n_coats", " 2", "paint.toml: [paint]: --n-coats: a whole number expected, \" 2\" found"},
        BadValue{"n_coats", "9223372036854775808",
                 "paint.toml: [paint]: --n-coats: a whole number expected, \"9223372036854775808\" found"},
        BadValue{"small", "2147483648", "paint.toml: [paint]: --small: 2147483648 is out of range"},
        BadValue{"seed", "-1", "paint.toml: [paint]: --seed: -1 is out of range"},
        BadValue{"thickness", "nan", "paint.toml: [paint]: --thickness: a number expected, \"nan\" found"},
        BadValue{"thickness", "inf", "paint.toml: [paint]: --thickness: a number expected, \"inf\" found"},
        BadValue{"thickness", "1e999",
                 "paint.toml: [paint]: --thickness: a number expected, \"1e999\" found"},
        BadValue{"thickness", "1x", "paint.toml: [paint]: --thickness: a number expected, \"1x\" found"},
        BadValue{"dry", "maybe", "paint.toml: [paint]: --dry: true or false expected, \"maybe\" found"},
        BadValue{"colour", "green",
                 "paint.toml: [paint]: --colour: \"green\" is not one of blue or dark-red"},
        BadValue{"alpha", "0.1,x", "paint.toml: [paint]: --alpha: a number expected, \"x\" found"},
        BadValue{"palette", "blue,Blue",
                 "paint.toml: [paint]: --palette: \"Blue\" is not one of blue or dark-red"},
        BadValue{"limit", "none", "paint.toml: [paint]: --limit: a whole number expected, \"none\" found"},
        BadValue{"n_coat", "1", "paint.toml: [paint]: unknown key \"n_coat\"; did you mean \"n_coats\"?"},
        BadValue{"color", "blue", "paint.toml: [paint]: unknown key \"color\"; did you mean \"colour\"?"},
        BadValue{"something_else", "1", "paint.toml: [paint]: unknown key \"something_else\""}));

TEST(Options, ErrorsAreUsageErrorsWithExitCode2) {
  PaintOptions o;
  try {
    set_options(o, {{"n_coats", {"x"}}}, "here");
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_EQ(error.exit_code(), 2);
  }
}

TEST(Options, OneValueIsExpectedWhereThereIsNoList) {
  EXPECT_EQ(set_error({{"n_coats", {"1", "2"}}}),
            "paint.toml: [paint]: --n-coats: one value expected, 2 found");
  EXPECT_EQ(set_error({{"limit", {}}}), "paint.toml: [paint]: --limit: one value expected, 0 found");
}

TEST(Options, AnEmptyListCanBeSet) {
  PaintOptions o;
  set_options(o, {{"alpha", {}}}, "here");
  EXPECT_THAT(o.alpha, IsEmpty());
}

TEST(Options, WordsAreListedAsASentence) { EXPECT_EQ(list_words<Colour>(), "blue or dark-red"); }

TEST(Nearest, IsEmptyWhereNothingIsNear) {
  EXPECT_EQ(nearest("alpah", {"alpha", "beta"}), "alpha");
  EXPECT_EQ(nearest("zzzz", {"alpha", "beta"}), "");
  EXPECT_EQ(nearest("x", {}), "");
}

TEST(PrintDouble, IsTheShortestThatReadsBack) {
  EXPECT_EQ(print_value(0.1), "0.1");
  EXPECT_EQ(print_value(5e-6), "5e-06");
  EXPECT_EQ(print_value(1.0 / 3), "0.3333333333333333");
}

}  // namespace
}  // namespace circuitdiff
