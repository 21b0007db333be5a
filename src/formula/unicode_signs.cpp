// Unicode signs that models write in place of LaTeX, as LaTeX.
#include <algorithm>
#include <iterator>
#include <utility>

#include "formula/tokens.h"

namespace circuitdiff {
namespace {

constexpr std::pair<std::string_view, std::string_view> kSigns[] = {
    {"\u2212", "-"},
    {"\u2013", "-"},
    {"\u2014", "-"},
    {"\u2010", "-"},
    {"\u2011", "-"},
    {"\uFE63", "-"},
    {"\uFF0D", "-"},
    {"\uFF0B", "+"},
    {"\u00D7", "\\times "},
    {"\u00B7", "\\cdot "},
    {"\u22C5", "\\cdot "},
    {"\u2217", "*"},
    {"\u2219", "\\cdot "},
    {"\u00F7", "/"},
    {"\u2215", "/"},
    {"\u2044", "/"},
    {"\u00B1", "\\pm "},
    {"\u2213", "\\mp "},
    {"\u221E", "\\infty "},
    {"\u2264", "\\le "},
    {"\u2265", "\\ge "},
    {"\u2A7D", "\\le "},
    {"\u2A7E", "\\ge "},
    {"\u2260", "\\ne "},
    {"\u2248", "\\approx "},
    {"\u222A", "\\cup "},
    {"\u2229", "\\cap "},
    {"\u2208", "\\in "},
    {"\u2205", "\\emptyset "},
    {"\u211D", "\\mathbb{R}"},
    {"\u2124", "\\mathbb{Z}"},
    {"\u2115", "\\mathbb{N}"},
    {"\u211A", "\\mathbb{Q}"},
    {"\u00B0", "^\\circ "},
    {"\u2032", "'"},
    {"\u2019", "'"},
    {"\u2018", "'"},
    {"\u201C", "\""},
    {"\u201D", "\""},
    {"\u221A", "\\radical "},
    {"\u00BD", "\\frac12 "},
    {"\u2153", "\\frac13 "},
    {"\u2154", "\\frac23 "},
    {"\u00BC", "\\frac14 "},
    {"\u00BE", "\\frac34 "},
    {"\u2155", "\\frac15 "},
    {"\u2156", "\\frac25 "},
    {"\u2157", "\\frac35 "},
    {"\u2158", "\\frac45 "},
    {"\u2159", "\\frac16 "},
    {"\u215B", "\\frac18 "},
    {"\u215C", "\\frac38 "},
    {"\u215D", "\\frac58 "},
    {"\u215E", "\\frac78 "},
    {"\u00B2", "^2 "},
    {"\u00B3", "^3 "},
    {"\u00B9", "^1 "},
    {"\u2070", "^0 "},
    {"\u2074", "^4 "},
    {"\u2075", "^5 "},
    {"\u2076", "^6 "},
    {"\u2077", "^7 "},
    {"\u2078", "^8 "},
    {"\u2079", "^9 "},
    {"\u2080", "_0 "},
    {"\u2081", "_1 "},
    {"\u2082", "_2 "},
    {"\u2083", "_3 "},
    {"\u2084", "_4 "},
    {"\u2085", "_5 "},
    {"\u03B1", "\\alpha "},
    {"\u03B2", "\\beta "},
    {"\u03B3", "\\gamma "},
    {"\u03B4", "\\delta "},
    {"\u03B5", "\\epsilon "},
    {"\u03B8", "\\theta "},
    {"\u03BB", "\\lambda "},
    {"\u03BC", "\\mu "},
    {"\u00B5", "\\mu "},
    {"\u03C0", "\\pi "},
    {"\u03C1", "\\rho "},
    {"\u03C3", "\\sigma "},
    {"\u03C4", "\\tau "},
    {"\u03C6", "\\phi "},
    {"\u03C9", "\\omega "},
    {"\u0394", "\\Delta "},
    {"\u03A3", "\\Sigma "},
    {"\u03A9", "\\Omega "},
    {"\u00A0", " "},
    {"\u2009", "\\,"},
    {"\u200A", "\\,"},
    {"\u202F", "\\,"},
    {"\u2003", " "},
    {"\u3000", " "},
    {"\u200B", ""},
    {"\u2061", ""},
    {"\u2062", "\\cdot "},
    {"\uFEFF", ""},
    {"\uFF0C", ","},
    {"\uFF1A", ":"},
    {"\uFF1B", ";"},
    {"\uFF08", "("},
    {"\uFF09", ")"},
    {"\uFF1D", "="},
    {"\u3002", "."},
    {"\u20AC", ""},
    {"\u00A3", ""},
    {"\u00A5", ""},
    {"\u2026", "\\ldots "},
    {"\u22EF", "\\cdots "},
    {"\u2308", "\\lceil "},
    {"\u2309", "\\rceil "},
    {"\u230A", "\\lfloor "},
    {"\u230B", "\\rfloor "},
    {"\u2223", "|"},
    {"\u27E8", "("},
    {"\u27E9", ")"},
};

}  // namespace

std::string plain_latex(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    if (static_cast<unsigned char>(text[i]) < 0x80) {
      out += text[i++];
      continue;
    }
    // Full-width digits, U+FF10 to U+FF19.
    if (text.substr(i, 2) == "\xEF\xBC" && i + 2 < text.size() && text[i + 2] >= '\x90' &&
        text[i + 2] <= '\x99') {
      out += static_cast<char>('0' + (text[i + 2] - '\x90'));
      i += 3;
      continue;
    }
    const auto* known = std::find_if(std::begin(kSigns), std::end(kSigns), [&](const auto& sign) {
      return text[i] == sign.first[0] && text.substr(i, sign.first.size()) == sign.first;
    });
    if (known == std::end(kSigns)) {
      out += text[i++];
    } else {
      out += known->second;
      i += known->first.size();
    }
  }
  return out;
}

}  // namespace circuitdiff
