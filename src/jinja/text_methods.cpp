// The methods of str. Indices and widths count code points; markup stays markup where markupsafe keeps it.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <unordered_map>

#include "jinja/arguments.h"
#include "jinja/format.h"
#include "jinja/methods.h"
#include "jinja/operators.h"
#include "jinja/runtime.h"
#include "jinja/text.h"
#include "jinja/text_pieces.h"

namespace circuitdiff::jinja {
namespace {

Value like(const Value& self, std::string text) { return Value(std::move(text), self.text().safe); }

template <std::string (*change)(std::string_view)>
Value changed(Runtime& rt, const Value& self, const Arguments& arguments) {
  Bound(rt, arguments, "str method", {});
  rt.budget.copy(4 * self.bytes().size());
  return like(self, change(self.bytes()));
}

template <Side side>
Value stripped(Runtime& rt, const Value& self, const Arguments& arguments) {
  const Bound bound(rt, arguments, "strip", {"chars"});
  rt.budget.copy(self.bytes().size());
  if (bound[0].is_none()) return like(self, std::string(strip(self.bytes(), side)));
  if (!bound[0].is_text()) raise("TypeError", "strip arg must be None or str");
  rt.budget.copy(self.bytes().size() * std::min<size_t>(bound[0].bytes().size(), 1000));
  return like(self, std::string(strip(self.bytes(), bound[0].bytes(), side)));
}

template <bool from_right>
Value split(Runtime& rt, const Value& self, const Arguments& arguments) {
  const Bound bound(rt, arguments, "split", {"sep", "maxsplit"});
  const int64_t most = bound.integer(1, -1);
  rt.budget.copy(2 * self.bytes().size());
  std::vector<std::string_view> pieces;
  if (bound[0].is_none()) {
    pieces = cut_at_space(self.bytes(), most, from_right);
  } else {
    if (!bound[0].is_text())
      raise("TypeError", fmt::format("must be str or None, not {}", type_name(bound[0])));
    if (bound[0].bytes().empty()) raise("ValueError", "empty separator");
    pieces = cut_at(self.bytes(), bound[0].bytes(), most, from_right);
  }
  rt.budget.items(pieces.size());
  rt.budget.spend(static_cast<int64_t>(pieces.size()));
  std::vector<Value> out;
  out.reserve(pieces.size());
  for (const auto piece : pieces) out.push_back(like(self, std::string(piece)));
  return Value::list(std::move(out));
}

template <bool from_right>
Value partition(Runtime& rt, const Value& self, const Arguments& arguments) {
  const Bound bound(rt, arguments, "partition", {"sep"}, 1);
  const std::string& separator = bound.exact_text(0);
  if (separator.empty()) raise("ValueError", "empty separator");
  const std::string& text = self.bytes();
  rt.budget.copy(text.size());
  const size_t at = from_right ? text.rfind(separator) : text.find(separator);
  std::string head, middle, tail;
  if (at != text.npos) {
    head = text.substr(0, at);
    middle = separator;
    tail = text.substr(at + separator.size());
  } else if (from_right) {
    tail = text;
  } else {
    head = text;
  }
  return Value::tuple(
      {like(self, std::move(head)), like(self, std::move(middle)), like(self, std::move(tail))});
}

Value split_into_lines(Runtime& rt, const Value& self, const Arguments& arguments) {
  const Bound bound(rt, arguments, "splitlines", {"keepends"});
  rt.budget.copy(2 * self.bytes().size());
  const auto lines = split_lines(self.bytes(), bound.flag(0));
  rt.budget.items(lines.size());
  rt.budget.spend(static_cast<int64_t>(lines.size()));
  std::vector<Value> out;
  for (const auto line : lines) out.push_back(like(self, std::string(line)));
  return Value::list(std::move(out));
}

// The bytes between code points `start` and `stop` as find, count, startswith and endswith take them.
// nullopt: start is behind the end, where not even an empty string is found.
struct Window {
  size_t from, to;
};
std::optional<Window> window(const Value& self, const Bound& bound, size_t first) {
  const int64_t count = self.text().ascii ? static_cast<int64_t>(self.bytes().size())
                                          : static_cast<int64_t>(count_code_points(self.bytes()));
  const auto clip = [&](int64_t at) { return at < 0 ? std::max<int64_t>(at + count, 0) : at; };
  const int64_t start = bound[first].is_none() ? 0 : clip(bound.integer(first));
  const int64_t stop = std::min(bound[first + 1].is_none() ? count : clip(bound.integer(first + 1)), count);
  if (start > stop) return std::nullopt;
  const auto offset = [&](int64_t at) {
    return self.text().ascii ? static_cast<size_t>(at) : byte_offset(self.bytes(), static_cast<size_t>(at));
  };
  return Window{offset(start), offset(stop)};
}

template <bool at_end>
Value begins(Runtime& rt, const Value& self, const Arguments& arguments) {
  const char* name = at_end ? "endswith" : "startswith";
  const Bound bound(rt, arguments, name, {"prefix", "start", "end"}, 1);
  const auto w = window(self, bound, 1);
  if (!self.text().ascii) rt.budget.copy(self.bytes().size());
  const auto matches = [&](const Value& affix) {
    if (!affix.is_text())
      raise("TypeError",
            fmt::format("{} first arg must be str or a tuple of str, not {}", name, type_name(affix)));
    if (!w) return false;
    const std::string_view text = std::string_view(self.bytes()).substr(w->from, w->to - w->from);
    return at_end ? text.ends_with(affix.bytes()) : text.starts_with(affix.bytes());
  };
  if (!bound[0].get<TuplePtr>()) return Value(matches(bound[0]));
  for (const Value& affix : bound[0].items()->values)
    if (matches(affix)) return Value(true);
  return Value(false);
}

enum class Missing { minus_one, error };

template <bool from_right, Missing missing>
Value find(Runtime& rt, const Value& self, const Arguments& arguments) {
  const Bound bound(rt, arguments, "find", {"sub", "start", "end"}, 1);
  const std::string& part = bound.exact_text(0);
  rt.budget.copy(self.bytes().size());
  if (const auto w = window(self, bound, 1)) {
    const std::string_view text = std::string_view(self.bytes()).substr(w->from, w->to - w->from);
    const size_t at = from_right ? text.rfind(part) : text.find(part);
    if (at != text.npos) {
      const size_t bytes = w->from + at;
      return Value(self.text().ascii ? bytes
                                     : count_code_points(std::string_view(self.bytes()).substr(0, bytes)));
    }
  }
  if (missing == Missing::error) raise("ValueError", "substring not found");
  return Value(-1);
}

Value count(Runtime& rt, const Value& self, const Arguments& arguments) {
  const Bound bound(rt, arguments, "count", {"sub", "start", "end"}, 1);
  const std::string& part = bound.exact_text(0);
  rt.budget.copy(self.bytes().size());
  const auto w = window(self, bound, 1);
  if (!w) return Value(0);
  const std::string_view text = std::string_view(self.bytes()).substr(w->from, w->to - w->from);
  if (part.empty()) return Value(count_code_points(text) + 1);
  int64_t found = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + part.size())) ++found;
  return Value(found);
}

