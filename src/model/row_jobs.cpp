#include "model/row_jobs.h"

namespace circuitdiff {

void run_row_job(const RowJob& job, int64_t begin, int64_t end) {
#if defined(__x86_64__)
  static const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  static const bool middle = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (wide) return row_job_avx512(job, begin, end);
  if (middle) return row_job_avx2(job, begin, end);
#endif
  row_job_baseline(job, begin, end);
}

}  // namespace circuitdiff
