// Which of the compiled loops run on this processor.
#pragma once

namespace circuitdiff {

enum class InstructionSet { baseline, avx2, avx512 };

bool has(InstructionSet set);

// The widest that this processor has. As libtorch does, it obeys the environment's ATEN_CPU_CAPABILITY
// (default, avx2, avx512), which may name a narrower one; asked once.
InstructionSet instruction_set();

}  // namespace circuitdiff
