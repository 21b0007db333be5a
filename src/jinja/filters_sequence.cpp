#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "jinja/arguments.h"
#include "jinja/filters.h"
#include "jinja/methods.h"
#include "jinja/objects.h"
#include "jinja/operators.h"
#include "jinja/runtime.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {
namespace {

// jinja2's make_attrgetter: "a.b.0" walks items and attributes; None gives the element itself.
class AttributeGetter {
 public:
  AttributeGetter(Runtime& rt, const Value& attribute, bool ignore_case = false, Value otherwise = Value())
      : ignore_case_(ignore_case), otherwise_(std::move(otherwise)) {
    if (attribute.is_none()) return;
    if (!attribute.is_text()) {
      parts_.push_back(attribute);
      return;
    }
    std::string_view rest = attribute.bytes();
    while (true) {
      const size_t dot = std::min(rest.find('.'), rest.size());
      parts_.push_back(part(rt, rest.substr(0, dot)));
      if (dot == rest.size()) break;
      rest.remove_prefix(dot + 1);
    }
  }

  Value operator()(Runtime& rt, Value value) const {
    for (const Value& key : parts_) {
      value = get_item(rt, value, key);
      if (value.is_undefined() && !otherwise_.is_none()) value = otherwise_;
    }
    if (ignore_case_ && value.is_text()) {
      rt.budget.copy(2 * value.bytes().size());
      return Value(lower(value.bytes()));
    }
    return value;
  }

 private:
  static Value part(Runtime&, std::string_view text) {
    int64_t index = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
    if (!text.empty() && text[0] != '-' && error == std::errc() && end == text.data() + text.size())
      return Value(index);
    return Value(text);
  }
  std::vector<Value> parts_;
  bool ignore_case_;
  Value otherwise_;
};

Value length_filter(Runtime& rt, const Value& value, const Arguments& arguments) {
  Bound(rt, arguments, "len", {});
  const auto n = length(rt, value);
  if (!n) raise("TypeError", fmt::format("object of type '{}' has no len()", type_name(value)));
  return Value(*n);
}

Value list(Runtime& rt, const Value& value, const Arguments& arguments) {
  Bound(rt, arguments, "do_list", {});
  return Value::list(collect(rt, value));
}

Value first(Runtime& rt, const Value& value, const Arguments& arguments) {
  Bound(rt, arguments, "do_first", {});
  Value out;
  if (iterate(rt, value)->next(rt, out)) return out;
  return Value::undefined("No first item, sequence was empty.");
}

IteratorPtr reversed(Runtime& rt, const Value& value) {
  if (value.is_text() || value.items() || value.dict() || value.is_undefined())
    return backwards(collect(rt, value));
  if (const auto* p = value.get<ObjectPtr>()) return (*p)->iterate_backwards(rt);
  return nullptr;
}

Value last(Runtime& rt, const Value& value, const Arguments& arguments) {
  Bound(rt, arguments, "do_last", {});
  const IteratorPtr it = reversed(rt, value);
  if (!it) raise("TypeError", fmt::format("'{}' object is not reversible", type_name(value)));
  Value out;
  if (it->next(rt, out)) return out;
  return Value::undefined("No last item, sequence was empty.");
}

Value reverse(Runtime& rt, const Value& value, const Arguments& arguments) {
  Bound(rt, arguments, "do_reverse", {});
  if (value.is_text()) {
    std::u32string points = decode(value.bytes());
    rt.budget.copy(value.bytes().size() * 4);
    std::reverse(points.begin(), points.end());
    return Value(encode(points), value.text().safe);
  }
  if (IteratorPtr it = reversed(rt, value))
    return make_lazy(std::move(it), type_name(value) + "_reverseiterator");
  if (!iterable(rt, value)) raise("FilterArgumentError", "argument must be iterable");
  std::vector<Value> values = collect(rt, value);
  std::reverse(values.begin(), values.end());
  return Value::list(std::move(values));
}

Value join(Runtime& rt, const Value& value, const Arguments& arguments) {
  const Bound bound(rt, arguments, "do_join", {"d", "attribute"});
  const AttributeGetter get(rt, bound[1]);
  const std::string between = bound.text(0);
  std::string out;
  bool any = false;
  const IteratorPtr it = iterate(rt, value);
  for (Value v; it->next(rt, v); any = true) {
    if (any) out += between;
    out += to_text(rt, get(rt, v));
    rt.budget.copy(between.size());
    if (out.size() > kMaxTextBytes) rt.budget.text(out.size());
  }
  return Value(std::move(out));
}

Value sort(Runtime& rt, const Value& value, const Arguments& arguments) {
  const Bound bound(rt, arguments, "do_sort", {"reverse", "case_sensitive", "attribute"});
  const bool ignore_case = !bound.flag(1), reverse_order = bound.flag(0);
  // "a,b.c": several attributes, compared one after the other.
  std::vector<AttributeGetter> getters;
  if (bound[2].is_text()) {
    std::string_view rest = bound[2].bytes();
    while (true) {
      const size_t comma = std::min(rest.find(','), rest.size());
      getters.emplace_back(rt, Value(rest.substr(0, comma)), ignore_case);
      if (comma == rest.size()) break;
      rest.remove_prefix(comma + 1);
    }
  } else {
    getters.emplace_back(rt, bound[2], ignore_case);
  }
  std::vector<std::pair<Value, Value>> keyed;
  for (Value& v : collect(rt, value)) {
    std::vector<Value> keys;
    for (const AttributeGetter& get : getters) keys.push_back(get(rt, v));
    keyed.emplace_back(Value::list(std::move(keys)), std::move(v));
  }
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    return reverse_order ? less(rt, b.first, a.first) : less(rt, a.first, b.first);
  });
  std::vector<Value> out;
  for (auto& [key, v] : keyed) out.push_back(std::move(v));
  return Value::list(std::move(out));
}

