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
  EXPECT_EQ(render("{{ none }} {{ true }} {{ 1.0 }} {{ 10000000000000000.0 }} {{ 0.00001 }} {{ 0.1 + 0.2 }}"),
            "None True 1.0 1e+16 1e-05 0.30000000000000004");
  EXPECT_EQ(render("{{ [1, 'it\\'s', \"a\\n\", none] }} {{ (1,) }} {{ {'a': {}} }}"),
            "[1, \"it's\", 'a\\n', None] (1,) {'a': {}}");
  EXPECT_EQ(render("{{ {1: 'a', 'b': 2}[1] }} {{ {512: 0}[256 * 2] }} {{ {5: 1}|tojson }} {{ 5 in {5: 1} }}"),
            "a 0 {\"5\": 1} True");
  EXPECT_EQ(render("{{ undefined }}|{{ range(3) }}|{{ mapping.keys() }}"),
            "|range(0, 3)|dict_keys(['b', 'a', 'items'])");
}

TEST(Template, ArithmeticFollowsPython) {
  EXPECT_EQ(render("{{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 7 // 2 }} {{ 7 % -3 }} {{ 2 * 2.5 }}"),
            "-4 2 3.5 3 -2 5.0");
  EXPECT_EQ(render("{{ 1 < 2 < 3 }} {{ 3 > 2 > 2 }} {{ 1 == 1.0 == true }} {{ 'a' not in 'abc' }}"),
            "True False True False");
  EXPECT_EQ(render("{{ 'a' ~ 1 ~ none }} {{ 'ab' * 2 }} {{ [1] + [2] }} {{ '%s|%s'|format(2, 'x') }}"),
            "a1None abab [1, 2] 2|x");
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
      render(
          "{{ accents.upper() }} {{ \"they're\".title() }} {{ 'ΑΣ'.lower() }} {{ ' a  b '.split(none, 1) }}"),
      "STRASSE É👍 They'Re ας ['a', 'b ']");
  EXPECT_EQ(
      render("{{ word.startswith(('x', 'He')) }} {{ word.find('o') }} {{ '{}|{a:d}|{{'.format(1, a=2) }}"),
      "True 4 1|2|{");
}

TEST(Template, FiltersFollowJinja) {
  EXPECT_EQ(render("{{ messages|map(attribute='role')|join(',') }} {{ numbers|sort|reverse|list }} {{ "
                   "nothing|default('d') }}"),
            "system,user,assistant [3, 2, 1] d");
  EXPECT_EQ(
      render("{{ messages|selectattr('content', 'none')|list|length }} {{ numbers|select('odd')|join }} "
             "{{ '3.7'|int }}"),
      "1 31 3");
  EXPECT_EQ(
      render(
          "{{ 'a\n\nb'|indent(2) }}|{{ 'they\\'re here'|title }}|{{ mapping|dictsort|map('first')|join }}"),
      "a\n\n  b|They're Here|abitems");
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
  EXPECT_EQ(render("{% if true %}{% set y = 2 %}{% endif %}{{ y }}"), "2");
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
}

