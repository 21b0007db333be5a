#include "io/json.h"

#include <fstream>
#include <sstream>

#include "base/error.h"
#include "io/files.h"
#include "io/ordered_json.h"

namespace circuitdiff {

namespace {

std::string dump_valid(std::string_view text) {
  return json(std::string(text)).dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

std::string in_quotes(std::string_view text) {
  constexpr size_t kMost = 100;
  // A character cut in half becomes U+FFFD.
  const std::string out = dump_valid(text.substr(0, kMost));
  return text.size() > kMost ? out.substr(0, out.size() - 1) + "...\"" : out;
}

std::string valid_utf8(std::string_view text) { return json::parse(dump_valid(text)).get<std::string>(); }

namespace {

// Builds the value as it is read. nlohmann's own parser with a callback looks through the whole enclosing
// object at the end of every object in it: minutes for a header of a hundred thousand entries.
template <class Json>
class StrictReader : public nlohmann::json_sax<Json> {
 public:
  StrictReader(Json& root, std::string_view where) : root_(root), where_(where) {}

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(int64_t value) override { return put(value); }
  bool number_unsigned(uint64_t value) override { return put(value); }
  bool number_float(double value, const std::string&) override { return put(value); }
  bool string(std::string& value) override { return put(std::move(value)); }
  bool binary(typename Json::binary_t&) override { return false; }  // not in text
  bool start_object(size_t) override { return open(Json::object()); }
  bool start_array(size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(std::string& name) override {
    auto& object = open_.back()->template get_ref<typename Json::object_t&>();
    const auto [it, fresh] = object.emplace(std::move(name), nullptr);
    if (!fresh) fail("{}: key {} stands twice in one object", where_, in_quotes(it->first));
    slot_ = &it->second;
    return true;
  }

  bool parse_error(size_t, const std::string&, const nlohmann::json::exception& e) override {
    std::string what = e.what();
    // "[json.exception.parse_error.101] parse error at line 1, column 5: ..." -> from the first "line" on
    if (const auto bracket = what.find("] "); bracket != std::string::npos) what = what.substr(bracket + 2);
    if (what.size() > 200) what = what.substr(0, 200) + "...";
    // The text it quotes may be cut inside a character or not be UTF-8 at all.
    for (char& c : what)
      if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) c = '?';
    fail("{}: not valid JSON: {}", where_, what);
  }

 private:
  Json* place(Json&& value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    if (open_.back()->is_array())
      return &open_.back()->template get_ref<typename Json::array_t&>().emplace_back(std::move(value));
    *slot_ = std::move(value);
    return slot_;
  }
  bool put(Json&& value) {
    place(std::move(value));
    return true;
  }
  bool open(Json&& value) {
    if (open_.size() >= kDeepest) fail("{}: JSON nested deeper than {}", where_, kDeepest);
    open_.push_back(place(std::move(value)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  static constexpr size_t kDeepest = 256;
  Json& root_;
  std::string_view where_;
  std::vector<Json*> open_;  // from the outermost object or array to the innermost
  Json* slot_ = nullptr;     // where the value of the key just read goes
};

template <class Json>
Json parse_strictly(std::string_view text, std::string_view where) {
  // The parser takes a NUL for the end of its input and would not see what follows.
  if (const size_t nul = text.find('\0'); nul != std::string_view::npos)
    fail("{}: not valid JSON: a NUL byte at position {}", where, nul);
  Json value;
  StrictReader<Json> reader(value, where);
  Json::sax_parse(text, &reader);
  return value;
}

template <class Json>
std::string kind_of(const Json& value) {
  switch (value.type()) {
    case json::value_t::null:
      return "null";
    case json::value_t::object:
      return "an object";
    case json::value_t::array:
      return "an array";
    case json::value_t::string:
      return "a string";
    case json::value_t::boolean:
      return "true or false";
    case json::value_t::number_float:
    case json::value_t::number_integer:
    case json::value_t::number_unsigned:
      return "the number " + value.dump();
    default:
      return "something else";
  }
}

}  // namespace

json parse_json(std::string_view text, std::string_view where) { return parse_strictly<json>(text, where); }
ordered_json parse_ordered_json(std::string_view text, std::string_view where) {
  return parse_strictly<ordered_json>(text, where);
}

json read_json_file(const std::filesystem::path& path) { return parse_json(read_file(path), path.string()); }
ordered_json read_ordered_json_file(const std::filesystem::path& path) {
  return parse_ordered_json(read_file(path), path.string());
}

std::string json_kind(const json& value) { return kind_of(value); }
std::string json_kind(const ordered_json& value) { return kind_of(value); }

const json* Row::find(std::string_view field) const {
  const json* at = &value_;
  while (true) {
    const size_t dot = field.find('.');
    const std::string key(field.substr(0, dot));
    if (!at->is_object()) return nullptr;
    const auto it = at->find(key);
    if (it == at->end()) return nullptr;
    at = &*it;
    if (dot == std::string_view::npos) return at;
    field = field.substr(dot + 1);
  }
}

bool Row::has(std::string_view field) const {
  const json* value = find(field);
  return value && !value->is_null();
}

void Row::bad(std::string_view field, std::string_view expected) const {
  const json* value = find(field);
  if (!value) fail("{}: field \"{}\" is missing ({} expected)", where_, field, expected);
  fail("{}: field \"{}\": {} expected, {} found", where_, field, expected, json_kind(*value));
}

const json& Row::at(std::string_view field) const {
  const json* value = find(field);
  if (!value) fail("{}: field \"{}\" is missing", where_, field);
  return *value;
}

std::string Row::string(std::string_view field) const {
  const json* value = find(field);
  if (!value || !value->is_string()) bad(field, "a string");
  return value->get<std::string>();
}

std::string Row::string_or(std::string_view field, std::string otherwise) const {
  return has(field) ? string(field) : std::move(otherwise);
}

int64_t Row::integer(std::string_view field) const {
  const json* value = find(field);
  if (!value || !value->is_number_integer() ||
      (value->is_number_unsigned() && value->get<uint64_t>() > uint64_t{INT64_MAX}))
    bad(field, "a whole number");
  return value->get<int64_t>();
}

int64_t Row::integer_or(std::string_view field, int64_t otherwise) const {
  return has(field) ? integer(field) : otherwise;
}

std::optional<bool> Row::boolean(std::string_view field) const {
  if (!has(field)) return std::nullopt;
  const json& value = at(field);
  if (!value.is_boolean()) bad(field, "true, false or null");
  return value.get<bool>();
}

std::vector<int64_t> Row::tokens(std::string_view field) const {
  const json* value = find(field);
  if (!value || !value->is_array()) bad(field, "an array of token ids");
  std::vector<int64_t> out;
  out.reserve(value->size());
  for (const json& v : *value) {
    if (!v.is_number_integer() || (v.is_number_unsigned() && v.get<uint64_t>() > uint64_t{INT64_MAX}) ||
        v.get<int64_t>() < 0)
      fail("{}: field \"{}\": entry {}: a token id expected, {} found", where_, field, out.size(),
           json_kind(v));
    out.push_back(v.get<int64_t>());
  }
  return out;
}

std::string Row::id(std::string_view field) const {
  const json* value = find(field);
  if (value && value->is_string() && !value->get_ref<const std::string&>().empty())
    return value->get<std::string>();
  if (value && value->is_number_integer()) return value->dump();
  bad(field, "a non-empty string or a whole number");
}

void read_jsonl(const std::filesystem::path& path, const std::function<void(Row&&)>& each,
                bool torn_tail_ok) {
  const MappedFile file(path);
  const std::string_view text = file.text();
  int64_t number = 0, blank = 0;  // `blank`: the first blank line, if only blank ones have followed
  for (size_t begin = 0; begin < text.size();) {
    ++number;
    const size_t newline = text.find('\n', begin);
    if (newline == std::string_view::npos && torn_tail_ok) return;
    const size_t end = std::min(newline, text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) {
      if (blank == 0) blank = number;
      continue;
    }
    // A hole in the middle would shift what is counted by line; at the end it is only an editor's habit.
    if (blank > 0) fail("{}:{}: an object expected, a blank line found", path.string(), blank);
    const std::string where = fmt::format("{}:{}", path.string(), number);
    json value = parse_json(line, where);
    if (!value.is_object()) fail("{}: an object expected, {} found", where, json_kind(value));
    each(Row(std::move(value), where));
  }
}

}  // namespace circuitdiff
