// What a run will take, ahead of it: memory by part, and time from the arithmetic it does and the speed that
// a product of this size reaches here. Lengths of answers are not known ahead; the longest are assumed.
#pragma once

#include "train/loop.h"

namespace circuitdiff {

// {"parameters", "trained", "weight_bytes", "gradient_bytes", "moment_bytes", "reference_bytes",
// "activation_bytes",
//  "cache_bytes", "peak_bytes", "flops_per_step", "flops_per_second", "seconds_per_step", "seconds"}
nlohmann::ordered_json forecast_training(const TrainInputs& inputs);

}  // namespace circuitdiff
