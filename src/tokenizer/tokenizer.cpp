#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <mutex>

#include "base/error.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"
#include "tokenizer/decoder.h"
#include "tokenizer/json_node.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/post_processor.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/special_tokens.h"
#include "tokenizer/text_run.h"
#include "tokenizer/tokenizer_files.h"
#include "tokenizer/unicode.h"

namespace circuitdiff {

namespace {

// Counts code points up to a byte; queries mostly move forward.
class CodePointCounter {
 public:
  explicit CodePointCounter(std::string_view text) : text_(text) {}
  int64_t before(size_t byte) {
    for (; byte_ < byte; ++byte_) count_ += !is_continuation(text_[byte_]);
    for (; byte_ > byte; --byte_) count_ -= !is_continuation(text_[byte_ - 1]);
    return count_;
  }

 private:
  std::string_view text_;
  size_t byte_ = 0;
  int64_t count_ = 0;
};

const nlohmann::json kNull;

JsonNode member_or_null(const JsonNode& root, const char* key, const std::string& file) {
  return root.has(key) ? root.at(key) : JsonNode(kNull, file, key);
}

BpeModel read_model(const JsonNode& node) {
  const auto type = node.find("type");
  if (type && type->string() != "BPE")
    type->wrong(fmt::format("model \"{}\" is not supported: only BPE is", type->string()));
  if (!type && !(node.has("vocab") && node.has("merges"))) node.wrong("field \"type\" is missing");
  return BpeModel(node);
}

}  // namespace

class TokenizerParts {
 public:
  explicit TokenizerParts(const std::filesystem::path& folder);
  Encoding encode(std::string_view text, bool add_special_tokens) const;
  std::string decode(std::span<const int64_t> ids, bool skip_special_tokens) const;

  const std::string* text_of(int64_t id) const {
    if (id < 0 || id > kLargestTokenId) return nullptr;
    if (const std::string* content = added_->content_of(static_cast<uint32_t>(id))) return content;
    return static_cast<size_t>(id) < tokens_.size() ? tokens_[static_cast<size_t>(id)] : nullptr;
  }
  std::optional<int64_t> id_of(std::string_view token) const {
    if (const auto id = added_->id_of(token)) return *id;
    if (const auto id = model_->id_of(token)) return *id;
    return std::nullopt;
  }
  std::optional<int64_t> id_of(const std::optional<std::string>& token) const {
    return token ? id_of(std::string_view(*token)) : std::nullopt;
  }
  bool is_special(std::string_view token) const { return added_->is_special(token); }

  SpecialTokens special;
  int64_t vocab_size = 0;
  bool adds_bos = false, adds_eos = false;

 private:
  // What one call works in; kept between calls for the words it remembers.
  struct Workspace {
    RegexScratch regex;
    BpeModel::ScratchPtr bpe = BpeModel::make_scratch();
  };
  void settle_special_tokens(const std::string& file);
  std::unique_ptr<Workspace> take_workspace() const;
  void give_back(std::unique_ptr<Workspace> workspace) const;

