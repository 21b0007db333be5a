#include "report/html.h"

#include <gtest/gtest.h>

namespace circuitdiff {
namespace {

TEST(EscapeHtml, MarkupBecomesText) {
  EXPECT_EQ(escape_html("<script>alert(\"x\" & 'y')</script>"),
            "&lt;script&gt;alert(&quot;x&quot; &amp; &#39;y&#39;)&lt;/script&gt;");
}

TEST(EscapeHtml, UnicodeStaysAndBrokenBytesAreReplaced) {
  EXPECT_EQ(escape_html("α → 数"), "α → 数");
  EXPECT_EQ(escape_html("a\xFF\xC3("), "a\uFFFD\uFFFD(");
  EXPECT_EQ(escape_html("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(escape_html(std::string_view("\0\x1B", 2)), "\uFFFD\uFFFD");
}

TEST(JsonForScript, CannotEndItsElement) {
  const std::string text = json_for_script({{"a", "</script><!--&\u2028"}});
  EXPECT_EQ(text.find_first_of("<>&"), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(text)["a"], "</script><!--&\u2028");
}

TEST(EscapeLatex, SpecialSignsAreQuoted) {
  EXPECT_EQ(escape_latex("a_b & 5%\\"), "a\\_b \\& 5\\%\\textbackslash{}");
}

TEST(Utf8Prefix, CutsBetweenCharacters) { EXPECT_EQ(utf8_prefix("aα", 2), "a"); }

}  // namespace
}  // namespace circuitdiff
