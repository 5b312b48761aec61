// SPDX-License-Identifier: Apache-2.0
// Rotary position embedding, in place, in the rotate-half form: dims i and i + D/2 of a head turn
// together by angle = position · theta^(-2i/D). Backward is the rotation by the negative angle.
//
//   (x_i, x_{i+D/2}) ← (x_i cos - x_{i+D/2} sin,  x_i sin + x_{i+D/2} cos)
//
// Source: Su et al., 2104.09864, in the dim order of Llama's published weights in Hugging Face
// form. Letters: B batch, S sequence, N heads (of queries, keys, or both side by side), D head dim,
// P positions, F = D/2. A position outside [0, P) is a failed check before anything is written.
#pragma once

#include <optional>

#include "kernels/device/device.h"
#include "kernels/device/trace.h"

namespace cadmus {

enum class RopeDirection : uint8_t { kForward, kBackward };

struct RopeArgs {
  static constexpr const char* kName = "Rope";
  TensorView x_BSND;               // in place; may be strided, last dim contiguous
  ConstTensorView positions_BS;    // I32, in [0, P)
  ConstTensorView cos_PF, sin_PF;  // statistics dtype
  RopeDirection direction = RopeDirection::kForward;

  template <class V>
  void Visit(V& v) const {
    v.ReadWrite("x", x_BSND);
    v.Read("positions", positions_BS);
    v.Read("cos", cos_PF);
    v.Read("sin", sin_PF);
  }
};

// Llama 3's stretching of long wavelengths, for contexts longer than those of pre-training. A
// frequency f has wavelength 2π / f, of which n = original_max_position_embeddings · f / 2π fit
// into the original context:
//   n > high_freq_factor: f stays;   n < low_freq_factor: f / factor
//   between: s f + (1 - s) f / factor,
//            s = (n - low_freq_factor) / (high_freq_factor - low_freq_factor)
// Source: Hugging Face transformers, modeling_rope_utils.py, rope_type "llama3".
struct RopeScaling {
  double factor = 1;
  double low_freq_factor = 1, high_freq_factor = 4;
  int64_t original_max_position_embeddings = 0;
};

struct RopeFrequencies {
  double theta = 10000;
  int64_t head_dim = 0;
  std::optional<RopeScaling> scaling;  // absent: frequency i is theta^(-2i/head_dim)
};

// Fills host tables cos(p · frequency i) and sin of it, in f64 arithmetic, rounded to the views'
// dtype, f64 or f32.
void FillRopeTables(const RopeFrequencies& frequencies, const TensorView& host_cos_PF,
                    const TensorView& host_sin_PF);
void Rope(const RopeArgs& args, Stream& stream);
OpCost Cost(const RopeArgs& args);

}  // namespace cadmus
