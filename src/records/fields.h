// The fields of a JSON record, said once. A format lists them in one function, visit(v, record), as
// v("name", member); FieldWriter and FieldReader are the two visitors over that list, so that what is written
// is what is read. Every listed field must be there. A reader throws one Error for the first that is not as
// it should be: FILE: field "metrics.gini.ci95[1]": a number expected, a string found. Fields that the list
// does not have are passed over.
#pragma once

#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/ordered_json.h"

namespace circuitdiff {

// Members whose type does not say how they stand in a file:
struct TextOrNull {  // null where it is empty
  std::string& text;
};
struct IntervalOrNull {  // [low, high], null where one is missing
  std::optional<double>&low, &high;
};
template <class T>
struct Sized {  // [size]
  std::vector<T>& list;
  int64_t size;
};
template <class T>
struct Grid {  // [rows][columns] of `values`, which are flat
  std::vector<T>& values;
  int64_t rows, columns;
};
template <class T>
struct ByName {  // {NAME: {...}} in order; T has a member `name`, which its own visit leaves out
  std::vector<T>& list;
  bool null_if_empty = false;
};

template <class T>
struct OrAbsent {  // not there where it is empty: a string, a vector or an optional
  T& member;
};

class FieldWriter;
class FieldReader;

template <class T>
concept Record = requires(FieldWriter& v, T& record) {
  visit(v, record);
};
// A field that is an object of its own, listed where it stands: [&](auto& in) { in("name", member); }.
template <class T>
concept Listing = requires(FieldWriter& v, T& list) {
  list(v);
};

// Where a value stands in a file. The text is made when an error needs it.
class Place {
 public:
  // `hint` ends every message ("run circuitdiff compare again"); empty for none.
  Place(std::string_view file, std::string_view hint) : file_(file), hint_(hint) {}
  Place(const Place& outer, std::string_view name)
      : file_(outer.file_), hint_(outer.hint_), outer_(&outer), name_(name) {}
  Place(const Place& outer, size_t index)
      : file_(outer.file_), hint_(outer.hint_), outer_(&outer), index_(index) {}

  [[noreturn]] void bad(std::string_view expected, std::string_view found) const;
  [[noreturn]] void bad_value(std::string_view expected, const ordered_json& found) const;
  [[noreturn]] void missing() const;

 private:
  std::string field() const;
  std::string_view file_, hint_;
  const Place* outer_ = nullptr;
  std::string_view name_;
  std::optional<size_t> index_;
};

void read_field(const ordered_json& value, const Place& at, double& out);
void read_field(const ordered_json& value, const Place& at, std::optional<double>& out);
void read_field(const ordered_json& value, const Place& at, int64_t& out);
void read_field(const ordered_json& value, const Place& at, uint64_t& out);
void read_field(const ordered_json& value, const Place& at, uint8_t& out);  // 0 or 1
void read_field(const ordered_json& value, const Place& at, std::string& out);
void read_field(const ordered_json& value, const Place& at, bool& out);
void read_field(const ordered_json& value, const Place& at, const TextOrNull& out);
void read_field(const ordered_json& value, const Place& at, const IntervalOrNull& out);
void read_field(const ordered_json& value, const Place& at, std::optional<std::pair<int64_t, int64_t>>& out);
void read_field(const ordered_json& value, const Place& at, json& out);  // an object, as it is
void expect_object(const ordered_json& value, const Place& at);
void expect_array(const ordered_json& value, const Place& at);
// An array of `size` values; `what` is their name in the message.
void expect_size(size_t found, const Place& at, int64_t size, std::string_view what);
void expect_array_of(const ordered_json& value, const Place& at, int64_t size, std::string_view what);

class FieldWriter {
 public:
  template <class T>
  void operator()(std::string_view name, T&& member) {
    object[std::string(name)] = to_json(member);
  }
  template <class T>
  void operator()(std::string_view name, OrAbsent<T> field) {
    if constexpr (requires { field.member.has_value(); }) {
      if (field.member) (*this)(name, *field.member);
    } else if (!field.member.empty()) {
      (*this)(name, field.member);
    }
  }
  // An object whose names are data; a reader leaves `known` out.
  template <class T>
  void entries(std::map<std::string, T>& all, std::string_view /*known*/ = "") {
    for (auto& [name, one] : all) (*this)(name, one);
  }
  template <class T>
  void entries(ByName<T> named) {
    for (T& one : named.list) (*this)(one.name, one);
  }
  ordered_json object = ordered_json::object();

