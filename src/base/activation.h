// What the gate of an MLP goes through (SwiGLU and its siblings).
#pragma once

namespace circuitdiff {

enum class Activation { silu, gelu, gelu_pytorch_tanh, relu };

}  // namespace circuitdiff
