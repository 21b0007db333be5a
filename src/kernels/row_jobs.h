// Elementwise work of a layer that would otherwise be a handful of passes over memory each: one job, done row
// by row, in float32 on a CPU; `narrow` tensors are bfloat16, widened as they are read and rounded once as
// they are written. No torch here: row_jobs_body.h is compiled once per instruction set, and run_row_job
// picks the widest that this CPU has. What each kind computes stands beside its name; the plain forms in
// layers.cpp and packed.cpp are their oracle.
#pragma once

#include <cstdint>

namespace circuitdiff {

// In brackets the tensors that are narrow where the job is.
enum class RowKind {
  norm,              // [b, out] out = a * r * b, out2[row] = r = 1 / sqrt(mean(a^2) + number)
  norm_backward,     // [b, e] out = r (d b - a r^2 mean(a d b)), r = c[row], d = e; out2, if any, += out
  gated,             // [all] out = silu(a) b
  gated_backward,    // [all] out2 = d silu(a), out = d b silu'(a), d = e
  rotate,            // [all] out, `heads` heads of `width`, turned by cos a and sin b; `backwards` turns back
  softmax,           // out = softmax(number * out) over the keys that query row % n sees, 0 elsewhere; the
                     // n queries are the last of the `width` positions
  softmax_backward,  // out holds d on entry: number * a (d - sum a d) over the keys seen, 0 elsewhere
  exponentials,      // with m = max(out2[row], max out): out = e^(out - m); out2: three rows, `n` numbers
                     // apart, of m, of (itself) s + the sum of out, and of s = e^(m before - m)
  dots,              // [a] out[row][h] = <a[row], v[h]>, v the first `heads` of b, c, e, f; rows of a
                     // `stride` apart
  add_to_stream,     // [a] out, float64, += number * a; out2 = out in float32
};

struct RowJob {
  RowKind kind = RowKind::norm;
  const void *a = nullptr, *b = nullptr, *c = nullptr, *e = nullptr, *f = nullptr;
  void *out = nullptr, *out2 = nullptr;
  int64_t width = 0;  // of a row (of a head, for rotate)
  // Of the gated kinds, from one row of a and b, and of out and out2, to the next; of rotate, of out.
  int64_t in_stride = 0, out_stride = 0;
  int64_t heads = 1, n = 1, window = 0, stride = 0;
  float number = 0;
  bool narrow = false, backwards = false;
};

// Rows begin .. end - 1, by this thread.
void run_row_job(const RowJob& job, int64_t begin, int64_t end);

void row_job_baseline(const RowJob& job, int64_t begin, int64_t end);
void row_job_avx2(const RowJob& job, int64_t begin, int64_t end);
void row_job_avx512(const RowJob& job, int64_t begin, int64_t end);

}  // namespace circuitdiff
