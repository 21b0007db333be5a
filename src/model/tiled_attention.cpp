#include "model/tiled_attention.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/_softmax_backward_data.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <thread>
#include <vector>

#include "base/error.h"
#include "kernels/attention_jobs.h"
#include "kernels/product.h"

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

// [queries, keys] bool, true where a query, of the last ones, sees a key: key <= query and (window == 0 or
// key > query - window).
Tensor seen_keys(int64_t queries, int64_t keys, int64_t window, at::Device device) {
  const auto options = at::TensorOptions().dtype(at::kLong).device(device);
  const Tensor query = at::arange(keys - queries, keys, options).unsqueeze(1);
  const Tensor key = at::arange(keys, options).unsqueeze(0);
  const Tensor seen = key <= query;
  return window > 0 ? seen.logical_and(key > query - window) : seen;
}

// Softmax over seen keys. q: [kv, group * queries, d], of the last queries of k: [kv, n, d] -> [kv, group *
// queries, n], float32 at least. Where scores have a softcap, `slope` takes its derivative, of the same
// shape.
Tensor attention_weights(const ModelConfig& config, const Tensor& q, const Tensor& k, int64_t queries,
                         int64_t window, Tensor* slope = nullptr) {
  Tensor scores = batched_product(q, k.transpose(1, 2));
  scores = scores.to(wide(scores.scalar_type()));
  const double cap = config.attention_softcap;
  scores.mul_(config.attention_scale);
  if (cap > 0) {
    scores.div_(cap).tanh_();
    if (slope) *slope = (scores * scores).neg_().add_(1);
    scores.mul_(cap);
  }
  const int64_t kv_heads = q.size(0), group = q.size(1) / queries, n = k.size(1);
  scores.view({kv_heads, group, queries, n})
      .masked_fill_(seen_keys(queries, n, window, q.device()).logical_not_(),
                    -std::numeric_limits<double>::infinity());
  return scores.softmax(/*dim=*/-1);
}

// Attention by jobs: units of work in order, taken one after another by as many threads as there are. A unit
// is a query head of a sequence and some of its queries, all of them in the backward pass.
class HeadsByJobs {
 public:
  HeadsByJobs(const ModelConfig& config, const std::vector<AttentionPiece>& pieces, int64_t window,
              bool backward)
      : config_(config), pieces_(pieces), window_(window), backward_(backward) {
    int64_t keys = 0, most_queries = 0;
    // Heads that share keys, and pieces that do, follow each other: a thread that has the keys keeps them.
    for (int64_t head = 0; head < config.n_kv_heads; ++head)
      for (size_t i = 0; i < pieces.size(); ++i) {
        if (head == 0) expect_whole(pieces[i]);
        keys = std::max(keys, pieces[i].k.size(0));
        most_queries = std::max(most_queries, pieces[i].q.size(0));
        const int64_t queries = pieces[i].q.size(0), step = backward ? queries : kQueriesTogether;
        for (int64_t member = 0; member < group(); ++member)
          for (int64_t begin = 0; begin < queries; begin += step)
            units_.push_back({i, head, member, begin, std::min(queries, begin + step)});
      }
    const AttentionRooms rooms =
        attention_rooms(config, static_cast<int64_t>(pieces.size()), most_queries, keys, backward);
    rooms_ = at::empty({rooms.threads, rooms.numbers}, at::TensorOptions().dtype(at::kFloat));
    if (backward)
      done_ = std::vector<std::atomic<int64_t>>(pieces.size() * static_cast<size_t>(config.n_kv_heads));
  }

  void run() {
    at::parallel_for(0, rooms_.size(0), 1, [&](int64_t begin, int64_t end) {
      for (int64_t thread = begin; thread < end; ++thread) work(rooms_.select(0, thread));
    });
  }

 private:
  struct Unit {
    size_t piece = 0;
    int64_t kv_head = 0, member = 0, begin = 0, end = 0;
  };

  // Jobs know tensors by where they begin.
  static void expect_whole(const AttentionPiece& p) {
    for (const Tensor* t : {&p.q, &p.k, &p.v, &p.out, &p.d_out, &p.dq, &p.dk, &p.dv})
      if (t->defined() && !t->is_contiguous())
        fail("attention over a tensor with gaps, of {} rows", t->size(0));
  }

  int64_t group() const { return config_.n_heads / config_.n_kv_heads; }

