#include "jinja/json_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "jinja/arguments.h"
#include "jinja/runtime.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {
namespace {

void append_string(std::string& out, std::string_view text, bool ensure_ascii) {
  out += '"';
  for (size_t pos = 0; pos < text.size();) {
    const size_t start = pos;
    const char32_t c = next_code_point(text, pos);
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (c < 0x20 || (ensure_ascii && c > 0x7E)) {
          if (c >= 0x10000) {
            const uint32_t rest = static_cast<uint32_t>(c) - 0x10000;
            out += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
          } else {
            out += fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
          }
        } else {
          out += text.substr(start, pos - start);
        }
    }
  }
  out += '"';
}

std::string real_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  return repr(value);
}

class Writer {
 public:
  Writer(Runtime& rt, const JsonStyle& style) : rt_(rt), style_(style) {}

  void write(const Value& value) {
    rt_.check_stack();
    rt_.budget.spend(1);
    if (out.size() > kMaxTextBytes) rt_.budget.text(out.size());
    if (value.is_none()) {
      out += "null";
    } else if (const bool* b = value.get<bool>()) {
      out += *b ? "true" : "false";
    } else if (value.is_integer()) {
      out += to_repr(rt_, value);
    } else if (const double* d = value.get<double>()) {
      out += real_text(*d);
    } else if (value.is_text()) {
      rt_.budget.copy(value.bytes().size());
      append_string(out, value.bytes(), style_.ensure_ascii);
    } else if (const Items* items = value.items()) {
      write_list(items->values);
    } else if (const Dict* dict = value.dict()) {
      write_dict(*dict);
    } else {
      raise("TypeError", fmt::format("Object of type {} is not JSON serializable", type_name(value)));
    }
  }
  std::string out;

 private:
  void new_line() {
    if (!style_.indent) return;
    rt_.budget.text(out.size() / 8 + style_.indent->size() * static_cast<size_t>(level_));
    out += '\n';
    for (int i = 0; i < level_; ++i) out += *style_.indent;
  }

  void write_list(const std::vector<Value>& values) {
    if (values.empty()) {
      out += "[]";
      return;
    }
    out += '[';
    ++level_;
    for (size_t i = 0; i < values.size(); ++i) {
      if (i) out += style_.between;
      new_line();
      write(values[i]);
    }
    --level_;
    new_line();
    out += ']';
  }

  std::string key_text(const Value& key) {
    if (key.is_text()) return key.bytes();
    if (key.is_none()) return "null";
    if (const bool* b = key.get<bool>()) return *b ? "true" : "false";
    if (key.is_integer()) return to_repr(rt_, key);
    if (const double* d = key.get<double>()) return real_text(*d);
    raise("TypeError", fmt::format("keys must be str, int, float, bool or None, not {}", type_name(key)));
  }

  void write_dict(const Dict& dict) {
    if (dict.size() == 0) {
      out += "{}";
      return;
    }
    std::vector<const Dict::Entry*> entries;
    for (const auto& entry : dict.entries()) entries.push_back(&entry);
    if (style_.sort_keys)
      std::stable_sort(entries.begin(), entries.end(),
                       [&](const auto* a, const auto* b) { return less(rt_, a->first, b->first); });
    out += '{';
    ++level_;
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i) out += style_.between;
      new_line();
      append_string(out, key_text(entries[i]->first), style_.ensure_ascii);
      out += style_.after_key;
      write(entries[i]->second);
    }
    --level_;
    new_line();
    out += '}';
  }

  Runtime& rt_;
  const JsonStyle& style_;
  int level_ = 0;
};

}  // namespace

std::string to_json(Runtime& rt, const Value& value, const JsonStyle& style) {
  Writer writer(rt, style);
  writer.write(value);
  rt.budget.text(writer.out.size());
  return std::move(writer.out);
}

Value tojson_filter(Runtime& rt, const Value& value, const Arguments& arguments) {
  const Bound bound(rt, arguments, "tojson", {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ensure_ascii = bound.flag(0);
  if (!bound[1].is_none()) {
    if (bound[1].is_text()) {
      style.indent = bound[1].bytes();
    } else {
      const int64_t width = std::max<int64_t>(bound.integer(1), 0);
      rt.budget.text(static_cast<size_t>(width));
      style.indent = std::string(static_cast<size_t>(width), ' ');
    }
    style.between = ",";
  }
  if (!bound[2].is_none()) {
    const std::vector<Value> both = collect(rt, bound[2]);
    if (both.size() > 2) raise("ValueError", "too many values to unpack (expected 2)");
    if (both.size() < 2)
      raise("ValueError", fmt::format("not enough values to unpack (expected 2, got {})", both.size()));
    for (const Value& v : both)
      if (!v.is_text()) raise("TypeError", "separators must be text");
    style.between = both[0].bytes();
    style.after_key = both[1].bytes();
  }
  style.sort_keys = bound.flag(3);
  return Value(to_json(rt, value, style));
}

}  // namespace circuitdiff::jinja
