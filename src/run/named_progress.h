// Names the work in front of the phase of a stage: "grpo, analysis, before: attribute".
#pragma once

#include <fmt/format.h>

#include <string>

#include "base/progress.h"

namespace circuitdiff {

class NamedProgress : public Progress {
 public:
  NamedProgress(Progress& inner, std::string name) : inner_(inner), name_(std::move(name)) {}
  void begin(std::string_view phase, int64_t total, std::string_view unit, int64_t done) override {
    inner_.begin(fmt::format("{}: {}", name_, phase), total, unit, done);
  }
  void advance(int64_t units, std::string_view note) override { inner_.advance(units, note); }
  void end() override { inner_.end(); }
  void warn(std::string_view message) override { inner_.warn(fmt::format("{}: {}", name_, message)); }

 private:
  Progress& inner_;
  std::string name_;
};

}  // namespace circuitdiff
