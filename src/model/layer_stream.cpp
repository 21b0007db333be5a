#include "model/layer_stream.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <map>
#include <mutex>

#include "kernels/gpu/pinned_copy.h"

namespace circuitdiff {
namespace {

// Asks for a tensor's pages one by one, so that the computation does not wait for the disk.
void touch_pages(const Tensor& t) {
  const auto* bytes = static_cast<const volatile std::byte*>(t.const_data_ptr());
  for (size_t i = 0; i < t.nbytes(); i += 4096) (void)bytes[i];
}

}  // namespace

// Copies layers into memory that stays where it is: on a stream of its own, which waits for the computation
// to be done with what lies there, as the computation waits for the copy.
class LayerStream::Transfer {
 public:
  explicit Transfer(const Weights& weights)
      : weights_(weights),
        device_(weights.device()),
        guard_(device_.type()),
        stream_(stream_of(device_)),
        pinned_(stream_),
        free_(device_.type()),
        ready_(device_.type()) {}

  // The layers' memory goes back to the computation, which must wait for copies still on their way into it. A
  // GPU that failed says so where it is next asked, not here.
  ~Transfer() {
    try {
      ready_.record(stream_);
      await();
    } catch (...) {
    }
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  // By the computing thread: from now on nothing reads what `into` holds. Makes its tensors the first time.
  void release(LayerWeights& into) {
    if (!into.q_proj.defined()) {
      const LayerWeights& like = weights_.layer_outline();
      for (const auto member : kLayerTensors)
        if (const Tensor& t = like.*member; t.defined())
          into.*member = at::empty(t.sizes(), at::TensorOptions().device(device_).dtype(
                                                  t.dim() > 1 ? weights_.dtype() : t.scalar_type()));
    }
    free_.record(guard_.getStream(device_));
  }

  // By any thread. Returns when the last bytes are in pinned memory, not when they are on the device.
  void copy(int64_t index, LayerWeights& into) {
    const at::NoGradGuard no_grad;
    guard_.setDevice(device_);
    const c10::StreamGuard own(stream_);
    free_.block(stream_);
    const LayerWeights host = weights_.host_layer(index);
    for (const auto member : kLayerTensors) {
      const Tensor& from = host.*member;
      if (!from.defined()) continue;
      const Tensor& to = into.*member;
      if (from.scalar_type() == to.scalar_type()) {
        pinned_.copy(from, to);
      } else {
        const Tensor stored = at::empty_like(to, to.options().dtype(from.scalar_type()));
        pinned_.copy(from, stored);
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
  // One a device for the life of the process: memory that was used on a stream is only used there again.
  static c10::Stream stream_of(at::Device device) {
    static std::mutex mutex;
    static std::map<at::DeviceIndex, c10::Stream> streams;
    const std::lock_guard lock(mutex);
    const auto it = streams.find(device.index());
    if (it != streams.end()) return it->second;
    const c10::impl::VirtualGuardImpl guard(device.type());
    return streams.emplace(device.index(), guard.getStreamFromGlobalPool(device)).first->second;
  }

  const Weights& weights_;
  at::Device device_;
  c10::impl::VirtualGuardImpl guard_;
  c10::Stream stream_;
  PinnedCopy pinned_;
  c10::Event free_, ready_;
};

LayerStream::LayerStream(const Weights& weights, bool ahead) : weights_(weights), read_ahead_(ahead) {
  if (ahead && !weights.device().is_cpu()) transfer_ = std::make_unique<Transfer>(weights);
}

LayerStream::~LayerStream() {
  if (ahead_.valid()) ahead_.wait();
  transfer_.reset();  // before the layers that it copies into
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
  if (ahead_.valid()) {
    ahead_.get();
    other_index_ = ahead_index_;
  }
  if (other_index_ == index) {
    std::swap(current_, other_);
    std::swap(current_index_, other_index_);
  }
  if (current_index_ != index) {
    current_index_ = -1;
    if (transfer_)
      transfer_->release(current_);
    else
      current_ = {};  // freed before the next is read
    read(index, current_);
    current_index_ = index;
  }
  if (transfer_) transfer_->await();
  if (read_ahead_ && next >= 0 && next < weights_.checkpoint().config().n_layers && next != index &&
      other_index_ != next) {
    other_index_ = -1;
    if (transfer_)
      transfer_->release(other_);
    else
      other_ = {};  // two layers in memory, never three
    ahead_index_ = next;
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
