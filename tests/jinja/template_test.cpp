// The language: what a template renders to, and what it raises. Compared with jinja2 itself by
// differential.py.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "jinja/chat_template.h"

namespace circuitdiff {
namespace {

using Json = nlohmann::ordered_json;

const Json kVariables = Json::parse(R"({
  "messages": [{"role": "system", "content": " Be brief. "}, {"role": "user", "content": "2+2?"},
               {"role": "assistant", "content": null}],
  "word": "Hello World", "none_value": null, "numbers": [3, 1, 2], "mapping": {"b": 1, "a": [1, 2], "items": 5},
  "text": "a,b,,c", "accents": "Straße é👍"
})");

std::string render(const std::string& source) { return ChatTemplate(source).render(kVariables); }

std::string error(const std::string& source) {
  try {
    return "rendered: " + render(source);
  } catch (const Error& failure) {
    return failure.what();
  }
}

TEST(Template, PrintsValuesAsPythonDoes) {
  EXPECT_EQ(render("{{ none }} {{ true }} {{ 1.0 }} {{ 1e16 }} {{ 1e-5 }} {{ 0.1 + 0.2 }}"),
            "None True 1.0 1e+16 1e-05 0.30000000000000004");
  EXPECT_EQ(render("{{ [1, 'it\\'s', \"a\\n\", none] }} {{ (1,) }} {{ {'a': {}} }}"),
            "[1, \"it's\", 'a\\n', None] (1,) {'a': {}}");
  EXPECT_EQ(render("{{ undefined }}|{{ range(3) }}|{{ mapping.keys() }}"),
            "|range(0, 3)|dict_keys(['b', 'a', 'items'])");
  EXPECT_EQ(render("{{ 2 ** 100 }} {{ 9223372036854775807 + 1 }} {{ -(10 ** 20) // 7 }}"),
            "1267650600228229401496703205376 9223372036854775808 -14285714285714285715");
}

TEST(Template, ArithmeticFollowsPythonAndPowerGroupsToTheLeft) {
  EXPECT_EQ(render("{{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 7 // 2.0 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ "
                   "2 ** -1 }}"),
            "-4 2 3.5 3.0 64 4 0.5");
  EXPECT_EQ(render("{{ 1 < 2 < 3 }} {{ 3 > 2 > 2 }} {{ 1 == 1.0 == true }} {{ 'a' not in 'abc' }}"),
            "True False True False");
  EXPECT_EQ(render("{{ 'a' ~ 1 ~ none }} {{ 'ab' * 2 }} {{ [1] + [2] }} {{ '%05.1f|%s' % (2.25, 'x') }}"),
            "a1None abab [1, 2] 002.2|x");
}

TEST(Template, SlicesAndIndicesCountCodePoints) {
  EXPECT_EQ(render("{{ accents[-1] }}{{ accents[4:6] }}{{ accents[::-1] }}{{ accents|length }}"),
            "👍ße👍é eßartS9");
  EXPECT_EQ(render("{{ numbers[::-2] }}{{ numbers[-2:] }}{{ numbers[5:] }}{{ (1, 2, 3)[1:] }}"),
            "[2, 3][1, 2][](2, 3)");
}

TEST(Template, AttributesComeBeforeItemsAfterADotAndAfterThemInBrackets) {
  EXPECT_EQ(
      render(
          "{{ mapping['items'] }} {{ mapping.items()|length }} {{ mapping.a.1 }} {{ mapping['get']('b') }}"),
      "5 3 2 1");
}

TEST(Template, StringMethodsFollowPython) {
  EXPECT_EQ(render("{{ text.split(',') }}{{ text.rsplit(',', 1) }}{{ ' a  b '.split() }}"),
            "['a', 'b', '', 'c']['a,b,', 'c']['a', 'b']");
  EXPECT_EQ(
      render("{{ accents.upper() }} {{ word.swapcase() }} {{ \"they're\".title() }} {{ 'ΑΣ'.lower() }}"),
      "STRASSE É👍 hELLO wORLD They'Re ας");
  EXPECT_EQ(render("{{ word.startswith(('x', 'He')) }} {{ word.find('o', 5) }} {{ 'x'.center(4, '*') }} {{ "
                   "'{:>5}|{a}'.format(1, a=2) }}"),
            "True 7 *x** "
            "    1|2");
}

TEST(Template, FiltersFollowJinja) {
  EXPECT_EQ(render("{{ messages|map(attribute='role')|join(',') }} {{ numbers|sort|reverse|list }} {{ "
                   "nothing|default('d') }}"),
            "system,user,assistant [3, 2, 1] d");
  EXPECT_EQ(render("{{ messages|selectattr('content', 'none')|list|length }} {{ numbers|select('odd')|sum }} "
                   "{{ '3.7'|int }}"),
            "1 4 3");
  EXPECT_EQ(render("{{ 'a\n\nb'|indent(2) }}|{{ 'they\\'re here'|title }}|{{ 2.5|round }}|{{ "
                   "word|truncate(5, true, '') }}"),
            "a\n\n  b|They're Here|2.0|Hello");
  EXPECT_EQ(render("{% set g = numbers|map('string') %}{{ g|join('+') }}|{{ g|join('+') }}"), "3+1+2|");
}

TEST(Template, ToJsonIsPythonsJsonDumps) {
  EXPECT_EQ(render("{{ {'a': [1, 2.0, none, true], 'é<': \"\\\"'\"}|tojson }}"),
            R"({"a": [1, 2.0, null, true], "é<": "\"'"})");
  EXPECT_EQ(render("{{ {'a': [1], 'b': {}}|tojson(indent=2) }}"),
            "{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}");
  EXPECT_EQ(render("{{ ['é👍']|tojson(ensure_ascii=true, separators=(',', ':')) }}"),
            R"(["\u00e9\ud83d\udc4d"])");
}