  Normalizer normalizer_;
  PreTokenizer pre_tokenizer_;
  PostProcessor post_processor_;
  std::optional<BpeModel> model_;
  std::optional<AddedTokens> added_;
  std::optional<TokenDecoder> decoder_;
  bool raw_bytes_ = false;                  // the model takes words as bytes
  std::vector<const std::string*> tokens_;  // the model's, by id
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Workspace>> idle_;  // under mutex_
};

TokenizerParts::TokenizerParts(const std::filesystem::path& folder) {
  TokenizerFile read = read_tokenizer_file(folder);
  const nlohmann::json& value = read.json;
  const std::string& file = read.where;
  const JsonNode root(value, file);
  normalizer_ = Normalizer(member_or_null(root, "normalizer", file));
  pre_tokenizer_ = PreTokenizer(member_or_null(root, "pre_tokenizer", file));
  post_processor_ = PostProcessor(member_or_null(root, "post_processor", file));
  decoder_.emplace(member_or_null(root, "decoder", file));
  model_.emplace(read_model(root.at("model")));
  raw_bytes_ = pre_tokenizer_.ends_in_byte_level() && model_->use_raw_bytes();
  if (const auto added = root.find("added_tokens"))
    added_.emplace(*added, *model_, normalizer_);
  else
    added_.emplace();

  for (const auto& [token, id] : model_->vocabulary()) {
    if (id >= tokens_.size()) tokens_.resize(id + 1);
    tokens_[id] = &token;
  }
  vocab_size = static_cast<int64_t>(tokens_.size());
  for (const auto& [id, token] : added_->by_id()) vocab_size = std::max<int64_t>(vocab_size, int64_t{id} + 1);
  special = std::move(read.special);
  if (!special.unk) special.unk = model_->unknown_token();
  if (!special.bos && special.rebuilds_template() && id_of(std::string_view(special.default_bos())))
    special.bos = special.default_bos();
  settle_special_tokens((folder / "tokenizer_config.json").string());
}

// Which ids stand around a text, by the template and by the configuration.
void TokenizerParts::settle_special_tokens(const std::string& file) {
  std::vector<int64_t> before = post_processor_.ids_before();
  std::vector<int64_t> after = post_processor_.ids_after();
  const auto bos = id_of(special.bos);
  const auto eos = id_of(special.eos);
  const auto needed = [&](const std::optional<int64_t>& id, const std::optional<std::string>& token,
                          const char* name) {
    if (!id && token) fail("{}: {}: \"{}\" is not in the vocabulary", file, name, *token);
    return id.has_value();
  };
  if (special.rebuilds_template() && (special.bos || special.add_bos)) {
    const bool with_bos = special.add_bos.value_or(true) && needed(bos, special.bos, "bos_token");
    const bool with_eos = special.add_eos.value_or(false) && needed(eos, special.eos, "eos_token");
    before.clear();
    after.clear();
    if (with_bos) before.push_back(*bos);
    if (with_eos) after.push_back(*eos);
    post_processor_.set_around(before, after);
  } else {
    // Other classes keep the file's template; the configuration can only add what it lacks.
    bool changed = false;
    if (special.add_bos.value_or(false) && needed(bos, special.bos, "bos_token") &&
        std::find(before.begin(), before.end(), *bos) == before.end()) {
      before.insert(before.begin(), *bos);
      changed = true;
    }
    if (special.add_eos.value_or(false) && needed(eos, special.eos, "eos_token") &&
        std::find(after.begin(), after.end(), *eos) == after.end()) {
      after.push_back(*eos);
      changed = true;
    }
    if (changed) post_processor_.set_around(before, after);
  }
  adds_bos = bos && !before.empty() && before.front() == *bos;
  adds_eos = eos && !after.empty() && after.back() == *eos;
}

std::unique_ptr<TokenizerParts::Workspace> TokenizerParts::take_workspace() const {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) return std::make_unique<Workspace>();
  auto workspace = std::move(idle_.back());
  idle_.pop_back();
  return workspace;
}

void TokenizerParts::give_back(std::unique_ptr<Workspace> workspace) const {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(workspace));
}

