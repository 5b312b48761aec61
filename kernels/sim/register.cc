// SPDX-License-Identifier: Apache-2.0
#include "kernels/sim/register.h"

#include "kernels/ops/adamw.h"
#include "kernels/ops/cast.h"
#include "kernels/ops/cross_entropy.h"
#include "kernels/ops/dropout.h"
#include "kernels/ops/embedding.h"
#include "kernels/ops/reduce.h"
#include "kernels/ops/rms_norm.h"
#include "kernels/ops/rope.h"
#include "kernels/ops/swiglu.h"

namespace cadmus::sim {

void RegisterKernels(KernelTable& table) {
  table.Add<AdamWArgs>(&RecordOnly);
  table.Add<CastArgs>(&RecordOnly);
  table.Add<CrossEntropyArgs>(&RecordOnly);
  table.Add<DropoutArgs>(&RecordOnly);
  table.Add<EmbeddingForwardArgs>(&RecordOnly);
  table.Add<EmbeddingBackwardArgs>(&RecordOnly);
  table.Add<SumArgs>(&RecordOnly);
  table.Add<SquaredNormArgs>(&RecordOnly);
  table.Add<ClipFactorArgs>(&RecordOnly);
  table.Add<RmsNormForwardArgs>(&RecordOnly);
  table.Add<RmsNormBackwardArgs>(&RecordOnly);
  table.Add<RopeArgs>(&RecordOnly);
  table.Add<SwiGluForwardArgs>(&RecordOnly);
  table.Add<SwiGluBackwardArgs>(&RecordOnly);
}

}  // namespace cadmus::sim
