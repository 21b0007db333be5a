// What a template may cost, and the exception that the engine's parts throw. A template is untrusted text:
// every loop, copy and call is charged against one budget per rendering, sizes are checked before memory is
// taken, and nesting is bounded. The bounds are far above what chat templates need and well under a second of
// work.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace circuitdiff::jinja {

inline constexpr int64_t kMaxWork = 12'000'000;  // units: a node evaluated, an item visited, 32 bytes copied
inline constexpr size_t kMaxTextBytes = 16u << 20;    // one string
inline constexpr size_t kMaxOutputBytes = 32u << 20;  // the rendered text
inline constexpr size_t kMaxItems = 1'000'000;        // one list or tuple
inline constexpr int64_t kMaxRange = 100'000;         // as jinja2's sandbox
inline constexpr int kMaxValueDepth = 300;            // containers in containers
inline constexpr int kMaxSyntaxDepth = 400;           // nodes in nodes, also a chain of operators
inline constexpr size_t kMaxStackBytes = 3u << 20;    // of the thread that renders
inline constexpr size_t kStackReserve = 192u << 10;   // left of it at every check, for what lies between two
inline constexpr size_t kMaxSourceBytes = 4u << 20;   // the template

// A Python exception inside the engine: its class and message, before the line is known.
struct Raised {
  std::string kind;
  std::string message;
};

template <class... Args>
[[noreturn]] void raise(const char* kind, fmt::format_string<Args...> format, Args&&... args) {
  throw Raised{kind, fmt::format(format, std::forward<Args>(args)...)};
}

// For what jinja2 knows and this engine leaves out: `part` is "filter", "method of str", ...
inline std::string unsupported(std::string_view part, std::string_view name) {
  return fmt::format(
      "template uses the {} \"{}\", which chat templates are not known to use; docs/chat_templates.md lists "
      "what is kept",
      part, name);
}
[[noreturn]] inline void raise_unsupported(std::string_view part, std::string_view name) {
  raise("NotImplementedError", "{}", unsupported(part, name));
}
[[noreturn]] inline void raise_too_large() {
  raise("OverflowError", "a whole number of the template does not fit into 64 bits");
}

class Budget {
 public:
  void spend(int64_t units) {
    left_ -= units;
    if (left_ < 0) raise("ResourceError", "the template does more work than a chat template may");
  }
  void copy(size_t bytes) { spend(static_cast<int64_t>(bytes / 32 + 1)); }
  // Before a string of `bytes` or a sequence of `items` is made.
  void text(size_t bytes) {
    if (bytes > kMaxTextBytes) raise("ResourceError", "a string of the template would exceed 16 MiB");
    copy(bytes);
  }
  void items(size_t count) {
    if (count > kMaxItems) raise("ResourceError", "a list of the template would exceed 1000000 items");
    spend(static_cast<int64_t>(count / 2 + 1));
  }

 private:
  int64_t left_ = kMaxWork;
};

}  // namespace circuitdiff::jinja
