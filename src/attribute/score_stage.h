// The stage behind `circuitdiff score`: teacher-forced NLL, and the logits if asked for, of every sequence of
// a file.
#pragma once

#include "base/progress.h"
#include "io/json_fwd.h"
#include "model/decoder.h"

namespace circuitdiff {

struct ScoreOptions {
  std::filesystem::path model, adapter, sequences, out;
  bool logits = false;
  std::string device = "auto";
  DtypeChoice dtype = DtypeChoice::automatic;
  int64_t threads = 0;
};
template <class V>
void visit(V& v, ScoreOptions& o) {
  v(o.model, "model", "Hugging Face folder or GGUF file");
  v(o.adapter, "adapter", "folder of a LoRA adapter to merge into the model");
  v(o.sequences, "sequences", "sequences.jsonl");
  v(o.out, "out", "safetensors file to write");
  v(o.logits, "logits", "write logits.{i} beside nll.{i}");
  v(o.device, "device", "auto, cpu, cuda or cuda:INDEX");
  v(o.dtype, "dtype", "of weights and products: auto, float32, bfloat16 or float64");
  v(o.threads, "threads", "CPU threads; 0: one a core");
}

// Writes nll.{i} [T-1] and logits.{i} [T, d_vocab], i the line number from 0; f32, f64 with dtype float64.
// Returns {"sequences", "tokens", "mean_nll"}. A sequence whose numbers are not finite is an Error naming it.
nlohmann::ordered_json score(const ScoreOptions& options, Progress& progress);

}  // namespace circuitdiff
