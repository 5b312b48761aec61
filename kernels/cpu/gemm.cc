// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/gemm.h"

#include <algorithm>

#include "kernels/cpu/blas.h"
#include "kernels/cpu/device.h"
#include "kernels/cpu/stream.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/ops/gemm_choice.h"

namespace cadmus::cpu {
namespace {

struct CpuGemmPlan final : GemmPlan {
  GemmTiles tiles;
};

int64_t BatchStride(const ConstTensorView& view) {
  return view.num_dims() == 3 ? view.stride(0) : 0;
}

template <class T>
void GemmTile(const GemmArgs& args, const GemmTiles& tiles, int64_t task) {
  const GemmSpec& spec = args.plan->spec;
  const int64_t column = task % tiles.num_n * tiles.tile_n;
  const int64_t row = task / tiles.num_n % tiles.num_m * tiles.tile_m;
  const int64_t entry = task / (tiles.num_n * tiles.num_m);
  const auto row_stride = [](const ConstTensorView& view) {
    return view.stride(view.num_dims() - 2);
  };

  Product<T> product;
  product.transpose_a = spec.transpose_a;
  product.transpose_b = spec.transpose_b;
  product.m = std::min(tiles.tile_m, spec.m - row);
  product.n = std::min(tiles.tile_n, spec.n - column);
  product.k = spec.k;
  product.ld_a = row_stride(args.a.data);
  product.ld_b = row_stride(args.b.data);
  product.ld_c = row_stride(args.c);
  product.a = args.a.data.data<T>() + entry * BatchStride(args.a.data) +
              row * (spec.transpose_a == Transpose::kYes ? 1 : product.ld_a);
  product.b = args.b.data.data<T>() + entry * BatchStride(args.b.data) +
              column * (spec.transpose_b == Transpose::kYes ? product.ld_b : 1);
  product.c = args.c.data<T>() + entry * BatchStride(args.c) + row * product.ld_c + column;
  product.beta = spec.mode == GradMode::kAccumulate ? T{1} : T{0};
  Multiply(product);

  if (spec.epilogue == Epilogue::kBias) {
    const T* bias = args.bias_N.data<T>() + column;
    for (int64_t i = 0; i < product.m; ++i) {
      T* c = product.c + i * product.ld_c;
      for (int64_t j = 0; j < product.n; ++j) c[j] += bias[j];
    }
  }
}

}  // namespace

std::shared_ptr<const GemmPlan> MakeGemmPlan(const GemmSpec& spec, Device& /*device*/) {
  auto plan = std::make_shared<CpuGemmPlan>();
  plan->spec = spec;
  plan->tiles = ChooseGemmTiles(spec);
  plan->kernel = StrCat(spec.dtype == DType::kF64 ? "OpenBLAS" : "oneDNN", " on tiles of ",
                        plan->tiles.tile_m, " x ", plan->tiles.tile_n);
  return plan;
}

void Gemm(const GemmArgs& args, Stream& stream) {
  const auto* plan = dynamic_cast<const CpuGemmPlan*>(args.plan);
  CADMUS_CHECK(plan != nullptr, "the plan was made for another device");
  Run(stream, [args, &tiles = plan->tiles, &pool = PoolOf(stream)] {
    const int64_t num_tasks = args.plan->spec.batch * tiles.num_m * tiles.num_n;
    pool.ParallelFor(num_tasks, [&](int64_t task) {
      if (args.plan->spec.dtype == DType::kF64) {
        GemmTile<double>(args, tiles, task);
      } else {
        GemmTile<float>(args, tiles, task);
      }
    });
  });
}

}  // namespace cadmus::cpu