Value dictsort(Runtime& rt, const Value& value, const Arguments& arguments) {
  const Bound bound(rt, arguments, "do_dictsort", {"case_sensitive", "by", "reverse"});
  const std::string by = bound.text(1, "key");
  if (by != "key" && by != "value")
    raise("FilterArgumentError", "You can only sort by either \"key\" or \"value\"");
  if (value.is_undefined()) raise_undefined(value);
  const Dict* dict = value.dict();
  if (!dict) raise("AttributeError", fmt::format("'{}' object has no attribute 'items'", type_name(value)));
  const bool reverse_order = bound.flag(2);
  const AttributeGetter fold(rt, Value(), !bound.flag(0));
  std::vector<std::pair<Value, Value>> keyed;
  for (const auto& [key, v] : dict->entries())
    keyed.emplace_back(fold(rt, by == "key" ? key : v), Value::tuple({key, v}));
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    return reverse_order ? less(rt, b.first, a.first) : less(rt, a.first, b.first);
  });
  std::vector<Value> out;
  for (auto& [key, v] : keyed) out.push_back(std::move(v));
  return Value::list(std::move(out));
}

template <bool largest>
Value extreme(Runtime& rt, const Value& value, const Arguments& arguments) {
  const Bound bound(rt, arguments, "do_min", {"case_sensitive", "attribute"});
  const AttributeGetter get(rt, bound[1], !bound.flag(0));
  const std::vector<Value> values = collect(rt, value);
  if (values.empty()) return Value::undefined("No aggregated item, sequence was empty.");
  size_t best = 0;
  Value best_key = get(rt, values[0]);
  for (size_t i = 1; i < values.size(); ++i) {
    Value key = get(rt, values[i]);
    bool unordered = false;
    const int order = compare(rt, key, best_key, largest ? ">" : "<", unordered);
    if (unordered || (largest ? order <= 0 : order >= 0)) continue;
    best = i;
    best_key = std::move(key);
  }
  return values[best];
}

