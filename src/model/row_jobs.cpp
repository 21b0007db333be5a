#include "model/row_jobs.h"

#include "model/attention_jobs.h"

namespace circuitdiff {
namespace {

// The widest instruction set that jobs are compiled for and this processor has.
enum class Lanes { baseline, avx2, avx512 };

Lanes widest() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    return Lanes::avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Lanes::avx2;
#endif
  return Lanes::baseline;
}

}  // namespace

void run_row_job(const RowJob& job, int64_t begin, int64_t end) {
  static const Lanes lanes = widest();
#if defined(__x86_64__)
  if (lanes == Lanes::avx512) return row_job_avx512(job, begin, end);
  if (lanes == Lanes::avx2) return row_job_avx2(job, begin, end);
#endif
  row_job_baseline(job, begin, end);
}

void run_attention_job(const AttentionJob& job, int64_t begin, int64_t end) {
  static const Lanes lanes = widest();
#if defined(__x86_64__)
  if (lanes == Lanes::avx512) return attention_job_avx512(job, begin, end);
  if (lanes == Lanes::avx2) return attention_job_avx2(job, begin, end);
#endif
  attention_job_baseline(job, begin, end);
}

}  // namespace circuitdiff
