#include "tokenizer/post_processor.h"

#include <algorithm>

#include "base/error.h"
#include "tokenizer/bpe.h"
#include "tokenizer/unicode.h"

namespace circuitdiff {

PostProcessor::PostProcessor(const JsonNode& node) {
  if (!node.is_null()) add(node, 0);
}

void PostProcessor::add(const JsonNode& node, int depth) {
  if (depth > 20) node.wrong("sequences are nested too deeply");
  const std::string type = node.at("type").string();
  if (type == "Sequence") {
    node.at("processors").for_each([&](const JsonNode& child) { add(child, depth + 1); });
  } else if (type == "ByteLevel") {
    const bool add_prefix_space = node.at("add_prefix_space").boolean();
    if (node.at("trim_offsets").boolean()) trims_.push_back({add_prefix_space});
  } else if (type == "TemplateProcessing") {
    Template step;
    const JsonNode tokens = node.at("special_tokens");
    node.at("single").for_each([&](const JsonNode& piece) {
      if (const auto special = piece.find("SpecialToken")) {
        const std::string name = special->at("id").string();
        std::vector<int64_t> ids;
        tokens.at(name.c_str()).at("ids").for_each([&](const JsonNode& id) {
          ids.push_back(id.integer(0, kLargestTokenId));
        });
        step.pieces.push_back(std::move(ids));
      } else {
        const JsonNode sequence = piece.at("Sequence").at("id");
        if (sequence.string() != "A")
          sequence.wrong(fmt::format("a single text is \"A\", \"{}\" found", sequence.string()));
        step.pieces.push_back(Text{});
      }
    });
    templates_.push_back(std::move(step));
  } else {
    node.wrong(fmt::format("post-processor \"{}\" is not supported", type));
  }
}

void PostProcessor::apply(Encoding& encoding, const std::vector<std::string>& texts,
                          bool add_special_tokens) const {
  for (const TrimOffsets& how : trims_) trim(how, encoding, texts);
  for (const Template& around : templates_) {
    Encoding whole;
    for (const Piece& piece : around.pieces) {
      if (const auto* ids = std::get_if<std::vector<int64_t>>(&piece)) {
        if (!add_special_tokens) continue;
        whole.ids.insert(whole.ids.end(), ids->begin(), ids->end());
        whole.offsets.resize(whole.ids.size(), {0, 0});
      } else {
        whole.ids.insert(whole.ids.end(), encoding.ids.begin(), encoding.ids.end());
        whole.offsets.insert(whole.offsets.end(), encoding.offsets.begin(), encoding.offsets.end());
      }
    }
    encoding = std::move(whole);
  }
}

void PostProcessor::trim(const TrimOffsets& step, Encoding& encoding, const std::vector<std::string>& texts) {
  const auto is_blank = [](char32_t c) { return c == byte_to_char(' ') || is_white_space(c); };
  for (size_t i = 0; i < texts.size(); ++i) {
    std::vector<bool> blank;  // per character
    for (size_t k = 0; k < texts[i].size(); k += utf8_length(texts[i][k]))
      blank.push_back(is_blank(code_point_at(texts[i], k)));
    int64_t leading = std::find(blank.begin(), blank.end(), false) - blank.begin();
    const int64_t trailing = std::find(blank.rbegin(), blank.rend(), false) - blank.rbegin();
    auto& [begin, end] = encoding.offsets[i];
    if (leading > 0) {
      // A single blank in front may be the one that add_prefix_space put
      // there, which stands for no character.
      if ((i == 0 || begin == 0) && step.add_prefix_space && leading == 1) leading = 0;
      begin = std::min(begin + leading, end);
    }
    if (trailing > 0 && end >= trailing) end = std::max(end - trailing, begin);
  }
}

std::vector<int64_t> PostProcessor::ids_before() const {
  std::vector<int64_t> out;
  for (const Template& around : templates_) {
    std::vector<int64_t> before;
    for (const Piece& piece : around.pieces) {
      const auto* ids = std::get_if<std::vector<int64_t>>(&piece);
      if (!ids) break;
      before.insert(before.end(), ids->begin(), ids->end());
    }
    out.insert(out.begin(), before.begin(), before.end());
  }
  return out;
}

std::vector<int64_t> PostProcessor::ids_after() const {
  std::vector<int64_t> out;
  for (const Template& around : templates_) {
    std::vector<int64_t> after;
    for (const Piece& piece : around.pieces) {
      if (const auto* ids = std::get_if<std::vector<int64_t>>(&piece))
        after.insert(after.end(), ids->begin(), ids->end());
      else
        after.clear();
    }
    out.insert(out.end(), after.begin(), after.end());
  }
  return out;
}

void PostProcessor::set_around(std::vector<int64_t> before, std::vector<int64_t> after) {
  Template around;
  around.pieces.emplace_back(std::move(before));
  around.pieces.emplace_back(Text{});
  around.pieces.emplace_back(std::move(after));
  templates_.assign(1, std::move(around));
}

}  // namespace circuitdiff
