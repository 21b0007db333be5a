#include "attribute/score_stage.h"

#include <ATen/core/grad_mode.h>

#include <cmath>

#include "base/error.h"
#include "io/safetensors.h"
#include "kernels/thread_count.h"
#include "records/pair.h"

namespace circuitdiff {
namespace {

std::span<const std::byte> bytes_of(const Tensor& t) {
  return {static_cast<const std::byte*>(t.const_data_ptr()), t.nbytes()};
}

}  // namespace

nlohmann::ordered_json score(const ScoreOptions& options, Progress& progress) {
  if (options.sequences.empty()) usage_error("score: --sequences is missing");
  if (options.out.empty()) usage_error("score: --out is missing");
  const at::NoGradGuard no_grad;
  if (options.threads < 0) usage_error("--threads: 0 or more expected, {} found", options.threads);
  const ThreadCount threads(options.threads);
  const at::Device device = resolve_device(options.device);
  const auto checkpoint = Checkpoint::open(options.model, options.adapter);
  const at::ScalarType dtype = resolve_dtype(options.dtype, device, *checkpoint);
  const std::vector<Sequence> sequences = read_sequences(options.sequences);
  check_vocabulary(sequences, checkpoint->config().d_vocab, options.sequences);
  const Decoder decoder(checkpoint, device, dtype);
  const bool f64 = dtype == at::kDouble;

  std::vector<Tensor> kept;
  std::vector<TensorToWrite> tensors;
  const auto keep = [&](const std::string& name, const Tensor& t) {
    kept.push_back(t.to(at::kCPU, f64 ? at::kDouble : at::kFloat).contiguous());
    tensors.push_back(
        {name, f64 ? TensorType::f64 : TensorType::f32, kept.back().sizes().vec(), bytes_of(kept.back())});
  };
  double sum = 0;
  int64_t tokens = 0;
  progress.begin("score", static_cast<int64_t>(sequences.size()), "sequences");
  for (size_t i = 0; i < sequences.size(); ++i) {
    check_interrupt();
    const Tensor ids = decoder.tokens(sequences[i].tokens);
    const Tensor logits = decoder.logits(ids);  // [pos, d_vocab]
    const int64_t n = logits.size(0) - 1;
    const Tensor nll = logits.narrow(0, 0, n)
                           .log_softmax(/*dim=*/-1)
                           .gather(-1, ids.narrow(0, 1, n).unsqueeze(1))
                           .squeeze(1)
                           .neg();
    const double total = nll.to(at::kDouble).sum().item<double>();
    if (!std::isfinite(total))
      fail("{}: \"{}\": its NLL is {}; are there NaN or infinity among the weights?",
           options.sequences.string(), sequences[i].id, total);
    sum += total;
    tokens += n;
    if (options.logits) keep("logits." + std::to_string(i), logits);
    keep("nll." + std::to_string(i), nll);
    progress.advance();
  }
  progress.end();
  write_safetensors(options.out, tensors, {{"dtype", dtype_name(dtype)}});
  return {
      {"sequences", sequences.size()}, {"tokens", tokens}, {"mean_nll", sum / static_cast<double>(tokens)}};
}

}  // namespace circuitdiff
