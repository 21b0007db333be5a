// What a comparison of two answers says: equal, different or undecided, with a reason in a few words and the
// rules that decided.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace circuitdiff {

enum class Verdict { equal, different, undecided };

inline const char* verdict_name(Verdict verdict) {
  return verdict == Verdict::equal ? "equal" : verdict == Verdict::different ? "different" : "undecided";
}

struct Judgement {
  Verdict verdict = Verdict::undecided;
  std::string reason;
  std::vector<const char*> rules{};  // names, the one that knew first
};

inline Judgement equal(std::string reason) { return {Verdict::equal, std::move(reason)}; }
inline Judgement different(std::string reason) { return {Verdict::different, std::move(reason)}; }
inline Judgement undecided(std::string reason) { return {Verdict::undecided, std::move(reason)}; }

// What a rule says of two answers; nullopt where it does not apply.
using Ruling = std::optional<Judgement>;
inline Ruling verdict_if(bool holds, Verdict verdict, const char* reason) {
  return holds ? Ruling(Judgement{verdict, reason}) : std::nullopt;
}
inline Ruling equal_if(bool holds, const char* reason) { return verdict_if(holds, Verdict::equal, reason); }
inline Ruling different_if(bool holds, const char* reason) {
  return verdict_if(holds, Verdict::different, reason);
}
inline Ruling undecided_if(bool holds, const char* reason) {
  return verdict_if(holds, Verdict::undecided, reason);
}

}  // namespace circuitdiff
