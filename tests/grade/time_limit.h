// Seconds of processor time that one answer may take. Sanitizers slow everything down about twentyfold.
#pragma once

namespace circuitdiff::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr double kSlowdown = 20;
#else
inline constexpr double kSlowdown = 1;
#endif
inline constexpr double kAnswerSeconds = 0.05 * kSlowdown;

}  // namespace circuitdiff::test
