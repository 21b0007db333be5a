// Templates that would take all time, memory or stack end in one error, soon.
#include <gtest/gtest.h>
#include <pthread.h>

#include <ctime>
#include <nlohmann/json.hpp>

#include "jinja/chat_template.h"

namespace circuitdiff {
namespace {

std::string times(size_t n, const std::string& text) {
  std::string out;
  for (size_t i = 0; i < n; ++i) out += text;
  return out;
}

const nlohmann::ordered_json kVariables = {{"word", "hello"}, {"numbers", {1, 2, 3}}};

// The message of the error that compiling or rendering ends in, checked to come soon: within a second where
// nothing else runs, which a test cannot count on.
std::string failure(const std::string& source) {
  const std::clock_t start = std::clock();
  std::string message = "no error";
  try {
    message = "rendered " + std::to_string(ChatTemplate(source).render(kVariables).size()) + " bytes";
  } catch (const Error& error) {
    message = error.what();
  }
  const double seconds =
      static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;  // other processes do not count
#if !defined(__SANITIZE_ADDRESS__)
  EXPECT_LT(seconds, 5.0) << source.substr(0, 200);
#endif
  return message;
}

constexpr const char* kWork = "chat_template:1: the template does more work than a chat template may";
constexpr const char* kText = "chat_template:1: a string of the template would exceed 16 MiB";
constexpr const char* kItems = "chat_template:1: a list of the template would exceed 1000000 items";
constexpr const char* kRange =
    "chat_template:1: Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000).";

TEST(HostileTemplates, RangesAreBounded) {
  EXPECT_EQ(failure("{{ range(1000000000) }}"), kRange);
  EXPECT_EQ(failure("{% for i in range(0, 1000000000000000000, 3) %}{% endfor %}"), kRange);
  EXPECT_EQ(failure("{% for i in range(-9223372036854775807, 9223372036854775807) %}{% endfor %}"), kRange);
}

TEST(HostileTemplates, NestedLoopsRunOutOfWork) {
  EXPECT_EQ(failure("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}"),
            kWork);
  EXPECT_EQ(
      failure("{% for i in range(100000) %}{% for j in range(100000) %}{{ word }}{% endfor %}{% endfor %}"),
      kWork);
  EXPECT_EQ(failure("{% for i in range(90000) %}{% set x = range(90000)|list %}{% endfor %}"), kWork);
  EXPECT_EQ(failure("{% for i in range(90000) %}{% set x = range(90000)|reverse|list %}{% endfor %}"), kWork);
  EXPECT_EQ(failure("{% for i in range(90000) %}{{ 5 in range(6, 90000) }}{% endfor %}"), kWork);
  EXPECT_EQ(
      failure("{% set l = range(90000)|list %}{% for i in range(90000) %}{{ l == l + [] }}{% endfor %}"),
      kWork);
}

TEST(HostileTemplates, StringsAreBounded) {
  EXPECT_EQ(failure("{{ 'a' * 1000000000 }}"), kText);
  EXPECT_EQ(failure("{{ 1000000000000 * 'ab' }}"), kText);
  EXPECT_EQ(
      failure(
          "{% set ns = namespace(s='ab') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}"),
      kText);
  EXPECT_EQ(
      failure(
          "{% set ns = namespace(s='ab') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}"),
      kText);
  EXPECT_EQ(failure("{{ ('a' * 1000000)|replace('a', 'b' * 1000) }}"), kText);
  EXPECT_EQ(failure("{{ ('a' * 1000000).replace('', 'b' * 1000) }}"), kText);
  EXPECT_EQ(failure("{{ ('a' * 1000000).join(range(1000)|map('string')) }}"), kText);
  EXPECT_EQ(failure("{{ range(1000)|join('a' * 1000000) }}"), kText);
  EXPECT_EQ(failure("{{ 'a\\nb'|indent(1000000000) }}"), kText);
  EXPECT_EQ(failure("{{ '%s%s'|format('a' * 16000000, 'b' * 16000000) }}"), kText);
  EXPECT_EQ(failure("{{ '{}{}'.format('a' * 16000000, 'b' * 16000000) }}"), kText);
  EXPECT_EQ(failure("{{ [1]|tojson(indent=1000000000) }}"), kText);
  EXPECT_EQ(failure("{{ [[[[1] * 100] * 100] * 100]|tojson(indent=100000) }}"), kText);
}

TEST(HostileTemplates, OutputIsBounded) {
  EXPECT_EQ(failure("{% set s = 'a' * 1000000 %}{% for i in range(1000) %}{{ s }}{% endfor %}"),
            "chat_template:1: the rendered text would exceed 32 MiB");
}

TEST(HostileTemplates, ListsAreBounded) {
  EXPECT_EQ(failure("{{ [0] * 1000000000 }}"), kItems);
  EXPECT_EQ(
      failure(
          "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = ns.l + ns.l %}{% endfor %}"),
      kItems);
  EXPECT_EQ(failure("{{ ('a' * 2000000)|list }}"), kItems);
}

// [x, x] sixty times over has 2^60 leaves, though only sixty lists exist.
TEST(HostileTemplates, SharedListsAreNotWalkedForever) {
  const std::string doubled =
      "{% set ns = namespace(l=[1], m=[1], t=(1,)) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}"
      "{% set ns.m = [ns.m, ns.m] %}{% set ns.t = (ns.t, ns.t) %}{% endfor %}";
  EXPECT_EQ(failure(doubled + "{{ ns.l }}"), kWork);
  EXPECT_EQ(failure(doubled + "{{ ns.l|tojson }}"), kText);
  EXPECT_EQ(failure(doubled + "{{ ns.l == ns.m }}"), kWork);
  EXPECT_EQ(failure(doubled + "{{ ns.l in [ns.m] }}"), kWork);
}

TEST(HostileTemplates, RecursionIsBounded) {
  constexpr const char* kDeep = "chat_template:1: the template recurses too deeply";
  EXPECT_EQ(failure("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"), kDeep);
  EXPECT_EQ(failure("{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}"),
            kDeep);
  EXPECT_EQ(failure("{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}{{ m() }}"),
            kDeep);
  EXPECT_EQ(
      failure("{% set ns = namespace(l=1) %}{% for i in range(1000) %}{% set ns.l = [ns.l] %}{% endfor %}"),
      "chat_template:1: values of the template are nested too deeply");
  EXPECT_EQ(
      failure("{% set ns = namespace(l=[1]) %}{% for i in range(1000) %}{% set ns.l = [ns.l]|map('list') "
              "%}{% endfor %}"),
      "chat_template:1: values of the template are nested too deeply");
  EXPECT_EQ(failure("{% set ns = namespace() %}{% for i in range(100000) %}{% set ns.n = namespace(n=ns.n) "
                    "%}{% endfor %}ok"),
            "rendered 2 bytes");
  EXPECT_EQ(failure("{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}").substr(0, 17),
            "chat_template:1: ");
}

// A thread of 512 KiB gets the same clear errors, sooner; what fits into it is rendered.
TEST(HostileTemplates, SmallStacksAreNotOverrun) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "frames are several times as large under the sanitizer";
#endif
  static std::vector<std::string> messages;
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, 512 << 10), 0);
  pthread_t thread{};
  const auto body = [](void*) -> void* {
    for (const std::string& source :
         {std::string("{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}"),
          std::string("{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}{{ m() }}"),
          "{{ " + times(30, "(1 + ") + "1" + times(30, ")") + " }}"})
      messages.push_back(failure(source));
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, body, nullptr), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  ASSERT_EQ(messages.size(), 3u);
  for (size_t i : {size_t{0}, size_t{1}})
    EXPECT_EQ(messages[i], "chat_template:1: the template recurses too deeply");
  EXPECT_EQ(messages[2], "rendered 2 bytes");
}