TEST(Template, BlocksEatTheirLineAndVariablesDoNot) {
  EXPECT_EQ(render("a\n  {% if true %}\n  b\n  {% endif %}\nc\n"), "a\n  b\nc");
  EXPECT_EQ(render("a\n  {{ 1 }}\n  {# note #}\nb"), "a\n  1\nb");
  EXPECT_EQ(render("a \n {%- if true -%} \n b {%+ endif +%} \n c"), "ab  \n c");
  EXPECT_EQ(render("  {{- 1 -}}  x\r\ny\n\n"), "1x\ny\n");
  EXPECT_EQ(render("{% raw %}{{ x }}{% endraw %}|{%- raw -%}  {% y %}  {%- endraw %}"), "{{ x }}|{% y %}");
}

TEST(Template, LoopsKnowWhereTheyAre) {
  EXPECT_EQ(render("{% for x in numbers %}{{ loop.index }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last "
                   "}} {% endfor %}"),
            "12TrueFalse 21FalseFalse 30FalseTrue ");
  EXPECT_EQ(render("{% for x in numbers if x > 1 %}{{ x }}/{{ loop.length }}{{ loop.nextitem }};{% else "
                   "%}none{% endfor %}"),
            "3/22;2/2;");
  EXPECT_EQ(render("{% for x in [] %}{% else %}none{% endfor %}{% for a, (b, c) in [(1, (2, 3))] %}{{ a + b "
                   "+ c }}{% endfor %}"),
            "none6");
  EXPECT_EQ(render("{% for x in [1, [2, [3]]] recursive %}{% if x is iterable %}<{{ loop(x) }}>{% else %}{{ "
                   "x }}{% endif %}{% endfor %}"),
            "1<2<3>>");
  EXPECT_EQ(render("{% for x in [1, 2, 3, 4] %}{% if x == 2 %}{% continue %}{% elif x == 4 %}{% break %}{% "
                   "endif %}{{ x }}{% endfor %}"),
            "13");
}

TEST(Template, AssignmentsStayInTheirScopeAndNamespacesDoNot) {
  EXPECT_EQ(render("{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}"),
            "231");
  EXPECT_EQ(render("{% set ns = namespace(n=0) %}{% for i in numbers %}{% set ns.n = ns.n + i %}{% endfor "
                   "%}{{ ns.n }}"),
            "6");
  EXPECT_EQ(render("{% if true %}{% set y = 2 %}{% endif %}{{ y }}{% with y = 3, z = y %}{{ y }}{{ z }}{% "
                   "endwith %}{{ y }}"),
            "2322");
  EXPECT_EQ(render("{% set b %}x{{ word }}{% endset %}{{ b|upper }}{% set a, c = 1, 2 %}{{ a }}{{ c }}"),
            "XHELLO WORLD12");
}

// Names belong to the whole scope that assigns them: jinja2 decides that before it renders.
TEST(Template, AScopeHidesWhatItAssignsLater) {
  EXPECT_EQ(render("[{% for x in [1] %}{{ word }}{% endfor %}{% set word = 1 %}{{ word }}]"), "[1]");
  EXPECT_EQ(render("[{{ word }}{% for x in [1] %}{{ word }}{% endfor %}{% set word = 1 %}]"),
            "[Hello WorldHello World]");
  EXPECT_EQ(render("{% for x in [1] %}{{ word }}{% endfor %}{% if false %}{% set word = 1 %}{% endif %}"),
            "Hello World");
}

