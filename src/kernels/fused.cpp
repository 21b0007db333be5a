#include "kernels/fused.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <initializer_list>

#include "kernels/gpu/device_jobs.h"
#include "kernels/row_loops.h"

namespace circuitdiff {
namespace {

// On a CPU, of this type, row after row.
bool whole(std::initializer_list<Tensor> tensors, at::ScalarType type) {
  return std::all_of(tensors.begin(), tensors.end(), [type](const Tensor& t) {
    return t.defined() && t.device().is_cpu() && t.scalar_type() == type && t.is_contiguous();
  });
}

// The same, but rows of a wider tensor will do.
bool rows_of_type(std::initializer_list<Tensor> tensors, at::ScalarType type) {
  return std::all_of(tensors.begin(), tensors.end(), [type](const Tensor& t) {
    return t.defined() && t.device().is_cpu() && t.scalar_type() == type && t.dim() == 2 && t.stride(1) == 1;
  });
}

// work(E{}) with the loops' name of the type; false for a type that the loops do not know.
template <class Work>
bool with_type(at::ScalarType type, const Work& work) {
  if (type == at::kFloat) work(float{});
  if (type == at::kBFloat16) work(Bf16{});
  return type == at::kFloat || type == at::kBFloat16;
}

template <class Args>
void run_rows(void (*loop)(const Args&, int64_t, int64_t), const Args& args, int64_t rows,
              int64_t work_a_row) {
  const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, work_a_row));
  at::parallel_for(0, rows, grain, [&](int64_t begin, int64_t end) { loop(args, begin, end); });
}

template <class E>
const E* in(const Tensor& t) {
  return static_cast<const E*>(t.const_data_ptr());
}
template <class E>
E* inout(const Tensor& t) {
  return static_cast<E*>(t.mutable_data_ptr());
}

}  // namespace

bool fused_norm(const Tensor& x, const Tensor& weight, double eps, Tensor& h, Tensor& inverse) {
  if (x.device().is_cuda()) return device_norm(x, weight, eps, h, inverse);
  if (!whole({x}, at::kFloat) || !whole({weight}, weight.scalar_type())) return false;
  return with_type(weight.scalar_type(), [&]<class E>(E) {
    RmsNormRows<E> args;
    args.width = x.size(-1), args.eps = static_cast<float>(eps);
    const int64_t rows = x.numel() / args.width;
    if (!h.defined()) h = at::empty(x.sizes(), weight.options());
    if (!inverse.defined()) inverse = at::empty({rows, 1}, x.options());
    args.x = in<float>(x), args.weight = in<E>(weight);
    args.out = inout<E>(h), args.inverse = inout<float>(inverse);
    run_rows(row_kernels<E>().rms_norm, args, rows, args.width);
  });
}

bool fused_norm_backward(const Tensor& x, const Tensor& inverse, const Tensor& weight, const Tensor& grad,
                         const Tensor& out, const Tensor& total) {
  if (x.device().is_cuda()) return device_norm_backward(x, inverse, weight, grad, out, total);
  if (!whole({x, inverse, out}, at::kFloat) || !whole({weight, grad}, weight.scalar_type()) ||
      grad.sizes() != x.sizes() || weight.dim() != 1 ||
      (total.defined() && !(whole({total}, at::kFloat) && total.sizes() == x.sizes())))
    return false;
  return with_type(weight.scalar_type(), [&]<class E>(E) {
    RmsNormBackwardRows<E> args;
    args.x = in<float>(x), args.inverse = in<float>(inverse), args.weight = in<E>(weight);
    args.d = in<E>(grad), args.out = inout<float>(out), args.width = x.size(-1);
    if (total.defined()) args.total = inout<float>(total);
    run_rows(row_kernels<E>().rms_norm_backward, args, x.numel() / args.width, args.width);
  });
}

bool fused_gated(const Tensor& gate, const Tensor& up, Tensor& out) {
  if (gate.device().is_cuda()) return device_gated(gate, up, out);
  if (!rows_of_type({gate, up}, gate.scalar_type()) || gate.stride(0) != up.stride(0)) return false;
  return with_type(gate.scalar_type(), [&]<class E>(E) {
    if (!out.defined()) out = at::empty(gate.sizes(), gate.options());
    SwigluRows<E> args;
    args.gate = in<E>(gate), args.up = in<E>(up), args.out = inout<E>(out);
    args.width = gate.size(1), args.in_stride = gate.stride(0), args.out_stride = out.stride(0);
    run_rows(row_kernels<E>().swiglu, args, gate.size(0), args.width * 4);
  });
}

