// Circuit metrics of a model in training: every edge scored on a fixed set of sequences (eap of
// docs/spec.md#methods), and the figures of docs/spec.md#metrics. Teacher-forced on the same tokens at every
// step, so that what moves is the model alone.
#pragma once

#include "train/loop.h"

namespace circuitdiff {

// Reads and checks the sequences now. Figures: circuit/act_intensity, circuit/intensity_per_error,
// circuit/info_complexity, circuit/dist_kurtosis, circuit/diversity, circuit/mean_loss; null where undefined.
CircuitProbe make_circuit_probe(const ProbeOptions& options, const std::filesystem::path& model);

}  // namespace circuitdiff