TEST(Template, MacrosTakeDefaultsKeywordsAndACaller) {
  EXPECT_EQ(render("{% macro m(a, b='B', c=a) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }}|{{ m(b=2, a=3) "
                   "}}|{{ m(1, c=5) }}"),
            "1B1|323|1B5");
  EXPECT_EQ(render("{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, x=2) }}"), "(1,){'x': 2}");
  EXPECT_EQ(render("{% macro m(t) %}<{{ t }}>{{ caller(t) }}{% endmacro %}{% call(v) m('b') %}{{ v }}{{ word "
                   "}}{% endcall %}"),
            "<b>bHello World");
  EXPECT_EQ(render("{% filter upper %}a{{ word }}{% endfilter %}{% generation %}g{% set q = 1 %}{% "
                   "endgeneration %}{{ q is defined }}"),
            "AHELLO WORLDgFalse");
}

TEST(Template, UndefinedPrintsAsNothingAndRaisesWhenUsed) {
  EXPECT_EQ(render("[{{ nope }}{{ word.nope }}{{ messages[9] }}{{ nope|length }}{{ nope|list }}]"), "[0[]]");
  EXPECT_EQ(error("\n\n{{ nope.foo }}"), "chat_template:3: 'nope' is undefined");
  EXPECT_EQ(error("{{ messages[0].nope.foo }}"), "chat_template:1: 'dict object' has no attribute 'nope'");
  EXPECT_EQ(error("{{ 'a' + nope }}"), "chat_template:1: 'nope' is undefined");
  EXPECT_EQ(error("{{ nope() }}"), "chat_template:1: 'nope' is undefined");
}

TEST(Template, RaiseExceptionPassesItsMessageOn) {
  EXPECT_EQ(error("a\n{{ raise_exception('Roles must alternate: ' ~ messages[1].role) }}"),
            "Roles must alternate: user");
}

TEST(Template, ErrorsNameTheLine) {
  EXPECT_EQ(error("a\n{{ 1 +\n 'x' }}"),
            "chat_template:2: unsupported operand type(s) for +: 'int' and 'str'");
  EXPECT_EQ(error("{% for x in 5 %}{% endfor %}"), "chat_template:1: 'int' object is not iterable");
  EXPECT_EQ(error("{{ 1 / 0 }}"), "chat_template:1: division by zero");
  EXPECT_EQ(error("{{ [1, 'a']|sort }}"),
            "chat_template:1: '<' not supported between instances of 'str' and 'int'");
  EXPECT_EQ(error("{% include 'x' %}"),
            "chat_template:1: no loader for this environment specified: include has nothing to load from");
}

TEST(Template, SyntaxErrorsNameTheLine) {
  EXPECT_EQ(error("a\n{% if x %}\nb"),
            "chat_template:3: Unexpected end of template. Jinja was looking for the following tags: 'elif' "
            "or 'else' or "
            "'endif'. The innermost block that needs to be closed is 'if'.");
  EXPECT_EQ(error("{% endif %}"), "chat_template:1: Encountered unknown tag 'endif'.");
  EXPECT_EQ(error("\n{{ a b }}"), "chat_template:2: expected token 'end of print statement', got 'b'");
  EXPECT_EQ(error("{{ (1 }}"), "chat_template:1: unexpected '}', expected ')'");
  EXPECT_EQ(error("{# open"), "chat_template:1: Missing end of comment tag");
  EXPECT_EQ(error("{{ 1|nosuch }}"), "chat_template:1: No filter named 'nosuch'.");
  EXPECT_EQ(error("{% break %}"), "chat_template:1: 'break' outside loop");
  EXPECT_EQ(error("{% if false %}{{ 1|nosuch }}{% endif %}ok"), "rendered: ok");
}

TEST(Template, TheSandboxRefusesWhatWouldChangeOrInspectValues) {
  EXPECT_EQ(error("{{ numbers.append(4) }}"),
            "chat_template:1: access to attribute 'append' of 'list' object is unsafe.");
  EXPECT_EQ(error("{{ ''.__class__.x }}"),
            "chat_template:1: access to attribute '__class__' of 'str' object is unsafe.");
  EXPECT_EQ(error("{% set ns = namespace() %}{% set ns._x = 1 %}").substr(0, 65),
            "chat_template:1: Chat templates cannot store underscore-prefixed ");
}

TEST(Template, TheClockIsGiven) {
  const Clock clock = [] {
    LocalTime now;
    now.date.tm_year = 124;
    now.date.tm_mon = 6;
    now.date.tm_mday = 26;
    now.microsecond = 42;
    return now;
  };
  EXPECT_EQ(ChatTemplate("{{ strftime_now('%d %b %Y %f') }}").render(kVariables, clock),
            "26 Jul 2024 000042");
}

TEST(Template, NullIsNoneAndAbsentIsUndefined) {
  EXPECT_EQ(
      render("{{ none_value is none }} {{ none_value is defined }} {{ absent is defined }} {{ none_value }}"),
      "True True False None");
}

}  // namespace
}  // namespace circuitdiff
