// Tests that need a GPU run where there is one and skip themselves, saying so, elsewhere.
#pragma once

#include <ATen/Context.h>
#include <gtest/gtest.h>

namespace circuitdiff {

inline bool have_gpu() {
  return at::hasCUDA() && at::globalContext().getAcceleratorHooksInterface().deviceCount() > 0;
}

}  // namespace circuitdiff

#define CIRCUITDIFF_NEED_GPU()    \
  if (!::circuitdiff::have_gpu()) \
  GTEST_SKIP() << "no CUDA device here, or a build without libtorch's CUDA half"
