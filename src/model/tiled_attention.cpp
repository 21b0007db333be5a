#include "model/tiled_attention.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/_softmax_backward_data.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "model/attention_jobs.h"
#include "model/fused.h"
#include "model/layers.h"
#include "model/product.h"

namespace circuitdiff {
namespace {

at::ScalarType wide(at::ScalarType type) { return type == at::kDouble ? at::kDouble : at::kFloat; }

// [n, heads, d] -> [kv, group * n, d]: the query heads that share a key head become further rows of one
// product.
Tensor group_heads(const Tensor& t, int64_t kv_heads) {
  const int64_t n = t.size(0), heads = t.size(1), d = t.size(2), group = heads / kv_heads;
  return t.view({n, kv_heads, group, d}).permute({1, 2, 0, 3}).reshape({kv_heads, group * n, d});
}

// The way back: [kv, group * n, d] -> [n, heads, d]
Tensor ungroup_heads(const Tensor& t, int64_t n) {
  const int64_t kv_heads = t.size(0), group = t.size(1) / n, d = t.size(2);
  return t.view({kv_heads, group, n, d}).permute({2, 0, 1, 3}).reshape({n, kv_heads * group, d});
}

// Queries [begin, begin + queries) and the keys [from, to) that they see.
struct Tile {
  int64_t begin, queries, from, to;
};

// The tiles of one group of key heads.
std::vector<Tile> tiles_of(int64_t queries, int64_t keys, int64_t at_once, int64_t window) {
  std::vector<Tile> out;
  const int64_t ahead = keys - queries;  // positions without a query
  for (int64_t begin = 0; begin < queries; begin += at_once) {
    const int64_t n = std::min(at_once, queries - begin);
    const int64_t from = window > 0 ? std::max<int64_t>(0, ahead + begin - window + 1) : 0;
    out.push_back({begin, n, from, ahead + begin + n});
  }
  return out;
}

// Softmax over seen keys. q: [kv, group * queries, d], of the last queries of k: [kv, n, d] -> [kv, group *
// queries, n], float32 at least. Where scores have a softcap, `slope` takes its derivative, of the same
// shape.
Tensor attention_weights(const ModelConfig& config, const Tensor& q, const Tensor& k, int64_t queries,
                         int64_t window, Tensor* slope = nullptr) {
  Tensor scores = batched_product(q, k.transpose(1, 2));
  scores = scores.to(wide(scores.scalar_type()));
  const double cap = config.attention_softcap;
  if (cap <= 0 && fused_softmax(scores, queries, window, config.attention_scale)) return scores;
  scores.mul_(config.attention_scale);
  if (cap > 0) {
    scores.div_(cap).tanh_();
    if (slope) *slope = (scores * scores).neg_().add_(1);
    scores.mul_(cap);
  }
  const int64_t kv_heads = q.size(0), group = q.size(1) / queries, n = k.size(1);
  scores.view({kv_heads, group, queries, n})
      .masked_fill_(attention_mask(queries, n, window, q.device()).logical_not_(),
                    -std::numeric_limits<double>::infinity());
  return scores.softmax(/*dim=*/-1);
}

// One key head and the query heads that share it.
class HeadByJobs {
 public:
  HeadByJobs(const ModelConfig& config, const Tensor& k, const Tensor& v, int64_t head, int64_t window,
             int64_t queries, bool with_gradient)
      : group_(config.n_heads / config.n_kv_heads),
        k_(k.select(1, head).contiguous()),
        v_(v.select(1, head).contiguous()),
        k_panels_(in_panels(k_)) {
    const auto in = [](const Tensor& t) { return t.const_data_ptr<float>(); };
    const auto place = [](const Tensor& t) { return t.mutable_data_ptr<float>(); };
    weights_ = at::empty({group_ * queries, panels() * kPanel}, k.options());
    job_.d_head = config.d_head, job_.group = group_, job_.window = window;
    job_.scale = static_cast<float>(config.attention_scale);
    job_.k = in(k_), job_.v = in(v_), job_.k_panels = in(k_panels_), job_.weights = place(weights_);
    if (!with_gradient) return;
    v_panels_ = in_panels(v_);
    d_scores_ = at::empty_like(weights_);
    dk = at::zeros_like(k_), dv = at::zeros_like(v_);
    job_.v_panels = in(v_panels_), job_.d_scores = place(d_scores_);
    job_.dk = place(dk), job_.dv = place(dv);
  }

