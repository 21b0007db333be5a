#include "tokenizer/unicode_forms.h"

#include <utf8proc.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "tokenizer/unicode.h"
#include "tokenizer/unicode_additions.h"

namespace circuitdiff {

namespace {

struct Piece {
  char32_t c;
  uint8_t combining_class;
  int change;  // 1: inserted, 0: in the place of one character, -n: and n more after it removed
};

const utf8proc_property_t& property(char32_t c) {
  return *utf8proc_get_property(static_cast<utf8proc_int32_t>(c));
}
uint8_t combining_class(char32_t c) {
  const auto value = static_cast<uint8_t>(property(c).combining_class);
  return value != 0 && has_later_combining_class(c) ? uint8_t{0} : value;
}

bool is_hangul(char32_t c) { return (c >= 0x1100 && c < 0x1200) || (c >= 0xAC00 && c < 0xD7A4); }

// The character that a and b compose to.
std::optional<char32_t> compose_pair(char32_t a, char32_t b) {
  if (b < 0x300) return std::nullopt;
  if (b == 0x11A7) return std::nullopt;   // utf8proc takes it for a final consonant, which it is not
  if (b == 0x11930) return std::nullopt;  // composes since Unicode 13 only
  if (!is_hangul(b) && property(b).comb_index == UINT16_MAX) return std::nullopt;
  utf8proc_int32_t pair[3] = {static_cast<utf8proc_int32_t>(a), static_cast<utf8proc_int32_t>(b), 0};
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
  if (utf8proc_normalize_utf32(pair, 2, options) != 1) return std::nullopt;
  return static_cast<char32_t>(pair[0]);
}

std::vector<Piece> decompose(std::string_view text, bool compatibility) {
  std::vector<Piece> out;
  out.reserve(text.size());
  size_t pending = 0;  // first of the characters whose order is still open
  const auto settle = [&] {
    std::stable_sort(out.begin() + static_cast<std::ptrdiff_t>(pending), out.end(),
                     [](const Piece& x, const Piece& y) { return x.combining_class < y.combining_class; });
    pending = out.size();
  };
  const auto options =
      static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | (compatibility ? UTF8PROC_COMPAT : 0));
  for (size_t i = 0; i < text.size(); i += utf8_length(text[i])) {
    const char32_t c = code_point_at(text, i);
    utf8proc_int32_t parts[32];
    utf8proc_ssize_t n = 1;
    parts[0] = static_cast<utf8proc_int32_t>(c);
    if (c >= 0x80 && !has_later_decomposition(c)) {
      int boundary = 0;
      n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts, 32, options, &boundary);
      if (n < 0 || n > 32) fail("the decomposition of U+{:04X} failed", static_cast<uint32_t>(c));
    }
    for (utf8proc_ssize_t k = 0; k < n; ++k) {
      const auto part = static_cast<char32_t>(parts[k]);
      const uint8_t cls = part < 0x300 ? uint8_t{0} : combining_class(part);
      if (cls == 0) settle();
      out.push_back({part, cls, k == 0 ? 0 : 1});
    }
  }
  settle();
  return out;
}

// Unicode's composition: a starter takes in what follows it unless something of at
// least the same class stands between.
std::vector<Piece> compose(const std::vector<Piece>& in) {
  std::vector<Piece> out;
  out.reserve(in.size());
  std::optional<Piece> starter;
  std::vector<Piece> between;
  const auto flush = [&] {
    if (starter) out.push_back(*starter);
    out.insert(out.end(), between.begin(), between.end());
    between.clear();
  };
  for (const Piece& piece : in) {
    if (!starter) {
      if (piece.combining_class == 0)
        starter = piece;
      else
        out.push_back(piece);
      continue;
    }
    const bool blocked = !between.empty() && between.back().combining_class >= piece.combining_class;
    if (!blocked) {
      if (const auto composed = compose_pair(starter->c, piece.c)) {
        starter->c = *composed;
        starter->change += piece.change - 1;
        continue;
      }
    }
    if (piece.combining_class == 0) {
      flush();
      starter = piece;
    } else {
      between.push_back(piece);
    }
  }
  flush();
  return out;
}

// Per code point: NFC leaves it alone and nothing before it can take it in.
class NfcTable {
 public:
  NfcTable() : stable_(0x110000, false) {
    for (char32_t c = 0; c < 0x110000; ++c) {
      if (c >= 0xD800 && c < 0xE000) continue;
      const auto& p = property(c);
      if (c >= 0xAC00 && c < 0xD7A4) {
        stable_[c] = true;
      } else if (c >= 0x1100 && c < 0x1200) {
        stable_[c] = c < 0x1160;  // vowels and finals join the syllable before them
      } else if (p.combining_class != 0) {
        continue;
      } else if (p.decomp_seqindex == UINT16_MAX) {
        stable_[c] = p.comb_index == UINT16_MAX || c < 0x300;
      } else {
        std::string text;
        append_utf8(text, c);
        const auto form = compose(decompose(text, false));
        stable_[c] = form.size() == 1 && form[0].c == c && (p.comb_index == UINT16_MAX || c < 0x300);
      }
    }
  }
  bool stable(char32_t c) const { return stable_[c]; }

 private:
  std::vector<bool> stable_;
};

}  // namespace

std::vector<ChangedChar> normal_form(std::string_view text, bool compatibility, bool composed) {
  std::vector<Piece> pieces = decompose(text, compatibility);
  if (composed) pieces = compose(pieces);
  std::vector<ChangedChar> out;
  out.reserve(pieces.size());
  for (const Piece& piece : pieces)
    out.push_back({piece.c, piece.change > 0, piece.change < 0 ? static_cast<uint32_t>(-piece.change) : 0u});
  return out;
}

bool surely_nfc(std::string_view text) {
  static const NfcTable table;
  for (size_t i = 0; i < text.size();) {
    if (static_cast<unsigned char>(text[i]) < 0x80) {
      ++i;
      continue;
    }
    if (!table.stable(code_point_at(text, i))) return false;
    i += utf8_length(text[i]);
  }
  return true;
}

}  // namespace circuitdiff
