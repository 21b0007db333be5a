#include "kernels/fused.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <initializer_list>

#include "kernels/gpu/device_jobs.h"
#include "kernels/row_jobs.h"

namespace circuitdiff {
namespace {

bool all_of_type(std::initializer_list<Tensor> tensors, at::ScalarType type) {
  return std::all_of(tensors.begin(), tensors.end(), [type](const Tensor& t) {
    return t.defined() && t.device().is_cpu() && t.scalar_type() == type && t.is_contiguous();
  });
}

bool plain(std::initializer_list<Tensor> tensors) { return all_of_type(tensors, at::kFloat); }

bool narrow(std::initializer_list<Tensor> tensors) { return all_of_type(tensors, at::kBFloat16); }

// Rows of a wider tensor will do.
bool rows_of_type(std::initializer_list<Tensor> tensors, at::ScalarType type) {
  return std::all_of(tensors.begin(), tensors.end(), [type](const Tensor& t) {
    return t.defined() && t.device().is_cpu() && t.scalar_type() == type && t.dim() == 2 && t.stride(1) == 1;
  });
}

void run_rows(const RowJob& job, int64_t rows, int64_t work_a_row) {
  const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, work_a_row));
  at::parallel_for(0, rows, grain, [&](int64_t begin, int64_t end) { run_row_job(job, begin, end); });
}

const void* in(const Tensor& t) { return t.const_data_ptr(); }
void* inout(const Tensor& t) { return t.mutable_data_ptr(); }

}  // namespace

bool fused_norm(const Tensor& x, const Tensor& weight, double eps, Tensor& h, Tensor& inverse) {
  if (x.device().is_cuda()) return device_norm(x, weight, eps, h, inverse);
  const bool is_narrow = narrow({weight});
  if (!plain({x}) || !(is_narrow || plain({weight}))) return false;
  const int64_t width = x.size(-1), rows = x.numel() / width;
  if (!h.defined()) h = at::empty(x.sizes(), weight.options());
  if (!inverse.defined()) inverse = at::empty({rows, 1}, x.options());
  RowJob job{RowKind::norm, in(x), in(weight)};
  job.out = inout(h), job.out2 = inout(inverse);
  job.width = width, job.number = static_cast<float>(eps), job.narrow = is_narrow;
  run_rows(job, rows, width);
  return true;
}

bool fused_norm_backward(const Tensor& x, const Tensor& inverse, const Tensor& weight, const Tensor& grad,
                         const Tensor& out, const Tensor& total) {
  if (x.device().is_cuda()) return device_norm_backward(x, inverse, weight, grad, out, total);
  const bool is_narrow = narrow({weight, grad});
  if (!plain({x, inverse, out}) || !(is_narrow || plain({weight, grad})) || grad.sizes() != x.sizes() ||
      weight.dim() != 1 || (total.defined() && !(plain({total}) && total.sizes() == x.sizes())))
    return false;
  RowJob job{RowKind::norm_backward, in(x), in(weight), in(inverse), in(grad)};
  job.out = inout(out), job.width = x.size(-1), job.narrow = is_narrow;
  if (total.defined()) job.out2 = inout(total);
  run_rows(job, x.numel() / job.width, job.width);
  return true;
}

bool fused_gated(const Tensor& gate, const Tensor& up, Tensor& out) {
  if (gate.device().is_cuda()) return device_gated(gate, up, out);
  const bool is_narrow = rows_of_type({gate, up}, at::kBFloat16);
  if (!is_narrow && !rows_of_type({gate, up}, at::kFloat)) return false;
  if (gate.stride(0) != up.stride(0)) return false;
  if (!out.defined()) out = at::empty(gate.sizes(), gate.options());
  RowJob job{RowKind::gated, in(gate), in(up)};
  job.out = inout(out), job.width = gate.size(1), job.narrow = is_narrow;
  job.in_stride = gate.stride(0), job.out_stride = out.stride(0);
  run_rows(job, gate.size(0), job.width * 4);
  return true;
}

bool fused_gated_backward(const Tensor& gate, const Tensor& up, const Tensor& d, const Tensor& d_gate,
                          const Tensor& d_up) {
  if (gate.device().is_cuda()) return device_gated_backward(gate, up, d, d_gate, d_up);
  const bool is_narrow = rows_of_type({gate, up, d_gate, d_up}, at::kBFloat16) && narrow({d});
  if (!is_narrow && !(rows_of_type({gate, up, d_gate, d_up}, at::kFloat) && plain({d}))) return false;
  if (gate.stride(0) != up.stride(0) || d_gate.stride(0) != d_up.stride(0)) return false;
  RowJob job{RowKind::gated_backward, in(gate), in(up), nullptr, in(d)};
  job.out = inout(d_gate), job.out2 = inout(d_up), job.width = gate.size(1), job.narrow = is_narrow;
  job.in_stride = gate.stride(0), job.out_stride = d_gate.stride(0);
  run_rows(job, gate.size(0), job.width * 4);
  return true;
}