  // q: [group, queries, d_head], contiguous, the first at `position`. Returns what they attend to or, from
  // the gradient there, that at q, of its shape; dk and dv go on with their sums.
  Tensor tile(const Tensor& q, const Tensor& d_out, int64_t position, const Tile& tile) {
    AttentionJob job = job_;
    const Tensor out = at::empty_like(q);
    job.queries = q.size(1), job.position = position;
    job.from = tile.from / kPanel * kPanel, job.to = tile.to;
    job.width = (job.to - job.from + kPanel - 1) / kPanel * kPanel;
    job.q = q.const_data_ptr<float>(), job.out = out.mutable_data_ptr<float>();
    if (d_out.defined()) job.step = AttentionStep::backward, job.d_out = d_out.const_data_ptr<float>();
    const auto run = [&](int64_t units) {
      at::parallel_for(0, units, 1, [&](int64_t begin, int64_t end) { run_attention_job(job, begin, end); });
    };
    run(group_ * ((job.queries + kQueriesTogether - 1) / kQueriesTogether));
    if (!d_out.defined()) return out;
    job.step = AttentionStep::keys;
    run((job.to - job.from + kKeysTogether - 1) / kKeysTogether);
    return out;
  }

  Tensor dk, dv;  // [pos, d_head]

 private:
  int64_t panels() const { return (k_.size(0) + kPanel - 1) / kPanel; }
  Tensor in_panels(const Tensor& t) const {
    const Tensor whole = at::zeros({panels() * kPanel, t.size(1)}, t.options());
    whole.narrow(0, 0, t.size(0)).copy_(t);
    return whole.view({panels(), kPanel, t.size(1)}).transpose(1, 2).contiguous();
  }

