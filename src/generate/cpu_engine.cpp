#include "generate/cpu_engine.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/progress.h"

namespace circuitdiff {
namespace {

// Multiply-adds below which a loop is not worth sharing between threads.
constexpr int64_t kSmall = 40000;

template <class T>
constexpr at::ScalarType kTensorType = sizeof(T) == 8 ? at::kDouble : at::kFloat;

template <class T>
void activate(Activation activation, T* gate, const T* up, int64_t n) {
  const auto each = [&](auto f) {
    for (int64_t i = 0; i < n; ++i) gate[i] = f(gate[i]) * up[i];
  };
  if (activation == Activation::gelu)
    each([](T x) { return x * T(0.5) * (T(1) + std::erf(x * T(0.70710678118654752440))); });
  else if (activation == Activation::gelu_pytorch_tanh)
    each([](T x) {
      return T(0.5) * x * (T(1) + std::tanh(T(0.79788456080286535588) * (x + T(0.044715) * x * x * x)));
    });
  else
    each([](T x) { return x > 0 ? x : T(0); });
}

}  // namespace

template <class T>
CpuEngine<T>::CpuEngine(const Weights& weights, int64_t threads, InstructionSet set)
    : checkpoint_(weights.shared_checkpoint()),
      config_(checkpoint_->config()),
      team_(threads),
      kernels_(decoding_kernels<T>(set)) {
  embed_tokens_ = weights.embed_tokens().to(weights.dtype());  // streamed weights leave both ends as stored
  norm_ = vector_of({weights.norm()});
  lm_head_ = PackedMatrix({weights.lm_head().to(weights.dtype())}, team_);
  weight_bytes_ = lm_head_.bytes();
  for (int64_t l = 0; l < config_.n_layers; ++l) {
    check_interrupt();
    const LayerWeights w = weights.layer(l);
    Layer layer;
    layer.qkv = PackedMatrix({w.q_proj, w.k_proj, w.v_proj}, team_);
    layer.o = PackedMatrix({w.o_proj}, team_);
    layer.gate_up = PackedMatrix({w.gate_proj, w.up_proj}, team_);
    layer.down = PackedMatrix({w.down_proj}, team_);
    if (w.q_bias.defined()) layer.qkv_bias = vector_of({w.q_bias, w.k_bias, w.v_bias});
    if (w.o_bias.defined()) layer.o_bias = vector_of({w.o_bias});
    if (w.gate_bias.defined()) layer.gate_up_bias = vector_of({w.gate_bias, w.up_bias});
    if (w.down_bias.defined()) layer.down_bias = vector_of({w.down_bias});
    const auto norm_of = [&](const Tensor& t) { return t.defined() ? vector_of({t}) : Aligned<T>(); };
    layer.input_norm = norm_of(w.input_layernorm);
    layer.post_norm = norm_of(w.post_attention_layernorm);
    layer.q_norm = norm_of(w.q_norm);
    layer.k_norm = norm_of(w.k_norm);
    layer.attention_output_norm = norm_of(w.attention_output_norm);
    layer.mlp_output_norm = norm_of(w.mlp_output_norm);
    weight_bytes_ += layer.qkv.bytes() + layer.o.bytes() + layer.gate_up.bytes() + layer.down.bytes();
    layers_.push_back(std::move(layer));
  }
  d_padded_ = round_up(config_.d_head);
  page_entries_ = config_.n_layers * config_.n_kv_heads * kPage * (config_.d_head + d_padded_);
  model_stride_ = round_up(config_.d_model);
  qkv_stride_ = round_up((config_.n_heads + 2 * config_.n_kv_heads) * config_.d_head);
  mixed_stride_ = round_up(config_.n_heads * config_.d_head);
  gate_up_stride_ = round_up(2 * config_.d_mlp);
  scores_.resize(static_cast<size_t>(team_.size()));
}

// Small vectors side by side, filled up with zeros to whole panels.
template <class T>
Aligned<T> CpuEngine<T>::vector_of(const std::vector<Tensor>& parts) const {
  const Tensor all = at::cat(parts).to(kTensorType<T>).contiguous();
  Aligned<T> out = aligned_array<T>(round_up(all.numel()));
  std::memcpy(out.get(), all.const_data_ptr(), all.nbytes());
  return out;
}

template <class T>
void CpuEngine<T>::matmul(const T* x, int64_t x_stride, int64_t rows, const PackedMatrix& w, const T* bias,
                          T* y, int64_t y_stride) {
  const PackedView view = w.view();
  const int64_t threads = team_.size();
  if (threads == 1 || rows * view.cols * view.panels * kPanel < kSmall) {
    kernels_.matmul(x, x_stride, rows, view, 0, view.panels, bias, y, y_stride);
    return;
  }
  const int64_t groups = (view.panels + 3) / 4;
  if (groups >= 2 * threads) {
    const int64_t pieces = std::min(groups, 4 * threads);
    team_.run(pieces, [&](int64_t i, int64_t) {
      const int64_t begin = groups * i / pieces * 4,
                    end = std::min(view.panels, groups * (i + 1) / pieces * 4);
      kernels_.matmul(x, x_stride, rows, view, begin, end, bias, y, y_stride);
    });
    return;
  }
  const int64_t pieces = std::min(rows, 2 * threads);
  team_.run(pieces, [&](int64_t i, int64_t) {
    const int64_t begin = rows * i / pieces, end = rows * (i + 1) / pieces;
    kernels_.matmul(x + begin * x_stride, x_stride, end - begin, view, 0, view.panels, bias,
                    y + begin * y_stride, y_stride);
  });
}

// body(row) for every row; shared between threads where a row is `work` operations and that is worth it.
template <class T>
void CpuEngine<T>::each_row(int64_t rows, int64_t work, const std::function<void(int64_t)>& body) {
  const int64_t pieces = rows * work < kSmall ? 1 : std::min(rows, 4 * team_.size());
  team_.run(pieces, [&](int64_t i, int64_t) {
    for (int64_t r = rows * i / pieces; r < rows * (i + 1) / pieces; ++r) body(r);
  });
}

template <class T>
void CpuEngine<T>::make_room(std::span<const StepRow> rows) {
  const auto n = static_cast<int64_t>(rows.size());
  int64_t longest = 0, page = 0;
  for (const StepRow& row : rows) {
    longest = std::max(longest, row.position + 1);
    for (int64_t p = 0; p <= row.position / kPage; ++p) page = std::max<int64_t>(page, row.pages[p]);
  }
  if (n > room_) {
    room_ = n;
    x_ = aligned_array<T>(n * model_stride_);
    normed_ = aligned_array<T>(n * model_stride_);
    added_ = aligned_array<T>(n * model_stride_);
    qkv_ = aligned_array<T>(n * qkv_stride_);
    mixed_ = aligned_array<T>(n * mixed_stride_);
    gate_up_ = aligned_array<T>(n * gate_up_stride_);
    cos_ = aligned_array<T>(n * config_.d_head);
    sin_ = aligned_array<T>(n * config_.d_head);
  }
  if (longest > scores_room_) {
    scores_room_ = std::max(round_up(longest), 2 * scores_room_);
    for (auto& scores : scores_) scores = aligned_array<T>(4 * scores_room_);
  }
  while (static_cast<int64_t>(pages_.size()) <= page) {
    pages_.push_back(aligned_array<T>(page_entries_));
    page_table_.push_back(pages_.back().get());
  }
}

template <class T>
void CpuEngine<T>::embed(std::span<const StepRow> rows) {
  const int64_t d = config_.d_model;
  const auto scale = static_cast<T>(config_.embedding_scale);
  const auto copy = [&](const auto* table) {
    for (size_t r = 0; r < rows.size(); ++r) {
      T* x = x_.get() + static_cast<int64_t>(r) * model_stride_;
      for (int64_t i = 0; i < d; ++i) x[i] = static_cast<T>(table[rows[r].token * d + i]) * scale;
    }
  };
  switch (embed_tokens_.scalar_type()) {
    case at::kDouble:
      return copy(embed_tokens_.const_data_ptr<double>());
    case at::kHalf:
      return copy(embed_tokens_.const_data_ptr<at::Half>());
    case at::kBFloat16:
      return copy(embed_tokens_.const_data_ptr<at::BFloat16>());
    default:
      return copy(embed_tokens_.const_data_ptr<float>());
  }
}

template <class T>
void CpuEngine<T>::set_angles(std::span<const StepRow> rows) {
  const int64_t half = config_.d_head / 2, d = config_.d_head;
  const auto options = at::TensorOptions().dtype(kTensorType<T>);
  const auto grows = [&](const StepRow& row) {
    return config_.rope.by_length() && row.rope_length > config_.rope.original_max_positions;
  };
  int64_t longest = 0;
  for (const StepRow& row : rows) longest = std::max(longest, row.position + 1);
  if (!rope_cos_.defined() || rope_cos_.size(0) < longest) {
    const int64_t n = std::max<int64_t>(longest + longest / 2, 512);
    const RopeTable table = rope_table(config_, 0, n, /*sequence_length=*/1, options);
    rope_cos_ = table.cos;
    rope_sin_ = table.sin;
  }
  for (size_t r = 0; r < rows.size(); ++r) {
    T* cos = cos_.get() + static_cast<int64_t>(r) * half;
    T* sin = sin_.get() + static_cast<int64_t>(r) * half;
    if (grows(rows[r])) {
      const RopeTable own = rope_table(config_, rows[r].position, 1, rows[r].rope_length, options);
      std::copy_n(own.cos.template const_data_ptr<T>(), half, cos);
      std::copy_n(own.sin.template const_data_ptr<T>(), half, sin);
    } else {
      std::copy_n(rope_cos_.template const_data_ptr<T>() + rows[r].position * d, half, cos);
      std::copy_n(rope_sin_.template const_data_ptr<T>() + rows[r].position * d, half, sin);
    }
  }
}

// Rotates pairs (i, i + d_head/2) of one head of a row.
template <class T>
void CpuEngine<T>::rotate(T* head, int64_t row) const {
  const int64_t half = config_.d_head / 2;
  const T* cos = cos_.get() + row * half;
  const T* sin = sin_.get() + row * half;
  for (int64_t i = 0; i < half; ++i) {
    const T a = head[i], b = head[i + half];
    head[i] = a * cos[i] - b * sin[i];
    head[i + half] = b * cos[i] + a * sin[i];
  }
}

// A copy where the model has no such norm.
template <class T>
void CpuEngine<T>::norm(const T* x, const Aligned<T>& weight, T* y, int64_t n) const {
  if (weight)
    kernels_.rms_norm(x, weight.get(), y, n, static_cast<T>(config_.norm_eps));
  else if (x != y)
    std::copy_n(x, n, y);
}

// The norms of q and k of one row ahead of the rotation. q: [n_heads + n_kv_heads, d_head], keys last.
template <class T>
void CpuEngine<T>::norm_heads(const Layer& layer, T* q) const {
  const int64_t d = config_.d_head, width = config_.n_heads * d, kv_width = config_.n_kv_heads * d;
  T* k = q + width;
  const int64_t q_step = config_.qk_norm_whole ? width : d, k_step = config_.qk_norm_whole ? kv_width : d;
  for (int64_t i = 0; i < width; i += q_step) norm(q + i, layer.q_norm, q + i, q_step);
  for (int64_t i = 0; i < kv_width; i += k_step) norm(k + i, layer.k_norm, k + i, k_step);
}

template <class T>
void CpuEngine<T>::add_to_stream(T* x, T* added, const Aligned<T>& output_norm) const {
  norm(added, output_norm, added, config_.d_model);
  for (int64_t i = 0; i < config_.d_model; ++i) x[i] += added[i];
}

template <class T>
void CpuEngine<T>::attention(int64_t index, const Layer& layer, std::span<const StepRow> rows) {
  const auto n = static_cast<int64_t>(rows.size());
  const int64_t d = config_.d_head, kv_heads = config_.n_kv_heads, group = config_.n_heads / kv_heads;
  each_row(n, config_.d_model, [&](int64_t r) {
    norm(x_.get() + r * model_stride_, layer.input_norm, normed_.get() + r * model_stride_, config_.d_model);
  });
  matmul(normed_.get(), model_stride_, n, layer.qkv, layer.qkv_bias.get(), qkv_.get(), qkv_stride_);
  const auto key_place = [&](int64_t kv) { return (index * kv_heads + kv) * kPage * (d + d_padded_); };
  each_row(n, qkv_stride_, [&](int64_t r) {
    T* q = qkv_.get() + r * qkv_stride_;
    T* k = q + config_.n_heads * d;
    const T* v = k + kv_heads * d;
    norm_heads(layer, q);
    for (int64_t h = 0; h < config_.n_heads + kv_heads; ++h) rotate(q + h * d, r);  // keys follow queries
    const StepRow& row = rows[static_cast<size_t>(r)];
    T* page = pages_[static_cast<size_t>(row.pages[row.position / kPage])].get();
    const int64_t slot = row.position % kPage;
    for (int64_t kv = 0; kv < kv_heads; ++kv) {
      T* keys = page + key_place(kv);
      for (int64_t i = 0; i < d; ++i) keys[i * kPage + slot] = k[kv * d + i];
      std::copy_n(v + kv * d, d, keys + kPage * d + slot * d_padded_);
    }
  });

  const int64_t window = config_.sliding_window[static_cast<size_t>(index)];
  const auto scale = static_cast<T>(config_.attention_scale);
  team_.run(n * kv_heads, [&](int64_t i, int64_t thread) {
    const int64_t r = i / kv_heads, kv = i % kv_heads;
    const StepRow& row = rows[static_cast<size_t>(r)];
    AttendArgs<T> args;
    args.q = qkv_.get() + r * qkv_stride_ + kv * group * d;
    args.heads = group;
    args.d_head = d;
    args.d_padded = d_padded_;
    args.pages = page_table_.data();
    args.ids = row.pages;
    args.key_offset = key_place(kv);
    args.value_offset = key_place(kv) + kPage * d;
    args.first = window > 0 ? std::max<int64_t>(0, row.position - window + 1) : 0;
    args.last = row.position;
    args.scale = scale;
    args.softcap = static_cast<T>(config_.attention_softcap);
    args.scores = scores_[static_cast<size_t>(thread)].get();
    args.out = mixed_.get() + r * mixed_stride_ + kv * group * d;
    kernels_.attend(args);
  });
  matmul(mixed_.get(), mixed_stride_, n, layer.o, layer.o_bias.get(), added_.get(), model_stride_);
}

template <class T>
void CpuEngine<T>::mlp(const Layer& layer, int64_t rows) {
  each_row(rows, 2 * config_.d_model, [&](int64_t r) {
    T* x = x_.get() + r * model_stride_;
    add_to_stream(x, added_.get() + r * model_stride_, layer.attention_output_norm);
    norm(x, layer.post_norm, normed_.get() + r * model_stride_, config_.d_model);
  });
  matmul(normed_.get(), model_stride_, rows, layer.gate_up, layer.gate_up_bias.get(), gate_up_.get(),
         gate_up_stride_);
  each_row(rows, 4 * config_.d_mlp, [&](int64_t r) {
    T* gate = gate_up_.get() + r * gate_up_stride_;
    if (config_.activation == Activation::silu)
      kernels_.silu_times(gate, gate + config_.d_mlp, config_.d_mlp);
    else
      activate(config_.activation, gate, gate + config_.d_mlp, config_.d_mlp);
  });
  matmul(gate_up_.get(), gate_up_stride_, rows, layer.down, layer.down_bias.get(), added_.get(),
         model_stride_);
  each_row(rows, config_.d_model, [&](int64_t r) {
    add_to_stream(x_.get() + r * model_stride_, added_.get() + r * model_stride_, layer.mlp_output_norm);
  });
}

template <class T>
Tensor CpuEngine<T>::head(std::span<const StepRow> rows) {
  int64_t wanted = 0;
  for (size_t r = 0; r < rows.size(); ++r)
    if (rows[r].logits)
      kernels_.rms_norm(x_.get() + static_cast<int64_t>(r) * model_stride_, norm_.get(),
                        normed_.get() + wanted++ * model_stride_, config_.d_model,
                        static_cast<T>(config_.norm_eps));
  const int64_t stride = round_up(config_.d_vocab);
  Tensor logits = at::empty({wanted, stride}, at::TensorOptions().dtype(kTensorType<T>));
  if (wanted > 0)
    matmul(normed_.get(), model_stride_, wanted, lm_head_, nullptr, logits.template data_ptr<T>(), stride);
  Tensor out = logits.narrow(1, 0, config_.d_vocab);
  if (const double cap = config_.final_softcap; cap > 0) out.div_(cap).tanh_().mul_(cap);
  return out;
}

template <class T>
Tensor CpuEngine<T>::step(std::span<const StepRow> rows) {
  make_room(rows);
  embed(rows);
  set_angles(rows);
  for (int64_t l = 0; l < config_.n_layers; ++l) {
    check_interrupt();  // a step of a large model takes seconds
    attention(l, layers_[static_cast<size_t>(l)], rows);
    check_interrupt();
    mlp(layers_[static_cast<size_t>(l)], static_cast<int64_t>(rows.size()));
  }
  return head(rows);
}

// As many as a layer reads in a fraction of a second, so that an interrupt is seen soon; more than enough to
// read weights seldom.
template <class T>
int64_t CpuEngine<T>::most_rows() const {
  const Layer& layer = layers_.front();
  int64_t weights = 0;
  for (const PackedMatrix* w : {&layer.qkv, &layer.o, &layer.gate_up, &layer.down})
    weights += w->rows() * w->cols();
  return std::clamp<int64_t>(int64_t{25'000'000'000} / std::max<int64_t>(weights, 1), 64, 512);
}

template class CpuEngine<float>;
template class CpuEngine<double>;

}  // namespace circuitdiff