TEST(Template, SyntaxErrorsNameTheLine) {
  EXPECT_EQ(
      error("a\n{% if x %}\nb"),
      "chat_template:3: Unexpected end of template. Jinja was looking for the following tags: 'elif' or "
      "'else' or 'endif'.");
  EXPECT_EQ(error("{% endif %}"), "chat_template:1: Encountered unknown tag 'endif'.");
  EXPECT_EQ(error("\n{{ a b }}"), "chat_template:2: expected token 'end of print statement', got 'b'");
  EXPECT_EQ(error("{{ (1 }}"), "chat_template:1: unexpected '}', expected ')'");
  EXPECT_EQ(error("{# open"), "chat_template:1: Missing end of comment tag");
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

// What jinja2 knows and chat templates do not use is one error that names it and its line.
TEST(Template, WhatIsLeftOutIsNamed) {
  const auto left_out = [](const std::string& part) {
    return "chat_template:1: template uses the " + part +
           ", which chat templates are not known to use; docs/chat_templates.md lists what is kept";
  };
  for (const char* name : {"with", "block", "include", "import", "from", "extends", "print", "autoescape"})
    EXPECT_EQ(error(std::string("{% ") + name + " x %}"),
              left_out(std::string("statement \"") + name + "\""));
  EXPECT_EQ(error("{% for x in [1] recursive %}{% endfor %}"), left_out("loop marker \"recursive\""));
  for (const char* name :
       {"abs",         "attr",      "batch",    "center",   "e",         "escape", "filesizeformat",
        "forceescape", "groupby",   "max",      "min",      "pprint",    "random", "round",
        "slice",       "striptags", "sum",      "truncate", "urlencode", "urlize", "wordcount",
        "wordwrap",    "xmlattr",   "from_json"})
    EXPECT_EQ(error(std::string("{{ word|") + name + " }}"),
              left_out(std::string("filter \"") + name + "\""));
  for (const char* name : {"divisibleby", "escaped", "filter", "lower", "sameas", "test", "upper"})
    EXPECT_EQ(error(std::string("{{ word is ") + name + " }}"),
              left_out(std::string("test \"") + name + "\""));
  for (const char* name :
       {"casefold",     "center",       "count",   "encode",    "expandtabs", "format_map",   "index",
        "isalnum",      "isalpha",      "isascii", "isdecimal", "isdigit",    "isidentifier", "islower",
        "isnumeric",    "isprintable",  "isspace", "istitle",   "isupper",    "ljust",        "partition",
        "removeprefix", "removesuffix", "rfind",   "rindex",    "rjust",      "rpartition",   "splitlines",
        "swapcase",     "translate",    "zfill"})
    EXPECT_EQ(error(std::string("{{ word.") + name + "('a') }}"),
              left_out(std::string("method of str \"") + name + "\""));
  EXPECT_EQ(error("{{ numbers.index(1) }}"), left_out("method of list \"index\""));
  EXPECT_EQ(error("{{ mapping.copy() }}"), left_out("method of dict \"copy\""));
  EXPECT_EQ(error("{{ range(3).start }}"), left_out("method of range \"start\""));
  EXPECT_EQ(error("{{ loop_length.bit_length() }}"), "chat_template:1: 'loop_length' is undefined");
  EXPECT_EQ(error("{{ 5 .bit_length() }}"), left_out("method of int \"bit_length\""));
  for (const char* name : {"cycler", "joiner", "lipsum", "super", "varargs", "kwargs"})
    EXPECT_EQ(error(std::string("{{ ") + name + " }}"), left_out(std::string("name \"") + name + "\""));
  for (const char* name : {"cycle", "changed", "depth", "depth0"})
    EXPECT_EQ(error(std::string("{% for x in [1] %}{{ loop.") + name + " }}{% endfor %}"),
              left_out(std::string("attribute of loop \"") + name + "\""));
  EXPECT_EQ(error("{% macro m() %}{% endmacro %}{{ m.name }}"), left_out("attribute of a macro \"name\""));
  EXPECT_EQ(error("{{ 2 ** 3 }}"), left_out("operator \"**\""));
  EXPECT_EQ(error("{{ +1 }}"), left_out("operator \"unary +\""));
  EXPECT_EQ(error("{{ 1.5 // 2 }}"), left_out("operator on floats \"//\""));
  EXPECT_EQ(error("{{ raise_exception(**mapping) }}"), left_out("argument \"**\""));
  EXPECT_EQ(error("{{ numbers[1, 2] }}"), left_out("subscript \"[a, b]\""));
  EXPECT_EQ(error("{{ range(3)[0] }}"), left_out("subscript of \"range\""));
  EXPECT_EQ(error("{{ range(3)[1:] }}"), left_out("slice of \"range\""));
  EXPECT_EQ(error("{{ {1.5: 2} }}"), left_out("key of type \"float\""));
  EXPECT_EQ(error("{{ [1] < [2] }}"), left_out("order of values of type \"list\""));
  EXPECT_EQ(error("{{ mapping.keys() == mapping.keys() }}"),
            left_out("comparison of values of type \"dict_keys\""));
  EXPECT_EQ(error("{{ numbers|sort(attribute='a,b') }}"), left_out("attribute of the filter sort \"a,b\""));
  EXPECT_EQ(error("{{ '%5d'|format(1) }}"), left_out("conversion \"%5\""));
  EXPECT_EQ(error("{{ '%s' % 1 }}"), left_out("operator on text \"%\""));
  EXPECT_EQ(error("{{ '{0}'.format(1) }}"), left_out("format field \"0\""));
  EXPECT_EQ(error("{{ mapping[1:] }}"), left_out("slice of \"dict\""));
  EXPECT_EQ(error("{{ é }}"), left_out("character \"é\""));
  EXPECT_EQ(error("{{ '{:>5}'.format(1) }}"), left_out("format field \":>5\""));
  EXPECT_EQ(error("{{ '{a.b}'.format(a=1) }}"), left_out("format field \"a.b\""));
  EXPECT_EQ(error("{{ 0x1F }}"), left_out("number \"0x1F\""));
  EXPECT_EQ(error("{{ 1e5 }}"), left_out("number \"1e5\""));
  EXPECT_EQ(error("{{ '\\a' }}"), left_out("escape \"\\a\""));
  EXPECT_EQ(error("{{ '1_000'|int }}"), left_out("number \"1_000\""));
  EXPECT_EQ(error("{{ 'ﬁ'|upper }}"), left_out("upper case of \"ﬁ\""));
  EXPECT_EQ(error("\n\n{% if true %}{{ word|center }}{% endif %}").substr(0, 40),
            "chat_template:3: template uses the filte");
  EXPECT_EQ(error("{% if false %}{{ word|center }}{% endif %}ok"), "rendered: ok");
}

TEST(Template, WholeNumbersHave64Bits) {
  constexpr const char* kLarge = "chat_template:1: a whole number of the template does not fit into 64 bits";
  EXPECT_EQ(render("{{ 9223372036854775807 }} {{ -9223372036854775807 - 1 }}"),
            "9223372036854775807 -9223372036854775808");
  for (const char* expression :
       {"9223372036854775807 + 1", "-9223372036854775807 - 2", "3037000500 * 3037000500",
        "(-9223372036854775807 - 1) // -1", "-(-9223372036854775807 - 1)", "9223372036854775808",
        "'9223372036854775808'|int"})
    EXPECT_EQ(error(std::string("{{ ") + expression + " }}"), kLarge) << expression;
  try {
    ChatTemplate("{{ v }}").render({{"v", 18446744073709551615u}});
    FAIL();
  } catch (const TemplateError& failure) {
    EXPECT_STREQ(failure.what(), "chat_template:0: a whole number of the template does not fit into 64 bits");
  }
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
