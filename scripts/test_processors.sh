#!/bin/sh
# Runs the tests of the rooms that compute as other processors and other numbers of threads would run them.
#   scripts/test_processors.sh [BUILD]     default: build, where the tests are built
# ATEN_CPU_CAPABILITY is libtorch's and our loops' instruction set, the other two are those of its libraries for
# products. The processor at hand must have AVX2; AVX-512 is left out where it has none.
set -eu
build=${1:-$(dirname "$0")/../build}
rooms="kernels model attribute generate train"
failed=""

run() {  # name, variables
  name=$1
  shift
  for room in $rooms; do
    log=$(mktemp)
    if env OMP_WAIT_POLICY=passive "$@" "$build/tests/$room/${room}_test" --gtest_brief=1 > "$log" 2>&1; then
      echo "$name: $room: passed"
    else
      echo "$name: $room: FAILED"
      grep -E "^\[  FAILED  \]|Failure$|rror:" "$log" | head -20
      failed="$failed $name/$room"
    fi
    rm -f "$log"
  done
}

for threads in 1 2 3; do
  run "$threads threads" OMP_NUM_THREADS=$threads
done
run "no AVX" ATEN_CPU_CAPABILITY=default
run "AVX2" ATEN_CPU_CAPABILITY=avx2
run "AVX2 in every library" ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2 DNNL_MAX_CPU_ISA=AVX2
if grep -q avx512bw /proc/cpuinfo; then
  run "AVX-512" ATEN_CPU_CAPABILITY=avx512
fi

if [ -n "$failed" ]; then
  echo "failed:$failed"
  exit 1
fi
