// A tile of attention in float32 on a CPU: some queries of the heads that share one key head, and the keys
// that they see. Products go from registers, the softmax between them while its rows are in the cache. As
// row_jobs.h: no torch here, attention_jobs_body.h is compiled once per instruction set. The loops of
// tiled_attention.cpp over plain products are the oracle.
#pragma once

#include <cstdint>

namespace circuitdiff {

constexpr int64_t kPanel = 32;            // keys side by side
constexpr int64_t kQueriesTogether = 16;  // of a head: a unit of work
constexpr int64_t kKeysTogether = 8;

enum class AttentionStep {
  forward,   // unit: some queries of a head; writes weights and out
  backward,  // the same; writes weights, d_scores and out, the gradient at q
  keys,      // unit: some keys of the tile; adds to dk and dv
};

// All tensors lie number behind number.
struct AttentionJob {
  AttentionStep step = AttentionStep::forward;
  int64_t d_head = 0, group = 1;  // d_head a multiple of 16
  // Of the key head, [pos, d_head], and the same in panels, [panels, d_head, kPanel], whose last goes on with
  // zeros.
  const float *k = nullptr, *v = nullptr, *k_panels = nullptr, *v_panels = nullptr;
  // Of the tile, [group, queries, d_head].
  const float *q = nullptr, *d_out = nullptr;
  float* out = nullptr;
  // [group, queries, width]; width: the tile's keys in whole panels.
  float *weights = nullptr, *d_scores = nullptr;
  float *dk = nullptr, *dv = nullptr;               // sums over tiles, [pos, d_head]
  int64_t queries = 0, position = 0;                // of the first query in the sequence
  int64_t from = 0, to = 0, width = 0, window = 0;  // keys [from, to); from: the first of a panel
  float scale = 1;
};

// Units begin .. end - 1, by this thread. What is written does not depend on how units are shared out.
void run_attention_job(const AttentionJob& job, int64_t begin, int64_t end);

void attention_job_baseline(const AttentionJob& job, int64_t begin, int64_t end);
void attention_job_avx2(const AttentionJob& job, int64_t begin, int64_t end);
void attention_job_avx512(const AttentionJob& job, int64_t begin, int64_t end);

}  // namespace circuitdiff
