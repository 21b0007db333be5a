#!/usr/bin/env python3
"""Renders generated templates with jinja2, set up as transformers sets it up, and with our engine, and compares.

usage: differential.py JINJA_RENDER [--count N] [--seed S] [--show K]

Templates: every value with every filter, test, method and operator (drawn at random), statements nested
at random, damaged ones, and a written list of corners. A row agrees if both give the same text or both raise; the message of
raise_exception must be the same as well. Exit 0: all agree, 1: differences (printed), 77: no jinja2.
"""
import argparse
import copy
import datetime
import json
import random
import re
import resource
import subprocess
import sys

try:
    import jinja2
    import jinja2.ext
    from jinja2.sandbox import ImmutableSandboxedEnvironment
except ImportError:
    print("skipped: this python has no jinja2")
    sys.exit(77)

NOW = datetime.datetime(2024, 7, 26, 13, 14, 15, 678)


class Generation(jinja2.ext.Extension):
    """{% generation %}...{% endgeneration %}: renders its body."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("render_body"), [], [], body).set_lineno(line)

    def render_body(self, caller):
        return caller()


class SafeNamespace(jinja2.utils.Namespace):
    def __init__(*args, **kwargs):
        self, args = args[0], args[1:]
        attributes = dict(*args, **kwargs)
        for name in attributes:
            SafeNamespace.check(name)
        jinja2.utils.Namespace.__init__(self, attributes)

    def __setitem__(self, name, value):
        SafeNamespace.check(name)
        jinja2.utils.Namespace.__setitem__(self, name, value)

    @staticmethod
    def check(name):
        if isinstance(name, str) and name.startswith("_"):
            raise jinja2.exceptions.SecurityError("underscore")


class DictMaker:
    def __call__(self, *args, **kwargs):
        return dict(*args, **kwargs)

    def fromkeys(self, *args, **kwargs):
        return dict.fromkeys(*args, **kwargs)


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def make_environment():
    env = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda wanted: NOW.strftime(wanted)
    env.globals["dict"] = DictMaker()
    env.globals["namespace"] = SafeNamespace
    return env


CONTEXT = {
    "messages": [
        {"role": "system", "content": "  Be brief.\n"},
        {"role": "user", "content": "What is 2+2? é 👍 <b>&"},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "1", "function": {"name": "calc", "arguments": {"expr": "2+2", "n": 3, "ok": True, "x": None}}}]},
        {"role": "tool", "name": "calc", "content": "4"},
        {"role": "assistant", "content": "<think>\nhm\n</think>\n\nIt is 4."},
    ],
    "tools": [{"type": "function", "function": {"name": "calc", "description": "\"quoted\" <x>", "parameters": {
        "type": "object", "properties": {"expr": {"type": "string", "enum": ["a", "b"]}, "n": {"type": ["number", "null"]}},
        "required": ["expr"]}}}],
    "add_generation_prompt": True,
    "bos_token": "<s>",
    "eos_token": "</s>",
    "nothing": None,
    "yes": True,
    "no": False,
    "zero": 0,
    "seven": 7,
    "minus": -3,
    "half": 0.5,
    "big": 12345678901234567890,
    "small": 1e-07,
    "large": 1e22,
    "empty": "",
    "word": "Hello World",
    "text": "one two\tthree\n four\r\nfive",
    "accents": "Ünïcödé ßtraße ΣΑΣ",
    "quotes": "it's \"so\"",
    "numbers": [3, 1, 2, 10, -1],
    "mixed": [1, "a", None, True, 2.5, [1], {"k": "v"}],
    "words": ["pear", "Apple", "fig", "apple", "Fig"],
    "nested": [[1, 2], [3, [4, 5]], []],
    "people": [{"name": "Ann", "age": 30, "city": "Rome", "tags": ["x"]}, {"name": "bob", "age": 25, "city": "oslo"},
               {"name": "Cid", "age": 30, "city": "Oslo", "tags": []}],
    "mapping": {"b": 1, "a": [1, 2], "C": {"deep": "x"}, "items": "shadow", "1": "one"},
    "blank": {},
    "none_list": [],
}

VALUES = (
    list(CONTEXT) + ["undefined_name", "messages[1].content", "messages[2]", "mapping.C", "people[0]", "none", "true", "'a'",
    "'abc'", "''", "'  x  '", "'a,b,,c'", "1", "0", "-5", "2.5", "1e3", "[]", "{}", "()", "(1, 'b')", "[1, 2, 3]",
    "{'x': 1, 'y': [2]}", "{1: 2, none: 3}", "range(4)", "range(5, 0, -2)", "namespace(a=1)", "mapping.items()", "mapping.keys()",
    "word.upper", "'<i>'|e", "'%s-%s'", "'{}-{}'", "'10'", "'3.7'", "'0x1f'", "'aXbXc'", "[[1, 'a'], [2, 'b']]", "2 ** 70",
    "words|map('upper')", "people|selectattr('tags')", "'ŉ ﬁ Ω'"]
)

FILTERS = """upper lower title capitalize trim length list first last reverse join join(',') join('-',attribute='name') sort
sort(reverse=true) sort(case_sensitive=true) sort(attribute='age') sort(attribute='city,name') unique unique(true) min max sum
sum(attribute='age') sum(start=10) default default('D') default('D',true) d('x') abs round round(1) round(2,'ceil') round(0,'floor')
round(-1) int int(5) int(base=16) int(7,2) float float(1.5) string safe escape e forceescape tojson tojson(indent=2) tojson(indent=4)
tojson(ensure_ascii=true) tojson(sort_keys=true) tojson(separators=(',',':')) tojson(indent='--') map('upper') map('length')
map(attribute='name') map(attribute='zzz',default='-') map('default','q') select select('odd') select('string') select('gt',1)
reject reject('none') reject('equalto','a') selectattr('age') selectattr('age','gt',26) selectattr('role','equalto','user')
selectattr('tags','defined') rejectattr('name') rejectattr('city','in',['Rome']) batch(2) batch(2,'F') slice(2) slice(3,'F')
groupby('city') groupby('age') groupby('city',case_sensitive=true) groupby('tags',default='z') items dictsort dictsort(true)
dictsort(by='value') dictsort(reverse=true) attr('name') attr('upper') wordcount center center(30) indent indent(2) indent(2,true)
indent('>>',true,true) indent(width=3,blank=true) truncate(5) truncate(5,true) truncate(7,false,'!') truncate(3,true,'') replace('o','0')
replace('a','') replace('','-') replace('l','LL',1) format(1,2) format('x') format(a=1) urlencode striptags filesizeformat
filesizeformat(true) count xmlattr trim('x ') trim('H') trim(none) list|length list|first list|join('|') list|string string|length
string|upper tojson|length reverse|list items|list dictsort|first first|default('none') map('tojson')|join(' ') map('string')|join
map(attribute=0)|list select('mapping')|list select('in',[1,2])|list batch(3)|list slice(2)|list unique|list groupby('city')|map('first')|list
map('join','+')|list reject('undefined')|map('trim')|list nosuch|upper random|string""".split()

TESTS = """defined undefined none string mapping sequence iterable number integer float boolean true false callable odd even
divisibleby(3) divisibleby 2 sameas(none) sameas true escaped lower upper in([1,2,'a']) in('abc') equalto(1) eq('a') ==(1) ne(none)
gt(2) ge(7) lt('b') le(0) greaterthan(0) lessthan(1) filter test nosuchtest""".replace("divisibleby 2", "divisibleby~2").replace(
    "sameas true", "sameas~true").split()

METHODS = """upper() lower() title() capitalize() swapcase() casefold() strip() lstrip() rstrip() strip('Hd') lstrip('H') rstrip('d ')
split() split(',') split('X',1) split(none,1) split('o',maxsplit=1) rsplit() rsplit('X',1) rsplit(none,1) partition('o') rpartition('o')
splitlines() splitlines(true) startswith('H') startswith('') startswith(('a','H')) endswith('d') endswith('lo',0,5) startswith('e',1)
find('o') find('zz') find('o',5) rfind('o') index('o') rindex('l') count('l') count('') count('l',0,4) replace('l','L')
replace('l','L',1) replace('','.') join(['a','b']) join('xyz') join(words) ljust(14) rjust(14,'*') center(15) center(14,'*')
zfill(12) expandtabs() expandtabs(4) removeprefix('He') removesuffix('ld') isalpha() isalnum() isdecimal() isdigit() isnumeric()
isspace() isprintable() isascii() isidentifier() islower() isupper() istitle() format(1,2) format(1,b=2) format_map({'a':1})
get('a') get('zz') get('zz',5) items() keys() values() items()|list keys()|list values()|list copy() count(1) index(2) pop()
append(1) update({}) setdefault('q',1) clear() foo foo.bar __class__ _x bit_length() is_integer() real a name start tags[0]
translate({})""".split()

OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or", "is sameas"]

SUBSCRIPTS = """[0] [-1] [1] [99] ['a'] ['name'] ['items'] ['upper'] [none] [1.0] [true] [:2] [1:] [::-1] [::2] [-2:] [:-1] [1:3] [5:1:-1]
[::-2] [-100:100] [100:] [:0] [none:2] ['x':] [1,2] [undefined_name] .0 .name .role .content .items .keys .length [0][0] [0].name
[0]['role'] .C.deep ['C']['deep'] [::0]""".split()

TAILS = ["", "|string", "|list", "|tojson", " is defined", "|length", "|join('|')", " ~ '!'"]

FORMATS = ["%s", "%r", "%d", "%5d|", "%-5d|", "%05d", "%+d", "% d", "%x", "%X", "%o", "%#x", "%c", "%e", "%.2f", "%8.3f|", "%g", "%G",
           "%.3g", "%10s|", "%-10s|", "%.2s", "%%", "%i", "%u", "%5.1f%%", "%s %s", "%(a)s", "%(a)5d", "%", "%z", "%*d", "%a"]
BRACES = ["{}", "{0}", "{a}", "{:>8}|", "{:<8}|", "{:^8}|", "{:*^9}", "{:08.3f}", "{:.2f}", "{:,}", "{:_}", "{:x}", "{:#x}", "{:b}",
          "{:+d}", "{:e}", "{:g}", "{:%}", "{:.1%}", "{!r}", "{!s:>6}|", "{:5}|", "{:.3}", "{0} {0}", "{} {}", "{0.real}", "{{}}", "{",
          "}", "{a[0]}", "{:c}", "{:n}", "{:010,}", "{:=+8}", "{:{a}}", "{:z}"]
NUMBERS = ["0", "7", "-42", "3.14159", "1e10", "-0.0", "1234567", "1234567.891", "true", "2.5", "0.1", "1e-5", "1e16", "123456789012",
           "1/3", "10**20", "'txt'", "'é'", "none", "[1]", "65", "1e300", "0.5", "1.5", "-2.5", "2.675"]

CORNERS = r"""
{{ "a" 'b' "c" }}
{{ '\n\t\\\'\"\x41\u00e9\U0001F44D\101\q' }}
{{ 'é\é' }}
{{ 1_000 + 0x1F + 0b101 + 0o17 }}|{{ 1.5e3 }}|{{ 1e-7 }}|{{ 1e16 }}|{{ 123456789.123 }}
{{ 2**3**2 }} {{ -2**2 }} {{ 2**-1 }} {{ 7//2 }} {{ -7//2 }} {{ 7%-3 }} {{ -7%3 }} {{ 7.5//2 }} {{ -7.5%2 }}
{{ 1 < 2 < 3 }} {{ 3 > 2 > 2 }} {{ 1 == 1.0 == true }}
{{ none }} {{ true }} {{ [none, true, 1.0, 'a', "it's"] }} {{ {'a': none, 1: (1,)} }}
{{ (1,) }} {{ () }} {{ (1, 2) }} {{ 1, 2 }}
{{ x if x is defined }} {{ 'a' if false }}|{{ 'a' if false else 'b' if false else 'c' }}
{{ not true or true and not false }}
{{ 1 if 2 if 0 else 3 }}
{{ -1|abs }} {{ (-1)|abs }} {{ - 5 | string | length }}
{{ 'x' * 3 ~ 2 + 1 }}
{{ word|upper|lower|title }}
{{ undefined_name.foo }}
{{ undefined_name['foo'] }}
{{ mapping.zzz.foo }}
{{ messages[99].role }}
{{ undefined_name() }}
{{ mapping.zzz() }}
{{ undefined_name + 1 }}
{{ raise_exception('Boom: ' ~ word) }}
{{ raise_exception() }}
{{ raise_exception(undefined_name) }}
{{ strftime_now('%Y-%m-%d %H:%M:%S %d %b %B %A %j %f %% %y') }}
{{ dict(a=1, b=2) }} {{ dict([('a', 1)], b=3) }} {{ dict(mapping)|length }} {{ dict.fromkeys([1, 2], 0) }}
{{ range(3) }} {{ range(3)|list }} {{ range(1, 10, 3)|list }} {{ range(10)[2:5] }} {{ range(5)|last }} {{ 3 in range(5) }}
{{ range(100001) }}
{{ range(0) }} {{ range('a') }}
{{ cycler('a', 'b').next() }}
{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.next() }}
{% set j = joiner('; ') %}{% for x in [1,2,3] %}{{ j() }}{{ x }}{% endfor %}
{% set ns = namespace(a=1, b='x') %}{% set ns.a = ns.a + 1 %}{{ ns.a }}{{ ns.b }}{{ ns['a'] }}{{ ns }}
{% set ns = namespace() %}{% set ns._a = 1 %}
{% set ns.x = 1 %}
{% set mapping.x = 1 %}
{% set ns = namespace(n=0) %}{% for x in numbers %}{% set ns.n = ns.n + x %}{% endfor %}{{ ns.n }}
{% set x = 1 %}{% for i in [1,2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}
{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}
{% for x in [1,2,3] %}{{ x }}{% if loop.index == 2 %}{% break %}{% endif %}{% else %}E{% endfor %}
{% for x in [1,2,3] %}{% continue %}{{ x }}{% else %}E{% endfor %}
{% for x in [] %}{{ x }}{% else %}E{% endfor %}
{% for x in undefined_name %}{{ x }}{% else %}E{% endfor %}
{% for x in 5 %}{% endfor %}
{% for a, b in mapping.items() %}{{ a }}={{ b }};{% endfor %}
{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for a, b in [(1, 2, 3)] %}{% endfor %}
{% for a, b in [(1,)] %}{% endfor %}
{% for a, b in [1] %}{% endfor %}
{% for x in 'héy' %}[{{ x }}]{% endfor %}
{% for x in mapping %}{{ x }}{% endfor %}
{% for x in numbers if x > 1 %}{{ loop.index }}:{{ x }}/{{ loop.length }} {% endfor %}
{% for x in numbers if x > 100 %}{% else %}none{% endfor %}
{% for x in numbers %}{{ loop.first }}{{ loop.last }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.depth }}{{ loop.depth0 }} {% endfor %}
{% for x in numbers %}{{ loop.cycle('a', 'b') }}{{ loop.changed(x > 1) }}{% endfor %}
{% for x in [1,2] %}{% for y in [3,4] %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}
{% for x in [1,2] %}{% set outer = loop %}{% for y in [3,4] %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}
{% for x in nested recursive %}{% if x is iterable %}[{{ loop(x) }}]{% else %}{{ x }}@{{ loop.depth }}{% endif %}{% endfor %}
{% for x in [1] %}{{ loop(x) }}{% endfor %}
{% for x in [1, 2] %}{{ loop }}{% endfor %}
{% for x in words|map('upper') %}{{ x }}{{ loop.last }}{{ loop.length }} {% endfor %}
{% for x in words|select('lower') %}{{ loop.nextitem|default('end') }} {% endfor %}
{% for loop in [1] %}{% endfor %}
{% for x in [1] %}{% set loop = 1 %}{% endfor %}
{{ loop }}{{ loop is defined }}
{% macro m(a, b='B', c=a) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }}|{{ m(1, 2) }}|{{ m(1, c=3) }}|{{ m() }}|{{ m(b=5, a=4) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(z=2) }}
{% macro m(a) %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, x=4) }}
{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}hi{{ word }}{% endcall %}
{% macro m() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b=5) m() %}{{ a }}{{ b }}{% endcall %}
{% macro m() %}{% if caller %}C{{ caller() }}{% else %}N{% endif %}{% endmacro %}{{ m() }}{% call m() %}x{% endcall %}
{% macro m() %}x{% endmacro %}{% call m() %}x{% endcall %}
{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}
{% macro m(x) %}{{ x }}{{ word }}{% set word = 'in' %}{{ word }}{% endmacro %}{{ m(1) }}{{ word }}
{% macro m(a, a) %}{% endmacro %}
{% macro m(a=1, b) %}{% endmacro %}
{% macro m(a=b, b=2) %}{{ a }}{{ b }}{% endmacro %}{{ m() }}|{{ m(b=3) }}
{{ m }}{% macro m() %}z{% endmacro %}{{ m }}{{ m.name }}{{ m.arguments }}{{ m.caller }}
{% for i in [1,2] %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}{{ m is defined }}
{% set v %}a{{ word }}b{% endset %}{{ v }}{{ v|length }}
{% set v | upper | replace('L', '_') %}a{{ word }}b{% endset %}{{ v }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set a, b = b, a %}{{ a }}{{ b }}
{% set a, b = 1 %}
{% set (a, b), c = (1, 2), 3 %}{{ a }}{{ b }}{{ c }}
{% set 5 = 1 %}
{% set true = 1 %}
{% set a.b.c = 1 %}
{% with a=1, b=word %}{{ a }}{{ b }}{% set a = 9 %}{{ a }}{% endwith %}{{ a }}
{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q is defined }}
{% with a=1, b=a %}{{ b }}{% endwith %}
{% filter upper %}a{{ word }}{% endfilter %}
{% filter upper|replace('O', '0') %}{% set zz = 1 %}a{{ word }}{{ zz }}{% endfilter %}{{ zz is defined }}
{% filter nosuch %}{% endfilter %}
{% if false %}{{ 1|nosuch }}{% endif %}ok
{% if true %}{{ 1|nosuch }}{% endif %}ok
{{ 1|nosuch if false else 2 }}
{% if true %}{% for x in [] %}{{ x|nosuch }}{% endfor %}{% endif %}
{{ 1 is nosuch }}
{% generation %}a{{ word }}{% set g = 1 %}{% endgeneration %}{{ g is defined }}
{% for m in messages %}{% generation %}{{ m.role }}{{ loop.index }}{% endgeneration %}{% endfor %}
{% for m in messages %}{% generation %}{% break %}{% endgeneration %}{% endfor %}
{% break %}
{% raw %}{{ x }}{% y %}{% endraw %}|
  {%- raw -%}  {{ x }}  {%- endraw -%}  |
