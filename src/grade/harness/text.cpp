#include "grade/harness/text.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <functional>
#include <optional>
#include <vector>

#include "base/text.h"
#include "formula/letters.h"
#include "grade/harness/units.h"

namespace circuitdiff {
namespace {

constexpr size_t kMostAnswerCharacters = 10'000;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }
std::string strip_spaces(std::string_view text) { return std::string(trim(text, " \t\n\r\f\v")); }
void replace(std::string& text, std::string_view from, std::string_view to) {
  size_t at = text.find(from);
  if (at == std::string::npos) return;
  std::string out;
  size_t begin = 0;
  for (; at != std::string::npos; at = text.find(from, begin)) {
    out.append(text, begin, at - begin);
    out += to;
    begin = at + from.size();
  }
  text = out.append(text, begin);
}

// A number in English words as digits; anything else as it is.
std::string word_number(const std::string& text) {
  static const std::vector<std::pair<std::string, int>> kSmall = {
      {"zero", 0},         {"one", 1},      {"two", 2},        {"three", 3},     {"four", 4},
      {"five", 5},         {"six", 6},      {"seven", 7},      {"eight", 8},     {"nine", 9},
      {"ten", 10},         {"eleven", 11},  {"twelve", 12},    {"thirteen", 13}, {"fourteen", 14},
      {"fifteen", 15},     {"sixteen", 16}, {"seventeen", 17}, {"eighteen", 18}, {"nineteen", 19},
      {"twenty", 20},      {"thirty", 30},  {"forty", 40},     {"fifty", 50},    {"sixty", 60},
      {"seventy", 70},     {"eighty", 80},  {"ninety", 90},    {"hundred", 100}, {"thousand", 1000},
      {"million", 1000000}};
  std::string low;
  for (const char c : text)
    low += c == '-' ? ' ' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (!text.empty() && text.size() < 18 && std::all_of(text.begin(), text.end(), is_digit))
    return std::to_string(std::stoll(text));
  long long total = 0, part = 0;
  bool any = false;
  for (const auto& word : split_at(low, " ")) {
    if (word.empty() || word == "and") continue;
    const auto it =
        std::find_if(kSmall.begin(), kSmall.end(), [&](const auto& s) { return s.first == word; });
    any = any || word == "point";
    if (it == kSmall.end()) {
      // Words that are no numbers are passed over, as long as one is: "no one" is 1.
      continue;
    }
    any = true;
    if (it->second >= 1000) {
      total += std::max(1LL, part) * it->second;
      part = 0;
    } else if (it->second == 100) {
      part = std::max(1LL, part) * 100;
    } else {
      part += it->second;
    }
  }
  return any ? std::to_string(total + part) : text;
}

// \sqrt2 -> \sqrt{2}, one word of digits or letters.
std::string fix_sqrt(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    if (text.compare(i, 5, "\\sqrt") == 0) {
      size_t end = i + 5;
      while (end < text.size() && is_python_word(text, end)) ++end;
      if (end > i + 5) {
        out += "\\sqrt{" + text.substr(i + 5, end - i - 5) + "}";
        i = end;
        continue;
      }
    }
    out += text[i++];
  }
  return out;
}

// \frac12 -> \frac{1}{2}, \frac1{72} -> \frac{1}{72}, and nothing where a piece is too short.
std::string fix_fracs(const std::string& text) {
  const auto pieces = split_at(text, "\\frac");
  std::string out = pieces[0];
  for (size_t k = 1; k < pieces.size(); ++k) {
    const std::string& piece = pieces[k];
    out += "\\frac";
    if (!piece.empty() && piece[0] == '{') {
      out += piece;
      continue;
    }
    if (piece.size() < 2) return text;
    const char a = piece[0], b = piece[1];
    const std::string rest = piece.substr(2);
    if (b != '{')
      out += std::string("{") + a + "}{" + b + "}" + rest;
    else
      out += std::string("{") + a + "}" + b + rest;
  }
  return out;
}

// a/b with whole numbers (or square roots) -> \frac{a}{b}.
std::string fix_a_slash_b(const std::string& text) {
  const auto parts = split_at(text, "/");
  if (parts.size() != 2) return text;
  const auto whole = [](const std::string& s) -> std::optional<std::string> {
    if (s.find("sqrt") != std::string::npos) return s;
    size_t at = !s.empty() && (s[0] == '-' || s[0] == '+') ? 1 : 0;
    if (at == s.size() || !std::all_of(s.begin() + static_cast<ptrdiff_t>(at), s.end(), is_digit))
      return std::nullopt;
    std::string digits = s.substr(at);
    digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
    return (s[0] == '-' && digits != "0" ? "-" : "") + digits;
  };
  const auto a = whole(parts[0]), b = whole(parts[1]);
  if (!a || !b || text != *a + "/" + *b) return text;
  return "\\frac{" + *a + "}{" + *b + "}";
}

// "\\text{...}" handled by `put`, which is given the content of each.
std::string each_text(const std::string& text, std::string_view command,
                      const std::function<std::string(const std::string&)>& put) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const size_t at = text.find(command, i);
    const size_t close = at == std::string::npos ? at : text.find('}', at + command.size());
    if (close == std::string::npos) return out + text.substr(i);
    out.append(text, i, at - i);
    out += put(text.substr(at + command.size(), close - at - command.size()));
    i = close + 1;
  }
  return out;
}

