// The commands `tokenize` and `detokenize`: JSON Lines in, JSON Lines out, one
// object a line, blank lines passed over.
//   {"text": "..."} -> {"ids": [..]}        {"ids": [..]} -> {"text": "..."}
// Other fields of a row are ignored. A malformed row throws Error naming the line and the field; rows before
// it are out.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string_view>

#include "tokenizer/tokenizer.h"

namespace circuitdiff {

struct TokenizeOptions {
  bool no_special = false;  // leave out the tokens that the checkpoint puts around a text
  bool offsets = false;     // also "offsets": [[begin, end], ..] in code points
};
template <class V>
void visit(V& v, TokenizeOptions& o) {
  v(o.no_special, "no_special", "do not add the special tokens that the checkpoint puts around a text");
  v(o.offsets, "offsets", "also write each token's code points as [begin, end)");
}

struct DetokenizeOptions {
  bool skip_special = false;  // leave special tokens out of the text
};
template <class V>
void visit(V& v, DetokenizeOptions& o) {
  v(o.skip_special, "skip_special", "leave special tokens out of the text");
}

// Returns the number of rows written. `name` begins every message ("stdin").
int64_t tokenize_stream(const Tokenizer& tokenizer, std::istream& in, std::ostream& out,
                        const TokenizeOptions& options, std::string_view name = "stdin");
int64_t detokenize_stream(const Tokenizer& tokenizer, std::istream& in, std::ostream& out,
                          const DetokenizeOptions& options, std::string_view name = "stdin");

}  // namespace circuitdiff
