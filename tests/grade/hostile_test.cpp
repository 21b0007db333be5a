// Answers that would hang, overflow or crash a careless judge: each is judged in
// bounded time and gives valid text.
#include <gtest/gtest.h>

#include <ctime>

#include "base/random.h"
#include "grade/extract.h"
#include "grade/grade_stage.h"
#include "grade/harness/harness.h"
#include "grade/judge.h"
#include "grade/time_limit.h"

namespace circuitdiff {
namespace {

std::string repeat(const std::string& text, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += text;
  return out;
}

// CPU seconds of the quickest of three tries; judged by both judges.
double seconds_for(const std::string& prediction, const std::string& gold) {
  double least = 1e9;
  for (int k = 0; k < 3 && least > test::kAnswerSeconds; ++k) {
    const std::clock_t begin = std::clock();
    judge(prediction, gold, "math");
    harness_judge("\\boxed{" + prediction + "}", gold, "math");
    least = std::min(least, static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC);
  }
  return least;
}

TEST(Hostile, TowersAndFactorialsDoNotHang) {
  for (const char* text : {"2003^{2002^{2001}}",
                           "9^{9^{9^{9}}}",
                           "2^{2^{2^{2^{2^{2}}}}}",
                           "(x+1)^{1000000}",
                           "1000000!",
                           "10^{10^{10}}!",
                           "((10!)!)!",
                           "\\prod_{k=1}^{100000} k",
                           "\\sum_{k=1}^{1000000000} k^k",
                           "\\sum_{a=1}^{900}\\sum_{b=1}^{900}\\sum_{c=1}^{900} abc",
                           "\\binom{10^9}{5\\cdot 10^8}",
                           "1e999999999",
                           "1e400",
                           "e^{e^{e^{e^{100}}}}",
                           "\\sin(10^{10^{5}})",
                           "0.\\overline{1}^{99999}",
                           "\\lfloor 10^{3000}\\pi \\rfloor",
                           "2^{100000}",
                           "3^{2^{60}}",
                           "x^{x^{x^{x^{x^{x}}}}}",
                           "\\gcd(10^{4000}, 3^{8000})",
                           "\\sqrt[10^{50}]{2}",
                           "\\log_{1.0000000001} 10^{1000}",
                           "(1/3)^{99999}",
                           "1/10^{4999}",
                           "\\frac{0}{0}",
                           "0^0",
                           "0^{-1}"})
    for (const char* gold : {"5", "9^{9^{9^{9}}}", "x"})
      EXPECT_LT(seconds_for(text, gold), test::kAnswerSeconds) << text << " against " << gold;
}

TEST(Hostile, LongAndDeepTextsDoNotHang) {
  const auto fill = [](const std::string& piece, const std::string& end = "") {
    return repeat(piece, static_cast<int>(9900 / piece.size())) + end;
  };
  const std::vector<std::string> texts = {repeat("(", 4900) + "1" + repeat(")", 4900),
                                          fill("("),
                                          fill("{"),
                                          fill("["),
                                          fill("\\{"),
                                          fill("\\frac{", "1"),
                                          fill("\\frac"),
                                          fill("1+", "1"),
                                          fill("x"),
                                          fill("1"),
                                          fill("1,", "1"),
                                          fill("\\sqrt", "2"),
                                          fill("-", "5"),
                                          fill("^"),
                                          fill("2^", "2"),
                                          fill("2^{", "2"),
                                          fill("x_{a"),
                                          fill("\\text{a "),
                                          fill("|"),
                                          fill("|x"),
                                          fill("\\begin{pmatrix}"),
                                          fill("\\pm", "1"),
                                          fill("1\\pm", "1"),
                                          fill("$"),
                                          fill("a and "),
                                          fill("\\sin", "x"),
                                          fill("x^{2}+", "1"),
                                          fill("(1,2),"),
                                          fill("\\boxed{"),
                                          fill("answer is "),
                                          fill("=1"),
                                          fill(":1"),
                                          fill("<1"),
                                          fill("(1,2)\\cup", "(1,2)"),
                                          fill("!"),
                                          fill("x!"),
                                          fill("x'"),
                                          fill("x%"),
                                          fill("x^\\circ "),
                                          fill("x+y+z+", "1"),
                                          fill("{1,"),
                                          fill("\\{x|"),
                                          fill("\\sin x+", "1"),
                                          fill("\\binom{x}{2}", "1"),
                                          fill("\\begin{pmatrix}1\\end{pmatrix}"),
                                          fill("\\sum_{k=1}^{9}", "k"),
                                          fill("ab "),
                                          fill("1 cm, "),
                                          fill("twenty "),
                                          fill("\\lfloor", "1"),
                                          fill("\\log_"),
                                          fill("-1 1/2, "),
                                          fill("a=1,"),
                                          fill("3000!!,", "1"),
                                          fill("1/3^{20000}+", "1"),
                                          fill("1/3^{40000}+", "1"),
                                          fill("\\prod_{k=1}^{1000}\\sin k,", "1"),
                                          fill("\\binom{1/2}{3}+", "1"),
                                          fill("\\det A+", "1"),
                                          fill("\\vec a\\times ", "\\vec b"),
                                          fill("(\\vec a\\times "),
                                          fill("\\angle ABC+", "1"),
                                          fill("HTH,"),
                                          fill("cat,"),
                                          fill("f'(x)=1,"),
                                          fill("x=1,y=2;"),
                                          fill("x<1 and "),
                                          fill("A(1,2),"),
                                          fill("P(X=1)+", "1"),
                                          fill("red and blue,"),
                                          fill("(a) 1 (b) 2 "),
                                          fill("\\text{(a)}"),
                                          repeat("\xff", 1000000),
                                          std::string(300000, '7'),
                                          repeat("\\boxed{", 40000),
                                          repeat("answer is ", 30000),
                                          repeat("#### ", 50000),
                                          repeat("$", 300000),
                                          repeat("A ", 100000),
                                          repeat("<answer>", 30000),
                                          repeat("<think>", 40000),
                                          repeat("</think>", 40000),
                                          repeat("<think></think>", 20000),
                                          "</think>" + repeat("<think>", 40000),
                                          repeat("(", 100000) + "1" + repeat(")", 100000),
                                          repeat("\\frac{1}{", 30000) + "2" + repeat("}", 30000),
                                          repeat("\\sqrt{", 40000) + "2" + repeat("}", 40000),
                                          repeat("2^{", 30000) + "2" + repeat("}", 30000),
                                          repeat("\\sum_{k=1}^{", 10000) + "2" + repeat("}k", 10000),
                                          repeat("\\left(", 10000) + "2" + repeat("\\right)", 10000),
                                          repeat("\\overline{", 20000) + "2" + repeat("}", 20000),
                                          "\\begin{pmatrix}" + repeat("1&", 10000) + "1\\end{pmatrix}",
                                          "\\begin{pmatrix}" + repeat("1\\\\", 10000) + "1\\end{pmatrix}",
                                          repeat("(0,1)\\cup", 10000) + "(0,1)",
                                          repeat("1+", 100000) + "1",
                                          "\\{" + repeat("7,", 50000) + "7\\}"};
  for (const auto& text : texts) {
    EXPECT_LT(seconds_for(text, "5"), test::kAnswerSeconds) << text.substr(0, 40);
    EXPECT_LT(seconds_for("5", text), test::kAnswerSeconds) << text.substr(0, 40);
    EXPECT_LT(seconds_for(text + "+1", text), test::kAnswerSeconds) << text.substr(0, 40);
    const std::clock_t begin = std::clock();
    extract_answer(text, "aqua");
    EXPECT_LT(static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC, test::kAnswerSeconds)
        << text.substr(0, 40);
  }
}

// Long answers of the same shape on both sides, where entries and names are matched.
TEST(Hostile, TwoLongAnswersDoNotHang) {
  const auto numbered = [](const std::string& before, const std::string& after, int n, int step) {
    std::string out;
    for (int i = 0; i < n; ++i) out += before + std::to_string(1 + i * step % n) + after;
    return out;
  };
  const std::string sum = repeat("x_1+", 1500) + "1";
  const std::vector<std::pair<std::string, std::string>> pairs = {
      {"f(" + numbered("x_{", "},", 390, 1) + "x)=" + sum,
       "f(" + numbered("y_{", "},", 390, 1) + "y)=" + sum},
      {numbered("x_{", "}=(1,2),", 390, 1) + "y=1", numbered("x_{", "}=(1,2),", 390, 7) + "y=1"},
      {numbered("f(", ")=2,", 390, 1), numbered("f(", ")=2,", 390, 7)},
      {numbered("x\\in(", ",500),", 59, 1) + "1", numbered("x\\in(", ",500),", 59, 7) + "1"},
      {numbered("x<", " and ", 59, 1) + "x>100", numbered("x<", " or ", 59, 7) + "x>100"},
      {numbered("A(", ",2),", 59, 1) + "1", numbered("A(", ",2),", 59, 7) + "1"},
      {numbered("x=", ",y=2;", 150, 1) + "x=0,y=1", numbered("x=", ",y=2;", 150, 7) + "x=0,y=1"},
      {numbered("red ", " and ", 700, 1) + "blue", numbered("red ", " and ", 700, 3) + "blue"},
      {repeat("HTH,", 59) + "1", repeat("HHT,", 59) + "1"},
      {repeat("(\\vec a\\times", 110) + "\\vec b" + repeat(")", 110),
       repeat("(\\vec b\\times", 110) + "\\vec a" + repeat(")", 110)},
      {repeat("(r=", 100) + "1" + repeat(",h=1)", 100), repeat("(", 100) + "1" + repeat(",2)", 100)},
      {repeat("(\\vec a\\cdot\\vec b)", 390), repeat("(\\vec b\\cdot\\vec a)", 390)},
      {repeat("(\\vec a+\\vec b(", 50) + "1" + repeat("))", 50),
       repeat("(\\vec b(", 50) + "1" + repeat(")+\\vec a)", 50)},
      {repeat("cats ", 8) + numbered("cat", " and ", 900, 1) + repeat("are ", 8),
       repeat("cats ", 8) + numbered("cat", " and ", 900, 7) + repeat("are ", 8)},
      {repeat("(1) C(2) ", 900), repeat("(1)C(2)", 900)},
      {"x " + repeat("a ", 4900), "x " + repeat("A a ", 2400)},
      {"(a) " + sum + " (b) " + repeat("2^{", 100) + "2" + repeat("}", 100), "(a) " + sum + "+1 (b) 2"}};
  for (const auto& [a, b] : pairs) {
    EXPECT_LT(seconds_for(a, b), test::kAnswerSeconds) << a.substr(0, 40);
    EXPECT_LT(seconds_for(b, a), test::kAnswerSeconds) << a.substr(0, 40);
  }
}

TEST(Hostile, CharactersOfAnyScriptAreRead) {
  EXPECT_EQ(judge("\xE7\xAD\x94", "5", "math").verdict, Verdict::different);
  EXPECT_EQ(judge("5 \xE7\xAD\x94", "5", "math").verdict, Verdict::equal);  // a unit
  EXPECT_EQ(judge("\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80", "math").verdict, Verdict::equal);
  EXPECT_EQ(judge("\xE2\x88\x92"
                  "5",
                  "-5", "math")
                .verdict,
            Verdict::equal);
}

// Random splices of mathematical pieces and bytes: no crash, and rows that can be written as JSON.
TEST(Hostile, RandomTextsAreJudgedAndWritten) {
  const std::vector<std::string> pieces = {"\\frac",
                                           "{",
                                           "}",
                                           "(",
                                           ")",
                                           "[",
                                           "]",
                                           "^",
                                           "_",
                                           "12",
                                           ",",
                                           "x",
                                           "\\sqrt",
                                           "+",
                                           "-",
                                           "/",
                                           "=",
                                           "\\pi",
                                           "|",
                                           "!",
                                           "%",
                                           "\\text{",
                                           " cm",
                                           "<",
                                           "\\le",
                                           ".",
                                           "5",
                                           "\\pm",
                                           "\\cup",
                                           "\\{",
                                           "\\}",
                                           "and",
                                           "\\sin",
                                           "\\log_",
                                           "e",
                                           "i",
                                           "\\infty",
                                           "$",
                                           "\\\\",
                                           "&",
                                           "\\begin{pmatrix}",
                                           "\\end{pmatrix}",
                                           "\\sum_{k=1}^{3}",
                                           "\xCF\x80",
                                           "\xE2\x88\x9A",
                                           " ",
                                           "'",
                                           ":",
                                           "\\boxed{",
                                           "answer is ",
                                           "####",
                                           "\\overline{3}",
                                           "{,}",
                                           "\\binom",
                                           "\\lfloor",
                                           "\\rfloor",
                                           "\xC2\xB0",
                                           "\xE7\xAD\x94",
                                           "\xF0\x9F\x98\x80",
                                           "\xC3\xA9",
                                           "one"};
  Philox random(20240601);
  const std::clock_t begin = std::clock();
  for (int round = 0; round < 20000; ++round) {
    const auto draw = [&] {
      std::string out;
      for (uint64_t n = 1 + random.below(14); n > 0; --n) out += pieces[random.below(pieces.size())];
      return out;
    };
    Generation g;
    g.id = "1";
    g.answer = draw();
    g.gold = draw();
    g.dataset = round % 7 ? "math" : "asdiv";
    grade_generation(g, round % 2 ? GradeCompat::none : GradeCompat::harness);
    EXPECT_NO_THROW(to_line(g)) << g.answer;
    EXPECT_TRUE(g.verdict != "equal" || g.extracted) << g.answer;
    if (static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC > 15) break;
  }
}

// Reading never depends on what is equal to itself being read twice.
TEST(Hostile, RandomTextsEqualThemselves) {
  Philox random(7);
  const std::string letters = "0123456789xyab+-*/^(){}[],.\\ =<>|!_%";
  for (int round = 0; round < 3000; ++round) {
    std::string text = "1";
    for (uint64_t n = random.below(12); n > 0; --n) text += letters[random.below(letters.size())];
    EXPECT_EQ(judge(text, text, "math").verdict, Verdict::equal) << text;
  }
}

}  // namespace
}  // namespace circuitdiff
