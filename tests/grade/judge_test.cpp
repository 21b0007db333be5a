// The judge on answers as models write them: what is equal, what is not, and what it leaves open.
#include "grade/judge.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace circuitdiff {
namespace {

struct JudgedPair {
  std::string prediction, gold;
};

const std::vector<JudgedPair> kEqual = {
    {R"~(\tfrac{3}{4})~", R"~(0.75)~"},
    {R"~(3 / 4)~", R"~(0.75)~"},
    {R"~(\frac{3}{4}\text{ cups})~", R"~(\frac34)~"},
    {R"~(1\tfrac12)~", R"~(1.5)~"},
    {R"~(2 \frac{3}{5})~", R"~(\frac{13}{5})~"},
    {R"~(-1 1/2)~", R"~(-\frac32)~"},
    {R"~(-2\frac{1}{3})~", R"~(-\frac{7}{3})~"},
    {R"~(1,234,567)~", R"~(1234567)~"},
    {R"~(1\,234\,567)~", R"~(1234567)~"},
    {R"~(1 234 567)~", R"~(1234567)~"},
    {R"~(1{,}234{,}567)~", R"~(1,234,567)~"},
    {R"~(1.5\times10^{3})~", R"~(1500)~"},
    {R"~(1.5 x 10^3)~", R"~(1500)~"},
    {R"~(1.5 × 10³)~", R"~(1500)~"},
    {R"~(3 \times 10^{-4})~", R"~(0.0003)~"},
    {R"~(10^{-3})~", R"~(0.001)~"},
    {R"~(twenty-five)~", R"~(25)~"},
    {R"~(twenty five)~", R"~(25)~"},
    {R"~(one hundred)~", R"~(100)~"},
    {R"~(0.\overline{142857})~", R"~(\frac17)~"},
    {R"~(0.1\overline{6})~", R"~(\frac16)~"},
    {R"~(0.\overline{36})~", R"~(\frac{4}{11})~"},
    {R"~(25%)~", R"~(\frac14)~"},
    {R"~(25 \%)~", R"~(25)~"},
    {R"~(5 m/s)~", R"~(5)~"},
    {R"~(5 meters per second)~", R"~(5)~"},
    {R"~(12\text{ cm}^2)~", R"~(12)~"},
    {R"~(12\,\text{cm}^{3})~", R"~(12)~"},
    {R"~(12 cm^2)~", R"~(12)~"},
    {R"~(\$5.00)~", R"~(5)~"},
    {R"~(\text{\$}5)~", R"~(5)~"},
    {R"~(€5)~", R"~(5)~"},
    {R"~(5 °C)~", R"~(5)~"},
    {R"~(30 degrees)~", R"~(30^\circ)~"},
    {R"~(30^{\circ})~", R"~(30)~"},
    {R"~((-\infty,2]\cup[3,\infty))~", R"~([3,\infty)\cup(-\infty,2])~"},
    {R"~(x \le 2 \text{ or } x \ge 3)~", R"~((-\infty,2]\cup[3,\infty))~"},
    {R"~(x<2)~", R"~((-\infty,2))~"},
    {R"~(\{x | x>2\})~", R"~((2,\infty))~"},
    {R"~(\{x \mid x > 2\})~", R"~(x>2)~"},
    {R"~(-2 \leq x < 1)~", R"~([-2,1))~"},
    {R"~(\emptyset)~", R"~(\{\})~"},
    {R"~(\langle 1,2 \rangle)~", R"~((1,2))~"},
    {R"~(y = \frac12 x + 3)~", R"~(y=\frac{x}{2}+3)~"},
    {R"~(x=2 \text{ or } x=3)~", R"~(2,3)~"},
    {R"~(x = 2, x = 3)~", R"~(x=3, 2)~"},
    {R"~(x = 2, 3)~", R"~(3,2)~"},
    {R"~(x_1=2, x_2=3)~", R"~(2,3)~"},
    {R"~(2x + 3y = 6)~", R"~(4x+6y=12)~"},
    {R"~(\cos^2 x + \sin^2 x)~", R"~(1)~"},
    {R"~(e^{x+1})~", R"~(e\cdot e^x)~"},
    {R"~(\frac{1}{x+1}+1)~", R"~(\frac{x+2}{x+1})~"},
    {R"~(a^2-b^2)~", R"~((a-b)(a+b))~"},
    {R"~(x^{1/2})~", R"~(\sqrt{x})~"},
    {R"~(\log_2 32)~", R"~(5)~"},
    {R"~(\log_{3}81)~", R"~(4)~"},
    {R"~(\tan 45^\circ)~", R"~(1)~"},
    {R"~(\sin^{-1}(1))~", R"~(\frac{\pi}{2})~"},
    {R"~(\binom{n}{2})~", R"~(\frac{n(n-1)}{2})~"},
    {R"~(2e^{i\pi/3})~", R"~(1+\sqrt3 i)~"},
    {R"~(i^2)~", R"~(-1)~"},
    {R"~(\text{Monday})~", R"~(monday)~"},
    {R"~(Yes.)~", R"~(\text{Yes})~"},
    {R"~(A)~", R"~(\text{(A)})~"},
    {R"~(A.)~", R"~(A)~"},
    {R"~(\textbf{(A)})~", R"~(A)~"},
    {R"~(\text{(A) 5})~", R"~(A)~"},
    {R"~(110_{2})~", R"~(110_2)~"},
    {R"~(\frac{\sqrt{3}}{3})~", R"~(\frac{1}{\sqrt{3}})~"},
    {R"~(\sqrt{8})~", R"~(2\sqrt{2})~"},
    {R"~(\sqrt[3]{-8})~", R"~(-2)~"},
    {R"~(3\pi \text{ square units})~", R"~(3\pi)~"},
    {R"~(\frac{\pi}{4})~", R"~(45^\circ)~"},
    {R"~(\{3,4\})~", R"~(\{4,3\})~"},
    {R"~(3, 4)~", R"~(4,3)~"},
    {R"~(3 \text{ and } 4)~", R"~(4, 3)~"},
    {R"~(3;4)~", R"~(3,4)~"},
    {R"~(\begin{bmatrix}1\\2\end{bmatrix})~", R"~(\begin{pmatrix}1\\2\end{pmatrix})~"},
    {R"~(\pm\sqrt{2})~", R"~(-\sqrt{2},\sqrt{2})~"},
    {R"~(1 \pm 2i)~", R"~(1+2i, 1-2i)~"},
    {R"~(3:2)~", R"~(3:2)~"},
    {R"~(10:30)~", R"~(10:30 a.m.)~"},
    {R"~(5!)~", R"~(120)~"},
    {R"~(\lfloor \pi \rfloor)~", R"~(3)~"},
    {R"~(|-5|)~", R"~(5)~"},
    {R"~(\left|-5\right|)~", R"~(5)~"},
    {R"~(2^{100})~", R"~(1267650600228229401496703205376)~"},
    {R"~(\frac{2^{2024}}{2})~", R"~(2^{2023})~"},
    {R"~(x+y)~", R"~(y+x)~"},
    {R"~(xy)~", R"~(yx)~"},
    {R"~(3xy^2)~", R"~(3y^2x)~"},
    {R"~(\frac{3}{x})~", R"~(3x^{-1})~"},
    {R"~((x+1)^3)~", R"~(x^3+3x^2+3x+1)~"},
    {R"~(\frac{x^2-1}{x-1})~", R"~(x+1)~"},
    {R"~(\sin(2x))~", R"~(2\sin x\cos x)~"},
    {R"~(\sin 2x)~", R"~(2\sin(x)\cos(x))~"},
    {R"~(n^2+n)~", R"~(n(n+1))~"},
    {R"~(\infty)~", R"~(+\infty)~"},
    {R"~(-\infty)~", R"~(-\infty)~"},
    {R"~(\text{does not exist})~", R"~(DNE)~"},
    {R"~(f(x)=2x+1)~", R"~(2x+1)~"},
    {R"~(f(x) = 2x+1)~", R"~(f(x)=1+2x)~"},
    {R"~(0.5)~", R"~(.5)~"},
    {R"~(-0)~", R"~(0)~"},
    {R"~(7)~", R"~(7.0)~"},
    {R"~(1e3)~", R"~(1000)~"},
    {R"~(5 \text{ or } 9)~", R"~($5$ or $9$)~"},
    {R"~(\text{5 dollars})~", R"~(5)~"},
    {R"~(5\ \text{dollars})~", R"~(5)~"},
    {R"~(\boxed{5})~", R"~(5)~"},
    {R"~(\text{five})~", R"~(5)~"},
    {R"~(\text{Five})~", R"~(5)~"},
    {R"~(\mathrm{5})~", R"~(5)~"},
    {R"~($\frac{1}{2}$)~", R"~(\frac12)~"},
    {R"~(\(\frac{1}{2}\))~", R"~(\frac12)~"},
    {R"~(\dfrac{x}{2})~", R"~(0.5x)~"},
    {R"~(2\cdot 3\cdot 5)~", R"~(30)~"},
    {R"~(2*3)~", R"~(6)~"},
    {R"~(2\times3)~", R"~(6)~"},
    {R"~((2)(3))~", R"~(6)~"},
    {R"~(\frac{10}{4})~", R"~(2.5)~"},
    {R"~(75\%)~", R"~(0.75)~"},
    {R"~(75\%)~", R"~(\frac{3}{4})~"},
    {R"~(75\%)~", R"~(75)~"},
    {R"~(8 apples)~", R"~(8)~"},
    {R"~(approximately 5)~", R"~(5)~"},
    {R"~(\approx 5)~", R"~(5)~"},
    {R"~(x \geq 5)~", R"~([5, +\infty))~"},
    {R"~(x\in(1,2))~", R"~((1,2))~"},
    {R"~((1,2))~", R"~(1<x<2)~"},
    {R"~(\text{(1,2)})~", R"~((1,2))~"},
    {R"~(\{1\})~", R"~(1)~"},
    {R"~(\mathbb{R})~", R"~(\text{all real numbers})~"},
    {R"~((-\infty, \infty))~", R"~(all real numbers)~"},
    {R"~(1/2, 1/3)~", R"~(\frac13, \frac12)~"},
    {R"~(\left\{\frac{1}{2},\frac13\right\})~", R"~(\{1/3,1/2\})~"},
    {R"~(a=1, b=2)~", R"~((1,2))~"},
    {R"~(e^{-1})~", R"~(\frac1e)~"},
    {R"~(\ln e^2)~", R"~(2)~"},
    {R"~(\log 100)~", R"~(2)~"},
    {R"~(\sqrt{-4})~", R"~(2i)~"},
    {R"~(\frac{3}{5}+\frac{4}{5}i)~", R"~(\frac{3+4i}{5})~"},
    {R"~(4 - 3i)~", R"~(-3i+4)~"},
    {R"~(6 \text{ feet } 2 \text{ inches})~", R"~(6 feet 2 inches)~"},
    {R"~(100,200)~", R"~(200,100)~"},
    {R"~(1,000,000)~", R"~(10^6)~"},
    {R"~(\frac{7}{9}\approx 0.78)~", R"~(\frac79)~"},
    {R"~(x=\frac{-b\pm\sqrt{b^2-4ac}}{2a})~", R"~(\frac{-b\pm\sqrt{b^2-4ac}}{2a})~"},
    {R"~(0.333\ldots)~", R"~(\frac13)~"},
    {R"~(\frac{5}{6}\text{ of the cake})~", R"~(\frac56)~"},
    {R"~(12 + 5 = 17)~", R"~(17)~"},
    {R"~(9 \text{ a.m.})~", R"~(9 \text{ a.m.})~"},
    {R"~(\frac{2}{3}x^{\frac{3}{2}} + C)~", R"~(\frac{2x^{3/2}}{3}+C)~"},
    {R"~(3\sqrt{2}+2\sqrt{3})~", R"~(2\sqrt{3}+3\sqrt{2})~"},
    {R"~(\cot x)~", R"~(\frac{\cos x}{\sin x})~"},
    {R"~(\sec x)~", R"~(\frac{1}{\cos x})~"},
    {R"~(\arctan 1)~", R"~(\frac{\pi}{4})~"},
    {R"~(\cosh x)~", R"~(\frac{e^x+e^{-x}}{2})~"},
    {R"~(z^{\frac{2}{3}})~", R"~(\sqrt[3]{z^2})~"},
    {R"~(\sum_{k=1}^{10} k)~", R"~(55)~"},
    {R"~(\prod_{i=1}^{5} i)~", R"~(120)~"},
    {R"~(\max(3,7))~", R"~(7)~"},
    {R"~(\gcd(12,18))~", R"~(6)~"},
    {R"~(6\sqrt{3}\ \text{cm}^2)~", R"~(6\sqrt3)~"},
    {R"~(45\text{°})~", R"~(45)~"},
    {R"~(45°)~", R"~(45^{\circ})~"},
    {R"~(\frac{1}{2}\ln 3)~", R"~(\ln\sqrt{3})~"},
    {R"~(0.1+0.2)~", R"~(0.3)~"},
    {R"~(2 million)~", R"~(2000000)~"},
    {R"~(\$1.5 \text{ million})~", R"~(1500000)~"},
    {R"~(2 dozen)~", R"~(24)~"},
    {R"~(5 h)~", R"~(5)~"},
    {R"~((x+2)(x-3))~", R"~((x-3)(x+2))~"},
    {R"~(f(n)=n)~", R"~(f(x)=x)~"},
    {R"~(0.333...)~", R"~(\frac13)~"},
    {R"~(\text{no solution})~", R"~(\text{No solutions})~"},
};

const std::vector<JudgedPair> kDifferent = {
    {R"~(-2\frac{1}{3})~", R"~(-\frac{5}{3})~"},
    {R"~(0.25%)~", R"~(25)~"},
    {R"~(12\text{ cm}^2)~", R"~(13)~"},
    {R"~(x<2)~", R"~((-\infty,2])~"},
    {R"~(y = \frac12 x + 3)~", R"~(y=\frac{x}{2}-3)~"},
    {R"~(2x + 3y = 6)~", R"~(4x+6y=13)~"},
    {R"~(\text{No})~", R"~(Yes)~"},
    {R"~(B)~", R"~(\text{(A)})~"},
    {R"~(110_2)~", R"~(111_2)~"},
    {R"~(\pi)~", R"~(3.14)~"},
    {R"~((1, 2, 3))~", R"~((1,2,4))~"},
    {R"~((3,4))~", R"~((4,3))~"},
    {R"~(\begin{pmatrix}1\\2\end{pmatrix})~", R"~(\begin{pmatrix}2\\1\end{pmatrix})~"},
    {R"~(\pm 3)~", R"~(3)~"},
    {R"~(3:2)~", R"~(2:3)~"},
    {R"~(2^{100})~", R"~(1267650600228229401496703205377)~"},
    {R"~(2^{2023})~", R"~(2^{2024})~"},
    {R"~(x-y)~", R"~(y-x)~"},
    {R"~(\theta)~", R"~(\alpha)~"},
    {R"~(\infty)~", R"~(-\infty)~"},
    {R"~(y=x^2)~", R"~(y=x^3)~"},
    {R"~(\frac{a}{b})~", R"~(\frac{b}{a})~"},
    {R"~(7.01)~", R"~(7)~"},
    {R"~(75\%)~", R"~(7.5)~"},
    {R"~(8x)~", R"~(8)~"},
    {R"~(8 apples)~", R"~(9)~"},
    {R"~(x>5)~", R"~(x<5)~"},
    {R"~(4 - 3i)~", R"~(4+3i)~"},
    {R"~(12+5=18)~", R"~(17)~"},
    {R"~(3\sqrt{2}+2\sqrt{3})~", R"~(3\sqrt{3}+2\sqrt{2})~"},
    {R"~(2 million)~", R"~(2)~"},
    {R"~(5)~", R"~(5h)~"},
    {R"~(5x)~", R"~(5)~"},
    {R"~(5 x)~", R"~(5)~"},
    {R"~(12 \text{ or more})~", R"~(12)~"},
    {R"~(5 \text{ is not an answer})~", R"~(5)~"},
    {R"~(at least 5)~", R"~(5)~"},
    {R"~(no solution)~", R"~(no)~"},
    {R"~(listen)~", R"~(silent)~"},
    {R"~(3)~", R"~(3,4)~"},
    {R"~((3,2))~", R"~(2,3)~"},
    {R"~(\frac{x}{2})~", R"~(\frac{2}{x})~"},
    {R"~((x+2)(x-3))~", R"~((x+3)(x-2))~"},
    {R"~(x^2)~", R"~(x^3)~"},
    {R"~(\sqrt{2})~", R"~(1.41)~"},
    {R"~(-5)~", R"~(5)~"},
    {R"~([1,3])~", R"~((1,3))~"},
    {R"~([1,3])~", R"~([1,3))~"},
    {R"~((1,3))~", R"~(\{1,3\})~"},
    {R"~(50%)~", R"~(0.05)~"},
    {R"~(\frac{1}{3})~", R"~(0.33)~"},
    {R"~(x=1,y=2)~", R"~(x=2,y=1)~"},
    {R"~(y=2x)~", R"~(y=3x)~"},
    {R"~(x>2)~", R"~(x\geq2)~"},
    {R"~(2^{10})~", R"~(2^{11})~"},
    {R"~(10^{10^{10}})~", R"~(5)~"},
    {R"~(\text{A})~", R"~(\text{B})~"},
    {R"~(east)~", R"~(west)~"},
    {R"~(\frac{3}{4})~", R"~(\frac{4}{3})~"},
    {R"~(i)~", R"~(1)~"},
    {R"~(\pi)~", R"~(2\pi)~"},
    {R"~(x)~", R"~(y)~"},
    {R"~(1)~", R"~(x)~"},
    {R"~(100)~", R"~(1.00)~"},
    {R"~(0)~", R"~(\emptyset)~"},
    {R"~(1,2,3)~", R"~(1,2)~"},
    {R"~(\begin{pmatrix}1&0\\0&1\end{pmatrix})~", R"~(\begin{pmatrix}1&0\\0&-1\end{pmatrix})~"},
    {R"~(\sin x)~", R"~(\cos x)~"},
    {R"~(\log x)~", R"~(\ln x)~"},
    {R"~(2x+3)~", R"~(2x-3)~"},
    {R"~(1_{2})~", R"~(1_{3})~"},
    {R"~(3 + 2i)~", R"~(3 - 2i)~"},
    {R"~(5\text{ units})~", R"~(6)~"},
    {R"~(\frac{0}{0})~", R"~(0)~"},
};

// Where an answer is right only under a condition that the answer does not state.
const std::vector<JudgedPair> kUndecided = {
    {R"~(\sqrt{x}\sqrt{y})~", R"~(\sqrt{xy})~"},
    {R"~(\frac{1+\sqrt{5}}{2})~", R"~(1.618)~"},
    {R"~(9\text{ am})~", R"~(9\text{ pm})~"},
    {R"~(27 \text{ cm})~", R"~(27 \text{ m})~"},
    {R"~(\sqrt{2})~", R"~(1.414)~"},
    {R"~(|x|)~", R"~(x)~"},
    {R"~(\frac{1}{0})~", R"~(\infty)~"},
};

void expect_all(const std::vector<JudgedPair>& cases, Verdict verdict, bool both_ways) {
  for (const auto& c : cases) {
    const Judgement there = judge(c.prediction, c.gold, "math");
    EXPECT_EQ(verdict_name(there.verdict), std::string(verdict_name(verdict)))
        << c.prediction << "  against  " << c.gold << ": " << there.reason;
    EXPECT_FALSE(there.reason.empty());
    if (!both_ways) continue;
    const Judgement back = judge(c.gold, c.prediction, "math");
    EXPECT_NE(back.verdict, verdict == Verdict::equal ? Verdict::different : Verdict::equal)
        << c.gold << "  against  " << c.prediction << ": " << back.reason;
  }
}

TEST(Judge, SaysEqualWhatIsTheSameAnswer) { expect_all(kEqual, Verdict::equal, false); }
TEST(Judge, SaysDifferentWhatIsNot) { expect_all(kDifferent, Verdict::different, true); }
TEST(Judge, LeavesOpenWhatHangsOnACondition) { expect_all(kUndecided, Verdict::undecided, false); }

TEST(Judge, EveryAnswerEqualsItself) {
  for (const auto* cases : {&kEqual, &kDifferent, &kUndecided})
    for (const auto& c : *cases)
      for (const auto& text : {c.prediction, c.gold})
        EXPECT_EQ(judge(" " + text + " ", text, "math").verdict, Verdict::equal) << text;
}

TEST(Judge, ChoicesOfMultipleChoiceDataSetsAreLetters) {
  EXPECT_EQ(judge("(B)", "B", "aqua").verdict, Verdict::equal);
  EXPECT_EQ(judge("B) 21%", "B", "aqua").verdict, Verdict::equal);
  EXPECT_EQ(judge("(A)+1", "A", "math").verdict, Verdict::different);
  EXPECT_EQ(judge("option B", "B", "sat_math").verdict, Verdict::equal);
  EXPECT_EQ(judge("C", "B", "aqua").verdict, Verdict::different);
  EXPECT_EQ(judge("21", "B", "aqua").verdict, Verdict::different);
}

TEST(Judge, RemarksOfAsdivAreNoPartOfTheAnswer) {
  EXPECT_EQ(judge("9", "9 (apples)", "asdiv").verdict, Verdict::equal);
  EXPECT_EQ(judge("10", "9 (apples)", "asdiv").verdict, Verdict::different);
  EXPECT_EQ(judge("(9:24)", "9:24", "asdiv").verdict, Verdict::equal);
  EXPECT_EQ(judge("(1)+1", "1 (banana)", "asdiv").verdict, Verdict::different);
}

TEST(Judge, ReasonsSayHowItWasDecided) {
  EXPECT_EQ(judge("\\frac12", "0.5", "math").reason, "the same rational number");
  EXPECT_EQ(judge("\\sqrt8", "2\\sqrt2", "math").reason, "values agree as far as computed");
  EXPECT_EQ(judge("2(x+1)", "2x+2", "math").reason, "equal at every point tried");
  EXPECT_EQ(judge("", "2", "math").reason, "an empty answer");
  EXPECT_EQ(judge("2", " ", "math").reason, "no reference answer");
  EXPECT_EQ(judge("\\sqrt{x^2}", "x", "math").reason, "equal for positive symbols, not for negative ones");
}

}  // namespace
}  // namespace circuitdiff
