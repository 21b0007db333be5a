// Upper, lower and title case as CPython has them; Unicode's simple mappings come from utf8proc.
#include <utf8proc.h>

#include "jinja/limits.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {
namespace {

utf8proc_int32_t number(char32_t c) { return static_cast<utf8proc_int32_t>(c); }

bool is_cased(char32_t c) {
  const auto k = utf8proc_category(number(c));
  return (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LT) ||
         utf8proc_toupper(number(c)) != number(c) || utf8proc_tolower(number(c)) != number(c);
}

bool is_case_ignorable(char32_t c) {
  switch (utf8proc_category(number(c))) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
      return true;
    default:
      return c == '\'' || c == '.' || c == ':' || c == 0xB7 || c == 0x2018 || c == 0x2019 || c == 0x2024 ||
             c == 0x2027;
  }
}

// Letters that case folding makes several are those whose upper case may be several, which utf8proc does not
// tell.
bool has_long_case(char32_t c) {
  utf8proc_int32_t folded[8];
  int boundary = 0;
  return utf8proc_decompose_char(number(c), folded, 8, UTF8PROC_CASEFOLD, &boundary) > 1;
}

void append_upper(std::string& out, char32_t c, bool as_title = false) {
  if (c == 0xDF) {
    out += as_title ? "Ss" : "SS";
    return;
  }
  if (c >= 0x80 && has_long_case(c)) raise_unsupported("upper case of", encode({&c, 1}));
  append_code_point(
      out, static_cast<char32_t>(as_title ? utf8proc_totitle(number(c)) : utf8proc_toupper(number(c))));
}

// The lower case of text[i]; a capital sigma at the end of a word becomes the final form.
void append_lower(std::string& out, const std::u32string& text, size_t i) {
  const char32_t c = text[i];
  if (c == 0x0130) {
    out += "i\u0307";
  } else if (c == 0x03A3) {
    size_t before = i, after = i + 1;
    while (before > 0 && is_case_ignorable(text[before - 1])) --before;
    while (after < text.size() && is_case_ignorable(text[after])) ++after;
    const bool ends_word =
        before > 0 && is_cased(text[before - 1]) && !(after < text.size() && is_cased(text[after]));
    append_code_point(out, ends_word ? 0x03C2 : 0x03C3);
  } else {
    append_code_point(out, static_cast<char32_t>(utf8proc_tolower(number(c))));
  }
}

}  // namespace

std::string upper(std::string_view text) {
  std::string out;
  for (size_t pos = 0; pos < text.size();) append_upper(out, next_code_point(text, pos));
  return out;
}

std::string lower(std::string_view text) {
  const std::u32string points = decode(text);
  std::string out;
  for (size_t i = 0; i < points.size(); ++i) append_lower(out, points, i);
  return out;
}

std::string title(std::string_view text) {
  const std::u32string points = decode(text);
  std::string out;
  bool inside = false;
  for (size_t i = 0; i < points.size(); ++i) {
    if (inside) {
      append_lower(out, points, i);
    } else {
      append_upper(out, points[i], /*as_title=*/true);
    }
    inside = is_cased(points[i]);
    // Modifier letters and ordinals have a case without another form of it.
    const bool modifier = utf8proc_category(number(points[i])) == UTF8PROC_CATEGORY_LM;
    if (modifier || points[i] == 0xAA || points[i] == 0xBA)
      raise_unsupported("title case of", encode({&points[i], 1}));
  }
  return out;
}

std::string capitalize(std::string_view text) {
  const std::u32string points = decode(text);
  std::string out;
  for (size_t i = 0; i < points.size(); ++i) {
    if (i == 0) {
      append_upper(out, points[i], /*as_title=*/true);
    } else {
      append_lower(out, points, i);
    }
  }
  return out;
}

}  // namespace circuitdiff::jinja