Value replace(Runtime& rt, const Value& self, const Arguments& arguments) {
  const Bound bound(rt, arguments, "replace", {"old", "new", "count"}, 2);
  const auto part = [&](size_t i) {
    const std::string& text = bound.exact_text(i);
    return self.text().safe && !bound[i].text().safe ? escape_html(text) : text;
  };
  return like(self, replace_text(rt, self.bytes(), part(0), part(1), bound.integer(2, -1)));
}

Value join(Runtime& rt, const Value& self, const Arguments& arguments) {
  const Bound bound(rt, arguments, "join", {"iterable"}, 1);
  if (!iterable(rt, bound[0])) raise("TypeError", "can only join an iterable");
  std::string out;
  size_t i = 0;
  for (const Value& v : collect(rt, bound[0])) {
    if (!v.is_text())
      raise("TypeError", fmt::format("sequence item {}: expected str instance, {} found", i, type_name(v)));
    if (i++) out += self.bytes();
    out += self.text().safe && !v.text().safe ? escape_html(v.bytes()) : v.bytes();
    if (out.size() > kMaxTextBytes) rt.budget.text(out.size());
  }
  rt.budget.text(out.size());
  return like(self, std::move(out));
}

enum class Pad { left, right, center };

template <Pad pad>
Value padded(Runtime& rt, const Value& self, const Arguments& arguments) {
  const Bound bound(rt, arguments, "center", {"width", "fillchar"}, 1);
  const std::string fill = bound.given(1) ? bound.exact_text(1) : " ";
  if (count_code_points(fill) != 1)
    raise("TypeError", "The fill character must be exactly one character long");
  const int64_t size = static_cast<int64_t>(*length(rt, self)), width = bound.integer(0);
  if (width <= size) return self;
  const int64_t room = width - size;
  rt.budget.text(static_cast<size_t>(std::min<int64_t>(room, kMaxTextBytes + 1)) * fill.size() +
                 self.bytes().size());
  const auto fills = [&](int64_t n) {
    std::string out;
    for (int64_t i = 0; i < n; ++i) out += fill;
    return out;
  };
  // CPython puts the odd one on the left where the width is odd.
  const int64_t left = pad == Pad::left ? room : pad == Pad::right ? 0 : room / 2 + (room & width & 1);
  return like(self, fills(left) + self.bytes() + fills(room - left));
}