Encoding TokenizerParts::encode(std::string_view text, bool add_special_tokens) const {
  if (text.size() >= UINT32_MAX) fail("a text of {} bytes is too long to be tokenized", text.size());
  if (const auto at = invalid_utf8_at(text)) fail("the text is not valid UTF-8 at byte {}", *at);
  auto workspace = take_workspace();
  RunBuffers buffers;
  Encoding out;
  std::vector<std::string> texts;  // of the tokens, where the post-processor looks at them
  const bool with_texts = post_processor_.needs_texts();
  CodePointCounter counter(text);
  const auto emit = [&](uint32_t id, Span origin) {
    out.ids.push_back(id);
    const int64_t begin = counter.before(origin.begin);
    out.offsets.emplace_back(begin, counter.before(origin.end));
  };

  std::vector<AddedTokens::Part> parts, inner;
  std::vector<TextRun> words;
  std::vector<WordToken> tokens;
  const auto emit_added = [&](const AddedTokens::Part& part) {
    emit(*part.id, part.run.origin_of(0, part.run.text.size()));
    if (with_texts) texts.emplace_back(part.run.text);
  };
  added_->split_as_given({text, nullptr, 0}, parts);
  for (const auto& part : parts) {
    if (part.id) {
      emit_added(part);
      continue;
    }
    inner.clear();
    added_->split_normalized(normalizer_.apply(part.run, buffers, workspace->regex), inner);
    for (const auto& piece : inner) {
      if (piece.id) {
        emit_added(piece);
        continue;
      }
      words.assign(1, piece.run);
      pre_tokenizer_.apply(words, raw_bytes_, buffers, workspace->regex);
      for (const TextRun& word : words) {
        tokens.clear();
        model_->encode(word.text, *workspace->bpe, tokens);
        size_t begin = 0;
        for (const WordToken& token : tokens) {
          emit(token.id, word.origin_of(begin, token.end));
          begin = token.end;
          if (with_texts) texts.push_back(*tokens_[token.id]);
        }
      }
    }
  }
  give_back(std::move(workspace));
  post_processor_.apply(out, texts, add_special_tokens);
  return out;
}

std::string TokenizerParts::decode(std::span<const int64_t> ids, bool skip_special_tokens) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const int64_t id : ids) {
    const std::string* token = text_of(id);
    if (token && !(skip_special_tokens && is_special(*token))) tokens.push_back(*token);
  }
  auto workspace = take_workspace();
  std::string out = decoder_->decode(std::move(tokens), workspace->regex);
  give_back(std::move(workspace));
  return out;
}

Tokenizer Tokenizer::load(const std::filesystem::path& folder) {
  return Tokenizer(std::make_shared<const TokenizerParts>(folder));
}

Encoding Tokenizer::encode(std::string_view text, bool add_special_tokens) const {
  return parts_->encode(text, add_special_tokens);
}
std::string Tokenizer::decode(std::span<const int64_t> ids, bool skip_special_tokens) const {
  return parts_->decode(ids, skip_special_tokens);
}
int64_t Tokenizer::vocab_size() const { return parts_->vocab_size; }
std::optional<int64_t> Tokenizer::token_to_id(std::string_view token) const { return parts_->id_of(token); }
std::optional<std::string> Tokenizer::id_to_token(int64_t id) const {
  const std::string* token = parts_->text_of(id);
  return token ? std::optional(*token) : std::nullopt;
}
bool Tokenizer::is_special(int64_t id) const {
  const std::string* token = parts_->text_of(id);
  return token && parts_->is_special(*token);
}
std::optional<std::string> Tokenizer::bos_token() const { return parts_->special.bos; }
std::optional<std::string> Tokenizer::eos_token() const { return parts_->special.eos; }
std::optional<std::string> Tokenizer::pad_token() const { return parts_->special.pad; }
std::optional<std::string> Tokenizer::unk_token() const { return parts_->special.unk; }
std::optional<int64_t> Tokenizer::bos_id() const { return parts_->id_of(parts_->special.bos); }
std::optional<int64_t> Tokenizer::eos_id() const { return parts_->id_of(parts_->special.eos); }
std::optional<int64_t> Tokenizer::pad_id() const { return parts_->id_of(parts_->special.pad); }
std::optional<int64_t> Tokenizer::unk_id() const { return parts_->id_of(parts_->special.unk); }
bool Tokenizer::adds_bos() const { return parts_->adds_bos; }
bool Tokenizer::adds_eos() const { return parts_->adds_eos; }

}  // namespace circuitdiff