// (\d+)\.0*([^\d]) -> \1\2 and (\d+)\.0*$ -> \1
std::string without_zero_decimals(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    if (text[i] == '.' && i > 0 && is_digit(text[i - 1])) {
      size_t end = i + 1;
      while (end < text.size() && text[end] == '0') ++end;
      if (end == text.size() || !is_digit(text[end])) {
        i = end;
        continue;
      }
    }
    out += text[i++];
  }
  return out;
}

size_t count(std::string_view text, std::string_view what) {
  size_t n = 0;
  for (size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + what.size())) ++n;
  return n;
}

std::string without_ends(std::string text, std::string_view front, std::string_view back) {
  while (!text.empty() && back.find(text.back()) != std::string_view::npos) text.pop_back();
  while (!text.empty() && front.find(text.front()) != std::string_view::npos) text.erase(0, 1);
  return text;
}

// -?\d*\.?\d+ in a text without commas, the last match.
std::string last_number_in(std::string_view text) {
  std::string plain;
  for (const char c : text)
    if (c != ',') plain += c;
  std::string last;
  for (size_t i = 0; i < plain.size();) {
    size_t at = i;
    if (plain[at] == '-') ++at;
    const size_t digits = at;
    while (at < plain.size() && is_digit(plain[at])) ++at;
    size_t end = at > digits ? at : std::string::npos;
    if (at < plain.size() && plain[at] == '.') {
      size_t decimals = at + 1;
      while (decimals < plain.size() && is_digit(plain[decimals])) ++decimals;
      if (decimals > at + 1) end = decimals;
    }
    if (end == std::string::npos) {
      ++i;
    } else {
      last = plain.substr(i, end - i);
      i = end;
    }
  }
  return last;
}

std::string boxed_answer(std::string_view text) {
  const size_t mark = text.rfind("boxed");
  const std::string_view rest = text.substr(mark + 5);
  if (rest.empty()) return {};
  if (rest[0] != '{') return strip_spaces(rest.substr(0, rest.find('$')));
  int depth = 1;
  std::string out;
  for (const char c : rest.substr(1)) {
    if (c == '{') ++depth;
    if (c == '}' && --depth == 0) break;
    out += c;
  }
  return out;
}

}  // namespace

std::vector<std::string> split_at(std::string_view text, std::string_view separator) {
  std::vector<std::string> out;
  for (size_t begin = 0;;) {
    const size_t at = text.find(separator, begin);
    out.emplace_back(text.substr(begin, at == std::string_view::npos ? at : at - begin));
    if (at == std::string_view::npos) return out;
    begin = at + separator.size();
  }
}

