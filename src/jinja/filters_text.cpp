#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "jinja/arguments.h"
#include "jinja/ast.h"
#include "jinja/filters.h"
#include "jinja/format.h"
#include "jinja/json_text.h"
#include "jinja/methods.h"
#include "jinja/operators.h"
#include "jinja/runtime.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {
namespace {

// markupsafe.soft_str: text as it is, anything else as str() prints it.
Value soft(Runtime& rt, const Value& value) { return value.is_text() ? value : Value(to_text(rt, value)); }

Value like(const Value& original, std::string text) {
  return Value(std::move(text), original.is_text() && original.text().safe);
}

template <std::string (*change)(std::string_view)>
Value changed(Runtime& rt, const Value& value, const Arguments& arguments) {
  Bound(rt, arguments, "filter", {});
  const Value text = soft(rt, value);
  rt.budget.copy(4 * text.bytes().size());
  return like(value, change(text.bytes()));
}

// A word begins after white space, "-", "(", "{", "[" or "<".
Value title_words(Runtime& rt, const Value& value, const Arguments& arguments) {
  Bound(rt, arguments, "title", {});
  const Value text = soft(rt, value);
  rt.budget.copy(8 * text.bytes().size());
  const std::u32string points = decode(text.bytes());
  const auto separates = [](char32_t c) {
    return is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
  };
  std::string out;
  for (size_t i = 0; i < points.size();) {
    size_t end = i + 1;
    while (end < points.size() && separates(points[end]) == separates(points[i])) ++end;
    out += upper(encode(points.substr(i, 1)));
    out += lower(encode(points.substr(i + 1, end - i - 1)));
    i = end;
  }
  return like(value, std::move(out));
}

Value trim(Runtime& rt, const Value& value, const Arguments& arguments) {
  const Bound bound(rt, arguments, "do_trim", {"chars"});
  Arguments chars;
  if (bound.given(0)) chars.positional.push_back(bound[0]);
  return find_text_method("strip")(rt, soft(rt, value), chars);
}

Value replace(Runtime& rt, const Value& value, const Arguments& arguments) {
  const Bound bound(rt, arguments, "do_replace", {"old", "new", "count"}, 2);
  const int64_t count = bound[2].is_none() ? -1 : bound.integer(2);
  return Value(replace_text(rt, to_text(rt, value), bound.text(0), bound.text(1), count));
}

Value center(Runtime& rt, const Value& value, const Arguments& arguments) {
  const Bound bound(rt, arguments, "do_center", {"width"});
  Arguments width;
  width.positional.push_back(Value(bound.integer(0, 80)));
  return find_text_method("center")(rt, soft(rt, value), width);
}

const std::string& require_text(const Value& value, const char* filter) {
  if (value.is_undefined()) raise_undefined(value);
  if (!value.is_text())
    raise("TypeError", fmt::format("{}: text expected, {} found", filter, type_name(value)));
  return value.bytes();
}

Value indent(Runtime& rt, const Value& value, const Arguments& arguments) {
  const Bound bound(rt, arguments, "do_indent", {"width", "first", "blank"});
  std::string indention(4, ' ');
  if (bound.given(0)) {
    if (bound[0].is_text()) {
      indention = bound[0].bytes();
    } else {
      const int64_t width = std::max<int64_t>(bound.integer(0), 0);
      rt.budget.text(static_cast<size_t>(width));
      indention.assign(static_cast<size_t>(width), ' ');
    }
  }
  const std::string text = require_text(value, "indent") + "\n";
  const auto lines = split_lines(text);
  std::string out = bound.flag(1) ? indention : "";
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i) {
      out += '\n';
      if (bound.flag(2) || !lines[i].empty()) out += indention;
    }
    out += lines[i];
    if (out.size() > kMaxTextBytes) rt.budget.text(out.size());
  }
  rt.budget.text(out.size());
  return like(value, std::move(out));
}

