#!/usr/bin/env python3
"""Renders generated templates with jinja2, set up as transformers sets it up, and with our engine, and compares.

usage: differential.py JINJA_RENDER [--count N] [--seed S] [--show K]

Templates: every value with every filter, test, method and operator of docs/chat_templates.md (drawn at random), statements
nested at random, damaged ones, and a written list of corners. A row agrees if both give the same text or both raise; the
message of raise_exception must be the same as well. Rows in which our engine names something that it leaves out are counted
apart. Exit 0: all agree, 1: differences (printed), 77: no jinja2.
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
    "'abc'", "''", "'  x  '", "'a,b,,c'", "1", "0", "-5", "2.5", "1000.0", "[]", "{}", "()", "(1, 'b')", "[1, 2, 3]",
    "{'x': 1, 'y': [2]}", "{'1': 2, 'none': 3}", "range(4)", "range(5, 0, -2)", "namespace(a=1)", "mapping.items()", "mapping.keys()",
    "word.upper", "'<i>'|safe", "'{}-{}'", "'10'", "'3.7'", "'0x1f'", "'aXbXc'", "[[1, 'a'], [2, 'b']]",
    "words|map('upper')", "people|selectattr('tags')", "'ß Ω ǆ'"]
)

FILTERS = """upper lower title capitalize trim length count list first last reverse join join(',') join('-',attribute='name') sort
sort(reverse=true) sort(case_sensitive=true) sort(attribute='age') unique|list unique(true)|list
unique(attribute='age')|list default default('D') default('D',true) d('x') int int(5) float float(1.5) string safe
tojson tojson(indent=2) tojson(indent=4) tojson(ensure_ascii=true) tojson(sort_keys=true) tojson(separators=(',',':'))
tojson(indent='--') map('upper')|list map('length')|list map(attribute='name')|list
map(attribute='zzz',default='-')|list map('default','q')|list select|list select('odd')|list select('string')|list
select('gt',1)|list reject|list reject('none')|list reject('equalto','a')|list selectattr('age')|list
selectattr('age','gt',26)|list selectattr('role','equalto','user')|list selectattr('tags','defined')|list
rejectattr('name')|list rejectattr('city','in',['Rome'])|list items|list dictsort dictsort(true) dictsort(by='value')
dictsort(reverse=true) indent indent(2) indent(2,true) indent('>>',true,true) indent(width=3,blank=true)
replace('o','0') replace('a','') replace('','-') replace('l','LL',1) format(1) format('x') trim('x ') trim('H')
trim(none) list|length list|first list|join('|') list|string string|length string|upper tojson|length reverse|list
items|list dictsort|first first|default('none') map('tojson')|join(' ') map('string')|join select('mapping')|list
select('in',[1,2])|list unique|list map('join','+')|list reject('undefined')|list map('trim')|list
map(attribute='tags.0')|list nosuch upper""".split()

TESTS = """defined undefined none string mapping sequence iterable number integer float boolean true false callable odd even
in([1,2,'a']) in('abc') equalto(1) eq('a') ne(none) gt(2) ge(7) lt('b') le(0) greaterthan(0) lessthan(1) in~words nosuchtest""".split()

METHODS = """upper() lower() title() capitalize() strip() lstrip() rstrip() strip('Hd') lstrip('H') rstrip('d ') split() split(',')
split('X',1) split(none,1) split('o',maxsplit=1) rsplit() rsplit('X',1) rsplit(none,1) rsplit(none,0) startswith('H') startswith('')
startswith(('a','H')) endswith('d') endswith('') endswith(('x','d')) find('o') find('zz') replace('l','L') replace('l','L',1)
replace('','.') join(['a','b']) join('xyz') join(words) format(1,2) format(1,b=2) get('a') get('zz') get('zz',5) items() keys()
values() items()|list keys()|list values()|list pop() append(1) update({}) setdefault('q',1) clear() foo foo.bar _x a name start
tags[0]""".split()

OPERATORS = ["+", "-", "*", "/", "//", "%", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or"]

SUBSCRIPTS = """[0] [-1] [1] [99] ['a'] ['name'] ['items'] ['upper'] [none] [1.0] [true] [:2] [1:] [::-1] [::2] [-2:] [:-1] [1:3] [5:1:-1]
[::-2] [-100:100] [100:] [:0] [none:2] [undefined_name] .0 .name .role .content .items .keys .length [0][0] [0].name
[0]['role'] .C.deep ['C']['deep'] [::0]""".split()

TAILS = ["", "|string", "|list", "|tojson", " is defined", "|length", "|join('|')", " ~ '!'"]

FORMATS = ["%s", "[%s]", "%s|%s", "a", ""]
BRACES = ["{}", "{a}", "{a:d}", "{} {}", "{}{a}", "{{}}", "{{{}}}", "{", "}", "{b}", "{:d}", "x"]
NUMBERS = ["0", "7", "-42", "3.14159", "100000000000000000000.0", "-0.0", "1234567", "1234567.891", "true", "2.5", "0.1", "0.00001",
           "123456789012", "1/3", "'txt'", "'é'", "none", "[1]", "65", "0.5", "1.5", "-2.5", "2.675"]

CORNERS = r"""
{{ "a" 'b' "c" }}
{{ 1 < 2 < 3 }} {{ 3 > 2 > 2 }} {{ 1 == 1.0 == true }}
{{ none }} {{ true }} {{ [none, true, 1.0, 'a', "it's"] }} {{ {'a': none, 1: (1,)} }}
{{ (1,) }} {{ () }} {{ (1, 2) }} {{ 1, 2 }}
{{ x if x is defined }} {{ 'a' if false }}|{{ 'a' if false else 'b' if false else 'c' }}
{{ not true or true and not false }}
{{ 1 if 2 if 0 else 3 }}
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
{{ range(100001) }}
{{ range(0) }} {{ range('a') }}
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
{% for x in [1,2] %}{% for y in [3,4] %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}
{% for x in [1,2] %}{% set outer = loop %}{% for y in [3,4] %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}
{% for x in [1] %}{{ loop(x) }}{% endfor %}
{% for x in words|map('upper') %}{{ x }}{{ loop.last }}{{ loop.length }} {% endfor %}
{% for x in words|select('lower') %}{{ loop.nextitem|default('end') }} {% endfor %}
{% for loop in [1] %}{% endfor %}
{% for x in [1] %}{% set loop = 1 %}{% endfor %}
{{ loop }}{{ loop is defined }}
{% macro m(a, b='B', c=a) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }}|{{ m(1, 2) }}|{{ m(1, c=3) }}|{{ m() }}|{{ m(b=5, a=4) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(z=2) }}
{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}hi{{ word }}{% endcall %}
{% macro m() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b=5) m() %}{{ a }}{{ b }}{% endcall %}
{% macro m() %}{% if caller %}C{{ caller() }}{% else %}N{% endif %}{% endmacro %}{{ m() }}{% call m() %}x{% endcall %}
{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}
{% macro m(x) %}{{ x }}{{ word }}{% set word = 'in' %}{{ word }}{% endmacro %}{{ m(1) }}{{ word }}
{% macro m(a, a) %}{% endmacro %}
{% macro m(a=1, b) %}{% endmacro %}
{% macro m(a=b, b=2) %}{{ a }}{{ b }}{% endmacro %}{{ m() }}|{{ m(b=3) }}
{% for i in [1,2] %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}{{ m is defined }}
{% set v %}a{{ word }}b{% endset %}{{ v }}{{ v|length }}
{% set v | upper | replace('L', '_') %}a{{ word }}b{% endset %}{{ v }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set a, b = b, a %}{{ a }}{{ b }}
{% set a, b = 1 %}
{% set (a, b), c = (1, 2), 3 %}{{ a }}{{ b }}{{ c }}
{% set 5 = 1 %}
{% set true = 1 %}
{% set a.b.c = 1 %}
{% filter upper %}a{{ word }}{% endfilter %}
{% filter upper|replace('O', '0') %}{% set zz = 1 %}a{{ word }}{{ zz }}{% endfilter %}{{ zz is defined }}
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
{{ [1,2,3,] }}{{ {'a':1,} }}{{ m(1,) if m is defined }}
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
{{ words|map()|list }}
{{ words|map }}
{{ words|select(undefined_name)|list }}
{{ [1, 'a']|sort }}
{{ 'a' < 1 }}
{{ {} == {} }}{{ {'a': 1} == {'a': 1.0} }}{{ none == undefined_name }}{{ undefined_name == other_undefined }}
{{ 'a' in undefined_name }}{{ undefined_name in 'abc' }}
{{ {[1]: 2} }}
{{ 1/0 }}
{{ 1%0 }}
{{ 1.0//0 }}
{{ 10 / 4 }}{{ 10 / 5 }}{{ 2 * 2.0 }}{{ true + true }}{{ 7 // 2.0 }}
{{ word[0:5] ~ word[-5:] }}{{ accents[::-1] }}{{ accents[1:4] }}{{ accents|length }}{{ accents.upper() }}{{ accents.lower() }}{{ accents.title() }}
{{ 'a\x00b\x7f\x80\u200b\u2028\ue000'|list }}
{{ quotes }}{{ [quotes] }}{{ ["'", '"', '\\', '\n'] }}
{{ 'a'.join(['x', 'y']) }}{{ 'a'.join([1]) }}
{{ [1,2,3].append(4) }}
{{ mapping.update({}) }}
{{ ''.__class__ }}{{ ''.__class__.__mro__ }}
{{ [1,2,3][1:]|first }}{{ [][0] }}{{ ''[0] }}{{ 'abc'[5] }}
{{ (1,2,3)[::-1] }}{{ [1,2,3][::0] }}
{{ mapping.items }}
{{ mapping['items'] }}{{ mapping.get('items') }}{{ mapping.C.deep }}
{{ people|sort(attribute='age,name')|map(attribute='name')|list }}{{ people|sort(attribute='nope') }}
{{ namespace }}{{ dict }}
{{ f(a=1, a=2) }}
{% set f = word.upper %}{{ f() }}
{{ word.split }}{{ word.nope }}{{ word.nope.nope }}
{{ 'abc'|list|reverse|join }}{{ 'abc'|reverse }}{{ 5|reverse }}
{{ [3,1,2]|sort|reverse|list }}{{ mapping|sort }}{{ mapping|list }}{{ mapping|length }}{{ mapping|first }}{{ mapping|last }}
{{ words|unique|list }}{{ words|unique(case_sensitive=true)|list }}{{ [1, 1.0, true, '1']|unique|list }}
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
{{ 3 is odd }}{{ 3 is even }}{{ 'a' is odd }}{{ 2.0 is even }}{{ 1 is integer }}{{ true is integer }}{{ true is number }}{{ 1.0 is float }}
{{ [[1,2],[3]]|map('sum')|list }}{{ [1,2,3]|map('string')|join }}{{ ['a','b']|map('replace','a','z')|list }}
{{ 'they\'re bill\'s friends-now'|title }}{{ 'they\'re bill\'s'.title() }}{{ "(foo) [bar] {baz}"|title }}
{{ 'a b  c'.split(' ') }}{{ ' a  b '.split() }}{{ 'a,b,c'.rsplit(',', 1) }}{{ ''.split() }}{{ ''.split(',') }}
{{ {'a': 1}|tojson(indent=0) }}{{ [1, [2]]|tojson(indent=1) }}{{ 'a\u2028\x7f\x01"\\/é👍'|tojson }}{{ 'é👍\x7f'|tojson(ensure_ascii=true) }}
{{ undefined_name|tojson }}
{{ range(3)|tojson }}
{{ loop.index if loop is defined else 'no loop' }}
{% for x in [1] %}{{ word }}{% endfor %}|{% set word = 1 %}{{ word }}
{% for x in [1] %}{{ word }}{% endfor %}|{{ word }}{% set word = 1 %}
{% if no %}{% set word = 1 %}{% endif %}{% for x in [1] %}{{ word }}{% endfor %}
{% for x in [1] %}{{ word }}{% endfor %}{% if yes %}{% set word = 1 %}{% else %}{% set text = 2 %}{% endif %}{{ word }}{{ text }}
{% macro m() %}{{ word }}{% endmacro %}{{ m() }}{% set word = 1 %}{{ m() }}
{% macro m() %}{% for x in [1] %}{{ word }}{% endfor %}{% set word = 1 %}{% endmacro %}{{ m() }}{{ word }}
{% set a = 1 %}{% for x in [1, 2] %}{% for y in [1] %}{{ a }}{{ word }}{% endfor %}{% set a = 2 %}{% set word = 3 %}{{ a }}{{ word }}{% endfor %}
{% filter upper %}{% for y in [1] %}{{ text }}{% endfor %}{% set text = 3 %}{% endfilter %}
{% for x in [] %}{% else %}{% for y in [1] %}{{ text }}{% endfor %}{% set text = 3 %}{{ text }}{% endfor %}
{% for x in [1] %}{{ tools|length }}{% endfor %}{% if tools %}{% set tools = [] %}{% endif %}{{ tools|length }}
{% for x in [1] %}{{ f() }}{% endfor %}{% macro f() %}F{% endmacro %}
{{ 1 + 2 * 3 - 4 // 3 }} {{ -7 // 2 }} {{ 7 % -3 }} {{ -7 % 3 }} {{ 10 / 4 }}
{{ '\n\t\\\'\"\x41\u00e9\U0001F44D' }}
{{ 'A' ~ 1 ~ none ~ [1] ~ 2.0 }}
{{ 123456789.123 }} {{ 0.00001 }} {{ 10000000000000000.0 }} {{ 9007199254740993.0 }} {{ 0.1 + 0.2 }} {{ 1 / 3 }} {{ 1.0 }}
{{ range(3) }} {{ range(3)|list }} {{ range(1, 10, 3)|list }} {{ range(5)|last }} {{ 3 in range(5) }} {{ range(5, 0, -2) }}
{{ [1, 2, 3]|map('string')|join }}{{ ['a', 'b']|map('replace', 'a', 'z')|list }}
{{ '42.7'|int }} {{ 'zz'|int(default='d') }} {{ ' 12 '|int }} {{ none|int }} {{ '007'|int }} {{ '+5'|int }} {{ 2.9|int }} {{ '-3.7'|int }}
{{ 'inf'|float }} {{ 'x'|float(9) }} {{ ' 2.5 '|float }} {{ 'infinity'|int }} {{ '1e5'|float }} {{ '.5'|float }}
{{ '<a>'|safe + '<b>' }}{{ '<b>' + '<a>'|safe }}{{ ('<a>'|safe)|upper }}{{ ['<'|safe] }}{{ '<'|safe ~ '<' }}
{{ ('<a>'|safe).replace('<', '<') }}{{ (', '|safe).join(['<', '>'|safe]) }}{{ ['<', '>'|safe]|join('<') }}{{ ('<a> '|safe).strip().split('a') }}
{{ {'b': 1, 'a': [1, {'c': none}], 'e': [], 'f': {}, 'é': 1.0}|tojson(indent=2) }}
{{ ' a  b '.split(none, 1) }}|{{ ' a  b '.rsplit(none, 1) }}|{{ ' a  b '.split(none, 0) }}|{{ ' a  b '.rsplit() }}
{{ '%s=%s' | format('a', 5) }}{{ '%s' | format(none) }}{{ '%s' | format([1, 2]) }}{{ '{i:d}|{}'.format(word, i=3) }}
{{ 'ß'.upper() }}{{ 'ǆ'.title() }}{{ 'ΑΣ'.lower() }}{{ 'İ'.lower()|length }}{{ 'ßa'.capitalize() }}{{ 'ΑΣ ΣΑ Σ'.lower() }}
{{ [1, 1.0, true, '1', 'A', 'a']|unique|list }}{{ people|unique(attribute='city')|map(attribute='name')|list }}
{% for x in numbers %}{{ loop.first }}{{ loop.last }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }} {% endfor %}
{% set ns = namespace(stop=false) %}{% for x in numbers if not ns.stop %}{{ x }}{% if x == 1 %}{% set ns.stop = true %}{% endif %}{% endfor %}
{% set ns = namespace(stop=false) %}{% for x in numbers if not ns.stop %}{{ x }}{{ loop.last }}{% set ns.stop = true %}{% endfor %}
{% set g = words|map('upper') %}{{ g|first }}{% for x in g %}{{ x }}{% break %}{% endfor %}{{ g|list }}{{ 'FIG' in g }}
{% macro m(a, b='B', c=a) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(*[1, 2]) }}{{ m(*[1], c=3) }}{{ m(c=1, *[2]) }}
{{ dict(a=1, b=word) }}{{ dict(mapping)|length }}{{ dict({'a': 1}, a=2) }}
{{ mapping.items()|length }}{{ mapping.keys()|first }}{{ mapping.values()|last }}{{ mapping.items() }}{{ 'b' in mapping.keys() }}
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
            text = f"'{self.pick(FORMATS)}' | format({self.pick(NUMBERS)})"
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

    compared = texts = different = kinds = left_out = 0
    for template, mine in zip(templates, ours):
        theirs = oracle(env, template)
        if re.search(r" at 0x[0-9a-f]{6,}", theirs.get("text", "")):
            continue  # prints an address
        if re.search(PRINTS_ADDRESS, template) or re.search(MAKES_A_SET, template):
            continue
        if "random" in template or theirs.get("kind") in ("RecursionError", "MemoryError"):
            continue
        if "docs/chat_templates.md" in mine.get("error", "") or "into 64 bits" in mine.get("error", ""):
            left_out += 1
            continue
        if mine.get("kind") == "ResourceError":
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
          f"{different} different; {left_out} use what is left out")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
