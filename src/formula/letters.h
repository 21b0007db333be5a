// ASCII letters and digits, whatever the locale: what readers and extraction ask of single bytes.
#pragma once

namespace circuitdiff {

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_capital(char c) { return c >= 'A' && c <= 'Z'; }
inline bool is_letter(char c) { return (c >= 'a' && c <= 'z') || is_capital(c); }
inline char lower(char c) { return is_capital(c) ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace circuitdiff
