#include "records/pair.h"

#include <cmath>
#include <map>

#include "base/error.h"
#include "io/files.h"

namespace circuitdiff {
namespace {

Sequence parse_sequence(const Row& row, const std::string& prefix, std::string id) {
  Sequence s;
  s.id = std::move(id);
  s.tokens = row.tokens(prefix + "tokens");
  s.prompt_len = row.integer(prefix + "prompt_len");
  const auto n = static_cast<int64_t>(s.tokens.size());
  if (s.prompt_len < 1 || s.prompt_len >= n)
    fail("{}: field \"{}prompt_len\": 1 <= prompt_len < {} (the number of tokens) expected, {} found",
         row.where(), prefix, n, s.prompt_len);
  return s;
}

void remember(std::map<std::string, std::string>& seen, const std::string& id, const std::string& where) {
  const auto [it, fresh] = seen.emplace(id, where);
  if (!fresh) fail("{}: id \"{}\" stands already at {}", where, id, it->second);
}

}  // namespace

double Pairs::number(const char* field) const {
  const auto it = header.find(field);
  if (it == header.end() || !it->is_number() || !std::isfinite(it->get<double>()))
    fail("{}: header: field \"{}\": a number expected", file, field);
  return it->get<double>();
}

double Pairs::t_mean() const { return number("t_mean"); }

Pairs read_pairs(const std::filesystem::path& path) {
  Pairs out;
  out.file = path.string();
  std::map<std::string, std::string> seen;
  bool first = true;
  read_jsonl(path, [&](Row&& row) {
    if (first) {
      first = false;
      if (!row.has("header") || !row.at("header").is_object())
        fail("{}: the first line of a pairs file must be {{\"header\": {{...}}}}", row.where());
      out.header = row.at("header");
      return;
    }
    Pair pair;
    pair.id = row.id();
    remember(seen, pair.id, row.where());
    pair.before = parse_sequence(row, "before.", pair.id);
    pair.after = parse_sequence(row, "after.", pair.id);
    pair.t_before = row.integer("t_before");
    pair.t_after = row.integer("t_after");
    const auto check = [&](const char* field, int64_t t, const Sequence& s) {
      const auto expected = static_cast<int64_t>(s.tokens.size()) - s.prompt_len;
      if (t != expected)
        fail("{}: field \"{}\": {} expected (tokens after the prompt), {} found", row.where(), field,
             expected, t);
    };
    check("t_before", pair.t_before, pair.before);
    check("t_after", pair.t_after, pair.after);
    out.pairs.push_back(std::move(pair));
  });
  if (first) fail("{}: empty file; a pairs file begins with a header line", path.string());
  if (out.pairs.empty()) fail("{}: no pairs after the header; at least one expected", path.string());
  return out;
}

void write_pairs(const std::filesystem::path& path, const Pairs& pairs) {
  write_file_atomically(path, [&](const auto& append) {
    const auto line = [&](const nlohmann::ordered_json& value) {
      const std::string text = value.dump() + "\n";
      append(text.data(), text.size());
    };
    line({{"header", pairs.header}});
    const auto side = [](const Sequence& s) {
      return nlohmann::ordered_json{{"tokens", s.tokens}, {"prompt_len", s.prompt_len}};
    };
    for (const auto& pair : pairs.pairs)
      line({{"id", pair.id},
            {"before", side(pair.before)},
            {"after", side(pair.after)},
            {"t_before", pair.t_before},
            {"t_after", pair.t_after}});
  });
}

std::vector<Sequence> read_sequences(const std::filesystem::path& path) {
  std::vector<Sequence> out;
  std::map<std::string, std::string> seen;
  read_jsonl(path, [&](Row&& row) {
    out.push_back(parse_sequence(row, "", row.id()));
    remember(seen, out.back().id, row.where());
  });
  if (out.empty()) fail("{}: no sequences; at least one expected", path.string());
  return out;
}

void check_vocabulary(const std::vector<Sequence>& sequences, int64_t vocab_size,
                      const std::filesystem::path& file) {
  for (const auto& s : sequences)
    for (size_t i = 0; i < s.tokens.size(); ++i)
      if (s.tokens[i] < 0 || s.tokens[i] >= vocab_size)
        fail(
            "{}: \"{}\": token {} at position {} is outside the vocabulary ({} entries); was it made with "
            "another tokenizer?",
            file.string(), s.id, s.tokens[i], i, vocab_size);
}

}  // namespace circuitdiff
