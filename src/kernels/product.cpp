#include "kernels/product.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/List.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <optional>

#include "kernels/environment.h"

namespace circuitdiff {
namespace {

constexpr int64_t kAllRows = std::numeric_limits<int64_t>::max();

using WideLinear = Tensor(const Tensor&, const Tensor&, const std::optional<Tensor>&, c10::string_view,
                          c10::List<std::optional<at::Scalar>>, std::optional<c10::string_view>);

// oneDNN's x w^T + b as libtorch registers it; nothing where this libtorch or processor is without.
const std::optional<c10::TypedOperatorHandle<WideLinear>>& wide_linear() {
  static const auto found = []() -> std::optional<c10::TypedOperatorHandle<WideLinear>> {
    if (most_wide_rows() == 0) return std::nullopt;
    const auto schema = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
    if (!schema) return std::nullopt;
    return schema->typed<WideLinear>();
  }();
  return found;
}

bool is_plain(const Tensor& t) {
  return t.device().is_cpu() && t.scalar_type() == at::kFloat && t.dim() == 2;
}

bool goes_wide(const Tensor& a, const Tensor& b, int64_t rows, int64_t inner, int64_t columns) {
  return is_plain(a) && is_plain(b) && 2 * rows * inner * columns >= least_wide_product() &&
         rows <= most_wide_rows() && wide_linear().has_value();
}

// On Intel's processors oneDNN is the slower one again, down to half as fast, where it gathers columns of
// large weights or with strides that fall onto the same lines of a cache.
bool goes_back_wide(const Tensor& dy, const Tensor& weight) {
  constexpr int64_t kMostNumbers = int64_t{1} << 24, kSameLines = 1024;
  return goes_wide(dy, weight, dy.size(0), dy.size(1), weight.size(1)) &&
         (most_wide_rows() == kAllRows ||
          (weight.numel() < kMostNumbers && weight.stride(0) % kSameLines != 0));
}

Tensor wide(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return wide_linear()->call(x, weight, bias.defined() ? std::optional<Tensor>(bias) : std::nullopt, "none",
                             c10::List<std::optional<at::Scalar>>(), "");
}

// Products of a few rows, as in decoding, read each weight once whatever is done: they are not widened.
bool must_widen(const Tensor& x, int64_t rows) {
  constexpr int64_t kFewRows = 16;
  return x.scalar_type() == at::kBFloat16 && x.device().is_cpu() && rows >= kFewRows && !multiplies_bfloat();
}

Tensor widened(const Tensor& t) { return t.defined() ? t.to(at::kFloat) : t; }

// A product of bfloat16 rows, `of` their float32 copies: a few rows at a time, so that little but the weight
// lies widened beside what the caller holds.
template <class Product>
void by_widened_rows(const Tensor& out, const Tensor& x, const Product& of) {
  for (int64_t begin = 0; begin < x.size(0); begin += kWidenedRows) {
    const int64_t n = std::min(kWidenedRows, x.size(0) - begin);
    out.narrow(0, begin, n).copy_(of(widened(x.narrow(0, begin, n))));
  }
}

}  // namespace

void limit_product_code() { setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "24", /*overwrite=*/0); }

bool& multiplies_bfloat() {
#if defined(__x86_64__)
  static bool native = __builtin_cpu_supports("avx512bf16");  // every processor with AMX has it too
#else
  static bool native = true;
#endif
  return native;
}

bool widens_products(at::Device device, at::ScalarType dtype) {
  return device.is_cpu() && dtype == at::kBFloat16 && !multiplies_bfloat();
}

bool has_wider_products() {
#if defined(__x86_64__)
  static const bool wider = __builtin_cpu_supports("avx512f") && !__builtin_cpu_is("intel");
  return wider;
#else
  return false;
#endif
}

int64_t& most_wide_rows() {
  // On Intel's processors MKL uses the same instructions, and is the slower one, by up to a tenth, of few
  // rows alone.
  constexpr int64_t kOnIntel = 512;
#if defined(__x86_64__)
  static int64_t most = has_wider_products() ? kAllRows : __builtin_cpu_supports("avx512f") ? kOnIntel : 0;
#else
  static int64_t most = 0;
#endif
  return most;
}

int64_t& least_wide_product() {
  static int64_t least = 40'000'000;
  return least;
}

