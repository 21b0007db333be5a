#include "tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/error.h"
#include "tokenizer/oniguruma.h"
#include "tokenizer/unicode.h"

namespace circuitdiff {

namespace {

// Enough for any tokenizer's pattern on a text of megabytes; a pattern that
// backtracks without end stops here.
constexpr uint32_t kMatchLimit = 1'000'000'000;
constexpr size_t kJitStackMax = size_t{64} << 20;  // bytes

std::string pcre2_message(int code) {
  PCRE2_UCHAR buffer[256];
  pcre2_get_error_message(code, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

}  // namespace

struct RegexScratch::State {
  pcre2_match_data* match = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack* stack = pcre2_jit_stack_create(32 << 10, kJitStackMax, nullptr);
  State() {
    if (!match || !context) fail("out of memory for regular expressions");
    if (stack) pcre2_jit_stack_assign(context, nullptr, stack);
    pcre2_set_match_limit(context, kMatchLimit);
    pcre2_set_heap_limit(context, 1u << 20);  // KiB
  }
  ~State() {
    pcre2_match_data_free(match);
    pcre2_match_context_free(context);
    pcre2_jit_stack_free(stack);
  }
};

RegexScratch::RegexScratch() : state_(std::make_unique<State>()) {}
RegexScratch::~RegexScratch() = default;

Regex Regex::from_oniguruma(std::string_view pattern, std::string_view where) {
  const std::string rewritten = oniguruma_to_pcre2(pattern, where);
  std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
      pcre2_compile_context_create(nullptr), pcre2_compile_context_free);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  pcre2_set_parens_nest_limit(context.get(), 200);
  int code = 0;
  PCRE2_SIZE at = 0;
  pcre2_code* compiled = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(rewritten.data()), rewritten.size(),
                                       PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
                                       &code, &at, context.get());
  if (!compiled)
    fail("{}: the regular expression \"{}\" is not supported: {}", where, pattern, pcre2_message(code));
  // Without machine code (an odd platform) the interpreter does the same, slower.
  pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE);
  Regex regex;
  regex.pattern_ = pattern;
  regex.code_ = std::shared_ptr<const void>(
      compiled, [](const void* p) { pcre2_code_free(static_cast<pcre2_code*>(const_cast<void*>(p))); });
  return regex;
}

Regex Regex::from_literal(std::string_view text) {
  Regex regex;
  regex.literal_ = regex.pattern_ = text;
  return regex;
}

bool Regex::search(std::string_view text, size_t from, RegexScratch& scratch, size_t& begin,
                   size_t& end) const {
  if (!code_) {
    begin = text.find(literal_, from);
    end = begin + literal_.size();
    return begin != std::string_view::npos;
  }
  RegexScratch::State& state = *scratch.state_;
  const auto* code = static_cast<const pcre2_code*>(code_.get());
  const auto run = [&](uint32_t options) {
    // A null pointer is refused even where the length is 0.
    const char* data = text.empty() ? "" : text.data();
    return pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(data), text.size(), from,
                       PCRE2_NO_UTF_CHECK | options, state.match, state.context);
  };
  int result = run(0);
  if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = run(PCRE2_NO_JIT);
  if (result == PCRE2_ERROR_NOMATCH) return false;
  if (result < 0)
    fail("the regular expression \"{}\" cannot be matched: {}", pattern_, pcre2_message(result));
  const PCRE2_SIZE* found = pcre2_get_ovector_pointer(state.match);
  begin = found[0];
  end = found[1];
  // A lookahead with \K can end before it begins; no tokenizer means that.
  if (end < begin) fail("the regular expression \"{}\" matches backwards", pattern_);
  return true;
}

size_t Regex::next_position(std::string_view text, size_t from) {
  return from < text.size() ? from + utf8_length(text[from]) : from + 1;
}

}  // namespace circuitdiff
