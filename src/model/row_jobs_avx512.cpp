#include "model/row_jobs_body.h"

namespace circuitdiff {

void row_job_avx512(const RowJob& job, int64_t begin, int64_t end) { run(job, begin, end); }

}  // namespace circuitdiff