bool fused_gated_backward(const Tensor& gate, const Tensor& up, const Tensor& d, const Tensor& d_gate,
                          const Tensor& d_up) {
  if (gate.device().is_cuda()) return device_gated_backward(gate, up, d, d_gate, d_up);
  if (!rows_of_type({gate, up, d_gate, d_up}, gate.scalar_type()) || !whole({d}, gate.scalar_type()) ||
      gate.stride(0) != up.stride(0) || d_gate.stride(0) != d_up.stride(0))
    return false;
  return with_type(gate.scalar_type(), [&]<class E>(E) {
    SwigluBackwardRows<E> args;
    args.gate = in<E>(gate), args.up = in<E>(up), args.d = in<E>(d);
    args.d_gate = inout<E>(d_gate), args.d_up = inout<E>(d_up);
    args.width = gate.size(1), args.in_stride = gate.stride(0), args.out_stride = d_gate.stride(0);
    run_rows(row_kernels<E>().swiglu_backward, args, gate.size(0), args.width * 4);
  });
}

bool fused_rotate(const Tensor& x, const Tensor& cos, const Tensor& sin, bool backwards) {
  if (x.device().is_cuda()) return device_rotate(x, cos, sin, backwards);
  if (!whole({cos, sin}, x.scalar_type()) || cos.size(-1) != x.size(2) || x.stride(2) != 1 ||
      x.stride(1) != x.size(2))
    return false;
  return with_type(x.scalar_type(), [&]<class E>(E) {
    RopeRows<E> args;
    args.cos = in<E>(cos), args.sin = in<E>(sin), args.x = inout<E>(x);
    args.heads = x.size(1), args.d_head = x.size(2), args.stride = x.stride(0), args.inverse = backwards;
    run_rows(row_kernels<E>().rope, args, x.size(0), args.heads * args.d_head);
  });
}

bool fused_exponentials(const Tensor& z, const Tensor& sums) {
  if (!whole({z, sums}, at::kFloat)) return false;
  ExponentialRows args;
  args.z = inout<float>(z), args.width = z.size(1);
  args.largest = inout<float>(sums), args.sum = args.largest + sums.size(1),
  args.shrink = args.sum + sums.size(1);
  run_rows(row_kernels<float>().exponentials, args, z.size(0), args.width * 4);
  return true;
}

bool fused_add_to_stream(const Tensor& source, const Tensor& stream, double sign, Tensor& x) {
  if (stream.device().is_cuda()) return device_add_to_stream(source, stream, sign, x);
  if (!whole({source}, source.scalar_type()) || !whole({stream}, at::kDouble) ||
      source.sizes() != stream.sizes() ||
      (x.defined() && (!whole({x}, at::kFloat) || x.sizes() != stream.sizes())))
    return false;
  return with_type(source.scalar_type(), [&]<class E>(E) {
    if (!x.defined()) x = at::empty(stream.sizes(), stream.options().dtype(at::kFloat));
    AddToStreamRows<E> args;
    args.source = in<E>(source), args.stream = inout<double>(stream), args.x = inout<float>(x);
    args.width = stream.size(-1), args.sign = sign;
    run_rows(row_kernels<E>().add_to_stream, args, stream.numel() / args.width, args.width);
  });
}

bool fused_dots(const Tensor& a, const std::vector<Tensor>& vectors, Tensor& out) {
  const auto m = static_cast<int64_t>(vectors.size());
  if (m < 1 || m > 4 || !a.device().is_cpu() || a.stride(1) != 1) return false;
  for (const Tensor& v : vectors)
    if (!whole({v}, at::kFloat) || v.numel() != a.size(1)) return false;
  return with_type(a.scalar_type(), [&]<class E>(E) {
    out = at::empty({a.size(0), m}, a.options().dtype(at::kFloat));
    InnerProductRows<E> args;
    args.a = in<E>(a), args.out = inout<float>(out), args.n_vectors = m;
    args.width = a.size(1), args.stride = a.stride(0);
    for (int64_t k = 0; k < m; ++k) args.vectors[k] = in<float>(vectors[static_cast<size_t>(k)]);
    run_rows(row_kernels<E>().inner_products, args, a.size(0), args.width * m);
  });
}

}  // namespace circuitdiff
