// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/gemm.h"

#include <algorithm>

#include "kernels/cpu/blas.h"
#include "kernels/cpu/device.h"
#include "kernels/cpu/gemm_bf16.h"
#include "kernels/cpu/gemm_operands.h"
#include "kernels/cpu/stream.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/cpu/transposed_product.h"
#include "kernels/ops/gemm_choice.h"

namespace cadmus::cpu {
namespace {

struct CpuGemmPlan final : GemmPlan {
  GemmLibrary library = GemmLibrary::kOneDnn;
  GemmTiles tiles;
};

void Multiply(GemmLibrary library, const Product<float>& product) {
  if (library == GemmLibrary::kTransposedAvx512) {
    MultiplyTransposed(product);
  } else {
    Multiply(product);
  }
}

void Multiply(GemmLibrary /*library*/, const Product<double>& product) { Multiply(product); }

template <class T>
void GemmTile(const GemmArgs& args, const CpuGemmPlan& plan, int64_t task) {
  const GemmSpec& spec = plan.spec;
  const GemmTiles& tiles = plan.tiles;
  const int64_t column = task % tiles.num_n * tiles.tile_n;
  const int64_t row = task / tiles.num_n % tiles.num_m * tiles.tile_m;
  const int64_t entry = task / (tiles.num_n * tiles.num_m);
  const Product<T> product = {
      .transpose_a = spec.transpose_a,
      .transpose_b = spec.transpose_b,
      .m = std::min(tiles.tile_m, spec.m - row),
      .n = std::min(tiles.tile_n, spec.n - column),
      .k = spec.k,
      .alpha = 1,
      .a = Part(Entry<T>(args.a.data, entry), spec.transpose_a, row, 0),
      .b = Part(Entry<T>(args.b.data, entry), spec.transpose_b, 0, column),
      .beta = spec.mode == GradMode::kAccumulate ? T{1} : T{0},
      .c = Part(Entry<T>(args.c, entry), Transpose::kNo, row, column),
  };
  Multiply(plan.library, product);
  if (spec.epilogue == Epilogue::kBias) {
    const T* bias = args.bias_N.data<T>() + column;
    for (int64_t i = 0; i < product.m; ++i) {
      T* c = product.c.row(i);
      for (int64_t j = 0; j < product.n; ++j) c[j] += bias[j];
    }
  }
}

}  // namespace

std::shared_ptr<const GemmPlan> MakeGemmPlan(const GemmSpec& spec, Device& device) {
  if (spec.dtype == DType::kBF16) return MakeBf16GemmPlan(spec, device.properties());
  auto plan = std::make_shared<CpuGemmPlan>();
  plan->spec = spec;
  plan->library = ChooseGemmLibrary(spec, device.properties());
  plan->tiles = ChooseGemmTiles(spec, device.properties());
  plan->kernel =
      StrCat(Name(plan->library), " on tiles of ", plan->tiles.tile_m, " x ", plan->tiles.tile_n);
  return plan;
}

void Gemm(const GemmArgs& args, Stream& stream) {
  if (args.plan->spec.dtype == DType::kBF16) return Bf16Gemm(args, stream);
  const auto* plan = dynamic_cast<const CpuGemmPlan*>(args.plan);
  CADMUS_CHECK(plan != nullptr, "the plan was made for another device");
  Run(stream, [args, plan, &pool = PoolOf(stream)] {
    const int64_t num_tasks = plan->spec.batch * plan->tiles.num_m * plan->tiles.num_n;
    pool.ParallelFor(num_tasks, [&](int64_t task) {
      if (plan->spec.dtype == DType::kF64) {
        GemmTile<double>(args, *plan, task);
      } else {
        GemmTile<float>(args, *plan, task);
      }
    });
  });
}

}  // namespace cadmus::cpu
