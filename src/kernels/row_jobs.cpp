#include "kernels/row_jobs.h"

#include "kernels/attention_jobs.h"

namespace circuitdiff {
namespace {

// The jobs as compiled for one instruction set.
struct Compiled {
  void (*row)(const RowJob&, int64_t begin, int64_t end);
  void (*attention)(const AttentionJob&);
};

// For the widest instruction set that this processor has.
const Compiled& widest() {
  static const Compiled found = []() -> Compiled {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
      return {row_job_avx512, attention_job_avx512};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
      return {row_job_avx2, attention_job_avx2};
#endif
    return {row_job_baseline, attention_job_baseline};
  }();
  return found;
}

}  // namespace

void run_row_job(const RowJob& job, int64_t begin, int64_t end) { widest().row(job, begin, end); }

void run_attention_job(const AttentionJob& job) { widest().attention(job); }

int64_t attention_room(int64_t keys, int64_t d_head, bool backward) {
  const int64_t in_panels = (keys + kPanel - 1) / kPanel * kPanel, of_keys = in_panels * d_head;
  const int64_t of_queries = kQueriesTogether * (in_panels + d_head);
  return backward ? 5 * of_keys + 2 * of_queries : 2 * of_keys + of_queries;
}

}  // namespace circuitdiff