std::string harness_strip(std::string text, bool keep_units) {
  std::string s = strip_spaces(text);
  if (s.size() > kMostAnswerCharacters) return s;  // no answer is that long
  replace(s, "\n", "");
  while (!s.empty() && s.back() == '.') s.pop_back();
  replace(s, "\\!", "");
  // Arrays become pmatrix.
  for (size_t at = s.find("\\begin{array}{"); at != std::string::npos;
       at = s.find("\\begin{array}{", at + 1)) {
    const size_t close = s.find('}', at + 14);
    if (close == std::string::npos) break;
    s.replace(at, close + 1 - at, "\\begin{pmatrix}");
  }
  replace(s, "\\end{array}", "\\end{pmatrix}");
  replace(s, "bmatrix", "pmatrix");
  replace(s, "tfrac", "frac");
  replace(s, "dfrac", "frac");
  replace(s, "\\neq", "\\ne");
  replace(s, "\\leq", "\\le");
  replace(s, "\\geq", "\\ge");
  replace(s, "\\left", "");
  replace(s, "\\right", "");
  replace(s, "\\{", "{");
  replace(s, "\\}", "}");
  s = each_text(s, "\\text{", [](const std::string& content) {
    if (!content.empty() && std::all_of(content.begin(), content.end(), is_letter)) {
      const std::string number = word_number(content);
      if (number != content) return number;
    }
    return "\\text{" + content + "}";
  });
  // A unit in \text{} at the end, if something stands before it.
  for (size_t at = s.find("\\text{"); at != std::string::npos; at = s.find("\\text{", at + 1)) {
    if (s.back() != '}') break;
    const std::string before = strip_spaces(s.substr(0, at));
    if (!before.empty()) s = before;
    break;
  }
  if (!keep_units)
    for (int round = 0; round < 2; ++round) remove_harness_units(s);
  replace(s, "^{\\circ}", "");
  replace(s, "^\\circ", "");
  replace(s, "\\$", "");
  replace(s, "$", "");
  replace(s, "\\(", "");
  replace(s, "\\)", "");
  s = word_number(s);
  s = each_text(s, "\\text{", [](const std::string& content) { return content; });
  for (const char* key : {"x=", "y=", "z=", "x\\in", "y\\in", "z\\in", "x\\to", "y\\to", "z\\to"})
    replace(s, key, "");
  replace(s, "\\emptyset", "{}");
  replace(s, "(-\\infty,\\infty)", "\\mathbb{R}");
  replace(s, "\\%", "");
  replace(s, "%", "");
  replace(s, " .", " 0.");
  replace(s, "{.", "{0.");
  replace(s, "infinity", "\\infty");
  if (s.find("\\infty") == std::string::npos) replace(s, "inf", "\\infty");
  replace(s, "+\\inity", "\\infty");
  replace(s, "and", "");
  replace(s, "\\mathbf", "");
  s = each_text(s, "\\mbox{", [](const std::string&) { return std::string(); });
  if (s.find('j') != std::string::npos && s.find('i') == std::string::npos) replace(s, "j", "i");
  s = without_zero_decimals(s);
  if (s.empty()) return s;
  if (s[0] == '.') s = "0" + s;
  if (const auto sides = split_at(s, "="); sides.size() == 2 && sides[0].size() <= 2) s = sides[1];
  s = fix_sqrt(s);
  replace(s, " ", "");
  s = fix_fracs(s);
  return fix_a_slash_b(s);
}

