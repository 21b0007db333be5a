// Row jobs and the contraction of scores on a CUDA device. Compiled by NVRTC when first used (device_kernels.cpp), without any
// header, so bfloat16 is taken apart by hand. A thread reads eight numbers that lie together at once, four where the stream is
// wide; sums are in an order that the launch alone determines, so that the same input gives the same bits.
//
// Rows, widths and counts are in numbers, not bytes; widths and strides are multiples of eight.

typedef long long i64;
struct bf16 {
  unsigned short bits;
};

struct Eight {
  float v[8];
};

__device__ inline float high_half(unsigned pair) { return __uint_as_float(pair & 0xffff0000u); }
__device__ inline float low_half(unsigned pair) { return __uint_as_float(pair << 16); }

// Eight numbers as they lie in memory, zeros until read.
template <class T>
struct Packed;
template <>
struct Packed<float> {
  float4 a = {0, 0, 0, 0}, b = {0, 0, 0, 0};
  __device__ void read(const float* p) {
    a = reinterpret_cast<const float4*>(p)[0];
    b = reinterpret_cast<const float4*>(p)[1];
  }
  __device__ Eight numbers() const { return {{a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w}}; }
};
template <>
struct Packed<bf16> {
  uint4 r = {0, 0, 0, 0};
  __device__ void read(const bf16* p) { r = *reinterpret_cast<const uint4*>(p); }
  __device__ Eight numbers() const {
    return {{low_half(r.x), high_half(r.x), low_half(r.y), high_half(r.y), low_half(r.z), high_half(r.z), low_half(r.w),
             high_half(r.w)}};
  }
};

template <class T>
__device__ inline Eight load(const T* p) {
  Packed<T> packed;
  packed.read(p);
  return packed.numbers();
}