a {# comment #} b {#- c -#} d
a {# unclosed
{% raw %} unclosed
{{ unclosed
{% if x %}
{% endif %}
{% nosuchtag %}
{% else %}
{{ 1 + }}
{{ ) }}
{{ (1 }}
{{ [1, 2 }}
{{ {'a' 1} }}
{{ 'unclosed }}
{{ a b }}
{{ 1 is is none }}
{{ ! }}
{{ {'a': {'b': 1}}['a']['b'] }}{{ {'a': 1}}}
{{ 5 is divisibleby 5 }}{{ 5 is not divisibleby(2) }}{{ word is string and word is not none }}
{{ [1,2,3,] }}{{ {'a':1,} }}{{ m(1,) if m is defined }}
{% block b %}x{{ word }}{% set bb = 1 %}{% endblock %}{{ bb is defined }}{{ self.b() }}
{% block b %}{% endblock %}{% block b %}{% endblock %}
{% for i in [1,2] %}{% block q scoped %}{{ i }}{% endblock %}{% endfor %}
{% for i in [1,2] %}{% block q %}{{ i }}{% endblock %}{% endfor %}
{% block r required %}{% endblock %}
{% include 'x' %}
{% if false %}{% include 'x' %}{% import 'y' as z %}{% from 'a' import b %}{% endif %}ok
{% extends 'x' %}
{% print 1, 'a' %}
{{ print }}
{% if not messages is defined %}a{% elif messages %}b{% else %}c{% endif %}
{% if messages[0]['role'] == 'system' %}{% set messages = messages[1:] %}{% endif %}{{ messages|length }}
{{ messages[2]['content'] is none }}{{ messages[2].content }}{{ messages[0].nope is defined }}
{{ messages|map(attribute='role')|join(',') }}{{ messages|selectattr('role', 'equalto', 'user')|list|length }}
{{ messages|selectattr('content', 'none')|map(attribute='role')|first }}
{{ (messages|last).content.split('</think>')[-1].lstrip('\n') }}
{{ tools[0].function.parameters.properties.keys()|list|join(' ') }}{{ tools|tojson }}
{{ tools[0]|tojson(indent=4) }}
{%- for k, v in tools[0].function.parameters.properties|items %}{{ k }}{{ v.type }}{% endfor %}
{{ tools[0].function | items | list }}
{% set g = words|map('upper') %}{{ g|first }}{{ g|list }}{{ g|list }}
{{ words|map('nosuch')|list }}
{{ words|map()|list }}
{{ words|map }}
{{ words|select(undefined_name)|list }}
{{ [1,2]|sum }}{{ [0.1,0.2]|sum }}{{ [[1],[2]]|sum(start=[]) }}{{ ['a']|sum }}
{{ [1, 'a']|sort }}
{{ [none, 1]|max }}{{ []|max }}
{{ 'a' < 1 }}
{{ [1] < [2] }}{{ (1, 2) <= (1, 3) }}{{ [1] == (1,) }}
{{ {} == {} }}{{ {'a': 1} == {'a': 1.0} }}{{ none == undefined_name }}{{ undefined_name == other_undefined }}
{{ 1 in {1: 2} }}{{ [1] in {} }}{{ 'a' in 'abc' }}{{ 1 in 'abc' }}{{ none in [none] }}
{{ 'a' in undefined_name }}{{ undefined_name in 'abc' }}
{{ {[1]: 2} }}
{{ 1/0 }}
{{ 1%0 }}
{{ 1.0//0 }}
{{ 10 / 4 }}{{ 10 / 5 }}{{ 2 * 2.0 }}{{ true + true }}{{ 7 // 2.0 }}
{{ 2 ** 100 }}{{ 2 ** 64 - 1 }}{{ -(2 ** 63) }}{{ (10 ** 30) // 7 }}{{ (10 ** 30) % 7 }}{{ -(10 ** 30) // 7 }}{{ 2 ** 200 / 2 ** 199 }}
{{ 9223372036854775807 + 1 }}{{ -9223372036854775808 - 1 }}{{ 3037000500 * 3037000500 }}
{{ 1e308 * 10 }}{{ -1e308 * 10 }}{{ 0.1 + 0.2 }}{{ 1/3 }}{{ 100000.0 }}{{ 1e15 }}{{ 1e16 }}{{ 0.0001 }}{{ 0.00001 }}
{{ word[0:5] ~ word[-5:] }}{{ accents[::-1] }}{{ accents[1:4] }}{{ accents|length }}{{ accents.upper() }}{{ accents.lower() }}{{ accents.title() }}
{{ 'a\x00b\x7f\x80\u200b\u2028\ue000'|list }}
{{ quotes }}{{ [quotes] }}{{ ["'", '"', '\\', '\n'] }}
{{ '<a>'|e ~ '<b>' }}{{ '<a>'|e + '<b>' }}{{ '<a>'|safe + '<b>' }}{{ ('<a>'|e)|upper }}{{ ['<'|e] }}{{ '<b>' + ('<a>'|e) }}
{{ '%s' % '<'|e }}{{ ('%s'|e) % '<' }}{{ ('<{}>'|safe).format('<') }}{{ ','|e|join(['<', '>'|safe]) }}
{{ 'a'.join(['x', 'y']) }}{{ 'a'.join([1]) }}
{{ [1,2,3].append(4) }}
{{ mapping.update({}) }}
{{ mapping.pop }}
{{ ''.__class__ }}{{ ''.__class__.__mro__ }}
{{ mapping.__getitem__ is defined }}
{{ lipsum is defined }}
{{ [1,2,3][1:]|first }}{{ [][0] }}{{ ''[0] }}{{ 'abc'[5] }}
{{ (1,2,3)[::-1] }}{{ [1,2,3][::0] }}
{{ mapping.items }}
{{ mapping['items'] }}{{ mapping.get('items') }}{{ mapping.C.deep }}
{{ people|groupby('city')|map(attribute='grouper')|join(',') }}{% for g in people|groupby('age') %}{{ g.grouper }}:{{ g.list|length }}{{ g }}{% endfor %}
{% for city, group in people|groupby('city') %}{{ city }}{{ group|map(attribute='name')|join }}{% endfor %}
{{ people|map(attribute='tags.0')|list }}{{ people|map(attribute='tags', default='none')|list }}
{{ people|sort(attribute='age,name')|map(attribute='name')|list }}{{ people|sort(attribute='nope') }}
{{ people|sum(attribute='age') }}{{ people|min(attribute='age') }}{{ people|max(attribute='name') }}
{{ namespace }}{{ dict }}
{{ f(*[1,2], **{'a': 3}) if f is defined }}{% macro f(x, y, a) %}{{ x }}{{ y }}{{ a }}{% endmacro %}{{ f(*[1,2], **{'a': 3}) }}
{{ dict(*[[('a', 1)]], **{'b': 2}) }}{{ dict(**5) }}
{{ f(a=1, a=2) }}
{{ f(a=1, 2) }}
{% set f = word.upper %}{{ f() }}
{{ word.split }}{{ word.nope }}{{ word.nope.nope }}
{{ 'abc'|list|reverse|join }}{{ 'abc'|reverse }}{{ 5|reverse }}
{{ [3,1,2]|sort|reverse|list }}{{ mapping|sort }}{{ mapping|list }}{{ mapping|length }}{{ mapping|first }}{{ mapping|last }}
{{ words|unique|list }}{{ words|unique(case_sensitive=true)|list }}{{ [1, 1.0, true, '1']|unique|list }}
{{ 'Hello %s' % word }}{{ '%s' % (1, 2) }}{{ '%s %s' % (1,) }}{{ '%d' % 'a' }}{{ '%(a)s' % {'a': 5} }}{{ '%s' % none }}{{ '%s' % undefined_name }}
{{ '%s' % [1, 2] }}{{ 'x' % [1] }}{{ 'x' % {} }}{{ 'x' % 5 }}
{{ word.format }}{{ '{0.upper}'.format(word) }}
{{ '{0.__class__}'.format(word) }}{{ '{a.b}'.format(a={'b': 1}) }}{{ '{a[b]}'.format(a={'b': 1}) }}
{{ 1 if messages else 2 }}{{ messages and 1 }}{{ none_list or 'dflt' }}
{{ [x for x in y] }}
{{ lambda x: x }}
{{ a = 1 }}
{{ not }}
{{ if }}
{{ none.foo }}{{ none['foo'] }}{{ 5 .foo }}
{{ none.foo.bar }}
{{ none() }}
{{ 5() }}
{{ [1,2,3] is sequence }}{{ mapping is sequence }}{{ mapping.items() is sequence }}{{ range(3) is sequence }}{{ word is iterable }}{{ 5 is iterable }}
{{ (words|map('upper')) is iterable }}{{ (words|map('upper')) is sequence }}{{ namespace() is mapping }}{{ word.upper is callable }}{{ range is callable }}
{{ 1 is sameas 1 }}{{ true is sameas true }}{{ none is sameas none }}{{ [] is sameas [] }}
{{ 3 is odd }}{{ 3 is even }}{{ 'a' is odd }}{{ 2.0 is even }}{{ 1 is integer }}{{ true is integer }}{{ true is number }}{{ 1.0 is float }}
{{ 'upper' is filter }}{{ 'odd' is test }}{{ 'zz' is filter }}
{{ [[1,2],[3]]|map('sum')|list }}{{ [1,2,3]|map('string')|join }}{{ ['a','b']|map('replace','a','z')|list }}
{{ '1,2'|map('int')|list }}{{ [1,2,3,4,5]|batch(2)|list }}{{ [1,2,3,4,5]|slice(2)|list }}{{ [1,2,3,4,5]|batch(2, 0)|list }}
{{ '42.7'|int }}{{ '0b11'|int(0, 2) }}{{ 'ff'|int(base=16) }}{{ 'zz'|int(default='d') }}{{ ' 12 '|int }}{{ '1_000'|int }}{{ none|int }}{{ '１２'|int }}
{{ 'inf'|float }}{{ 'nan'|float }}{{ '1e5'|float }}{{ 'x'|float(9) }}{{ ' 2.5 '|float }}{{ '1_0.5'|float }}{{ 'infinity'|int }}
{{ 2.5|round }}{{ 3.5|round }}{{ 2.675|round(2) }}{{ 1234.5678|round(-2) }}{{ 5|round }}{{ 15|round(-1) }}{{ 25|round(-1) }}{{ 2.1|round(1, 'ceil') }}{{ 2.123|round(2, 'floor') }}{{ -2.5|round }}
{{ 'ß'.upper() }}{{ 'ǆ'.title() }}{{ 'ΑΣ'.lower() }}{{ 'İ'.lower()|length }}{{ 'ﬃ'.capitalize() }}{{ 'ﬁ'.title() }}{{ 'ß'.casefold() }}
{{ 'they\'re bill\'s friends-now'|title }}{{ 'they\'re bill\'s'.title() }}{{ "(foo) [bar] {baz}"|title }}
{{ 'a b  c'.split(' ') }}{{ ' a  b '.split() }}{{ 'a,b,c'.rsplit(',', 1) }}{{ ''.split() }}{{ ''.split(',') }}
{{ 'line1\nline2\r\nline3\x0bline4\x85'.splitlines() }}{{ 'a\n\nb\n'|indent }}|{{ 'a\n\nb\n'|indent(2, true, true) }}|
{{ 'foo bar baz qux'|truncate(9) }}{{ 'foo bar baz qux'|truncate(9, true) }}{{ 'foo bar baz qux'|truncate(11) }}{{ 'foo bar baz qux'|truncate(11, false, '...', 0) }}
{{ {'a': 1, 'b': [1, {'c': none}], 'e': [], 'f': {}, 'é': 1.0, 'g': 1e100, 2: true}|tojson(indent=2) }}
{{ {'a': 1}|tojson(indent=0) }}{{ [1, [2]]|tojson(indent=1) }}{{ 'a\u2028\x7f\x01"\\/é👍'|tojson }}{{ 'é👍\x7f'|tojson(ensure_ascii=true) }}
{{ {(1, 2): 3}|tojson }}
{{ {none: 1, true: 2, 1.5: 3}|tojson }}
{{ undefined_name|tojson }}
{{ range(3)|tojson }}
{{ (1, 2)|tojson }}{{ '<'|e|tojson }}{{ [1.0, 1e16, 0.1, -0.0]|tojson }}{{ {'b': 1, 'a': 2}|tojson(sort_keys=true) }}
{{ 'a/b c&d=é'|urlencode }}{{ {'a b': 'c/d', 'e': 1}|urlencode }}{{ '<p>Hi <b>there</b> &amp; you</p>'|striptags }}
{{ 1000|filesizeformat }}{{ 1024|filesizeformat(true) }}{{ 1|filesizeformat }}{{ 1234567|filesizeformat }}{{ 0|filesizeformat }}
{{ {'class': 'a<b', 'x': none}|xmlattr }}{{ {'a b': 1}|xmlattr }}
{{ loop.index if loop is defined else 'no loop' }}
{{ caller is defined }}{{ varargs is defined }}
{{ super is defined }}
{{ -5 ** seven }} {{ (-5) ** seven }} {{ -2 ** 2 }} {{ minus ** 2 }} {{ -2.5 ** seven }}
{% for x in [1] %}{{ word }}{% endfor %}|{% set word = 1 %}{{ word }}
{% for x in [1] %}{{ word }}{% endfor %}|{{ word }}{% set word = 1 %}
{% if no %}{% set word = 1 %}{% endif %}{% for x in [1] %}{{ word }}{% endfor %}
{% for x in [1] %}{{ word }}{% endfor %}{% if yes %}{% set word = 1 %}{% else %}{% set text = 2 %}{% endif %}{{ word }}{{ text }}
{% block b %}{{ word }}{% endblock %}{% for x in [1] %}{{ word }}{% endfor %}{% set word = 1 %}{{ self.b() }}
{% macro m() %}{{ word }}{% endmacro %}{{ m() }}{% set word = 1 %}{{ m() }}
{% macro m() %}{% for x in [1] %}{{ word }}{% endfor %}{% set word = 1 %}{% endmacro %}{{ m() }}{{ word }}
{% set a = 1 %}{% for x in [1, 2] %}{% for y in [1] %}{{ a }}{{ word }}{% endfor %}{% set a = 2 %}{% set word = 3 %}{{ a }}{{ word }}{% endfor %}
{% with %}{% for y in [1] %}{{ text }}{% endfor %}{% set text = 3 %}{% endwith %}
{% filter upper %}{% for y in [1] %}{{ text }}{% endfor %}{% set text = 3 %}{% endfilter %}
{% for x in [] %}{% else %}{% for y in [1] %}{{ text }}{% endfor %}{% set text = 3 %}{{ text }}{% endfor %}
{% for x in [1] %}{{ tools|length }}{% endfor %}{% if tools %}{% set tools = [] %}{% endif %}{{ tools|length }}
{% for x in [1] %}{{ f() }}{% endfor %}{% macro f() %}F{% endmacro %}
""".strip("\n").split("\n")

# Python prints these with an address, and what a filter makes of the text hides it.
PRINTS_ADDRESS = r"attr\('upper'\)|(\(words\|map\('upper'\)\)|\(people\|selectattr\('tags'\)\)|word\.upper)(\||.* ~ )"
# Views of a dict can be subtracted and compared as sets; sets have no place in a template.
MAKES_A_SET = r"mapping\.(keys|items)\(\) (-|<|>|==|!=)|(-|<|>|<=|>=|==|!=) mapping\.(keys|items)\(\)"

PIECES = ["{{", "}}", "{%", "%}", "{#", "#}", "-", "+", "(", ")", "[", "]", "{", "}", ",", ".", ":", "|", "~", "'", '"', "\\", "=",
          "==", "!", "<", "**", "//", "1", "0x", "1e5", "_", " ", "\n", "if", "else", "not", "in", "is", "and", "for", "é", "\u00a0",
          "none", "recursive", "endif", "raw"]

WHITESPACE = [" ", "  ", "\n", "\n\n", "\n  ", "  \n", "\t", "", "x", " y\n", "\r\n", "\n   \n"]


class Templates:
    def __init__(self, seed):
        self.rng = random.Random(seed)

    def pick(self, items):
        return self.rng.choice(items)

    def value(self):
        v = self.pick(VALUES)
        return v

    def atom(self):
        v = self.value()
        return f"({v})" if " " in v or "|" in v else v

    def binary(self, left, depth):
        symbol = self.pick(OPERATORS)
        if symbol == "**":  # a large exponent would keep Python busy for hours
            return f"{left} ** {self.pick(['2', '3', '-1', '0', 'half', 'true', 'none', chr(39) + 'a' + chr(39), 'undefined_name'])}"
        return f"{left} {symbol} {self.expression(depth + 1)}"

    def expression(self, depth=0):
        r = self.rng.random()
        if depth > 2 or r < 0.15:
            return self.atom()
        if r < 0.4:
            return f"{self.atom()}|{self.pick(FILTERS)}"
        if r < 0.5:
            return f"({self.expression(depth + 1)} is {self.pick(['', 'not '])}{self.pick(TESTS).replace('~', ' ')})"
        if r < 0.65:
            return f"{self.atom()}.{self.pick(METHODS)}"
        if r < 0.75:
            return f"{self.atom()}{self.pick(SUBSCRIPTS)}"
        if r < 0.9:
            return f"({self.binary(self.expression(depth + 1), depth)})"
        if r < 0.95:
            return f"({self.expression(depth + 1)} if {self.expression(depth + 1)} else {self.expression(depth + 1)})"
        return f"[{self.expression(depth + 1)}, {self.expression(depth + 1)}]"

    def single(self):
        kind = self.rng.random()
        if kind < 0.40:
            text = f"{self.atom()}|{self.pick(FILTERS)}{self.pick(TAILS)}"
        elif kind < 0.48:
            text = f"{self.atom()} is {self.pick(TESTS).replace('~', ' ')}"
        elif kind < 0.66:
            text = f"{self.atom()}.{self.pick(METHODS)}{self.pick(TAILS)}"
        elif kind < 0.76:
            text = f"{self.atom()}{self.pick(SUBSCRIPTS)}{self.pick(TAILS)}"
        elif kind < 0.90:
            text = self.binary(self.atom(), 3)
        elif kind < 0.95:
            shape = self.pick(["({})", "({},)", "{{'a': {}}}"])
            text = f"'{self.pick(FORMATS)}' % {shape.format(self.pick(NUMBERS))}"
        else:
            n = self.pick(NUMBERS)
            text = f"'{self.pick(BRACES)}'.format({n}, a={self.pick(NUMBERS + ['[5]', '8'])})"
        return "{{ " + text + " }}"

    def space(self):
        return self.pick(WHITESPACE)

    def tag(self, inner):
        return "{%" + self.pick(["", "", "-", "+"]) + " " + inner + " " + self.pick(["", "", "-", "+"]) + "%}"

    def output(self, inner):
        return "{{" + self.pick(["", "", "-"]) + " " + inner + " " + self.pick(["", "", "-"]) + "}}"

    def small(self):
        """An expression that seldom raises."""
        return self.pick(["x", "y", "word", "loop.index", "loop.last", "ns.n", "messages|length", "numbers[0]", "acc", "m.role",
                          "m.content", "m['role']", "x|string", "'lit'", "42", "none", "undefined_name", "item", "k ~ v",
                          "numbers|join(',')", "m.content|trim", "(x, y)", "mapping.C", "f(x)", "f(1, b=2)", "caller()"])

    def condition(self):
        return self.pick(["x", "not x", "loop.first", "loop.index > 1", "x is defined", "m.role == 'user'", "word in text", "true",
                          "no", "x is none", "ns.n < 3", "messages", "x == y", "loop.index0 % 2 == 0", "m.tool_calls is defined",
                          "x is string and x", "undefined_name"])

    def iterable(self):
        return self.pick(["numbers", "words", "messages", "range(3)", "none_list", "'abc'", "nested", "words|sort", "mapping",
                          "numbers|select('odd')", "people", "messages[1:]", "words|map('upper')", "undefined_name"])

    def body(self, depth):
        return "".join(self.space() + self.statement(depth + 1) for _ in range(self.rng.randint(1, 3))) + self.space()

    def statement(self, depth=0):
        r = self.rng.random()
        if depth > 3 or r < 0.35:
            return self.output(self.small())
        if r < 0.42:
            return "{#" + self.pick(["", "-"]) + " note " + self.pick(["", "-", "+"]) + "#}"
        if r < 0.52:
            return self.tag(f"set {self.pick(['x', 'y', 'acc', 'word', 'item'])} = {self.small()}")
        if r < 0.57:
            return self.tag("set ns.n = ns.n + 1")
        if r < 0.68:
            text = self.tag("if " + self.condition()) + self.body(depth)
            if self.rng.random() < 0.3:
                text += self.tag("elif " + self.condition()) + self.body(depth)
            if self.rng.random() < 0.5:
                text += self.tag("else") + self.body(depth)
            return text + self.tag("endif")
        if r < 0.82:
            target, source = self.pick(["x", "m", "item"]), self.iterable()
            if self.rng.random() < 0.15:
                target, source = "k, v", self.pick(["mapping.items()", "mapping|items", "mapping|dictsort(by='key')"])
            text = self.tag(f"for {target} in {source}" + self.pick(["", "", " if x", " if loop is defined or true"]))
            text += self.body(depth)
            if self.rng.random() < 0.25:
                text += self.tag("if " + self.condition()) + self.tag(self.pick(["break", "continue"])) + self.tag("endif")
            if self.rng.random() < 0.3:
                text += self.tag("else") + self.body(depth)
            return text + self.tag("endfor")
        if r < 0.86:
            return self.tag("macro f(a, b=x)") + self.body(depth) + self.output("a") + self.output("b") + self.tag("endmacro")
        if r < 0.89:
            return self.tag("set acc" + self.pick(["", " | upper", "|trim"])) + self.body(depth) + self.tag("endset")
        if r < 0.92:
            return self.tag(f"with x = {self.small()}, y = {self.small()}") + self.body(depth) + self.tag("endwith")
        if r < 0.94:
            return self.tag("filter " + self.pick(["upper", "trim", "replace('a', 'A')"])) + self.body(depth) + self.tag("endfilter")
        if r < 0.96:
            return self.tag("generation") + self.body(depth) + self.tag("endgeneration")
        if r < 0.98:
            return self.tag("call f(5)") + self.body(depth) + self.tag("endcall")
        return self.tag("raw") + "{{ raw }}" + self.space() + self.tag("endraw")

    def program(self):
        head = "{% set ns = namespace(n=0) %}{% set x = 1 %}" + self.pick(["", "{% macro f(a, b=2) %}<{{ a }}{{ b }}>{% endmacro %}"])
        return head + self.body(0)

    def compound(self):
        return self.output(self.expression()) + self.space() + self.output(self.expression())


    def damaged(self):
        """A template with a few characters removed, doubled or replaced: both must refuse it, or read it alike."""
        text = self.pick([self.pick(CORNERS), self.program(), self.single()])
        for _ in range(self.rng.randint(1, 3)):
            at, to = sorted((self.rng.randrange(len(text) + 1), self.rng.randrange(len(text) + 1)))
            to = min(to, at + 3)
            text = text[:at] + self.pick(["", "", text[at:to] * 2, self.pick(PIECES)]) + text[to:]
        return text


def oracle(env, template):
    try:
        return {"text": env.from_string(template).render(**copy.deepcopy(CONTEXT))}
    except Exception as error:  # whatever Python raises is an error of the template
        return {"error": str(error), "kind": type(error).__name__}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("render")
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=30)
    options = parser.parse_args()

    made = Templates(options.seed)
    templates = list(CORNERS)
    while len(templates) < options.count + len(CORNERS):
        r = made.rng.random()
        templates.append(made.single() if r < 0.4 else made.program() if r < 0.65 else made.compound() if r < 0.8 else made.damaged())

    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))  # so that a huge value is a MemoryError
    env = make_environment()
    lines = "".join(json.dumps({"template": t, "context": CONTEXT}) + "\n" for t in templates)
    done = subprocess.run([options.render], input=lines, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"{options.render} ended with {done.returncode}: {done.stderr[-500:]}")
        return 1
    ours = [json.loads(line) for line in done.stdout.split("\n") if line]
    assert len(ours) == len(templates)

    compared = texts = different = kinds = 0
    for template, mine in zip(templates, ours):
        theirs = oracle(env, template)
        if re.search(r" at 0x[0-9a-f]{6,}", theirs.get("text", "")):
            continue  # prints an address
        if re.search(PRINTS_ADDRESS, template) or re.search(MAKES_A_SET, template):
            continue
        if "random" in template or theirs.get("kind") in ("RecursionError", "MemoryError"):
            continue
        if mine.get("kind") in ("NotImplementedError", "ResourceError"):
            continue
        if "�" in json.dumps(theirs, ensure_ascii=True) or re.search(r"\\ud[89a-f]", json.dumps(theirs)) and "\\N" in template:
            continue
        compared += 1
        texts += "text" in theirs
        agree = mine.get("text") == theirs.get("text") and ("error" in mine) == ("error" in theirs)
        if agree and theirs.get("kind") == "TemplateError":
            agree = mine["error"] == theirs["error"]
        if agree and "kind" in theirs and theirs["kind"] != mine["kind"]:
            kinds += 1
            if options.show > 100:
                print(f"kind: {template!r}: {theirs['kind']} {theirs['error']!r}, ours {mine['kind']} {mine['error']!r}")
        if not agree:
            different += 1
            if different <= options.show:
                print(f"template: {template!r}\n  jinja2: {theirs}\n  ours:   {mine}")
    print(f"{compared} templates compared, {texts} rendered, {compared - texts} raised ({kinds} with another class), "
          f"{different} different")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
