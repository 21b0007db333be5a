// The tokenizer that a GGUF file carries in its metadata.
#include "base/error.h"
#include "io/gguf.h"
#include "io/json.h"
#include "tokenizer/tokenizer_files.h"
#include "tokenizer/unicode.h"

namespace circuitdiff {
namespace {

using Json = nlohmann::json;

Json byte_level(bool own_words) {
  return {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", own_words}};
}

Json words_by(const char* pattern) {
  return {
      {"type", "Sequence"},
      {"pretokenizers",
       {{{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}},
        byte_level(false)}}};
}

// Digits of a number at most `n` together; the rest as in Llama 3 and Qwen 2.
std::string words_with_digits(const char* digits) {
  return std::string("(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|") + digits +
         "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
}

// How the text is cut into words, by the name that the file gives it.
void set_words(const std::string& name, const std::string& where, Json& out) {
  if (name == "default" || name == "gpt-2" || name == "gpt2") {
    out["pre_tokenizer"] = byte_level(true);
  } else if (name == "smollm") {
    out["pre_tokenizer"] = {
        {"type", "Sequence"},
        {"pretokenizers", {{{"type", "Digits"}, {"individual_digits", true}}, byte_level(true)}}};
  } else if (name == "qwen2" || name == "deepseek-r1-qwen") {
    out["normalizer"] = {{"type", "NFC"}};
    out["pre_tokenizer"] = words_by(words_with_digits("\\p{N}").c_str());
  } else if (name == "llama-bpe" || name == "llama3" || name == "llama-v3") {
    out["pre_tokenizer"] = words_by(words_with_digits("\\p{N}{1,3}").c_str());
    out["model"]["ignore_merges"] = true;
  } else {
    fail("{}: tokenizer.ggml.pre: default, gpt-2, smollm, qwen2 or llama-bpe expected, {} found", where,
         in_quotes(name));
  }
}

}  // namespace

TokenizerFile read_gguf_tokenizer(const std::filesystem::path& path) {
  const GgufFile file(path);
  const std::string where = path.string(), prefix = "tokenizer.ggml.";
  TokenizerFile out;
  out.where = where;
  const auto model = file.text(prefix + "model");
  if (!model) fail("{}: \"tokenizer.ggml.model\" is missing: the file has no tokenizer", where);
  const auto tokens = file.texts(prefix + "tokens");
  const auto types = file.numbers(prefix + "token_type"), scores = file.numbers(prefix + "scores");
  if (tokens.empty()) fail("{}: \"tokenizer.ggml.tokens\" is missing or empty", where);
  for (const auto* list : {&types, &scores})
    if (!list->empty() && list->size() != tokens.size())
      fail("{}: {} tokens, but {} types or scores of tokens", where, tokens.size(), list->size());
  std::vector<SentencePiece> pieces;
  for (size_t i = 0; i < tokens.size(); ++i)
    pieces.push_back({std::string(tokens[i]), scores.empty() ? 0.0f : static_cast<float>(scores[i]),
                      types.empty() ? kNormalPiece : static_cast<int>(types[i])});

  const bool sentencepiece = *model == "llama";
  if (sentencepiece) {
    out.json = bpe_of_pieces(pieces, file.flag(prefix + "add_space_prefix").value_or(true), where);
  } else if (*model == "gpt2") {
    Json vocabulary = Json::object(), added = Json::array(), merges = Json::array();
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (invalid_utf8_at(pieces[i].text)) fail("{}: token {} is not valid UTF-8", where, i);
      if (!vocabulary.emplace(pieces[i].text, i).second) fail("{}: token {} stands there twice", where, i);
      if (pieces[i].type == kControlPiece || pieces[i].type == kUserPiece)
        added.push_back({{"id", i},
                         {"content", pieces[i].text},
                         {"single_word", false},
                         {"lstrip", false},
                         {"rstrip", false},
                         {"normalized", false},
                         {"special", pieces[i].type == kControlPiece}});
    }
    for (const std::string_view merge : file.texts(prefix + "merges")) {
      const size_t space = merge.find(' ', 1);
      if (space == std::string_view::npos || invalid_utf8_at(merge))
        fail("{}: merge {}: two tokens expected", where, in_quotes(merge));
      merges.push_back({std::string(merge.substr(0, space)), std::string(merge.substr(space + 1))});
    }
    out.json = {
        {"added_tokens", std::move(added)},
        {"normalizer", nullptr},
        {"post_processor", nullptr},
        {"decoder", byte_level(true)},
        {"model", {{"type", "BPE"}, {"vocab", std::move(vocabulary)}, {"merges", std::move(merges)}}}};
    set_words(file.text(prefix + "pre").value_or("default"), where, out.json);
  } else {
    fail("{}: tokenizer.ggml.model: gpt2 or llama expected, {} found", where, in_quotes(*model));
  }

  const auto token = [&](const char* name) -> std::optional<std::string> {
    const std::string key = prefix + name;
    const auto id = file.integer(key);
    if (!id) return std::nullopt;
    if (*id < 0 || static_cast<size_t>(*id) >= pieces.size())
      fail("{}: {}: a token's id expected, {} found", where, in_quotes(key), *id);
    return pieces[static_cast<size_t>(*id)].text;
  };
  out.special.bos = token("bos_token_id");
  out.special.eos = token("eos_token_id");
  out.special.unk = token("unknown_token_id");
  out.special.pad = token("padding_token_id");
  out.special.add_bos = file.flag(prefix + "add_bos_token").value_or(sentencepiece) && out.special.bos;
  out.special.add_eos = file.flag(prefix + "add_eos_token").value_or(false) && out.special.eos;
  return out;
}

}  // namespace circuitdiff
