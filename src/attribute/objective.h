// The loss, eq. (12), and its siblings (docs/spec.md#objectives) at the answer's rows, and their gradient at
// the final stream, written out so that only answer rows meet lm_head and no [T, d_vocab] tensor of a long
// answer is ever whole.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "attribute/options.h"
#include "model/decoder.h"

namespace circuitdiff {

// One entry a row, its own value, not yet averaged: float64 [rows] on the compute device. Nothing is fetched
// from there, so that a GPU goes on to the backward pass meanwhile.
struct RowLosses {
  Tensor nll;        // -log p(target), nats
  Tensor error;      // 1 - p(target)
  Tensor objective;  // what is differentiated
  Tensor gradient;   // [rows, d_model] of `objective` at the final stream; undefined if not asked for
};

// The numbers of a tensor, wherever it lies.
std::vector<double> host_values(const Tensor& t);

// x: the final stream at the rows that predict `targets`, [rows, d_model]; targets: int64 [rows] on the
// compute device.
RowLosses row_losses(const Decoder& decoder, Objective objective, const Tensor& x, const Tensor& targets,
                     bool with_gradient);

// Rows of lm_head taken at once (converted, where weights are streamed), and rows of the answer taken at
// once: they follow from shapes and the kind of device alone, so that the same products are made whatever the
// budget. A GPU takes larger pieces: small ones would not fill it.
int64_t vocabulary_piece(const ModelConfig& config, at::Device device);
int64_t logit_rows(const ModelConfig& config, at::ScalarType dtype, at::Device device);

}  // namespace circuitdiff
