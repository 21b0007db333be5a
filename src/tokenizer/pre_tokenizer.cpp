#include "tokenizer/pre_tokenizer.h"

#include <algorithm>

#include "base/error.h"
#include "tokenizer/normalizer.h"

namespace circuitdiff {

namespace {

// Rust's \w is not quite Oniguruma's.
constexpr std::string_view kWordsPattern =
    R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d\s]+)";
constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

struct Cut {
  size_t begin, end;
  bool is_match;
};

SplitBehavior read_behavior(const JsonNode& node) {
  const std::string word = node.string();
  if (word == "Removed") return SplitBehavior::removed;
  if (word == "Isolated") return SplitBehavior::isolated;
  if (word == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (word == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (word == "Contiguous") return SplitBehavior::contiguous;
  node.wrong(
      fmt::format("\"{}\" is not Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous", word));
}

// Takes matches in order and appends the words of one run to `out`. Matches and what lies between them
// alternate as `cuts`; the behaviour says which of them belong together.
class Cutter {
 public:
  Cutter(const TextRun& run, SplitBehavior behavior, bool invert, std::vector<Cut>& cuts,
         std::vector<TextRun>& out)
      : run_(run), behavior_(behavior), invert_(invert), cuts_(cuts), out_(out) {
    cuts_.clear();
  }
  void match(size_t begin, size_t end) {
    if (done_ != begin) take(done_, begin, false);
    take(begin, end, true);
    done_ = end;
  }
  void finish() {
    if (done_ != run_.text.size()) take(done_, run_.text.size(), false);
    emit_merged();
  }

 private:
  void take(size_t begin, size_t end, bool is_match) {
    is_match = is_match != invert_;
    if (behavior_ == SplitBehavior::isolated || (behavior_ == SplitBehavior::removed && !is_match))
      emit(begin, end);
    else if (behavior_ != SplitBehavior::removed)
      cuts_.push_back({begin, end, is_match});
  }
  void emit(size_t begin, size_t end) {
    if (begin < end) out_.push_back(run_.part(begin, end));
  }
  void emit_merged() {
    const size_t n = cuts_.size();
    // joined[i]: cut i belongs to the same word as cut i - 1. A merged match does not draw in a second one.
    const auto joined = [&](size_t i) {
      const bool before = cuts_[i - 1].is_match;
      switch (behavior_) {
        case SplitBehavior::contiguous:
          return cuts_[i].is_match == before;
        case SplitBehavior::merged_with_previous:
          return cuts_[i].is_match && !before;
        default:  // merged_with_next
          return before && !cuts_[i].is_match;
      }
    };
    for (size_t i = 0; i < n;) {
      size_t last = i;
      while (last + 1 < n && joined(last + 1)) ++last;
      emit(cuts_[i].begin, cuts_[last].end);
      i = last + 1;
    }
  }

  const TextRun& run_;
  SplitBehavior behavior_;
  bool invert_;
  std::vector<Cut>& cuts_;
  std::vector<TextRun>& out_;
  size_t done_ = 0;
};

}  // namespace

PreTokenizer::PreTokenizer(const JsonNode& node) {
  if (!node.is_null()) add(node, 0);
}

void PreTokenizer::add(const JsonNode& node, int depth) {
  if (depth > 20) node.wrong("sequences are nested too deeply");
  const std::string type = node.at("type").string();
  const auto behavior = [&] {
    const auto field = node.find("behavior");
    return field ? read_behavior(*field) : SplitBehavior::isolated;
  };
  if (type == "Sequence") {
    node.at("pretokenizers").for_each([&](const JsonNode& child) { add(child, depth + 1); });
  } else if (type == "Split") {
    steps_.push_back(SplitRegex{read_pattern(node.at("pattern")), read_behavior(node.at("behavior")),
                                node.at("invert").boolean()});
  } else if (type == "ByteLevel") {
    add_byte_level(node);
  } else if (type == "Metaspace") {
    add_metaspace(node);
  } else if (type == "Digits") {
    const bool individual = node.boolean_or("individual_digits", false);
    steps_.push_back(
        SplitChars{CharClass::numeric, individual ? SplitBehavior::isolated : SplitBehavior::contiguous});
  } else if (type == "Punctuation") {
    steps_.push_back(SplitChars{CharClass::punctuation, behavior()});
  } else if (type == "Whitespace") {
    const Regex words = Regex::from_oniguruma(kWordsPattern, node.where());
    steps_.push_back(SplitRegex{words, SplitBehavior::removed, /*invert=*/true});
  } else if (type == "WhitespaceSplit") {
    steps_.push_back(SplitChars{CharClass::white_space, SplitBehavior::removed});
  } else if (type == "BertPreTokenizer") {
    steps_.push_back(SplitChars{CharClass::white_space, SplitBehavior::removed});
    steps_.push_back(SplitChars{CharClass::punctuation, SplitBehavior::isolated});
  } else if (type == "CharDelimiterSplit") {
    std::string delimiter;
    append_utf8(delimiter, node.at("delimiter").character());
    steps_.push_back(SplitRegex{Regex::from_literal(delimiter), SplitBehavior::removed, /*invert=*/false});
  } else if (type == "FixedLength") {
    const auto length = node.find("length");
    steps_.push_back(FixedLength{length ? length->integer(1, INT32_MAX) : 5});
  } else {
    node.wrong(fmt::format("pre-tokenizer \"{}\" is not supported", type));
  }
}

void PreTokenizer::add_byte_level(const JsonNode& node) {
  if (node.at("add_prefix_space").boolean()) steps_.push_back(PrefixSpace{});
  if (node.boolean_or("use_regex", true))
    steps_.push_back(SplitRegex{Regex::from_oniguruma(kGpt2Pattern, node.where()), SplitBehavior::isolated,
                                /*invert=*/false});
  steps_.push_back(ByteAlphabet{});
}

void PreTokenizer::add_metaspace(const JsonNode& node) {
  Metaspace step{node.at("replacement").character(), Prepend::always};
  const std::string scheme = node.string_or("prepend_scheme", "always");
  if (scheme == "always")
    step.prepend = Prepend::always;
  else if (scheme == "first")
    step.prepend = Prepend::first;
  else if (scheme == "never")
    step.prepend = Prepend::never;
  else
    node.at("prepend_scheme").wrong(fmt::format("\"{}\" is not always, first or never", scheme));
  // Files older than prepend_scheme say it so; where both stand they have to agree.
  if (!node.boolean_or("add_prefix_space", true)) {
    if (node.has("prepend_scheme") && step.prepend != Prepend::never)
      node.wrong(fmt::format("add_prefix_space is false, but prepend_scheme is \"{}\"", scheme));
    step.prepend = Prepend::never;
  }
  steps_.push_back(step);
  if (node.boolean_or("split", true)) {
    std::string replacement;
    append_utf8(replacement, step.replacement);
    steps_.push_back(
        SplitRegex{Regex::from_literal(replacement), SplitBehavior::merged_with_next, /*invert=*/false});
  }
}

bool PreTokenizer::ends_in_byte_level() const {
  return !steps_.empty() && std::holds_alternative<ByteAlphabet>(steps_.back());
}

void PreTokenizer::apply(std::vector<TextRun>& words, bool raw_bytes, RunBuffers& buffers,
                         RegexScratch& scratch) const {
  std::vector<TextRun> next;
  std::vector<Cut> cuts;
  const size_t n = steps_.size() - (raw_bytes && ends_in_byte_level() ? 1 : 0);
  for (size_t i = 0; i < n; ++i) {
    const Step& step = steps_[i];
    next.clear();
    if (const auto* split = std::get_if<SplitRegex>(&step)) {
      for (const TextRun& word : words) {
        Cutter cutter(word, split->behavior, split->invert, cuts, next);
        split->pattern.find_all(word.text, scratch,
                                [&](size_t begin, size_t end) { cutter.match(begin, end); });
        cutter.finish();
      }
    } else if (const auto* chars = std::get_if<SplitChars>(&step)) {
      const auto in_class = [&](char32_t c) {
        return chars->chars == CharClass::numeric       ? is_numeric(c)
               : chars->chars == CharClass::punctuation ? is_punctuation(c)
                                                        : is_white_space(c);
      };
      for (const TextRun& word : words) {
        Cutter cutter(word, chars->behavior, /*invert=*/false, cuts, next);
        for (size_t k = 0; k < word.text.size();) {
          const size_t length = utf8_length(word.text[k]);
          if (in_class(code_point_at(word.text, k))) cutter.match(k, k + length);
          k += length;
        }
        cutter.finish();
      }
    } else if (const auto* metaspace = std::get_if<Metaspace>(&step)) {
      std::string mark;
      append_utf8(mark, metaspace->replacement);
      for (const TextRun& word : words) {
        RunBuffers::Builder out;
        const bool has_mark = word.text.starts_with(mark) || word.text.starts_with(' ');
        if (!has_mark && (metaspace->prepend == Prepend::always ||
                          (metaspace->prepend == Prepend::first && word.origin_begin() == 0)))
          out.append(mark, word.origin_at(0));
        for (size_t k = 0; k < word.text.size(); ++k) {
          const size_t blank = std::min(word.text.find(' ', k), word.text.size());
          out.append(word, k, blank);
          if (blank < word.text.size()) out.append(mark, word.origin_at(blank));
          k = blank;
        }
        next.push_back(buffers.keep(std::move(out)));
      }
    } else if (std::holds_alternative<PrefixSpace>(step)) {
      for (const TextRun& word : words)
        next.push_back(word.text.starts_with(' ') ? word : prepend_to_run(word, " ", buffers));
    } else if (std::holds_alternative<ByteAlphabet>(step)) {
      for (const TextRun& word : words) next.push_back(to_byte_alphabet(word, buffers));
    } else if (const auto* fixed = std::get_if<FixedLength>(&step)) {
      for (const TextRun& word : words) {
        size_t begin = 0, end = 0;
        for (int64_t count = 0; end < word.text.size();) {
          end += utf8_length(word.text[end]);
          if (++count == fixed->length || end == word.text.size()) {
            next.push_back(word.part(begin, end));
            begin = end;
            count = 0;
          }
        }
      }
    }
    words.swap(next);
  }
}

}  // namespace circuitdiff