// To the nearest, ties to even; what is no number stays none.
__device__ inline unsigned rounded(float value) {
  const unsigned bits = __float_as_uint(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return (bits >> 16) | 0x40u;
  return (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
}
__device__ inline unsigned pair_of(float low, float high) { return rounded(low) | (rounded(high) << 16); }

__device__ inline void store(float* p, const Eight& e) {
  reinterpret_cast<float4*>(p)[0] = make_float4(e.v[0], e.v[1], e.v[2], e.v[3]);
  reinterpret_cast<float4*>(p)[1] = make_float4(e.v[4], e.v[5], e.v[6], e.v[7]);
}
__device__ inline void store(bf16* p, const Eight& e) {
  *reinterpret_cast<uint4*>(p) = make_uint4(pair_of(e.v[0], e.v[1]), pair_of(e.v[2], e.v[3]), pair_of(e.v[4], e.v[5]),
                                            pair_of(e.v[6], e.v[7]));
}

__device__ inline float warp_sum(float value) {
  for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(0xffffffffu, value, step);
  return value;
}

// Of all threads of the block, known to all of them.
__device__ inline float block_sum(float value) {
  __shared__ float of_warp[32];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
  value = warp_sum(value);
  __syncthreads();  // an earlier sum has been read
  if (lane == 0) of_warp[warp] = value;
  __syncthreads();
  return warp_sum(lane < warps ? of_warp[lane] : 0.0f);
}

// h = x r w, inverse = r = 1 / sqrt(mean(x^2) + eps); a block a row.
template <class T>
__device__ void norm(const float* x, const T* weight, float* inverse, T* h, int width, float eps) {
  const float* row = x + i64(blockIdx.x) * width;
  float sum = 0;
  for (int i = threadIdx.x * 8; i < width; i += blockDim.x * 8) {
    const Eight a = load(row + i);
    for (int k = 0; k < 8; ++k) sum += a.v[k] * a.v[k];
  }
  const float r = 1.0f / sqrtf(block_sum(sum) / width + eps);
  if (threadIdx.x == 0) inverse[blockIdx.x] = r;
  for (int i = threadIdx.x * 8; i < width; i += blockDim.x * 8) {
    const Eight a = load(row + i), w = load(weight + i);
    Eight out;
    for (int k = 0; k < 8; ++k) out.v[k] = a.v[k] * r * w.v[k];
    store(h + i64(blockIdx.x) * width + i, out);
  }
}

// out = r (d w - x r^2 mean(x d w)), and total += out where there is one; a block a row.
template <class T>
__device__ void norm_backward(const float* x, const T* weight, const float* inverse, const T* grad, float* out, float* total,
                              int width) {
  const i64 begin = i64(blockIdx.x) * width;
  float along = 0;
  for (int i = threadIdx.x * 8; i < width; i += blockDim.x * 8) {
    const Eight a = load(x + begin + i), w = load(weight + i), d = load(grad + begin + i);
    for (int k = 0; k < 8; ++k) along += a.v[k] * d.v[k] * w.v[k];
  }
  const float r = inverse[blockIdx.x];
  const float off = block_sum(along) / width * r * r;
  for (int i = threadIdx.x * 8; i < width; i += blockDim.x * 8) {
    const Eight a = load(x + begin + i), w = load(weight + i), d = load(grad + begin + i);
    Eight y;
    for (int k = 0; k < 8; ++k) y.v[k] = (d.v[k] * w.v[k] - a.v[k] * off) * r;
    store(out + begin + i, y);
    if (!total) continue;
    Eight t = load(total + begin + i);
    for (int k = 0; k < 8; ++k) t.v[k] += y.v[k];
    store(total + begin + i, t);
  }
}

// Which eight numbers of [rows, width] this thread has; row -1 past the end.
struct Place {
  i64 row;
  int column;
};
__device__ inline Place place_of_thread(i64 rows, int width) {
  const i64 at = i64(blockIdx.x) * blockDim.x + threadIdx.x;
  const int a_row = width / 8;
  const i64 row = at / a_row;
  return {row < rows ? row : -1, int(at - row * a_row) * 8};
}

// out = silu(gate) up
template <class T>
__device__ void gated(const T* gate, const T* up, T* out, i64 rows, int width, i64 in_stride) {
  const Place p = place_of_thread(rows, width);
  if (p.row < 0) return;
  const Eight g = load(gate + p.row * in_stride + p.column), u = load(up + p.row * in_stride + p.column);
  Eight y;
  for (int k = 0; k < 8; ++k) y.v[k] = g.v[k] / (1.0f + expf(-g.v[k])) * u.v[k];
  store(out + p.row * width + p.column, y);
}

// d_up = d silu(gate), d_gate = d up silu'(gate). Outputs may be inputs: a thread reads its numbers before it writes them.
template <class T>
__device__ void gated_backward(const T* gate, const T* up, const T* d, T* d_gate, T* d_up, i64 rows, int width,
                               i64 in_stride, i64 out_stride) {
  const Place p = place_of_thread(rows, width);
  if (p.row < 0) return;
  const Eight g = load(gate + p.row * in_stride + p.column), u = load(up + p.row * in_stride + p.column),
              e = load(d + p.row * width + p.column);
  Eight of_gate, of_up;
  for (int k = 0; k < 8; ++k) {
    const float s = 1.0f / (1.0f + expf(-g.v[k]));
    of_up.v[k] = e.v[k] * g.v[k] * s;
    of_gate.v[k] = e.v[k] * u.v[k] * s * (1.0f + g.v[k] * (1.0f - s));
  }
  store(d_gate + p.row * out_stride + p.column, of_gate);
  store(d_up + p.row * out_stride + p.column, of_up);
}

// Turns heads in place: a' = a cos - b sin, b' = b cos + a sin over the halves of a head; with sign -1 back.
template <class T>
__device__ void rotate(const T* cos, const T* sin, T* x, i64 rows, int heads, int d_head, i64 stride, float sign) {
  const int half = d_head / 2;
  const Place p = place_of_thread(rows, heads * half);
  if (p.row < 0) return;
  const int head = p.column / half, at = p.column % half;
  T* a = x + p.row * stride + i64(head) * d_head + at;
  const Eight first = load(a), second = load(a + half), c = load(cos + p.row * d_head + at),
              s = load(sin + p.row * d_head + at);
  Eight y, z;
  for (int k = 0; k < 8; ++k) {
    y.v[k] = first.v[k] * c.v[k] - sign * second.v[k] * s.v[k];
    z.v[k] = second.v[k] * c.v[k] + sign * first.v[k] * s.v[k];
  }
  store(a, y);
  store(a + half, z);
}

__device__ inline float4 load_four(const float* p) { return *reinterpret_cast<const float4*>(p); }
__device__ inline float4 load_four(const bf16* p) {
  const uint2 r = *reinterpret_cast<const uint2*>(p);
  return make_float4(low_half(r.x), high_half(r.x), low_half(r.y), high_half(r.y));
}

// stream += sign * source, and x takes the stream in float32. Four numbers a thread: the stream's are wide.
template <class T>
__device__ void add_to_stream(const T* source, double* stream, float* x, i64 count, double sign) {
  const i64 at = (i64(blockIdx.x) * blockDim.x + threadIdx.x) * 4;
  if (at >= count) return;
  const float4 added = load_four(source + at);
  double2* s = reinterpret_cast<double2*>(stream + at);
  double2 a = s[0], b = s[1];
  a.x += sign * added.x, a.y += sign * added.y, b.x += sign * added.z, b.y += sign * added.w;
  s[0] = a, s[1] = b;
  *reinterpret_cast<float4*>(x + at) = make_float4(float(a.x), float(a.y), float(b.x), float(b.y));
}

// A stretch of a prefix: `count` numbers from `source` of every source's rows and from `gradient` of every gradient's.
struct Stretch {
  i64 source, gradient, count;
};

// partial[stretch][s][j] = <source s, gradient j> over the stretch. A block of eight warps: 64 sources, eight a warp.
template <class T, int M>
__device__ void contract(const T* sources, i64 source_stride, int n, const float* g0, const float* g1, const float* g2,
                         const float* g3, const Stretch* stretches, float* partial) {
  const float* const gradients[4] = {g0, g1, g2, g3};
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, first = blockIdx.y * 64 + warp;
  const Stretch stretch = stretches[blockIdx.x];
  float sums[8][M];
#pragma unroll
  for (int i = 0; i < 8; ++i)
#pragma unroll
    for (int j = 0; j < M; ++j) sums[i][j] = 0;
  for (i64 at = lane * 8; at < stretch.count; at += 256) {
    Eight g[M];
#pragma unroll
    for (int j = 0; j < M; ++j) g[j] = load(gradients[j] + stretch.gradient + at);
#pragma unroll
    for (int half = 0; half < 8; half += 4) {
      if (first + 8 * half >= n) break;
      Packed<T> o[4];  // on their way together
#pragma unroll
      for (int i = 0; i < 4; ++i)
        if (first + 8 * (half + i) < n) o[i].read(sources + (first + 8 * (half + i)) * source_stride + stretch.source + at);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const Eight source = o[i].numbers();
#pragma unroll
        for (int j = 0; j < M; ++j)
#pragma unroll
          for (int k = 0; k < 8; ++k) sums[half + i][j] += source.v[k] * g[j].v[k];
      }
    }
  }
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const int s = first + 8 * i;
#pragma unroll
    for (int j = 0; j < M; ++j) {
      const float sum = warp_sum(sums[i][j]);
      if (lane == 0 && s < n) partial[(i64(blockIdx.x) * n + s) * M + j] = sum;
    }
  }
}