void linear_into(const Tensor& out, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (x.scalar_type() != weight.scalar_type())
    return linear_into(out, x.to(weight.scalar_type()), weight, bias);
  if (must_widen(x, x.size(0))) {
    const Tensor w = widened(weight), b = widened(bias);
    return by_widened_rows(out, x, [&](const Tensor& rows) { return linear_rows(rows, w, b); });
  }
  Tensor place = out;
  if (goes_wide(x, weight, x.size(0), x.size(1), weight.size(0)))
    place.copy_(wide(x, weight, bias));
  else if (bias.defined())
    at::addmm_out(place, bias, x, weight.t());
  else
    at::mm_out(place, x, weight.t());
}

Tensor linear_rows(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (x.dim() == 3) return linear_rows(x.flatten(0, 1), weight, bias).view({x.size(0), x.size(1), -1});
  if (!must_widen(x, x.size(0)) && goes_wide(x, weight, x.size(0), x.size(1), weight.size(0)))
    return wide(x, weight, bias);
  const Tensor out = at::empty({x.size(0), weight.size(0)}, x.options());
  linear_into(out, x, weight, bias);
  return out;
}

void linear_backward_into(const Tensor& out, const Tensor& dy, const Tensor& weight) {
  if (must_widen(dy, dy.size(0))) {
    const Tensor w = widened(weight);
    return by_widened_rows(out, dy, [&](const Tensor& rows) { return linear_rows_backward(rows, w); });
  }
  Tensor place = out;
  if (goes_back_wide(dy, weight))
    place.copy_(wide(dy, weight.t(), {}));
  else
    at::mm_out(place, dy, weight);
}

Tensor linear_rows_backward(const Tensor& dy, const Tensor& weight) {
  if (!must_widen(dy, dy.size(0)) && goes_back_wide(dy, weight)) return wide(dy, weight.t(), {});
  const Tensor out = at::empty({dy.size(0), weight.size(1)}, dy.options());
  linear_backward_into(out, dy, weight);
  return out;
}

int64_t linear_scratch_bytes(at::Device device, at::ScalarType dtype, int64_t rows, int64_t in, int64_t out) {
  if (widens_products(device, dtype)) return widened_product_bytes(rows, in, out);
  const bool is_wide = device.is_cpu() && dtype == at::kFloat &&
                       2 * rows * in * out >= least_wide_product() && rows <= most_wide_rows();
  return is_wide ? rows * out * int64_t{sizeof(float)} : 0;
}

void add_linear_rows_backward(const Tensor& into, const Tensor& dy, const Tensor& weight) {
  if (into.device().is_cuda() || (is_plain(into) && !goes_back_wide(dy, weight)))
    into.addmm_(dy, weight);
  else
    into.add_(linear_rows_backward(dy, weight));
}

Tensor batched_product(const Tensor& a, const Tensor& b) {
  if (!must_widen(a, a.size(1))) return a.bmm(b);
  const Tensor out = at::empty({a.size(0), a.size(1), b.size(2)}, a.options());
  for (int64_t i = 0; i < a.size(0); ++i) out[i].copy_(widened(a[i]).mm(widened(b[i])));
  return out;
}

int64_t widened_product_bytes(int64_t rows, int64_t in, int64_t out) {
  return 4 * (in * out + std::min(rows, kWidenedRows) * (in + out));
}

void add_weight_gradient(const Tensor& into, const Tensor& dy, const Tensor& x) {
  const int64_t out = dy.size(1), in = x.size(1);
  if (into.scalar_type() != dy.scalar_type()) {
    into.add_(dy.t().mm(x));
  } else if (most_wide_rows() < kAllRows || !goes_wide(dy, x, out, dy.size(0), in)) {
    into.addmm_(dy.t(), x);
  } else {
    // A stripe of the matrix at a time: the product cannot add to what is there, and beside a large
    // vocabulary's gradient there is no room for another.
    constexpr int64_t kStripe = int64_t{16} << 20;  // bytes
    const int64_t step = std::max<int64_t>(1, kStripe / (in * 4));
    for (int64_t o = 0; o < out; o += step) {
      const int64_t n = std::min(step, out - o);
      into.narrow(0, o, n).add_(wide(dy.narrow(1, o, n).t(), x.t(), {}));
    }
  }
}

}  // namespace circuitdiff
