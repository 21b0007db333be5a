#include "tokenizer/tokenize_stream.h"

#include <istream>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>

#include "base/error.h"

namespace circuitdiff {

namespace {

// Calls visit(row, where) for each line that is not blank; "NAME:LINE" is `where`.
template <class F>
int64_t for_each_row(std::istream& in, std::string_view name, F&& visit) {
  int64_t line_number = 0, rows = 0;
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
    visit(row, where);
    ++rows;
  }
  if (in.bad()) fail("{}: cannot be read", name);
  return rows;
}

const nlohmann::json& field(const nlohmann::json& row, const char* key, const std::string& where) {
  const auto it = row.find(key);
  if (it == row.end()) fail("{}: field \"{}\" is missing", where, key);
  return *it;
}

}  // namespace

int64_t tokenize_stream(const Tokenizer& tokenizer, std::istream& in, std::ostream& out,
                        const TokenizeOptions& options, std::string_view name) {
  return for_each_row(in, name, [&](const nlohmann::json& row, const std::string& where) {
    const auto& text = field(row, "text", where);
    if (!text.is_string())
      fail("{}: field \"text\": a string was expected, {} found", where, text.type_name());
    const Encoding encoding = tokenizer.encode(text.get_ref<const std::string&>(), !options.no_special);
    nlohmann::json result{{"ids", encoding.ids}};
    if (options.offsets) result["offsets"] = encoding.offsets;
    out << result.dump() << '\n';
    if (!out) fail("the output cannot be written");
  });
}

int64_t detokenize_stream(const Tokenizer& tokenizer, std::istream& in, std::ostream& out,
                          const DetokenizeOptions& options, std::string_view name) {
  return for_each_row(in, name, [&](const nlohmann::json& row, const std::string& where) {
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
    out << nlohmann::json{{"text", tokenizer.decode(ids, options.skip_special)}}.dump() << '\n';
    if (!out) fail("the output cannot be written");
  });
}

}  // namespace circuitdiff
