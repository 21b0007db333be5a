#include "model/layer_stream.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <array>
#include <cstring>

namespace circuitdiff {
namespace {

// Asks for a tensor's pages one by one, so that the computation does not wait for the disk.
void touch_pages(const Tensor& t) {
  const auto* bytes = static_cast<const volatile std::byte*>(t.const_data_ptr());
  for (size_t i = 0; i < t.nbytes(); i += 4096) (void)bytes[i];
}

constexpr std::array kTensors{
    &LayerWeights::input_layernorm,  &LayerWeights::q_proj,
    &LayerWeights::k_proj,           &LayerWeights::v_proj,
    &LayerWeights::q_bias,           &LayerWeights::k_bias,
    &LayerWeights::v_bias,           &LayerWeights::q_norm,
    &LayerWeights::k_norm,           &LayerWeights::o_proj,
    &LayerWeights::o_bias,           &LayerWeights::post_attention_layernorm,
    &LayerWeights::gate_proj,        &LayerWeights::up_proj,
    &LayerWeights::gate_bias,        &LayerWeights::up_bias,
    &LayerWeights::down_proj,        &LayerWeights::down_bias,
    &LayerWeights::attention_output_norm, &LayerWeights::mlp_output_norm};

}  // namespace

// Copies layers into memory that stays where it is: on a stream of its own, which waits for the computation to be done with
// what lies there, as the computation waits for the copy.
class LayerStream::Transfer {
 public:
  explicit Transfer(const Weights& weights)
      : weights_(weights),
        device_(weights.device()),
        guard_(device_.type()),
        stream_(guard_.getStreamFromGlobalPool(device_)),
        free_(device_.type()),
        ready_(device_.type()) {
    for (Buffer& b : buffers_) {
      b.bytes = at::empty({kBuffer}, at::TensorOptions().dtype(at::kByte).pinned_memory(true));
      b.copied = std::make_unique<c10::Event>(device_.type());
    }
  }

  // By the computing thread: from now on nothing reads what `into` holds. Makes its tensors the first time.
  void release(LayerWeights& into, int64_t index) {
    if (!into.q_proj.defined()) {
      const LayerWeights host = weights_.host_layer(index);
      for (const auto member : kTensors)
        if (const Tensor& t = host.*member; t.defined())
          into.*member = at::empty(
              t.sizes(), at::TensorOptions().device(device_).dtype(t.dim() > 1 ? weights_.dtype() : t.scalar_type()));
    }
    free_.record(guard_.getStream(device_));
  }

  // By any thread. Returns when the last bytes are in pinned memory, not when they are on the device.
  void copy(int64_t index, LayerWeights& into) {
    const at::NoGradGuard no_grad;
    const c10::StreamGuard own(stream_);
    free_.block(stream_);
    const LayerWeights host = weights_.host_layer(index);
    for (const auto member : kTensors) {
      const Tensor& from = host.*member;
      if (!from.defined()) continue;
      const Tensor& to = into.*member;
      if (from.scalar_type() == to.scalar_type()) {
        send(from, to);
      } else {
        const Tensor stored = at::empty_like(to, to.options().dtype(from.scalar_type()));
        send(from, stored);
        to.copy_(stored);
      }
    }
    ready_.record(stream_);
  }

  // By the computing thread: what it does from here on waits for the last copy.
  void await() {
    if (ready_.was_marked_for_recording()) ready_.block(guard_.getStream(device_));
  }

 private:
  static constexpr int64_t kBuffer = int64_t{64} << 20;
  struct Buffer {
    Tensor bytes;
    std::unique_ptr<c10::Event> copied;
  };

  void send(const Tensor& from, const Tensor& to) {
    const Tensor source = from.contiguous();
    const auto* bytes = static_cast<const std::byte*>(source.const_data_ptr());
    const Tensor target = to.flatten().view(at::kByte);
    const auto all = static_cast<int64_t>(source.nbytes());
    for (int64_t begin = 0; begin < all; begin += kBuffer) {
      Buffer& b = buffers_[static_cast<size_t>(turn_++ % 2)];
      const int64_t n = std::min(kBuffer, all - begin);
      if (b.copied->was_marked_for_recording()) b.copied->synchronize();
      auto* pinned = static_cast<std::byte*>(b.bytes.mutable_data_ptr());
      // From the file's pages: one thread alone is slower than the bus.
      at::parallel_for(0, n, int64_t{1} << 20, [&](int64_t first, int64_t last) {
        std::memcpy(pinned + first, bytes + begin + first, static_cast<size_t>(last - first));
      });
      target.narrow(0, begin, n).copy_(b.bytes.narrow(0, 0, n), /*non_blocking=*/true);
      b.copied->record(stream_);
    }
  }

  const Weights& weights_;
  at::Device device_;
  c10::impl::VirtualGuardImpl guard_;
  c10::Stream stream_;
  c10::Event free_, ready_;
  std::array<Buffer, 2> buffers_;
  int64_t turn_ = 0;
};

LayerStream::LayerStream(const Weights& weights, bool ahead) : weights_(weights), read_ahead_(ahead) {
  if (ahead && !weights.device().is_cpu()) transfer_ = std::make_unique<Transfer>(weights);
}

LayerStream::~LayerStream() {
  if (ahead_.valid()) ahead_.wait();
  // The memory of the layers is given back to the computation, while a copy may still be on its way.
  if (transfer_) transfer_->await();
}

void LayerStream::read(int64_t index, LayerWeights& into) {
  if (transfer_) {
    transfer_->copy(index, into);
    return;
  }
  const at::NoGradGuard no_grad;
  into = weights_.layer(index);
}

const LayerWeights& LayerStream::layer(int64_t index, int64_t next) {
  if (ahead_.valid()) ahead_.get();
  if (other_index_ == index) {
    std::swap(current_, other_);
    std::swap(current_index_, other_index_);
  }
  if (current_index_ != index) {
    if (transfer_)
      transfer_->release(current_, index);
    else
      current_ = {};  // freed before the next is read
    current_index_ = -1;
    read(index, current_);
    current_index_ = index;
  }
  if (transfer_) transfer_->await();
  if (read_ahead_ && next >= 0 && next < weights_.checkpoint().config().n_layers && next != index &&
      other_index_ != next) {
    if (transfer_)
      transfer_->release(other_, next);
    else
      other_ = {};  // two layers in memory, never three
    other_index_ = next;
    ahead_ = std::async(std::launch::async, [this, next] {
      read(next, other_);
      if (transfer_) return;
      for (const Tensor& t : {other_.q_proj, other_.k_proj, other_.v_proj, other_.o_proj, other_.gate_proj,
                              other_.up_proj, other_.down_proj})
        touch_pages(t);
    });
  }
  return current_;
}

}  // namespace circuitdiff
