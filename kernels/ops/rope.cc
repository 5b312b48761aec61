// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/device/launch.h"
#include "kernels/ops/check.h"
#include "kernels/ops/cost.h"

namespace cadmus {
namespace {

double Scaled(double frequency, const RopeScaling& scaling) {
  const double turns = static_cast<double>(scaling.original_max_position_embeddings) * frequency /
                       (2 * std::numbers::pi);
  const double share =
      (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor);
  const double kept = std::clamp(share, 0.0, 1.0);
  return kept * frequency + (1 - kept) * frequency / scaling.factor;
}

}  // namespace

void FillRopeTables(const RopeFrequencies& frequencies, const TensorView& host_cos_PF,
                    const TensorView& host_sin_PF) {
  const auto& [theta, head_dim, scaling] = frequencies;
  Check c("FillRopeTables");
  c.True(theta > 0, "theta must be positive");
  c.True(head_dim > 0 && head_dim % 2 == 0, "head_dim must be even and positive");
  c.True(!scaling || (scaling->factor > 0 && scaling->low_freq_factor > 0 &&
                      scaling->high_freq_factor > scaling->low_freq_factor &&
                      scaling->original_max_position_embeddings > 0),
         "scaling: all numbers must be positive, and high_freq_factor above low_freq_factor");
  c.Bind('F', head_dim / 2);
  const DType dtype = c.WideTensor("cos", host_cos_PF, "PF");
  c.Tensor("sin", host_sin_PF, "PF", dtype);
  const int64_t half = head_dim / 2;
  const auto fill = [&]<class T>(T* cos, T* sin) {
    for (int64_t i = 0; i < half; ++i) {
      double frequency = std::pow(frequencies.theta, -2.0 * static_cast<double>(i) /
                                                         static_cast<double>(frequencies.head_dim));
      if (frequencies.scaling) frequency = Scaled(frequency, *frequencies.scaling);
      for (int64_t p = 0; p < c['P']; ++p) {
        const double angle = static_cast<double>(p) * frequency;
        cos[p * half + i] = static_cast<T>(std::cos(angle));
        sin[p * half + i] = static_cast<T>(std::sin(angle));
      }
    }
  };
  if (dtype == DType::kF64) {
    fill(host_cos_PF.data<double>(), host_sin_PF.data<double>());
  } else {
    fill(host_cos_PF.data<float>(), host_sin_PF.data<float>());
  }
}

void Rope(const RopeArgs& args, Stream& stream) {
  Check c(args.kName);
  const DType dtype = c.FloatTensor("x", args.x_BSND, "BSND", Layout::kLastDimContiguous);
  c.Tensor("positions", args.positions_BS, "BS", DType::kI32);
  c.Tensor("cos", args.cos_PF, "PF", StatisticsDType(dtype));
  c.Tensor("sin", args.sin_PF, "PF", StatisticsDType(dtype));
  c.True(c['D'] == 2 * c['F'], "D must be twice F, the width of the tables");
  if (args.x_BSND.num_elements() == 0) return;
  Launch(args, stream);
}

OpCost Cost(const RopeArgs& args) {
  // Each pair of elements takes four products and two sums. A table row is read once a token.
  const int64_t tokens = args.positions_BS.num_elements();
  const int64_t table_bytes = 2 * tokens * args.cos_PF.dim(1) * SizeOf(args.cos_PF.dtype());
  return {.flops = 3.0 * static_cast<double>(args.x_BSND.num_elements()),
          .bytes = BytesOf(args.x_BSND, args.x_BSND, args.positions_BS) +
                   static_cast<double>(table_bytes)};
}

}  // namespace cadmus