bool fused_rotate(const Tensor& x, const Tensor& cos, const Tensor& sin, bool backwards) {
  if (x.device().is_cuda()) return device_rotate(x, cos, sin, backwards);
  const bool is_narrow = narrow({cos, sin});
  if ((!is_narrow && !plain({cos, sin})) || cos.size(-1) != x.size(2)) return false;
  if (!x.device().is_cpu() || x.scalar_type() != cos.scalar_type() || x.stride(2) != 1 ||
      x.stride(1) != x.size(2))
    return false;
  RowJob job{RowKind::rotate, in(cos), in(sin)};
  job.out = inout(x), job.width = x.size(2), job.heads = x.size(1), job.backwards = backwards;
  job.out_stride = x.stride(0), job.narrow = is_narrow;
  run_rows(job, x.size(0), x.size(1) * x.size(2));
  return true;
}

bool fused_softmax(const Tensor& scores, int64_t n, int64_t window, double scale) {
  if (!plain({scores}) || scale <= 0) return false;
  RowJob job{RowKind::softmax};
  job.out = inout(scores), job.width = scores.size(-1), job.n = n, job.window = window;
  job.number = static_cast<float>(scale);
  run_rows(job, scores.numel() / job.width, job.width * 4);
  return true;
}

bool fused_softmax_backward(const Tensor& weights, const Tensor& d, int64_t n, int64_t window, double scale) {
  if (!plain({weights, d})) return false;
  RowJob job{RowKind::softmax_backward, in(weights)};
  job.out = inout(d), job.width = d.size(-1), job.n = n, job.window = window;
  job.number = static_cast<float>(scale);
  run_rows(job, d.numel() / job.width, job.width);
  return true;
}

bool fused_exponentials(const Tensor& z, const Tensor& sums) {
  if (!plain({z, sums})) return false;
  RowJob job{RowKind::exponentials};
  job.out = inout(z), job.out2 = inout(sums), job.width = z.size(1), job.n = sums.size(1);
  run_rows(job, z.size(0), job.width * 4);
  return true;
}

bool fused_add_to_stream(const Tensor& source, const Tensor& stream, double sign, Tensor& x) {
  if (stream.device().is_cuda()) return device_add_to_stream(source, stream, sign, x);
  const bool is_narrow = narrow({source});
  if (!(is_narrow || plain({source})) || !all_of_type({stream}, at::kDouble) ||
      source.sizes() != stream.sizes() || (x.defined() && (!plain({x}) || x.sizes() != stream.sizes())))
    return false;
  if (!x.defined()) x = at::empty(stream.sizes(), stream.options().dtype(at::kFloat));
  RowJob job{RowKind::add_to_stream, in(source)};
  job.out = inout(stream), job.out2 = inout(x), job.width = stream.size(-1);
  job.number = static_cast<float>(sign), job.narrow = is_narrow;
  run_rows(job, stream.numel() / job.width, job.width);
  return true;
}

bool fused_dots(const Tensor& a, const std::vector<Tensor>& vectors, Tensor& out) {
  const auto m = static_cast<int64_t>(vectors.size());
  const bool is_narrow = a.scalar_type() == at::kBFloat16;
  if (m < 1 || m > 4 || !a.device().is_cpu() || a.stride(1) != 1 ||
      !(is_narrow || a.scalar_type() == at::kFloat))
    return false;
  RowJob job{RowKind::dots, in(a)};
  const void** places[] = {&job.b, &job.c, &job.e, &job.f};
  for (size_t k = 0; k < vectors.size(); ++k) {
    if (!plain({vectors[k]}) || vectors[k].numel() != a.size(1)) return false;
    *places[k] = in(vectors[k]);
  }
  out = at::empty({a.size(0), m}, a.options().dtype(at::kFloat));
  job.out = inout(out), job.narrow = is_narrow, job.width = a.size(1), job.stride = a.stride(0);
  job.heads = m;
  run_rows(job, a.size(0), a.size(1) * m);
  return true;
}

}  // namespace circuitdiff
