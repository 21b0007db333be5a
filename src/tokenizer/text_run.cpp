#include "tokenizer/text_run.h"

namespace circuitdiff {

TextRun change_run(const TextRun& run, const std::vector<ChangedChar>& chars, size_t skipped,
                   RunBuffers& buffers) {
  RunBuffers::Builder out;
  out.text.reserve(run.text.size());
  out.spans.reserve(run.text.size());
  size_t at = 0;  // first byte of `run` not yet accounted for
  const auto pass = [&] {
    if (at < run.text.size()) at += utf8_length(run.text[at]);
  };
  for (size_t i = 0; i < skipped; ++i) pass();
  for (const ChangedChar& changed : chars) {
    if (changed.inserted) {
      out.append(changed.c, at == 0 ? Span{run.origin_begin(), run.origin_begin()} : run.origin_at(at - 1));
      continue;
    }
    out.append(changed.c, run.origin_at(at));
    for (uint32_t i = 0; i <= changed.removed; ++i) pass();
  }
  return buffers.keep(std::move(out));
}

TextRun prepend_to_run(const TextRun& run, std::string_view prefix, RunBuffers& buffers) {
  if (run.text.empty()) return run;
  RunBuffers::Builder out;
  out.append(prefix, run.origin_at(0));
  out.append(run, 0, run.text.size());
  return buffers.keep(std::move(out));
}

TextRun to_byte_alphabet(const TextRun& run, RunBuffers& buffers) {
  RunBuffers::Builder out;
  for (size_t i = 0; i < run.text.size(); ++i)
    out.append(byte_to_char(static_cast<unsigned char>(run.text[i])), run.origin_at(i));
  return buffers.keep(std::move(out));
}

}  // namespace circuitdiff