// totals[p][from + s][first + j] -= weight * the sum of the partials of prefix p's stretches, for s < before[j].
extern "C" __global__ void collect(const float* partial, const i64* first_stretch, int n, int m, int before0, int before1,
                                   int before2, int before3, double weight, float* totals, int from, int first,
                                   int n_forward, int n_backward) {
  const int before[4] = {before0, before1, before2, before3};
  const int at = blockIdx.y * blockDim.x + threadIdx.x, s = at / m, j = at % m;
  if (s >= n || s >= before[j]) return;
  double sum = 0;
  for (i64 k = first_stretch[blockIdx.x]; k < first_stretch[blockIdx.x + 1]; ++k) sum += partial[(k * n + s) * m + j];
  totals[(i64(blockIdx.x) * n_forward + from + s) * n_backward + first + j] -= float(weight * sum);
}

#define JOBS(T, NAME)                                                                                                     \
  extern "C" __global__ void norm_##NAME(const float* x, const T* weight, float* inverse, T* h, int width, float eps) {   \
    norm(x, weight, inverse, h, width, eps);                                                                              \
  }                                                                                                                       \
  extern "C" __global__ void norm_backward_##NAME(const float* x, const T* weight, const float* inverse, const T* grad,   \
                                                  float* out, float* total, int width) {                                  \
    norm_backward(x, weight, inverse, grad, out, total, width);                                                           \
  }                                                                                                                       \
  extern "C" __global__ void gated_##NAME(const T* gate, const T* up, T* out, i64 rows, int width, i64 in_stride) {       \
    gated(gate, up, out, rows, width, in_stride);                                                                         \
  }                                                                                                                       \
  extern "C" __global__ void gated_backward_##NAME(const T* gate, const T* up, const T* d, T* d_gate, T* d_up, i64 rows,  \
                                                   int width, i64 in_stride, i64 out_stride) {                            \
    gated_backward(gate, up, d, d_gate, d_up, rows, width, in_stride, out_stride);                                        \
  }                                                                                                                       \
  extern "C" __global__ void rotate_##NAME(const T* cos, const T* sin, T* x, i64 rows, int heads, int d_head, i64 stride, \
                                           float sign) {                                                                  \
    rotate(cos, sin, x, rows, heads, d_head, stride, sign);                                                               \
  }                                                                                                                       \
  extern "C" __global__ void add_to_stream_##NAME(const T* source, double* stream, float* x, i64 count, double sign) {    \
    add_to_stream(source, stream, x, count, sign);                                                                        \
  }                                                                                                                       \
  CONTRACT(T, NAME, 1) CONTRACT(T, NAME, 2) CONTRACT(T, NAME, 3) CONTRACT(T, NAME, 4)
#define CONTRACT(T, NAME, M)                                                                                              \
  extern "C" __global__ void __launch_bounds__(256, 2)                                                                    \
      contract##M##_##NAME(const T* sources, i64 source_stride, int n, const float* g0, const float* g1, const float* g2, \
                           const float* g3, const Stretch* stretches, float* partial) {                                   \
    contract<T, M>(sources, source_stride, n, g0, g1, g2, g3, stretches, partial);                                        \
  }

JOBS(float, wide)
JOBS(bf16, narrow)
