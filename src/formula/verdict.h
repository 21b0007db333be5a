// What a comparison of two answers says: equal, different or undecided, with a reason in a few words.
#pragma once

#include <string>

namespace circuitdiff {

enum class Verdict { equal, different, undecided };

inline const char* verdict_name(Verdict verdict) {
  return verdict == Verdict::equal ? "equal" : verdict == Verdict::different ? "different" : "undecided";
}

struct Judgement {
  Verdict verdict = Verdict::undecided;
  std::string reason;
};

}  // namespace circuitdiff
