#include "tokenizer/normalizer.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tokenizer/unicode_forms.h"

namespace circuitdiff {

namespace {

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

}  // namespace

Regex read_pattern(const JsonNode& node) {
  if (node.json().is_object() && node.json().contains("String"))
    return Regex::from_literal(node.at("String").string());
  if (node.json().is_object() && node.json().contains("Regex")) {
    const JsonNode regex = node.at("Regex");
    return Regex::from_oniguruma(regex.string(), regex.where());
  }
  node.wrong("{\"String\": ..} or {\"Regex\": ..} was expected");
}

Normalizer::Normalizer(const JsonNode& node) {
  if (!node.is_null()) add(node, 0);
}

void Normalizer::add(const JsonNode& node, int depth) {
  if (depth > 20) node.wrong("sequences are nested too deeply");
  const std::string type = node.at("type").string();
  if (type == "Sequence")
    node.at("normalizers").for_each([&](const JsonNode& child) { add(child, depth + 1); });
  else if (type == "NFC")
    steps_.push_back(Form::nfc);
  else if (type == "NFD")
    steps_.push_back(Form::nfd);
  else if (type == "NFKC")
    steps_.push_back(Form::nfkc);
  else if (type == "NFKD")
    steps_.push_back(Form::nfkd);
  else if (type == "Lowercase")
    steps_.push_back(Lowercase{});
  else if (type == "ByteLevel")
    steps_.push_back(ByteLevel{});
  else if (type == "Prepend")
    steps_.push_back(Prepend{node.at("prepend").string()});
  else if (type == "Replace")
    steps_.push_back(Replace{read_pattern(node.at("pattern")), node.at("content").string()});
  else if (type == "Strip")
    steps_.push_back(Strip{node.at("strip_left").boolean(), node.at("strip_right").boolean()});
  else
    node.wrong(fmt::format("normalizer \"{}\" is not supported", type));
}

TextRun Normalizer::apply(TextRun run, RunBuffers& buffers, RegexScratch& scratch) const {
  for (const Step& step : steps_) {
    run = std::visit(
        Overloaded{[&](Form form) { return apply_form(run, form, buffers); },
                   [&](const Lowercase&) { return lowercase(run, buffers); },
                   [&](const ByteLevel&) { return to_byte_alphabet(run, buffers); },
                   [&](const Prepend& prepend) { return prepend_to_run(run, prepend.text, buffers); },
                   [&](const Replace& how) { return replace(run, how, buffers, scratch); },
                   [&](const Strip& how) { return strip(run, how); }},
        step);
  }
  return run;
}

TextRun Normalizer::apply_form(TextRun run, Form form, RunBuffers& buffers) {
  if (form == Form::nfc ? surely_nfc(run.text) : is_ascii(run.text)) return run;
  const bool compatibility = form == Form::nfkc || form == Form::nfkd;
  return change_run(run, normal_form(run.text, compatibility, form == Form::nfc || form == Form::nfkc), 0,
                    buffers);
}

TextRun Normalizer::lowercase(const TextRun& run, RunBuffers& buffers) {
  std::vector<ChangedChar> chars;
  chars.reserve(run.text.size());
  for (size_t i = 0; i < run.text.size(); i += utf8_length(run.text[i])) {
    const char32_t c = code_point_at(run.text, i);
    if (c == 0x130) {  // the one character whose lower case is two
      chars.push_back({U'i', false});
      chars.push_back({0x307, true});
    } else {
      chars.push_back({to_lower(c), false});
    }
  }
  return change_run(run, chars, 0, buffers);
}

TextRun Normalizer::replace(const TextRun& run, const Replace& step, RunBuffers& buffers,
                            RegexScratch& scratch) {
  RunBuffers::Builder out;
  size_t done = 0;
  bool found = false;
  if (run.text.empty()) return run;
  step.pattern.find_all(run.text, scratch, [&](size_t begin, size_t end) {
    if (!found) out.text.reserve(run.text.size() * 2), out.spans.reserve(run.text.size() * 2);
    found = true;
    out.append(run, done, begin);
    // The new text stands in the place of the last character it replaces.
    const uint32_t start = run.origin_begin();
    out.append(step.content, end == 0 ? Span{start, start} : run.origin_at(end - 1));
    done = end;
  });
  if (!found) return run;
  out.append(run, done, run.text.size());
  return buffers.keep(std::move(out));
}

TextRun Normalizer::strip(const TextRun& run, const Strip& step) {
  size_t begin = 0, end = run.text.size();
  if (step.left)
    while (begin < end && is_white_space(code_point_at(run.text, begin)))
      begin += utf8_length(run.text[begin]);
  while (step.right && end > begin) {
    size_t last = end - 1;
    while (is_continuation(run.text[last])) --last;
    if (!is_white_space(code_point_at(run.text, last))) break;
    end = last;
  }
  return run.part(begin, end);
}

}  // namespace circuitdiff