Value zfill(Runtime& rt, const Value& self, const Arguments& arguments) {
  const Bound bound(rt, arguments, "zfill", {"width"}, 1);
  const int64_t size = static_cast<int64_t>(*length(rt, self)), width = bound.integer(0);
  if (width <= size) return self;
  rt.budget.text(static_cast<size_t>(width - size) + self.bytes().size());
  std::string out = self.bytes();
  const size_t at = !out.empty() && (out[0] == '+' || out[0] == '-') ? 1 : 0;
  return like(self, out.insert(at, static_cast<size_t>(width - size), '0'));
}

Value expandtabs(Runtime& rt, const Value& self, const Arguments& arguments) {
  const Bound bound(rt, arguments, "expandtabs", {"tabsize"});
  const int64_t size = bound.integer(0, 8);
  std::string out;
  int64_t column = 0;
  for (char c : self.bytes()) {
    if (c == '\t') {
      const int64_t fill = size > 0 ? size - column % size : 0;
      rt.budget.text(static_cast<size_t>(std::min<int64_t>(fill, kMaxTextBytes + 1)) + out.size());
      out.append(static_cast<size_t>(fill), ' ');
      column += fill;
    } else {
      out += c;
      if ((c & 0xC0) != 0x80) ++column;
      if (c == '\n' || c == '\r') column = 0;
    }
  }
  rt.budget.copy(out.size());
  return like(self, std::move(out));
}

template <bool at_end>
Value without(Runtime& rt, const Value& self, const Arguments& arguments) {
  const Bound bound(rt, arguments, at_end ? "removesuffix" : "removeprefix", {"affix"}, 1);
  const std::string& affix = bound.exact_text(0);
  const std::string& text = self.bytes();
  rt.budget.copy(text.size());
  if (at_end && text.ends_with(affix)) return like(self, text.substr(0, text.size() - affix.size()));
  if (!at_end && text.starts_with(affix)) return like(self, text.substr(affix.size()));
  return self;
}

// True where there is a character and all satisfy the test.
template <bool (*test)(char32_t)>
Value all_are(Runtime& rt, const Value& self, const Arguments& arguments) {
  Bound(rt, arguments, "str method", {});
  const std::string& text = self.bytes();
  rt.budget.copy(4 * text.size());
  for (size_t pos = 0; pos < text.size();)
    if (!test(next_code_point(text, pos))) return Value(false);
  return Value(!text.empty() || test == is_printable);
}

Value ascii_text(Runtime& rt, const Value& self, const Arguments& arguments) {
  Bound(rt, arguments, "isascii", {});
  return Value(self.text().ascii);
}
Value identifier(Runtime& rt, const Value& self, const Arguments& arguments) {
  Bound(rt, arguments, "isidentifier", {});
  return Value(is_identifier(self.bytes()));
}
Value lower_case(Runtime& rt, const Value& self, const Arguments& arguments) {
  Bound(rt, arguments, "islower", {});
  return Value(is_lower_text(rt, self.bytes()));
}
Value upper_case(Runtime& rt, const Value& self, const Arguments& arguments) {
  Bound(rt, arguments, "isupper", {});
  return Value(is_upper_text(rt, self.bytes()));
}
Value title_case(Runtime& rt, const Value& self, const Arguments& arguments) {
  Bound(rt, arguments, "istitle", {});
  rt.budget.copy(4 * self.bytes().size());
  bool inside = false, any = false;
  for (size_t pos = 0; pos < self.bytes().size();) {
    const char32_t c = next_code_point(self.bytes(), pos);
    if (is_upper(c) || is_title(c)) {
      if (inside) return Value(false);
      inside = any = true;
    } else if (is_lower(c)) {
      if (!inside) return Value(false);
    } else {
      inside = false;
    }
  }
  return Value(any);
}

