// A run of text on its way to the model, with the place in the input that each byte came from, so that tokens
// can be traced back after normalisation. Runs are views: into the input itself while nothing was changed
// (each byte then stands for itself), into a buffer of RunBuffers once something was. Places are bytes of the
// input, whole characters.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/unicode.h"

namespace circuitdiff {

struct Span {
  uint32_t begin = 0;
  uint32_t end = 0;
};

struct TextRun {
  std::string_view text;
  const Span* origin = nullptr;  // one per byte of `text`; null: byte i is the input's byte offset + i
  uint32_t offset = 0;           // only where origin is null

  TextRun part(size_t begin, size_t end) const {
    return {text.substr(begin, end - begin), origin ? origin + begin : nullptr,
            origin ? 0u : static_cast<uint32_t>(offset + begin)};
  }
  // Where the input character stands that the byte `i` belongs to.
  Span origin_at(size_t i) const {
    if (origin) return origin[i];
    size_t begin = i;
    while (is_continuation(text[begin])) --begin;
    const size_t end = begin + utf8_length(text[begin]);
    return {static_cast<uint32_t>(offset + begin), static_cast<uint32_t>(offset + end)};
  }
  // Where the bytes [begin, end) of a run that is not empty come from. Bytes after the run's end (byte
  // fallback of an affix makes more tokens than there are bytes) come from its last character.
  Span origin_of(size_t begin, size_t end) const {
    begin = std::min(begin, text.size() - 1);
    end = std::clamp(end, begin + 1, text.size());
    return {origin_at(begin).begin, origin_at(end - 1).end};
  }
  // Where the run begins in the input.
  uint32_t origin_begin() const { return text.empty() ? offset : origin_at(0).begin; }
};

// Owns the text of changed runs for as long as one encode call lasts.
class RunBuffers {
 public:
  class Builder {
   public:
    void append(char32_t c, Span origin) {
      const size_t before = text.size();
      append_utf8(text, c);
      spans.insert(spans.end(), text.size() - before, origin);
    }
    // The bytes [begin, end) of `run`, whole characters, unchanged.
    void append(const TextRun& run, size_t begin, size_t end) {
      text.append(run.text.substr(begin, end - begin));
      if (run.origin)
        spans.insert(spans.end(), run.origin + begin, run.origin + end);
      else
        for (size_t i = begin, length; i < end; i += length) {
          length = utf8_length(run.text[i]);
          const auto at = static_cast<uint32_t>(run.offset + i);
          spans.insert(spans.end(), length, Span{at, static_cast<uint32_t>(at + length)});
        }
    }
    void append(std::string_view added, Span origin) {
      text.append(added);
      spans.insert(spans.end(), added.size(), origin);
    }
    std::string text;
    std::vector<Span> spans;
  };
  TextRun keep(Builder&& builder) {
    buffers_.push_back(std::move(builder));
    const Builder& kept = buffers_.back();
    return {kept.text, kept.spans.data(), 0};
  }

 private:
  std::deque<Builder> buffers_;
};

// A character of a changed run: it replaces the next character of the old one and swallows `removed` more
// after it, or it is `inserted` and shares the place of what stands before it.
struct ChangedChar {
  char32_t c;
  bool inserted;
  uint32_t removed = 0;
};
// The run spelled by `chars`, after leaving out the first `skipped` characters of `run`.
TextRun change_run(const TextRun& run, const std::vector<ChangedChar>& chars, size_t skipped,
                   RunBuffers& buffers);
// `run` with `prefix` in front, whose characters share the place of the first one.
TextRun prepend_to_run(const TextRun& run, std::string_view prefix, RunBuffers& buffers);
// Every byte replaced by the character that stands for it in byte-level vocabularies.
TextRun to_byte_alphabet(const TextRun& run, RunBuffers& buffers);

}  // namespace circuitdiff
