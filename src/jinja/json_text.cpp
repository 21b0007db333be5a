#include <algorithm>
#include <cmath>

#include "jinja/builtins.h"
#include "jinja/operators.h"
#include "jinja/runtime.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {
namespace {

struct JsonStyle {
  bool ensure_ascii = false;
  std::optional<std::string> indent;  // of one level; absent: everything on one line
  std::string between = ", ";         // items; "," where there is an indent
  std::string after_key = ": ";
  bool sort_keys = false;
};

std::string escape(char32_t c) {
  static constexpr std::string_view kShort = "\"\\\n\r\t\b\f", kLetters = "\"\\nrtbf";
  if (const size_t at = c < 0x80 ? kShort.find(static_cast<char>(c)) : kShort.npos; at != kShort.npos)
    return {'\\', kLetters[at]};
  const uint32_t point = static_cast<uint32_t>(c);
  if (point < 0x10000) return fmt::format("\\u{:04x}", point);
  return fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + ((point - 0x10000) >> 10),
                     0xDC00 + ((point - 0x10000) & 0x3FF));
}

void append_string(std::string& out, std::string_view text, bool ensure_ascii) {
  out += '"';
  for (size_t pos = 0; pos < text.size();) {
    const size_t start = pos;
    const char32_t c = next_code_point(text, pos);
    const bool plain = c >= 0x20 && c != '"' && c != '\\' && (c <= 0x7E || !ensure_ascii);
    out += plain ? std::string(text.substr(start, pos - start)) : escape(c);
  }
  out += '"';
}

class Writer {
 public:
  Writer(Runtime& rt, const JsonStyle& style) : rt_(rt), style_(style) {}

  void write(const Value& value) {
    rt_.check_stack();
    rt_.budget.spend(1);
    if (out.size() > kMaxTextBytes) rt_.budget.text(out.size());
    if (value.is_text()) {
      rt_.budget.copy(value.bytes().size());
      append_string(out, value.bytes(), style_.ensure_ascii);
    } else if (const auto plain = scalar(value)) {
      out += *plain;
    } else if (const Items* items = value.items()) {
      write_all('[', ']', items->values, [&](const Value& v) { write(v); });
    } else if (const Dict* dict = value.dict()) {
      write_dict(*dict);
    } else {
      raise("TypeError", "Object of type {} is not JSON serializable", type_name(value));
    }
  }
  std::string out;

 private:
  std::optional<std::string> scalar(const Value& value) {
    if (value.is_none()) return "null";
    if (value.is_bool()) return truth(value) ? "true" : "false";
    if (value.is_integer()) return to_repr(rt_, value);
    if (!value.is_real()) return std::nullopt;
    const double real = value.real();
    return std::isfinite(real) ? repr(real) : std::isnan(real) ? "NaN" : real < 0 ? "-Infinity" : "Infinity";
  }

  void new_line() {
    if (!style_.indent) return;
    rt_.budget.text(out.size() / 8 + style_.indent->size() * static_cast<size_t>(level_));
    out += '\n';
    for (int i = 0; i < level_; ++i) out += *style_.indent;
  }

  // A list or an object: `write_one` writes an element.
  template <class Elements, class WriteOne>
  void write_all(char open, char close, const Elements& elements, const WriteOne& write_one) {
    out += open;
    ++level_;
    for (size_t i = 0; i < elements.size(); ++i) {
      if (i) out += style_.between;
      new_line();
      write_one(elements[i]);
    }
    --level_;
    if (!elements.empty()) new_line();
    out += close;
  }

  void write_dict(const Dict& dict) {
    std::vector<const Dict::Entry*> entries;
    for (const auto& entry : dict.entries()) entries.push_back(&entry);
    if (style_.sort_keys)
      std::sort(entries.begin(), entries.end(),
                [&](const auto* a, const auto* b) { return lt(rt_, a->first, b->first); });
    write_all('{', '}', entries, [&](const Dict::Entry* entry) {
      append_string(out, scalar(entry->first).value_or(to_text(rt_, entry->first)), style_.ensure_ascii);
      out += style_.after_key;
      write(entry->second);
    });
  }

  Runtime& rt_;
  const JsonStyle& style_;
  int level_ = 0;
};

}  // namespace

Value tojson(Runtime& rt, const Value& value, const Bound& bound) {
  JsonStyle style;
  style.ensure_ascii = bound.flag(0);
  style.sort_keys = bound.flag(3);
  if (!bound[1].is_none()) {
    const int64_t width = bound[1].is_text() ? 0 : std::max<int64_t>(bound.integer(1), 0);
    rt.budget.text(static_cast<size_t>(width));
    style.indent = bound[1].is_text() ? bound[1].bytes() : std::string(static_cast<size_t>(width), ' ');
    style.between = ",";
  }
  if (!bound[2].is_none()) {
    const std::vector<Value> both = collect(rt, bound[2]);
    if (both.size() != 2 || !both[0].is_text() || !both[1].is_text())
      raise("TypeError", "tojson: separators must be two texts");
    style.between = both[0].bytes();
    style.after_key = both[1].bytes();
  }
  Writer writer(rt, style);
  writer.write(value);
  rt.budget.text(writer.out.size());
  return Value(std::move(writer.out));
}

}  // namespace circuitdiff::jinja