// A mapping from code points to text, code points or None.
Value translate(Runtime& rt, const Value& self, const Arguments& arguments) {
  const Bound bound(rt, arguments, "translate", {"table"}, 1);
  std::string out;
  for (size_t pos = 0; pos < self.bytes().size();) {
    rt.budget.spend(1);
    const char32_t c = next_code_point(self.bytes(), pos);
    const Value to = get_item(rt, bound[0], Value(static_cast<int64_t>(c)));
    if (to.is_undefined()) {
      append_code_point(out, c);
    } else if (to.is_text()) {
      out += to.bytes();
    } else if (const auto index = to_index(to)) {
      if (*index < 0 || *index > 0x10FFFF || (*index >= 0xD800 && *index < 0xE000))
        raise("ValueError", "character mapping must be in range(0x110000)");
      append_code_point(out, static_cast<char32_t>(*index));
    } else if (!to.is_none()) {
      raise("TypeError", "character mapping must return integer, None or str");
    }
    if (out.size() > kMaxTextBytes) rt.budget.text(out.size());
  }
  return like(self, std::move(out));
}

Value format(Runtime& rt, const Value& self, const Arguments& arguments) {
  return like(self, format_braces(rt, self.bytes(), arguments, self.text().safe));
}
Value format_map(Runtime& rt, const Value& self, const Arguments& arguments) {
  const Bound bound(rt, arguments, "format_map", {"mapping"}, 1);
  Arguments named;
  if (const Dict* dict = bound[0].dict())
    for (const auto& [key, value] : dict->entries())
      if (key.is_text()) named.keyword.emplace_back(key.bytes(), value);
  return like(self, format_braces(rt, self.bytes(), named, self.text().safe));
}

}  // namespace

namespace {
// Whether a cased character occurs and none of the other case does.
bool one_case(Runtime& rt, std::string_view text, bool want_lower) {
  rt.budget.copy(4 * text.size());
  bool any = false;
  for (size_t pos = 0; pos < text.size();) {
    const char32_t c = next_code_point(text, pos);
    if (is_title(c) || (want_lower ? is_upper(c) : is_lower(c))) return false;
    any = any || (want_lower ? is_lower(c) : is_upper(c));
  }
  return any;
}
}  // namespace

bool is_lower_text(Runtime& rt, std::string_view text) { return one_case(rt, text, true); }
bool is_upper_text(Runtime& rt, std::string_view text) { return one_case(rt, text, false); }

Method find_text_method(std::string_view name) {
  static const std::unordered_map<std::string_view, Method> table{
      {"upper", changed<upper>},
      {"lower", changed<lower>},
      {"title", changed<title>},
      {"capitalize", changed<capitalize>},
      {"swapcase", changed<swapcase>},
      {"casefold", changed<casefold>},
      {"strip", stripped<Side::both>},
      {"lstrip", stripped<Side::left>},
      {"rstrip", stripped<Side::right>},
      {"split", split<false>},
      {"rsplit", split<true>},
      {"partition", partition<false>},
      {"rpartition", partition<true>},
      {"splitlines", split_into_lines},
      {"startswith", begins<false>},
      {"endswith", begins<true>},
      {"find", find<false, Missing::minus_one>},
      {"rfind", find<true, Missing::minus_one>},
      {"index", find<false, Missing::error>},
      {"rindex", find<true, Missing::error>},
      {"count", count},
      {"replace", replace},
      {"join", join},
      {"ljust", padded<Pad::right>},
      {"rjust", padded<Pad::left>},
      {"center", padded<Pad::center>},
      {"zfill", zfill},
      {"expandtabs", expandtabs},
      {"removeprefix", without<false>},
      {"removesuffix", without<true>},
      {"isalpha", all_are<is_alpha>},
      {"isalnum", all_are<is_alnum>},
      {"isdecimal", all_are<is_decimal>},
      {"isdigit", all_are<is_digit>},
      {"isnumeric", all_are<is_numeric>},
      {"isspace", all_are<is_space>},
      {"isprintable", all_are<is_printable>},
      {"isascii", ascii_text},
      {"isidentifier", identifier},
      {"islower", lower_case},
      {"isupper", upper_case},
      {"istitle", title_case},
      {"translate", translate},
      {"format", format},
      {"format_map", format_map},
  };
  const auto at = table.find(name);
  return at == table.end() ? nullptr : at->second;
}

}  // namespace circuitdiff::jinja