  int64_t group_;
  Tensor k_, v_, k_panels_, v_panels_, weights_, d_scores_;
  AttentionJob job_;
};

}  // namespace

bool attention_by_jobs(const ModelConfig& config, at::Device device, at::ScalarType dtype) {
  return device.is_cpu() && dtype == at::kFloat && config.attention_softcap <= 0 &&
         config.attention_scale > 0 && config.d_head % 16 == 0;
}

AttentionTile attention_tile(const ModelConfig& config, int64_t queries, int64_t keys, at::Device device) {
  // What a processor's caches hold; a GPU wants more to do at once. Tiles of few queries see fewer keys that
  // only others need, those of fewer still make thin products.
  const int64_t scores = (int64_t{device.is_cpu() ? 2 : 64} << 20) / 4;
  constexpr int64_t kFewQueries = 32, kManyQueries = 64;
  const int64_t group = config.n_heads / config.n_kv_heads, of_query = group * std::max<int64_t>(1, keys);
  const int64_t most = std::clamp(scores / of_query, kFewQueries,
                                  device.is_cpu() ? kManyQueries : std::max<int64_t>(kFewQueries, queries));
  const int64_t parts = std::max<int64_t>(1, (queries + most - 1) / most);
  AttentionTile out;
  out.queries = std::max<int64_t>(1, (queries + parts - 1) / parts);
  out.kv_heads = std::clamp<int64_t>(scores / (of_query * out.queries), 1, config.n_kv_heads);
  return out;
}

void tiled_attention(const ModelConfig& config, const Tensor& q, const Tensor& k, const Tensor& v,
                     int64_t window, const Tensor& out) {
  const int64_t queries = q.size(0), keys = k.size(0), group = config.n_heads / config.n_kv_heads;
  const AttentionTile size = attention_tile(config, queries, keys, q.device());
  if (attention_by_jobs(config, q.device(), q.scalar_type())) {
    for (int64_t head = 0; head < config.n_kv_heads; ++head) {
      HeadByJobs jobs(config, k, v, head, window, size.queries, /*with_gradient=*/false);
      for (const Tile& tile : tiles_of(queries, keys, size.queries, window)) {
        const auto of_tile = [&](const Tensor& t) {  // [group, queries, d_head]
          return t.narrow(0, tile.begin, tile.queries).narrow(1, head * group, group).transpose(0, 1);
        };
        of_tile(out).copy_(jobs.tile(of_tile(q).contiguous(), {}, keys - queries + tile.begin, tile));
      }
    }
    return;
  }
  for (int64_t head = 0; head < config.n_kv_heads; head += size.kv_heads) {
    const int64_t heads = std::min(size.kv_heads, config.n_kv_heads - head);
    for (const Tile& tile : tiles_of(queries, keys, size.queries, window)) {
      const auto of_queries = [&](const Tensor& t) {
        return t.narrow(0, tile.begin, tile.queries).narrow(1, head * group, heads * group);
      };
      const auto of_keys = [&](const Tensor& t) {
        return t.narrow(0, tile.from, tile.to - tile.from).narrow(1, head, heads).transpose(0, 1);
      };
      const Tensor p =
          attention_weights(config, group_heads(of_queries(q), heads), of_keys(k), tile.queries, window);
      of_queries(out).copy_(ungroup_heads(batched_product(p.to(v.scalar_type()), of_keys(v)), tile.queries));
    }
  }
}

void tiled_attention_backward(const ModelConfig& config, const Tensor& q, const Tensor& k, const Tensor& v,
                              const Tensor& d_out, int64_t window, const Tensor& dq, const Tensor& dk,
                              const Tensor& dv) {
  const int64_t n = q.size(0), group = config.n_heads / config.n_kv_heads;
  const at::ScalarType type = d_out.scalar_type();
  const AttentionTile size = attention_tile(config, n, n, q.device());
  if (attention_by_jobs(config, q.device(), q.scalar_type())) {
    for (int64_t head = 0; head < config.n_kv_heads; ++head) {
      HeadByJobs jobs(config, k, v, head, window, size.queries, /*with_gradient=*/true);
      for (const Tile& tile : tiles_of(n, n, size.queries, window)) {
        const auto of_tile = [&](const Tensor& t) {
          return t.narrow(0, tile.begin, tile.queries).narrow(1, head * group, group).transpose(0, 1);
        };
        of_tile(dq).copy_(jobs.tile(of_tile(q).contiguous(), of_tile(d_out).contiguous(), tile.begin, tile));
      }
      dk.select(1, head).copy_(jobs.dk);
      dv.select(1, head).copy_(jobs.dv);
    }
    return;
  }
  const bool whole = size.queries == n;
  for (int64_t head = 0; head < config.n_kv_heads; head += size.kv_heads) {
    const int64_t heads = std::min(size.kv_heads, config.n_kv_heads - head);
    // Sums over tiles, [heads, n, d_head], are float32 at least.
    const auto sum_of = [&](const Tensor& place) {
      return whole ? Tensor() : at::zeros({heads, n, config.d_head}, place.options().dtype(wide(type)));
    };
    const Tensor sum_k = sum_of(dk), sum_v = sum_of(dv);
    const auto finish = [&](const Tensor& place, const Tensor& sum) {
      place.narrow(1, head, heads).transpose(0, 1).copy_(sum);
    };
    for (const Tile& tile : tiles_of(n, n, size.queries, window)) {
      const auto of_queries = [&](const Tensor& t) {
        return t.narrow(0, tile.begin, tile.queries).narrow(1, head * group, heads * group);
      };
      const auto of_keys = [&](const Tensor& t) {
        return t.narrow(0, tile.from, tile.to - tile.from).narrow(1, head, heads).transpose(0, 1);
      };
      const auto add = [&](const Tensor& place, const Tensor& sum, const Tensor& product) {
        if (whole)
          finish(place, product);
        else
          sum.narrow(1, tile.from, tile.to - tile.from).add_(product);
      };
      const Tensor qs = group_heads(of_queries(q), heads), ks = of_keys(k);
      Tensor slope;
      const Tensor weights = attention_weights(config, qs, ks, tile.queries, window, &slope);
      const Tensor g = group_heads(of_queries(d_out), heads);  // [heads, group * queries, d_head]
      // At the weights, then at the scores.
      Tensor d_scores = batched_product(g, of_keys(v).transpose(1, 2)).to(weights.scalar_type());
      if (!fused_softmax_backward(weights, d_scores, tile.queries, window, config.attention_scale))
        d_scores = at::_softmax_backward_data(d_scores, weights, /*dim=*/-1, weights.scalar_type())
                       .mul_(config.attention_scale);
      if (slope.defined()) d_scores.mul_(slope);
      d_scores = d_scores.to(type);
      add(dv, sum_v, batched_product(weights.to(type).transpose(1, 2), g));
      of_queries(dq).copy_(ungroup_heads(batched_product(d_scores, ks), tile.queries));
      add(dk, sum_k, batched_product(d_scores.transpose(1, 2), qs));
    }
    if (!whole) finish(dv, sum_v), finish(dk, sum_k);
  }
}

}  // namespace circuitdiff
