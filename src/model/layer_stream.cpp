#include "model/layer_stream.h"

#include <ATen/core/grad_mode.h>

namespace circuitdiff {
namespace {

// Asks for a tensor's pages one by one, so that the computation does not wait for the disk.
void touch_pages(const Tensor& t) {
  const auto* bytes = static_cast<const volatile std::byte*>(t.const_data_ptr());
  for (size_t i = 0; i < t.nbytes(); i += 4096) (void)bytes[i];
}

}  // namespace

LayerStream::~LayerStream() {
  if (ahead_.valid()) ahead_.wait();
}

const LayerWeights& LayerStream::layer(int64_t index, int64_t next) {
  if (ahead_.valid()) other_ = ahead_.get();
  if (other_index_ == index) {
    std::swap(current_, other_);
    std::swap(current_index_, other_index_);
  }
  if (current_index_ != index) {
    current_ = {};
    current_ = weights_.layer(index);
    current_index_ = index;
  }
  if (read_ahead_ && next >= 0 && next < weights_.checkpoint().config().n_layers && next != index &&
      other_index_ != next) {
    other_ = {};  // freed before the next is read: two layers in memory, never three
    other_index_ = next;
    ahead_ = std::async(std::launch::async, [this, next] {
      const at::NoGradGuard no_grad;
      const LayerWeights w = weights_.layer(next);
      for (const Tensor& t : {w.q_proj, w.k_proj, w.v_proj, w.o_proj, w.gate_proj, w.up_proj, w.down_proj})
        if (t.device().is_cpu()) touch_pages(t);
      return w;
    });
  }
  return current_;
}

}  // namespace circuitdiff
