#include "kernels/attention_jobs_body.h"

namespace circuitdiff {

void row_job_avx512(const RowJob& job, int64_t begin, int64_t end) { run(job, begin, end); }

void attention_job_avx512(const AttentionJob& job) { run_attention(job); }

}  // namespace circuitdiff
