#include "tokenizer/tokenize_stream.h"

#include <istream>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace circuitdiff {

namespace {

// Reads every line that is not blank with parse(row, where); "NAME:LINE" is `where`. All is read before
// anything is written: a bad line late in the input must not leave half a result.
template <class F>
auto parsed_rows(std::istream& in, std::string_view name, F&& parse) {
  std::vector<decltype(parse(std::declval<nlohmann::json&>(), std::string()))> out;
  int64_t line_number = 0;
  for (std::string line; std::getline(in, line);) {
    ++line_number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string where = fmt::format("{}:{}", name, line_number);
    nlohmann::json row;
    try {
      row = nlohmann::json::parse(line);
    } catch (const nlohmann::json::parse_error& e) {
      fail("{}: not valid JSON at byte {}", where, e.byte);
    }
    if (!row.is_object()) fail("{}: an object was expected, {} found", where, row.type_name());
    out.push_back(parse(row, where));
  }
  if (in.bad()) fail("{}: cannot be read", name);
  return out;
}

const nlohmann::json& field(const nlohmann::json& row, const char* key, const std::string& where) {
  const auto it = row.find(key);
  if (it == row.end()) fail("{}: field \"{}\" is missing", where, key);
  return *it;
}

}  // namespace

int64_t tokenize_stream(const Tokenizer& tokenizer, std::istream& in, std::ostream& out,
                        const TokenizeOptions& options, std::string_view name) {
  const auto texts = parsed_rows(in, name, [](nlohmann::json& row, const std::string& where) {
    const auto& text = field(row, "text", where);
    if (!text.is_string())
      fail("{}: field \"text\": a string was expected, {} found", where, text.type_name());
    return text.get<std::string>();
  });
  for (const std::string& text : texts) {
    const Encoding encoding = tokenizer.encode(text, !options.no_special);
    nlohmann::json result{{"ids", encoding.ids}};
    if (options.offsets) result["offsets"] = encoding.offsets;
    out << result.dump() << '\n';
  }
  out.flush();
  if (!out) fail("the output cannot be written");
  return static_cast<int64_t>(texts.size());
}

int64_t detokenize_stream(const Tokenizer& tokenizer, std::istream& in, std::ostream& out,
                          const DetokenizeOptions& options, std::string_view name) {
  const auto rows = parsed_rows(in, name, [](nlohmann::json& row, const std::string& where) {
    const auto& field_ids = field(row, "ids", where);
    if (!field_ids.is_array())
      fail("{}: field \"ids\": an array was expected, {} found", where, field_ids.type_name());
    std::vector<int64_t> ids;
    ids.reserve(field_ids.size());
    for (size_t i = 0; i < field_ids.size(); ++i) {
      const auto& id = field_ids[i];
      if (!id.is_number_integer() ||
          (id.is_number_unsigned() && id.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)))
        fail("{}: field \"ids[{}]\": an integer was expected, {} found", where, i, id.dump());
      ids.push_back(id.get<int64_t>());
    }
    return ids;
  });
  for (const auto& ids : rows) {
    out << nlohmann::json{{"text", tokenizer.decode(ids, options.skip_special)}}.dump() << '\n';
  }
  out.flush();
  if (!out) fail("the output cannot be written");
  return static_cast<int64_t>(rows.size());
}

}  // namespace circuitdiff