std::string harness_choice(std::string_view answer) {
  std::string pred = without_ends(std::string(answer), "\n", "\n");
  if (count(pred, "choice is") > 1 || count(pred, "answer is") > 1) pred = pred.substr(0, pred.find("\n\n"));
  const size_t choice = pred.rfind("choice is"), said = pred.rfind("answer is");
  const bool flagged = choice != std::string::npos || said != std::string::npos;
  if (flagged) {
    const size_t from =
        std::max(choice == std::string::npos ? 0 : choice, said == std::string::npos ? 0 : said);
    pred = pred.substr(from + 9);
  }
  pred = without_ends(pred, "\n", "\n");
  pred = without_ends(pred, "", ".");
  pred = without_ends(pred, "", "/");
  pred = without_ends(pred, " ", " ");
  pred = without_ends(pred, ":", "");
  std::string letters;
  for (size_t i = 0; i < pred.size(); ++i) {
    const char c = static_cast<char>(std::toupper(static_cast<unsigned char>(pred[i])));
    if (c >= 'A' && c <= 'E' && (i == 0 || !is_python_word(pred, i - 1)) &&
        (i + 1 == pred.size() || !is_python_word(pred, i + 1)))
      letters += c;
  }
  if (!letters.empty()) return std::string(1, flagged ? letters.front() : letters.back());
  return without_ends(without_ends(without_ends(strip_spaces(pred), ".", "."), "", "."), "", "/");
}

std::string harness_extract(std::string_view answer, std::string_view dataset) {
  const bool choices = dataset == "aqua" || dataset == "sat_math";
  const auto after_last = [&](std::string_view mark) {
    return strip_spaces(answer.substr(answer.rfind(mark) + mark.size()));
  };
  const auto has = [&](std::string_view mark) { return answer.find(mark) != std::string_view::npos; };
  if (choices) return harness_strip(harness_choice(answer));
  std::string pred;
  if (has("final answer is $") && has("$. I hope")) {
    const std::string_view rest = answer.substr(answer.find("final answer is $") + 17);
    pred = strip_spaces(rest.substr(0, rest.find("$. I hope")));
  } else if (has("boxed")) {
    pred = boxed_answer(answer);
  } else if (has("he answer is")) {
    pred = after_last("he answer is");
  } else if (has("final answer is")) {
    pred = after_last("final answer is");
  } else if (has("\u7B54\u6848\u662F")) {
    const std::string rest = strip_spaces(answer.substr(answer.find("\u7B54\u6848\u662F") + 9));
    pred = strip_spaces(rest.substr(0, rest.find("\n\n")));
  } else {
    pred = last_number_in(answer);
  }
  // A line break goes with the spaces behind it.
  std::string one_line;
  for (size_t i = 0; i < pred.size(); ++i) {
    if (pred[i] != '\n') {
      one_line += pred[i];
      continue;
    }
    while (i + 1 < pred.size() && is_space(pred[i + 1])) ++i;
  }
  pred = one_line;
  if (!pred.empty() && pred.front() == ':') pred.erase(0, 1);
  if (!pred.empty() && pred.back() == '.') pred.pop_back();
  if (!pred.empty() && pred.back() == '/') pred.pop_back();
  const bool keep_units = dataset == "carp_en" || dataset == "minerva_math";
  return harness_strip(harness_strip(pred, keep_units), keep_units);
}

std::string harness_gold(std::string_view gold, std::string_view dataset) {
  std::string text(gold);
  if (dataset == "aqua" || dataset == "sat_math") return text;
  if (dataset == "math" || dataset == "math500") return harness_strip(text);
  if (dataset == "minerva_math" || dataset == "carp_en") {
    if (dataset == "minerva_math") text = harness_strip(text, /*keep_units=*/true);
    replace(text, "\\neq", "\\ne");
    replace(text, "\\leq", "\\le");
    replace(text, "\\geq", "\\ge");
    return text;
  }
  if (dataset == "olympiadbench") text = without_ends(text, "$", "$");
  if (dataset == "college_math" || dataset == "gaokao2023en") {
    replace(text, "$", "");
    text = strip_spaces(text);
  }
  if (dataset == "asdiv") {
    std::string plain;
    for (size_t i = 0; i < text.size();) {
      const size_t close = text[i] == '(' ? text.find(')', i) : std::string::npos;
      if (close != std::string::npos)
        i = close + 1;
      else
        plain += text[i++];
    }
    text = plain;
  }
  return harness_strip(harness_strip(text));
}

}  // namespace circuitdiff