Value sum(Runtime& rt, const Value& value, const Arguments& arguments) {
  const Bound bound(rt, arguments, "do_sum", {"attribute", "start"});
  const AttributeGetter get(rt, bound[0]);
  Value total = bound.given(1) ? bound[1] : Value(0);
  if (total.is_text()) raise("TypeError", "sum() can't sum strings [use ''.join(seq) instead]");
  for (const Value& v : collect(rt, value)) total = add(rt, total, get(rt, v));
  return total;
}

Value default_value(Runtime& rt, const Value& value, const Arguments& arguments) {
  const Bound bound(rt, arguments, "do_default", {"default_value", "boolean"});
  if (value.is_undefined() || (bound.flag(1) && !truth(rt, value)))
    return bound.given(0) ? bound[0] : Value("");
  return value;
}

// A lazy sequence over `source` that keeps what `next` says.
Value lazily(IteratorPtr source, std::function<bool(Runtime&, Iterator&, Value&)> next, int extra_depth = 0) {
  const int depth = std::max(source->depth, extra_depth);
  return make_lazy(make_iterator(
      [source = std::move(source), step = std::move(next)](Runtime& run, Value& out) {
        run.budget.spend(1);
        return step(run, *source, out);
      },
      depth));
}

int depth_of(const Arguments& arguments) {
  int depth = 0;
  for (const Value& v : arguments.positional) depth = std::max(depth, v.depth());
  for (const auto& [name, v] : arguments.keyword) depth = std::max(depth, v.depth());
  return depth;
}

// As a generator iterates its argument: what cannot be iterated is an error only when the generator is
// advanced.
IteratorPtr iterate_later(Runtime& rt, const Value& value) {
  if (iterable(rt, value)) return iterate(rt, value);
  return make_iterator(
      [value](Runtime& run, Value&) -> bool {
        iterate(run, value);
        return false;
      },
      value.depth());
}

Value unique(Runtime& rt, const Value& value, const Arguments& arguments) {
  const Bound bound(rt, arguments, "do_unique", {"case_sensitive", "attribute"});
  const AttributeGetter get(rt, bound[1], !bound.flag(0));
  IteratorPtr source = iterate_later(rt, value);
  const int depth = source->depth;
  return make_lazy(make_iterator(
      [source, get, seen = std::make_shared<Dict>()](Runtime& run, Value& out) {
        while (source->next(run, out)) {
          run.budget.spend(1);
          Value key = get(run, out);
          if (seen->find(run, key)) continue;
          seen->set(run, std::move(key), Value());
          return true;
        }
        return false;
      },
      depth));
}

// map, select and their kin do not even look at their arguments where the value is false.
Value lazily_unless_false(Runtime& rt, const Value& value,
                          std::function<bool(Runtime&, Iterator&, Value&)> next, const Arguments& arguments) {
  if (!truth(rt, value)) return make_lazy(iterate(rt, Value::undefined("")));
  return lazily(iterate_later(rt, value), std::move(next), depth_of(arguments));
}

Value map(Runtime& rt, const Value& value, const Arguments& arguments) {
  const bool by_attribute = arguments.positional.empty() &&
                            std::any_of(arguments.keyword.begin(), arguments.keyword.end(),
                                        [](const auto& entry) { return entry.first == "attribute"; });
  const auto look_up = [arguments](Runtime& run, Iterator& from, Value& out) {
    const Bound bound(run, arguments, "map", {"attribute", "default"}, 1);
    const AttributeGetter get(run, bound[0], false, bound[1]);
    if (!from.next(run, out)) return false;
    out = get(run, out);
    return true;
  };
  const auto filter = [arguments](Runtime& run, Iterator& from, Value& out) {
    if (arguments.positional.empty()) raise("FilterArgumentError", "map requires a filter argument");
    if (!from.next(run, out)) return false;
    Arguments rest;
    rest.positional.assign(arguments.positional.begin() + 1, arguments.positional.end());
    rest.keyword = arguments.keyword;
    out = call_filter(run, arguments.positional[0], out, rest);
    return true;
  };
  if (by_attribute) return lazily_unless_false(rt, value, look_up, arguments);
  return lazily_unless_false(rt, value, filter, arguments);
}

