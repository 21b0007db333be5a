#include "tokenizer/decoder.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/unicode.h"

namespace circuitdiff {

namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  if (from.empty()) return;
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

// The byte that a token <0x..> stands for.
std::optional<unsigned char> byte_of(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
  unsigned value = 0;
  for (size_t i = 3; i < 5; ++i) {
    const char c = token[i];
    if (i == 3 && c == '+') continue;  // number parsers take a sign, and so does the library
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return std::nullopt;
    value = value * 16 + static_cast<unsigned>(digit);
  }
  return static_cast<unsigned char>(value);
}

}  // namespace

TokenDecoder::TokenDecoder(const JsonNode& node) {
  if (node.is_null())
    joins_by_blanks_ = true;
  else
    add(node, 0);
}

void TokenDecoder::add(const JsonNode& node, int depth) {
  if (depth > 20) node.wrong("sequences are nested too deeply");
  const std::string type = node.at("type").string();
  if (type == "Sequence") {
    node.at("decoders").for_each([&](const JsonNode& child) { add(child, depth + 1); });
  } else if (type == "ByteLevel") {
    steps_.push_back(ByteLevel{});
  } else if (type == "ByteFallback") {
    steps_.push_back(ByteFallback{});
  } else if (type == "Fuse") {
    steps_.push_back(Fuse{});
  } else if (type == "Replace") {
    steps_.push_back(Replace{read_pattern(node.at("pattern")), node.at("content").string()});
  } else if (type == "Strip") {
    steps_.push_back(Strip{node.at("content").character(), node.at("start").integer(0, INT32_MAX),
                           node.at("stop").integer(0, INT32_MAX)});
  } else if (type == "Metaspace") {
    Metaspace step;
    append_utf8(step.replacement, node.at("replacement").character());
    step.drops_first =
        node.boolean_or("add_prefix_space", true) && node.string_or("prepend_scheme", "always") != "never";
    steps_.push_back(step);
  } else if (type == "BPEDecoder") {
    steps_.push_back(WordEnd{node.at("suffix").string()});
  } else {
    node.wrong(fmt::format("decoder \"{}\" is not supported", type));
  }
}

std::string TokenDecoder::decode(std::vector<std::string> tokens, RegexScratch& scratch) const {
  for (const Step& step : steps_) {
    std::visit(
        [&](const auto& s) {
          if constexpr (std::is_same_v<std::decay_t<decltype(s)>, Replace>)
            apply(s, tokens, scratch);
          else
            apply(s, tokens);
        },
        step);
  }
  std::string out;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (joins_by_blanks_ && i > 0) out += ' ';
    out += tokens[i];
  }
  return out;
}

void TokenDecoder::apply(const ByteLevel&, std::vector<std::string>& tokens) {
  std::string bytes;
  for (const std::string& token : tokens) {
    const size_t before = bytes.size();
    for (size_t i = 0; i < token.size(); i += utf8_length(token[i])) {
      const auto byte = char_to_byte(code_point_at(token, i));
      if (!byte) {  // not spelled in the alphabet (an added token): taken as it is
        bytes.resize(before);
        bytes += token;
        break;
      }
      bytes.push_back(static_cast<char>(*byte));
    }
  }
  tokens.assign(1, lossy_utf8(std::move(bytes)));
}

void TokenDecoder::apply(const ByteFallback&, std::vector<std::string>& tokens) {
  std::vector<std::string> out;
  out.reserve(tokens.size());
  std::string bytes;
  const auto flush = [&] {
    if (bytes.empty()) return;
    if (invalid_utf8_at(bytes))
      out.insert(out.end(), bytes.size(), "\uFFFD");  // one for each byte of the run
    else
      out.push_back(bytes);
    bytes.clear();
  };
  for (std::string& token : tokens) {
    if (const auto byte = byte_of(token)) {
      bytes.push_back(static_cast<char>(*byte));
    } else {
      flush();
      out.push_back(std::move(token));
    }
  }
  flush();
  tokens = std::move(out);
}

void TokenDecoder::apply(const Fuse&, std::vector<std::string>& tokens) {
  std::string all;
  for (const std::string& token : tokens) all += token;
  tokens.assign(1, std::move(all));
}

void TokenDecoder::apply(const Strip& step, std::vector<std::string>& tokens) {
  std::string content;
  append_utf8(content, step.content);
  for (std::string& token : tokens) {
    std::string_view kept = token;
    for (int64_t i = 0; i < step.start && kept.starts_with(content); ++i) kept.remove_prefix(content.size());
    for (int64_t i = 0; i < step.stop && kept.ends_with(content); ++i) kept.remove_suffix(content.size());
    token = std::string(kept);
  }
}

void TokenDecoder::apply(const Metaspace& step, std::vector<std::string>& tokens) {
  for (size_t i = 0; i < tokens.size(); ++i)
    replace_all(tokens[i], step.replacement, i == 0 && step.drops_first ? "" : " ");
}

void TokenDecoder::apply(const WordEnd& step, std::vector<std::string>& tokens) {
  for (size_t i = 0; i < tokens.size(); ++i)
    replace_all(tokens[i], step.suffix, i + 1 == tokens.size() ? "" : " ");
}

void TokenDecoder::apply(const Replace& step, std::vector<std::string>& tokens, RegexScratch& scratch) {
  for (std::string& token : tokens) {
    if (token.empty()) continue;
    std::string out;
    size_t done = 0;
    bool found = false;
    step.pattern.find_all(token, scratch, [&](size_t begin, size_t end) {
      found = true;
      out.append(token, done, begin - done);
      out += step.content;
      done = end;
    });
    if (!found) continue;
    out.append(token, done);
    token = std::move(out);
  }
}

}  // namespace circuitdiff