Value truncate(Runtime& rt, const Value& value, const Arguments& arguments) {
  const Bound bound(rt, arguments, "do_truncate", {"length", "killwords", "end", "leeway"});
  const std::string end = bound.given(2) ? bound.exact_text(2) : "...";
  const int64_t length = bound.integer(0, 255), leeway = bound[3].is_none() ? 5 : bound.integer(3);
  const int64_t tail = static_cast<int64_t>(count_code_points(end));
  if (length < tail) raise("AssertionError", fmt::format("expected length >= {}, got {}", tail, length));
  if (leeway < 0) raise("AssertionError", fmt::format("expected leeway >= 0, got {}", leeway));
  const auto size = jinja::length(rt, value);
  if (!size) raise("TypeError", fmt::format("object of type '{}' has no len()", type_name(value)));
  if (static_cast<int64_t>(*size) <= length + leeway) return value;
  const std::string& text = require_text(value, "truncate");
  rt.budget.copy(text.size());
  std::string out = text.substr(0, byte_offset(text, static_cast<size_t>(length - tail)));
  if (!bound.flag(1)) out = out.substr(0, std::min(out.rfind(' '), out.size()));
  return like(value, out + end);
}

Value wordcount(Runtime& rt, const Value& value, const Arguments& arguments) {
  Bound(rt, arguments, "do_wordcount", {});
  const Value text = soft(rt, value);
  rt.budget.copy(4 * text.bytes().size());
  int64_t words = 0;
  bool inside = false;
  for (size_t pos = 0; pos < text.bytes().size();) {
    const char32_t c = next_code_point(text.bytes(), pos);
    const bool part = c == '_' || is_alnum(c);
    words += part && !inside;
    inside = part;
  }
  return Value(words);
}

Value string(Runtime& rt, const Value& value, const Arguments& arguments) {
  Bound(rt, arguments, "soft_str", {});
  return soft(rt, value);
}
Value safe(Runtime& rt, const Value& value, const Arguments& arguments) {
  Bound(rt, arguments, "do_mark_safe", {});
  return Value(to_text(rt, value), true);
}
Value escape(Runtime& rt, const Value& value, const Arguments& arguments) {
  Bound(rt, arguments, "escape", {});
  if (value.is_text() && value.text().safe) return value;
  return Value(escape_html(to_text(rt, value)), true);
}
Value force_escape(Runtime& rt, const Value& value, const Arguments& arguments) {
  Bound(rt, arguments, "do_forceescape", {});
  return Value(escape_html(to_text(rt, value)), true);
}

Value striptags(Runtime& rt, const Value& value, const Arguments& arguments) {
  Bound(rt, arguments, "do_striptags", {});
  std::string text = to_text(rt, value);
  const auto erase_between = [&](const std::string& open, const std::string& close) {
    std::string out;
    size_t at = 0;
    for (size_t start; (start = text.find(open, at)) != text.npos;) {
      const size_t end = text.find(close, start);
      if (end == text.npos) break;
      out += text.substr(at, start - at);
      at = end + close.size();
    }
    text = out + text.substr(at);
  };
  erase_between("<!--", "-->");
  erase_between("<", ">");
  Arguments none;
  const Value words = find_text_method("split")(rt, Value(text), none);
  std::string out;
  for (const Value& word : words.items()->values) out += (out.empty() ? "" : " ") + word.bytes();
  for (const auto& [entity, character] : {std::pair{"&lt;", "<"},
                                          {"&gt;", ">"},
                                          {"&quot;", "\""},
                                          {"&#34;", "\""},
                                          {"&#39;", "'"},
                                          {"&amp;", "&"}})
    out = replace_text(rt, out, entity, character, -1);
  return Value(std::move(out));
}

Value format(Runtime& rt, const Value& value, const Arguments& arguments) {
  if (!arguments.positional.empty() && !arguments.keyword.empty())
    raise("FilterArgumentError", "can't handle positional and keyword arguments at the same time");
  const Value text = soft(rt, value);
  Value values = Value::tuple(arguments.positional);
  if (!arguments.keyword.empty()) {
    auto dict = std::make_shared<Dict>();
    for (const auto& [name, v] : arguments.keyword) dict->set(rt, Value(name), v);
    values = Value(DictPtr(std::move(dict)));
  }
  return modulo(rt, text, values);
}

std::string quote_url(std::string_view text, bool query) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' ||
                       c == '.' || c == '-' || c == '~' || (c == '/' && !query);
    if (plain) {
      out += c;
    } else if (c == ' ' && query) {
      out += '+';
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    }
  }
  return out;
}