template <bool keep, bool by_attribute>
Value select(Runtime& rt, const Value& value, const Arguments& arguments) {
  const auto next = [arguments](Runtime& run, Iterator& from, Value& out) {
    const auto& given = arguments.positional;
    const size_t offset = by_attribute ? 1 : 0;
    if (by_attribute && given.empty()) raise("FilterArgumentError", "Missing parameter for attribute name");
    const AttributeGetter get(run, by_attribute ? given[0] : Value());
    Arguments rest;
    if (given.size() > offset) {
      rest.positional.assign(given.begin() + static_cast<std::ptrdiff_t>(offset) + 1, given.end());
      rest.keyword = arguments.keyword;
    }
    while (from.next(run, out)) {
      run.budget.spend(1);
      const Value tested = get(run, out);
      const bool passes =
          given.size() > offset ? call_test(run, given[offset], tested, rest) : truth(run, tested);
      if (passes == keep) return true;
    }
    return false;
  };
  return lazily_unless_false(rt, value, next, arguments);
}

Value batch(Runtime& rt, const Value& value, const Arguments& arguments) {
  const Bound bound(rt, arguments, "do_batch", {"linecount", "fill_with"}, 1);
  const Value count = bound[0], fill = bound[1];
  return lazily(
      iterate_later(rt, value),
      [count, fill, pending = std::make_shared<std::optional<Value>>(),
       ended = std::make_shared<bool>(false)](Runtime& run, Iterator& from, Value& out) {
        // jinja2 tests the size before it appends, so a batch ends where the next item is seen.
        if (*ended) return false;
        std::vector<Value> line;
        if (*pending) line.push_back(std::move(**pending));
        pending->reset();
        Value v;
        while (from.next(run, v)) {
          run.budget.spend(1);
          if (equal(run, Value(line.size()), count)) {
            *pending = std::move(v);
            out = Value::list(std::move(line));
            return true;
          }
          line.push_back(std::move(v));
        }
        *ended = true;
        if (line.empty()) return false;
        const int64_t missing = to_index(count).value_or(0) - static_cast<int64_t>(line.size());
        if (!fill.is_none() && missing > 0) {
          run.budget.items(static_cast<size_t>(missing));
          line.insert(line.end(), static_cast<size_t>(missing), fill);
        }
        out = Value::list(std::move(line));
        return true;
      },
      depth_of(arguments));
}

std::vector<Value> slices_of(Runtime& rt, const Value& value, const Value& number, const Value& fill) {
  const std::vector<Value> values = collect(rt, value);
  const auto slices = to_index(number);
  if (number.is_undefined()) raise_undefined(number);
  if (!slices)
    raise("TypeError", fmt::format("unsupported operand type(s) for //: 'int' and '{}'", type_name(number)));
  if (*slices == 0) raise("ZeroDivisionError", "integer division or modulo by zero");
  rt.budget.items(static_cast<size_t>(std::clamp<int64_t>(*slices, 0, kMaxItems + 1)));
  std::vector<Value> out;
  if (*slices < 0) return out;
  const size_t count = static_cast<size_t>(*slices), each = values.size() / count,
               extra = values.size() % count;
  size_t at = 0;
  for (size_t i = 0; i < count; ++i) {
    const size_t take = each + (i < extra ? 1 : 0);
    std::vector<Value> part(values.begin() + static_cast<std::ptrdiff_t>(at),
                            values.begin() + static_cast<std::ptrdiff_t>(at + take));
    at += take;
    if (!fill.is_none() && i >= extra) part.push_back(fill);
    out.push_back(Value::list(std::move(part)));
  }
  return out;
}

