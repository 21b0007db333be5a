#include "kernels/gpu/device_jobs.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <initializer_list>
#include <string>

#include "kernels/gpu/device_kernels.h"

namespace circuitdiff {
namespace {

using Size = long long;  // a kernel's i64

const void* in(const Tensor& t) { return t.const_data_ptr(); }
void* inout(const Tensor& t) { return t.mutable_data_ptr(); }

bool is_aligned(const Tensor& t) { return reinterpret_cast<uintptr_t>(t.const_data_ptr()) % 16 == 0; }

// On a GPU, of this type, whole rows that lie together or, with `strided`, at multiples of eight numbers from
// each other.
bool fits(std::initializer_list<Tensor> tensors, at::ScalarType type, bool strided = false) {
  return std::all_of(tensors.begin(), tensors.end(), [&](const Tensor& t) {
    if (!t.defined() || !t.device().is_cuda() || t.scalar_type() != type || t.dim() == 0 || t.numel() == 0)
      return false;
    if (t.size(-1) % 8 != 0 || !is_aligned(t)) return false;
    return strided ? t.stride(-1) == 1 && t.stride(0) % 8 == 0 : t.is_contiguous();
  });
}

bool is_row_type(const Tensor& t) {
  return t.defined() && (t.scalar_type() == at::kFloat || t.scalar_type() == at::kBFloat16);
}

// The kernel of a job for a tensor's type. Both are literals: kernels are looked up by their names'
// addresses.
const char* of_type(const Tensor& t, const char* wide, const char* narrow) {
  return t.scalar_type() == at::kBFloat16 ? narrow : wide;
}

// Threads for one row of `width` numbers, eight each.
int row_threads(int64_t width) {
  return static_cast<int>(std::clamp<int64_t>((width / 8 + 31) / 32 * 32, 32, 256));
}

int64_t blocks_for(int64_t eights) { return (eights + 255) / 256; }

}  // namespace

bool device_norm(const Tensor& x, const Tensor& weight, double eps, Tensor& h, Tensor& inverse) {
  if (!is_row_type(weight) || !fits({x}, at::kFloat) || !fits({weight}, weight.scalar_type())) return false;
  const int64_t width = x.size(-1), rows = x.numel() / width;
  if (!h.defined()) h = at::empty(x.sizes(), weight.options());
  if (!inverse.defined()) inverse = at::empty({rows, 1}, x.options());
  if (!fits({h}, weight.scalar_type()) || !fits({inverse}, at::kFloat, /*strided=*/true)) return false;
  launch(x.device(), of_type(weight, "norm_wide", "norm_narrow"), {rows, 1, row_threads(width)}, in(x),
         in(weight), inout(inverse), inout(h), static_cast<int>(width), static_cast<float>(eps));
  return true;
}

bool device_norm_backward(const Tensor& x, const Tensor& inverse, const Tensor& weight, const Tensor& grad,
                          const Tensor& out, const Tensor& total) {
  if (total.defined() && (!fits({total}, at::kFloat) || total.sizes() != x.sizes())) return false;
  if (!is_row_type(weight) || weight.dim() != 1 || !fits({x, out}, at::kFloat) ||
      !fits({weight, grad}, weight.scalar_type()) || inverse.scalar_type() != at::kFloat ||
      grad.sizes() != x.sizes())
    return false;
  const int64_t width = x.size(-1), rows = x.numel() / width;
  launch(x.device(), of_type(weight, "norm_backward_wide", "norm_backward_narrow"),
         {rows, 1, row_threads(width)}, in(x), in(weight), in(inverse), in(grad), inout(out),
         total.defined() ? inout(total) : nullptr, static_cast<int>(width));
  return true;
}

bool device_gated(const Tensor& gate, const Tensor& up, Tensor& out) {
  if (!is_row_type(gate) || gate.dim() != 2 || !fits({gate, up}, gate.scalar_type(), /*strided=*/true))
    return false;
  if (gate.stride(0) != up.stride(0)) return false;
  if (!out.defined()) out = at::empty(gate.sizes(), gate.options());
  if (!fits({out}, gate.scalar_type())) return false;
  const int64_t rows = gate.size(0), width = gate.size(1);
  launch(gate.device(), of_type(gate, "gated_wide", "gated_narrow"), {blocks_for(rows * (width / 8))},
         in(gate), in(up), inout(out), static_cast<Size>(rows), static_cast<int>(width),
         static_cast<Size>(gate.stride(0)));
  return true;
}

bool device_gated_backward(const Tensor& gate, const Tensor& up, const Tensor& d, const Tensor& d_gate,
                           const Tensor& d_up) {
  if (!is_row_type(gate) || gate.dim() != 2 ||
      !fits({gate, up, d_gate, d_up}, gate.scalar_type(), /*strided=*/true) || !fits({d}, gate.scalar_type()))
    return false;
  if (gate.stride(0) != up.stride(0) || d_gate.stride(0) != d_up.stride(0)) return false;
  const int64_t rows = gate.size(0), width = gate.size(1);
  launch(gate.device(), of_type(gate, "gated_backward_wide", "gated_backward_narrow"),
         {blocks_for(rows * (width / 8))}, in(gate), in(up), in(d), inout(d_gate), inout(d_up),
         static_cast<Size>(rows), static_cast<int>(width), static_cast<Size>(gate.stride(0)),
         static_cast<Size>(d_gate.stride(0)));
  return true;
}

bool device_rotate(const Tensor& x, const Tensor& cos, const Tensor& sin, bool backwards) {
  if (!is_row_type(x) || x.dim() != 3 || !fits({x}, x.scalar_type(), /*strided=*/true) ||
      !fits({cos, sin}, x.scalar_type()) || cos.size(-1) != x.size(2) || x.stride(1) != x.size(2))
    return false;
  const int64_t rows = x.size(0), heads = x.size(1), d_head = x.size(2);
  if (d_head % 16 != 0) return false;
  launch(x.device(), of_type(x, "rotate_wide", "rotate_narrow"), {blocks_for(rows * heads * (d_head / 16))},
         in(cos), in(sin), inout(x), static_cast<Size>(rows), static_cast<int>(heads),
         static_cast<int>(d_head), static_cast<Size>(x.stride(0)), backwards ? -1.0f : 1.0f);
  return true;
}

bool device_add_to_stream(const Tensor& source, const Tensor& stream, double sign, Tensor& x) {
  if (!is_row_type(source) || !fits({source}, source.scalar_type()) || !fits({stream}, at::kDouble) ||
      source.sizes() != stream.sizes())
    return false;
  if (!x.defined()) x = at::empty(stream.sizes(), stream.options().dtype(at::kFloat));
  if (!fits({x}, at::kFloat)) return false;
  launch(stream.device(), of_type(source, "add_to_stream_wide", "add_to_stream_narrow"),
         {blocks_for(stream.numel() / 4)}, in(source), inout(stream), inout(x),
         static_cast<Size>(stream.numel()), sign);
  return true;
}

bool device_contract(const DeviceContraction& c, const std::vector<Tensor>& gradients,
                     const std::vector<int64_t>& before) {
  const size_t m = gradients.size();
  if (m == 0 || m > 4 || !is_row_type(c.sources) || c.sources.dim() != 3) return false;
  const Tensor& s = c.sources;
  if (!s.device().is_cuda() || s.stride(2) != 1 || s.stride(1) != s.size(2) || s.stride(0) % 8 != 0 ||
      s.size(2) % 8 != 0 || !is_aligned(s) || c.totals.scalar_type() != at::kFloat ||
      !c.totals.is_contiguous())
    return false;
  for (const Tensor& g : gradients)
    if (!fits({g}, at::kFloat)) return false;
  static constexpr const char* kNarrow[] = {"contract1_narrow", "contract2_narrow", "contract3_narrow",
                                            "contract4_narrow"};
  static constexpr const char* kWide[] = {"contract1_wide", "contract2_wide", "contract3_wide",
                                          "contract4_wide"};
  const int64_t n = s.size(0), k = c.stretches.size(0);
  const Tensor partial = at::empty({k, n, static_cast<int64_t>(m)}, c.totals.options());
  const auto gradient = [&](size_t j) -> const void* { return j < m ? in(gradients[j]) : nullptr; };
  launch(s.device(), of_type(s, kWide[m - 1], kNarrow[m - 1]), {k, (n + 63) / 64}, in(s),
         static_cast<Size>(s.stride(0)), static_cast<int>(n), gradient(0), gradient(1), gradient(2),
         gradient(3), in(c.stretches), inout(partial));
  const auto sees = [&](size_t j) { return j < m ? static_cast<int>(before[j]) : 0; };
  const int64_t cells = n * static_cast<int64_t>(m);
  launch(s.device(), "collect", {c.first_stretch.size(0) - 1, (cells + 127) / 128, 128}, in(partial),
         in(c.first_stretch), static_cast<int>(n), static_cast<int>(m), sees(0), sees(1), sees(2), sees(3),
         c.weight, inout(c.totals), static_cast<int>(c.from), static_cast<int>(c.first),
         static_cast<int>(c.totals.size(1)), static_cast<int>(c.totals.size(2)));
  return true;
}

Tensor upload(const Tensor& host, at::Device device) {
  if (device.is_cpu()) return host.clone();
  return host.pin_memory().to(device, host.scalar_type(), /*non_blocking=*/true);
}

}  // namespace circuitdiff
