// Options are said once: a stage takes a plain struct whose member initialisers are the defaults, and one
// function `visit(V&, Options&)` lists the fields as v(field, "name", "help"). Flag, environment variable,
// TOML key, --help, --print-config and the manifest are visitors over that list; this file holds those that
// need no library.
// A name is spelled with underscores; on the command line it is --name-with-dashes.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/error.h"

namespace circuitdiff {

// The words of an enumeration on the command line and in files. Specialise next to the enum:
//   template <> struct EnumWords<Method> { static constexpr std::array words{std::pair{Method::eap_ig,
//   "eap-ig"}, ...}; };
template <class E>
struct EnumWords;

template <class E>
std::string to_word(E value) {
  for (const auto& [v, word] : EnumWords<E>::words)
    if (v == value) return word;
  return "?";
}

// "eap, eap-ig or exact"
template <class E>
std::string list_words() {
  std::string out;
  const auto& words = EnumWords<E>::words;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i) out += i + 1 == words.size() ? " or " : ", ";
    out += words[i].second;
  }
  return out;
}

template <class E>
std::optional<E> from_word(std::string_view text) {
  for (const auto& [v, word] : EnumWords<E>::words)
    if (text == word) return v;
  return std::nullopt;
}

std::string flag_name(std::string_view option_name);         // ig_steps -> --ig-steps
std::string environment_name(std::string_view option_name);  // ig_steps -> CIRCUITDIFF_IG_STEPS

namespace detail {
int64_t parse_int(std::string_view name, std::string_view text);
double parse_double(std::string_view name, std::string_view text);
bool parse_bool(std::string_view name, std::string_view text);
std::vector<std::string> split_commas(const std::vector<std::string>& values);
std::string print_double(double value);  // shortest text that reads back to the same value

template <class T>
struct is_vector : std::false_type {};
template <class T>
struct is_vector<std::vector<T>> : std::true_type {};
template <class T>
struct is_optional : std::false_type {};
template <class T>
struct is_optional<std::optional<T>> : std::true_type {};
}  // namespace detail

// One value from text. `name` is only for the message of the UsageError.
template <class T>
T parse_value(std::string_view name, const std::string& text) {
  if constexpr (std::is_same_v<T, bool>) {
    return detail::parse_bool(name, text);
  } else if constexpr (std::is_enum_v<T>) {
    const auto value = from_word<T>(text);
    if (!value) usage_error("{}: \"{}\" is not one of {}", flag_name(name), text, list_words<T>());
    return *value;
  } else if constexpr (std::is_integral_v<T>) {
    const int64_t value = detail::parse_int(name, text);
    if (static_cast<int64_t>(static_cast<T>(value)) != value || (std::is_unsigned_v<T> && value < 0))
      usage_error("{}: {} is out of range", flag_name(name), text);
    return static_cast<T>(value);
  } else if constexpr (std::is_floating_point_v<T>) {
    return detail::parse_double(name, text);
  } else {
    return T(text);  // std::string, std::filesystem::path
  }
}

template <class T>
std::string print_value(const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_enum_v<T>) {
    return to_word(value);
  } else if constexpr (std::is_integral_v<T>) {
    return std::to_string(value);
  } else if constexpr (std::is_floating_point_v<T>) {
    return detail::print_double(value);
  } else if constexpr (std::is_same_v<T, std::filesystem::path>) {
    return value.string();
  } else {
    return value;
  }
}

// What --help and --print-config need to know of one option.
struct OptionInfo {
  std::string name;  // with underscores
  std::string help;
  std::vector<std::string> values;  // current value(s) as text; empty: unset
  bool is_flag = false;             // a bool: --name and --no-name
  bool is_list = false;             // comma-separated
  bool is_text = false;             // printed in quotes in TOML and JSON
};

// Visitor: lists every option with its present value.
class OptionList {
 public:
  template <class T>
  void operator()(T& field, const char* name, const char* help) {
    OptionInfo info{name, help, {}, false, false, false};
    if constexpr (detail::is_vector<T>::value) {
      info.is_list = true;
      info.is_text = is_text<typename T::value_type>();
      for (const auto& v : field) info.values.push_back(print_value(v));
    } else if constexpr (detail::is_optional<T>::value) {
      info.is_text = is_text<typename T::value_type>();
      info.is_flag = std::is_same_v<typename T::value_type, bool>;
      if (field) info.values.push_back(print_value(*field));
    } else {
      info.is_text = is_text<T>();
      info.is_flag = std::is_same_v<T, bool>;
      info.values.push_back(print_value(field));
    }
    options.push_back(std::move(info));
  }
  std::vector<OptionInfo> options;

 private:
  template <class T>
  static constexpr bool is_text() {
    return !std::is_arithmetic_v<T>;
  }
};

// Visitor: sets the options named in `values` (name with underscores ->
// texts). What it has used is in `seen`.
class OptionSetter {
 public:
  explicit OptionSetter(const std::map<std::string, std::vector<std::string>>& values) : values_(values) {}
  template <class T>
  void operator()(T& field, const char* name, const char* /*help*/) {
    known.push_back(name);
    const auto it = values_.find(name);
    if (it == values_.end()) return;
    if constexpr (detail::is_vector<T>::value) {
      field.clear();
      for (const auto& text : detail::split_commas(it->second))
        field.push_back(parse_value<typename T::value_type>(name, text));
    } else {
      if (it->second.size() != 1)
        usage_error("{}: one value expected, {} found", flag_name(name), it->second.size());
      if constexpr (detail::is_optional<T>::value)
        field = parse_value<typename T::value_type>(name, it->second.front());
      else
        field = parse_value<T>(name, it->second.front());
    }
  }
  std::vector<std::string> known;

 private:
  const std::map<std::string, std::vector<std::string>>& values_;
};

using OptionValues = std::map<std::string, std::vector<std::string>>;

template <class Options>
std::vector<OptionInfo> list_options(const Options& options) {
  OptionList list;
  visit(list, const_cast<Options&>(options));  // the visitor reads only
  return list.options;
}

// Sets `options` from texts; a name that the struct does not have is a UsageError naming the nearest one, a
// text that is no value of its option one naming the option.
// `where` begins the message ("experiment.toml: [select]").
template <class Options>
void set_options(Options& options, const OptionValues& values, std::string_view where);

// The member of `known` with the smallest edit distance to `name`; empty if none is near.
std::string nearest(std::string_view name, const std::vector<std::string>& known);
[[noreturn]] void unknown_option(std::string_view where, std::string_view name,
                                 const std::vector<std::string>& known);

template <class Options>
void set_options(Options& options, const OptionValues& values, std::string_view where) {
  OptionSetter setter(values);
  try {
    visit(setter, options);
  } catch (const UsageError& error) {
    usage_error("{}: {}", where, error.what());
  }
  for (const auto& [name, unused] : values) {
    bool found = false;
    for (const auto& k : setter.known) found = found || k == name;
    if (!found) unknown_option(where, name, setter.known);
  }
}

}  // namespace circuitdiff