Value slice(Runtime& rt, const Value& value, const Arguments& arguments) {
  const Bound bound(rt, arguments, "do_slice", {"slices", "fill_with"}, 1);
  const auto made = std::make_shared<IteratorPtr>();
  return make_lazy(make_iterator(
      [made, value, number = bound[0], fill = bound[1]](Runtime& run, Value& out) {
        if (!*made) *made = iterate(run, Value::list(slices_of(run, value, number, fill)));
        return (*made)->next(run, out);
      },
      std::max(value.depth(), depth_of(arguments)) + 1));
}

Value groupby(Runtime& rt, const Value& value, const Arguments& arguments) {
  const Bound bound(rt, arguments, "do_groupby", {"attribute", "default", "case_sensitive"}, 1);
  const AttributeGetter key_of(rt, bound[0], !bound.flag(2), bound[1]);
  const AttributeGetter shown(rt, bound[0], false, bound[1]);
  std::vector<std::pair<Value, Value>> keyed;
  for (Value& v : collect(rt, value)) {
    Value key = key_of(rt, v);
    keyed.emplace_back(std::move(key), std::move(v));
  }
  std::stable_sort(keyed.begin(), keyed.end(),
                   [&](const auto& a, const auto& b) { return less(rt, a.first, b.first); });
  std::vector<Value> out;
  for (size_t i = 0; i < keyed.size();) {
    size_t end = i;
    std::vector<Value> group;
    while (end < keyed.size() && equal(rt, keyed[end].first, keyed[i].first))
      group.push_back(keyed[end++].second);
    if (end == i) group.push_back(keyed[end++].second);  // a NaN key equals nothing
    Value name = bound.flag(2) ? keyed[i].first : shown(rt, group[0]);
    out.push_back(Value::tuple({std::move(name), Value::list(std::move(group))}, true));
    i = end;
  }
  return Value::list(std::move(out));
}

Value items(Runtime& rt, const Value& value, const Arguments& arguments) {
  Bound(rt, arguments, "do_items", {});
  if (value.is_undefined()) return make_lazy(iterate(rt, value));
  if (value.dict()) return make_lazy(DictView(*value.get<DictPtr>(), DictView::Part::items).iterate(rt));
  return make_lazy(make_iterator(
      [](Runtime&, Value&) -> bool { raise("TypeError", "Can only get item pairs from a mapping."); }, 0));
}

Value attr(Runtime& rt, const Value& value, const Arguments& arguments) {
  const Bound bound(rt, arguments, "do_attr", {"name"}, 1);
  const std::string& name = bound.exact_text(0);
  if (value.is_undefined()) raise_undefined(value);
  if (auto found = find_attribute(rt, value, name)) return *found;
  return Value::undefined(fmt::format("{} has no attribute {}", repr(object_type_repr(value)), repr(name)));
}

Value random_item(Runtime& rt, const Value& value, const Arguments& arguments) {
  Bound(rt, arguments, "do_random", {});
  const auto n = length(rt, value);
  if (n && *n == 0) return Value::undefined("No random item, sequence was empty.");
  if (n && *n == 1) return get_item(rt, value, Value(0));
  raise("NotImplementedError", "random is not supported: a prompt must not depend on chance");
}

}  // namespace

Filter find_sequence_filter(std::string_view name) {
  static const std::unordered_map<std::string_view, Filter> table{
      {"length", length_filter},
      {"count", length_filter},
      {"list", list},
      {"first", first},
      {"last", last},
      {"reverse", reverse},
      {"join", join},
      {"sort", sort},
      {"dictsort", dictsort},
      {"unique", unique},
      {"min", extreme<false>},
      {"max", extreme<true>},
      {"sum", sum},
      {"default", default_value},
      {"d", default_value},
      {"map", map},
      {"select", select<true, false>},
      {"reject", select<false, false>},
      {"selectattr", select<true, true>},
      {"rejectattr", select<false, true>},
      {"batch", batch},
      {"slice", slice},
      {"groupby", groupby},
      {"items", items},
      {"attr", attr},
      {"random", random_item},
  };
  const auto at = table.find(name);
  return at == table.end() ? nullptr : at->second;
}

}  // namespace circuitdiff::jinja