  void work(const Tensor& room) {
    // Prefixes of one sequence begin at the same place.
    const float *held_k = nullptr, *held_v = nullptr;
    int64_t held_keys = 0;
    for (;;) {
      const size_t next = next_.fetch_add(1, std::memory_order_relaxed);
      if (next >= units_.size()) return;
      const Unit& unit = units_[next];
      AttentionJob job = job_of(unit, room);
      if (job.k != held_k || job.v != held_v || job.keys != held_keys) {
        job.step = AttentionStep::hold_keys;
        run_attention_job(job);
        held_k = job.k, held_v = job.v, held_keys = job.keys;
      }
      job.step = backward_ ? AttentionStep::backward : AttentionStep::forward;
      run_attention_job(job);
      if (!backward_) continue;
      // Sums over heads go from the first to the last. A unit ahead of this one has been taken by a thread
      // that is at work; nothing in a job throws.
      std::atomic<int64_t>& done =
          done_[unit.piece * static_cast<size_t>(config_.n_kv_heads) + static_cast<size_t>(unit.kv_head)];
      while (done.load(std::memory_order_acquire) != unit.member) std::this_thread::yield();
      job.step = AttentionStep::add_keys;
      run_attention_job(job);
      done.store(unit.member + 1, std::memory_order_release);
    }
  }

  AttentionJob job_of(const Unit& unit, const Tensor& room) const {
    const AttentionPiece& p = pieces_[unit.piece];
    const int64_t d = config_.d_head, head = unit.kv_head * group() + unit.member;
    AttentionJob job;
    job.with_backward = backward_, job.first_of_group = unit.member == 0;
    job.d_head = d, job.window = window_, job.scale = static_cast<float>(config_.attention_scale);
    job.queries = p.q.size(0), job.keys = p.k.size(0), job.begin = unit.begin, job.end = unit.end;
    job.query_step = config_.n_heads * d, job.key_step = config_.n_kv_heads * d;
    const auto in = [&](const Tensor& t, int64_t h) { return t.const_data_ptr<float>() + h * d; };
    const auto place = [&](const Tensor& t, int64_t h) { return t.mutable_data_ptr<float>() + h * d; };
    job.q = in(p.q, head), job.k = in(p.k, unit.kv_head), job.v = in(p.v, unit.kv_head);
    job.out = place(backward_ ? p.dq : p.out, head);
    if (backward_) {
      job.d_out = in(p.d_out, head);
      job.dk = place(p.dk, unit.kv_head), job.dv = place(p.dv, unit.kv_head);
    }
    job.room = room.mutable_data_ptr<float>();
    return job;
  }

  const ModelConfig& config_;
  const std::vector<AttentionPiece>& pieces_;
  int64_t window_;
  bool backward_;
  std::vector<Unit> units_;
  Tensor rooms_;  // [threads, numbers]
  std::atomic<size_t> next_ = 0;
  std::vector<std::atomic<int64_t>> done_;  // [piece, kv head]: query heads whose sums are in dk and dv
};

}  // namespace

bool attention_by_jobs(const ModelConfig& config, at::Device device, at::ScalarType dtype) {
  return device.is_cpu() && dtype == at::kFloat && config.attention_softcap <= 0 &&
         config.attention_scale > 0 && config.d_head % 16 == 0;
}

AttentionRooms attention_rooms(const ModelConfig& config, int64_t pieces, int64_t queries, int64_t keys,
                               bool backward) {
  const int64_t units =
      pieces * config.n_heads * (backward ? 1 : (queries + kQueriesTogether - 1) / kQueriesTogether);
  return {std::min<int64_t>(at::get_num_threads(), units), attention_room(keys, config.d_head, backward)};
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

namespace {

// By plain products.
void one_attention(const ModelConfig& config, const AttentionPiece& piece, int64_t window) {
  const auto& [q, k, v, out, d_out, dq, dk, dv] = piece;
  const int64_t queries = q.size(0), keys = k.size(0), group = config.n_heads / config.n_kv_heads;
  const AttentionTile size = attention_tile(config, queries, keys, q.device());
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

void one_attention_backward(const ModelConfig& config, const AttentionPiece& piece, int64_t window) {
  const auto& [q, k, v, out, d_out, dq, dk, dv] = piece;
  const int64_t n = q.size(0), group = config.n_heads / config.n_kv_heads;
  const at::ScalarType type = d_out.scalar_type();
  const AttentionTile size = attention_tile(config, n, n, q.device());
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

}  // namespace

void tiled_attention(const ModelConfig& config, const std::vector<AttentionPiece>& pieces, int64_t window) {
  if (pieces.empty()) return;
  const Tensor& q = pieces.front().q;
  if (attention_by_jobs(config, q.device(), q.scalar_type()))
    return HeadsByJobs(config, pieces, window, /*backward=*/false).run();
  for (const AttentionPiece& piece : pieces) one_attention(config, piece, window);
}

void tiled_attention_backward(const ModelConfig& config, const std::vector<AttentionPiece>& pieces,
                              int64_t window) {
  if (pieces.empty()) return;
  const Tensor& q = pieces.front().q;
  if (attention_by_jobs(config, q.device(), q.scalar_type()))
    return HeadsByJobs(config, pieces, window, /*backward=*/true).run();
  for (const AttentionPiece& piece : pieces) one_attention_backward(config, piece, window);
}

}  // namespace circuitdiff