Value urlencode(Runtime& rt, const Value& value, const Arguments& arguments) {
  Bound(rt, arguments, "do_urlencode", {});
  if (value.is_text() || !iterable(rt, value)) return Value(quote_url(to_text(rt, value), false));
  std::string out;
  const auto pair = [&](const Value& key, const Value& element) {
    if (!out.empty()) out += '&';
    out += quote_url(to_text(rt, key), true) + "=" + quote_url(to_text(rt, element), true);
    rt.budget.text(out.size() / 8);
  };
  if (const Dict* dict = value.dict()) {
    for (const auto& [key, element] : dict->entries()) pair(key, element);
  } else {
    for (const Value& both : collect(rt, value)) {
      const std::vector<Value> parts = collect(rt, both);
      if (parts.size() != 2) raise("ValueError", "urlencode: pairs expected");
      pair(parts[0], parts[1]);
    }
  }
  return Value(std::move(out));
}

Value xmlattr(Runtime& rt, const Value& value, const Arguments& arguments) {
  const Bound bound(rt, arguments, "do_xmlattr", {"autospace"});
  if (value.is_undefined()) raise_undefined(value);
  const Dict* dict = value.dict();
  if (!dict) raise("AttributeError", fmt::format("'{}' object has no attribute 'items'", type_name(value)));
  std::string out;
  for (const auto& [key, element] : dict->entries()) {
    if (element.is_none() || element.is_undefined()) continue;
    if (!key.is_text())
      raise("TypeError", fmt::format("expected string or bytes-like object, got '{}'", type_name(key)));
    const std::string& name = key.bytes();
    if (name.find_first_of(" \t\n\r\f\v/>=") != name.npos)
      raise("ValueError", fmt::format("Invalid character in attribute name: {}", repr(name)));
    const Value text = escape(rt, element, {});
    out += fmt::format("{}{}=\"{}\"", out.empty() ? "" : " ", escape_html(name), text.bytes());
    rt.budget.text(out.size() / 8);
  }
  if (bound.flag(0, true) && !out.empty()) out.insert(0, " ");
  return Value(std::move(out));
}

Value pprint(Runtime& rt, const Value& value, const Arguments& arguments) {
  Bound(rt, arguments, "do_pprint", {});
  std::string out = to_repr(rt, value);
  if (out.size() > 80 || value.dict())
    raise("NotImplementedError", "pprint is supported only for short values that are not mappings");
  return Value(std::move(out));
}

Value unsupported(Runtime&, const Value&, const Arguments&) {
  raise("NotImplementedError", "the filters urlize and wordwrap are not supported in a chat template");
}

}  // namespace

Filter find_text_filter(std::string_view name) {
  static const std::unordered_map<std::string_view, Filter> table{
      {"upper", changed<upper>},
      {"lower", changed<lower>},
      {"capitalize", changed<capitalize>},
      {"title", title_words},
      {"trim", trim},
      {"replace", replace},
      {"center", center},
      {"indent", indent},
      {"truncate", truncate},
      {"wordcount", wordcount},
      {"string", string},
      {"safe", safe},
      {"escape", escape},
      {"e", escape},
      {"forceescape", force_escape},
      {"striptags", striptags},
      {"format", format},
      {"urlencode", urlencode},
      {"xmlattr", xmlattr},
      {"tojson", tojson_filter},
      {"pprint", pprint},
      {"urlize", unsupported},
      {"wordwrap", unsupported},
  };
  const auto at = table.find(name);
  return at == table.end() ? nullptr : at->second;
}

Filter find_filter(std::string_view name) {
  if (const Filter found = find_text_filter(name)) return found;
  if (const Filter found = find_number_filter(name)) return found;
  return find_sequence_filter(name);
}

bool is_filter(std::string_view name) { return find_filter(name) != nullptr; }

Value call_filter(Runtime& rt, const Value& name, const Value& value, const Arguments& arguments) {
  const Filter filter = name.is_text() ? find_filter(name.bytes()) : nullptr;
  if (!filter) raise("TemplateRuntimeError", fmt::format("No filter named {}.", to_repr(rt, name)));
  rt.budget.spend(1);
  return filter(rt, value, arguments);
}

}  // namespace circuitdiff::jinja
