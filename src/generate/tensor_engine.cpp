#include "generate/tensor_engine.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/progress.h"

namespace circuitdiff {
namespace {

int64_t slot(const StepRow& row, int64_t position) {
  return int64_t{row.pages[position / kPage]} * kPage + position % kPage;
}

std::vector<int64_t> slots_up_to(const StepRow& row) {
  std::vector<int64_t> out;
  for (int64_t p = 0; p <= row.position; ++p) out.push_back(slot(row, p));
  return out;
}

}  // namespace

TensorEngine::TensorEngine(Decoder decoder, int64_t threads) : decoder_(std::move(decoder)), team_(threads) {
  keys_.resize(static_cast<size_t>(config().n_layers));
  values_.resize(keys_.size());
}

int64_t TensorEngine::page_bytes() const {
  return 2 * config().n_layers * kPage * config().n_kv_heads * config().d_head *
         static_cast<int64_t>(at::elementSize(decoder_.dtype()));
}

int64_t TensorEngine::weight_bytes() const {
  return decoder_.weights().checkpoint().n_parameters() *
         static_cast<int64_t>(at::elementSize(decoder_.dtype()));
}

int64_t TensorEngine::free_bytes() const { return free_memory(decoder_.device()) / 2; }

Tensor TensorEngine::to_device(const std::vector<int64_t>& values) const { return decoder_.tokens(values); }

RopeTable TensorEngine::angles(std::span<const StepRow> rows) {
  int64_t longest = 0;
  bool grows = false;
  std::vector<int64_t> positions;
  for (const StepRow& row : rows) {
    longest = std::max(longest, row.position + 1);
    positions.push_back(row.position);
    grows = grows || (config().rope.by_length() && row.rope_length > config().rope.original_max_positions);
  }
  if (grows) {  // every row its own base
    std::vector<Tensor> cos, sin;
    for (const StepRow& row : rows) {
      const RopeTable own = rope_table(config(), row.position, 1, row.rope_length, decoder_.options());
      cos.push_back(own.cos);
      sin.push_back(own.sin);
    }
    return {at::cat(cos), at::cat(sin)};
  }
  if (!table_.cos.defined() || table_.cos.size(0) < longest)
    table_ = rope_table(config(), 0, std::max<int64_t>(longest + longest / 2, 512), /*sequence_length=*/1,
                        decoder_.options());
  const Tensor at = to_device(positions);
  return {table_.cos.index_select(0, at), table_.sin.index_select(0, at)};
}

TensorEngine::Step TensorEngine::prepare(std::span<const StepRow> rows) {
  Step out;
  out.n = static_cast<int64_t>(rows.size());
  std::vector<int64_t> slots, positions;
  int64_t highest = 0, longest = 0;
  for (size_t i = 0; i < rows.size();) {
    size_t end = i + 1;
    while (end < rows.size() && rows[end].pages == rows[i].pages &&
           rows[end].position == rows[end - 1].position + 1)
      ++end;
    for (size_t r = i; r < end; ++r) slots.push_back(slot(rows[r], rows[r].position));
    for (int64_t p = 0; p <= rows[end - 1].position / kPage; ++p)
      highest = std::max<int64_t>(highest, rows[end - 1].pages[p]);
    if (end == i + 1) {
      out.single.push_back(static_cast<int64_t>(i));
      positions.push_back(rows[i].position);
      longest = std::max(longest, rows[i].position + 1);
    } else {
      out.chunks.push_back(
          {static_cast<int64_t>(i), static_cast<int64_t>(end - i), to_device(slots_up_to(rows[end - 1]))});
    }
    i = end;
  }
  out.slots = to_device(slots);
  out.rope = angles(rows);
  if (!out.single.empty()) {
    std::vector<int64_t> seen;
    for (const int64_t r : out.single) {
      std::vector<int64_t> own = slots_up_to(rows[static_cast<size_t>(r)]);
      own.resize(static_cast<size_t>(longest), 0);
      seen.insert(seen.end(), own.begin(), own.end());
    }
    out.single_rows = to_device(out.single);
    out.single_slots = to_device(seen).view({static_cast<int64_t>(out.single.size()), longest});
    out.single_positions = to_device(positions).unsqueeze(1);
  }
  const int64_t wanted = (highest + 1) * kPage;
  if (wanted > slots_) {
    const int64_t more = std::max(wanted, 2 * slots_) - slots_;
    for (size_t l = 0; l < keys_.size(); ++l)
      for (Tensor* t : {&keys_[l], &values_[l]}) {
        const Tensor added = at::zeros({more, config().n_kv_heads, config().d_head}, decoder_.options());
        *t = t->defined() ? at::cat({*t, added}) : added;
      }
    slots_ += more;
  }
  return out;
}

// Rows that are alone of their sequence, all at once. q: [single, n_heads, d_head] -> [single, n_heads *
// d_head]
Tensor TensorEngine::attend_single(int64_t layer, const Step& step, const Tensor& q) const {
  const int64_t n = q.size(0), longest = step.single_slots.size(1), d = config().d_head;
  const int64_t kv_heads = config().n_kv_heads, group = config().n_heads / kv_heads;
  const auto gather = [&](const Tensor& cache) {  // -> [single, n_kv_heads, longest, d_head]
    return cache.index_select(0, step.single_slots.flatten()).view({n, longest, kv_heads, d}).transpose(1, 2);
  };
  Tensor scores = q.reshape({n, kv_heads, group, d})
                      .matmul(gather(keys_[static_cast<size_t>(layer)]).transpose(2, 3))
                      .mul_(config().attention_scale);  // [single, n_kv_heads, group, longest]
  if (scores.scalar_type() != at::kDouble) scores = scores.to(at::kFloat);
  if (const double cap = config().attention_softcap; cap > 0) scores.div_(cap).tanh_().mul_(cap);
  const Tensor key = at::arange(longest, step.single_positions.options()).unsqueeze(0);
  Tensor seen = key <= step.single_positions;
  if (const int64_t window = decoder_.window(layer); window > 0)
    seen = seen.logical_and(key > step.single_positions - window);
  scores.masked_fill_(seen.logical_not().view({n, 1, 1, longest}), -std::numeric_limits<double>::infinity());
  const Tensor weights = scores.softmax(/*dim=*/-1).to(q.scalar_type());
  return weights.matmul(gather(values_[static_cast<size_t>(layer)])).reshape({n, config().n_heads * d});
}

// Each row's values mixed over the keys of its sequence. q: [n, n_heads, d_head] -> the same.
Tensor TensorEngine::attend_all(const LayerCall& call, int64_t layer, const Step& step,
                                const Tensor& q) const {
  Tensor z = at::empty_like(q);
  if (!step.single.empty())
    z.index_copy_(
        0, step.single_rows,
        attend_single(layer, step, q.index_select(0, step.single_rows)).view({-1, q.size(1), q.size(2)}));
  for (const Step::Chunk& chunk : step.chunks)
    attend(call, q.narrow(0, chunk.begin, chunk.length),
           keys_[static_cast<size_t>(layer)].index_select(0, chunk.slots),
           values_[static_cast<size_t>(layer)].index_select(0, chunk.slots),
           z.narrow(0, chunk.begin, chunk.length));
  return z;
}

Tensor TensorEngine::layer_forward(int64_t layer, const LayerWeights& w, const Step& step, const Tensor& x) {
  const LayerCall call{config(), w, decoder_.window(layer), step.rope, no_packing_, new_tensors_};
  const Tensor added = at::empty(x.sizes(), decoder_.options());
  AttentionSaved attention;
  project_qkv(call, x, attention);
  keys_[static_cast<size_t>(layer)].index_copy_(0, step.slots, attention.k);
  values_[static_cast<size_t>(layer)].index_copy_(0, step.slots, attention.v);
  attention.z = attend_all(call, layer, step, attention.q);
  attention_output(call, attention, added);
  const Tensor between = x + added;
  MlpSaved mlp;
  mlp_forward(call, between, mlp, /*keep=*/false, added);
  return between + added;
}

Tensor TensorEngine::step(std::span<const StepRow> rows) {
  const Step step = prepare(rows);
  std::vector<int64_t> tokens, wanted;
  for (size_t r = 0; r < rows.size(); ++r) {
    tokens.push_back(rows[r].token);
    if (rows[r].logits) wanted.push_back(static_cast<int64_t>(r));
  }
  Tensor x = decoder_.embed(to_device(tokens));  // [n, d_model]
  if (x.scalar_type() != at::kDouble) x = x.to(at::kFloat);
  for (int64_t l = 0; l < config().n_layers; ++l) {
    check_interrupt();  // a step of a large model takes seconds
    const LayerWeights w = decoder_.weights().layer(l);
    x = layer_forward(l, w, step, x);
  }
  return decoder_.head(x.index_select(0, to_device(wanted))).to(at::kCPU).contiguous();
}

}  // namespace circuitdiff