 private:
  template <class T>
  static ordered_json to_json(T& member) {
    if constexpr (Record<T>) {
      FieldWriter inner;
      visit(inner, member);
      return std::move(inner.object);
    } else if constexpr (Listing<T>) {
      FieldWriter inner;
      member(inner);
      return std::move(inner.object);
    } else {
      return ordered_json(member);
    }
  }
  static ordered_json to_json(std::optional<double>& value);
  static ordered_json to_json(std::optional<std::pair<int64_t, int64_t>>& range);  // [first, last] or null
  static ordered_json to_json(IntervalOrNull& interval);
  static ordered_json to_json(TextOrNull& text);
  template <class T>
  static ordered_json to_json(std::vector<T>& list) {
    ordered_json out = ordered_json::array();
    for (T& one : list) out.push_back(to_json(one));
    return out;
  }
  template <class T>
  static ordered_json to_json(Sized<T>& sized) {
    return to_json(sized.list);
  }
  template <class T>
  static ordered_json to_json(Grid<T>& grid) {
    ordered_json out = ordered_json::array();
    for (size_t i = 0; i < grid.values.size(); ++i) {
      if (i % static_cast<size_t>(grid.columns) == 0) out.push_back(ordered_json::array());
      out.back().push_back(to_json(grid.values[i]));
    }
    return out;
  }
  template <class T>
  static ordered_json to_json(ByName<T>& named) {
    if (named.list.empty() && named.null_if_empty) return nullptr;
    FieldWriter inner;
    for (T& one : named.list) inner(one.name, one);
    return std::move(inner.object);
  }
};

class FieldReader {
 public:
  FieldReader(const ordered_json& object, const Place& at) : object_(object), at_(at) {
    expect_object(object, at);
  }
  template <class T>
  void operator()(std::string_view name, T&& member) {
    const Place at(at_, name);
    const auto it = object_.find(name);
    if (it == object_.end()) at.missing();
    read(*it, at, member);
  }
  template <class T>
  void operator()(std::string_view name, OrAbsent<T> field) {
    field.member = {};
    if (!object_.contains(name)) return;
    if constexpr (requires { field.member.has_value(); })
      (*this)(name, field.member.emplace());
    else
      (*this)(name, field.member);
  }
  template <class T>
  void entries(std::map<std::string, T>& all, std::string_view known = "") {
    all.clear();
    for (const auto& [key, one] : object_.items())
      if (key != known) read(one, Place(at_, key), all[key]);
  }
  template <class T>
  void entries(ByName<T> named) {
    read(object_, at_, named);
  }

 private:
  template <class T>
  static void read(const ordered_json& value, const Place& at, T& out) {
    if constexpr (Record<T>) {
      FieldReader inner(value, at);
      visit(inner, out);
    } else if constexpr (Listing<T>) {
      FieldReader inner(value, at);
      out(inner);
    } else {
      read_field(value, at, out);
    }
  }
  template <class T>
  static void read(const ordered_json& value, const Place& at, std::vector<T>& out) {
    expect_array(value, at);
    out.clear();
    for (size_t i = 0; i < value.size(); ++i) read(value[i], Place(at, i), out.emplace_back());
  }
  template <class T>
  static void read(const ordered_json& value, const Place& at, std::map<std::string, T>& out) {
    expect_object(value, at);
    out.clear();
    for (const auto& [key, one] : value.items()) read(one, Place(at, key), out[key]);
  }
  template <class T>
  static void read(const ordered_json& value, const Place& at, Sized<T>& out) {
    expect_array_of(value, at, out.size, "values");
    read(value, at, out.list);
  }
  template <class T>
  static void read(const ordered_json& value, const Place& at, Grid<T>& out) {
    expect_array_of(value, at, out.rows, "rows");
    out.values.clear();
    for (size_t i = 0; i < value.size(); ++i) {
      const Place row(at, i);
      expect_array_of(value[i], row, out.columns, "values");
      for (size_t j = 0; j < value[i].size(); ++j)
        read(value[i][j], Place(row, j), out.values.emplace_back());
    }
  }
  template <class T>
  static void read(const ordered_json& value, const Place& at, ByName<T>& out) {
    out.list.clear();
    if (value.is_null() && out.null_if_empty) return;
    expect_object(value, at);
    for (const auto& [key, one] : value.items()) {
      T& record = out.list.emplace_back();
      record.name = key;
      read(one, Place(at, key), record);
    }
  }

  const ordered_json& object_;
  const Place& at_;
};

template <class T>
ordered_json record_json(const T& record) {
  FieldWriter writer;
  visit(writer, const_cast<T&>(record));  // the visitor reads only
  return std::move(writer.object);
}

template <class T>
T read_record(const std::filesystem::path& path, std::string_view hint) {
  const std::string file = path.string();
  const ordered_json value = read_ordered_json_file(path);
  const Place at(file, hint);
  FieldReader reader(value, at);
  T out;
  visit(reader, out);
  return out;
}

}  // namespace circuitdiff
