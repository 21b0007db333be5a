// The stage behind `circuitdiff train` (docs/training.md): reads and checks everything, then runs one Trainer
// a seed. Killed at any moment it goes on from its last checkpoint, on a CPU to the same bits.
#pragma once

#include "train/loop.h"

namespace circuitdiff {

struct TrainRequest {
  TrainOptions options;
  AlgorithmName algorithm = AlgorithmName::sft;
  bool resume = false;     // there must be something to go on with
  bool overwrite = false;  // begin anew where other work lies
  CircuitProbe probe;      // needed where [probe] every is set
};

// {"algorithm", "runs": [{"seed", "folder", "metrics": last line}]}
nlohmann::ordered_json train(const TrainRequest& request, Progress& progress);

// The folder of a seed's run.
std::filesystem::path seed_folder(const TrainOptions& options, uint64_t seed);

// All that a run needs, read and checked.
TrainInputs read_train_inputs(const TrainRequest& request);

}  // namespace circuitdiff