TEST(HostileTemplates, SourceNestingIsBounded) {
  constexpr const char* kNested = "chat_template:1: the template is nested too deeply";
  constexpr const char* kExpression = "chat_template:1: an expression is nested too deeply";
  for (const size_t n : {size_t{1000}, size_t{200000}}) {
    EXPECT_EQ(failure("{{ " + times(n, "(")), kNested);
    EXPECT_EQ(failure("{{ " + times(n, "[")), kNested);
    EXPECT_EQ(failure("{{ " + times(n, "{1:")), kNested);
    EXPECT_EQ(failure("{{ " + times(n, "not ") + "1 }}"), kNested);
    EXPECT_EQ(failure("{{ " + times(n, "-") + "1 }}"), kNested);
    EXPECT_EQ(failure("{{ " + times(n, "1 if 1 else ") + "1 }}"), kNested);
    EXPECT_EQ(failure("{{ x" + times(n, "[x")), kNested);
    EXPECT_EQ(failure(times(n, "{% if 1 %}")), kNested);
    EXPECT_EQ(failure(times(n, "{% for x in y %}")), kNested);
    EXPECT_EQ(failure("{{ 1" + times(n, " + 1") + " }}"), kExpression);
    EXPECT_EQ(failure("{{ x" + times(n, ".x") + " }}"), kExpression);
    EXPECT_EQ(failure("{{ x" + times(n, "|safe") + " }}"), kExpression);
    EXPECT_EQ(failure("{{ x" + times(n, "()") + " }}"), kExpression);
  }
  EXPECT_EQ(failure("{{ 1" + times(300, " + 1") + " }}"), "rendered 3 bytes");
  EXPECT_EQ(failure(times(5 << 20, "a")), "chat_template: the template is longer than 4 MiB");
}

TEST(HostileTemplates, LongFlatTemplatesAreFine) {
  EXPECT_EQ(failure(times(100000, "{{ word }}\n")), "rendered 599999 bytes");
  EXPECT_EQ(failure("{% if 0 %}" + times(20000, "{% elif 0 %}") + "{% endif %}x"), "rendered 1 bytes");
  EXPECT_EQ(failure(times(100000, "{ ")), "rendered 200000 bytes");
}

TEST(HostileTemplates, DeepVariablesAreRefused) {
  nlohmann::ordered_json deep = 1;
  for (int i = 0; i < 5000; ++i) deep = nlohmann::ordered_json::array({std::move(deep)});
  try {
    ChatTemplate("{{ deep }}").render({{"deep", deep}});
    FAIL();
  } catch (const TemplateError& error) {
    EXPECT_STREQ(error.what(), "chat_template:0: values of the template are nested too deeply");
  }
}

TEST(HostileTemplates, InvalidTextIsRefused) {
  EXPECT_EQ(failure("a\xff"), "chat_template: the template is not valid UTF-8");
  EXPECT_EQ(failure("{{ '\\ud83d' }}"), "chat_template:1: \\ud83d names half of a surrogate pair");
  try {
    ChatTemplate("{{ v }}").render({{"v", "\xc3"}});
    FAIL();
  } catch (const TemplateError& error) {
    EXPECT_STREQ(error.what(), "chat_template:0: a variable of the template is not valid UTF-8");
  }
}

}  // namespace
}  // namespace circuitdiff
