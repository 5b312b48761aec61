// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/gemm_bf16.h"

#include <algorithm>
#include <optional>

#include "kernels/cpu/bf16_matmul.h"
#include "kernels/cpu/bf16_product.h"
#include "kernels/cpu/device.h"
#include "kernels/cpu/gemm_operands.h"
#include "kernels/cpu/stream.h"
#include "kernels/cpu/thread_pool.h"

namespace cadmus::cpu {
namespace {

struct Bf16GemmPlan final : GemmPlan {
  GemmTiles tiles;
  // Of inner tiles, and of those in the last row and in the last column, which may be smaller; with
  // GemmLibrary::kOneDnnBf16 and k > 0.
  std::optional<Bf16Matmul> matmuls[2][2];
};

struct Tile {
  int64_t entry, row, column;
  int64_t m, n;
  bool in_last_row, in_last_column;
};

Tile TileOf(const GemmSpec& spec, const GemmTiles& tiles, int64_t task) {
  const int64_t i = task / tiles.num_n % tiles.num_m, j = task % tiles.num_n;
  const int64_t row = i * tiles.tile_m, column = j * tiles.tile_n;
  return {.entry = task / (tiles.num_n * tiles.num_m),
          .row = row,
          .column = column,
          .m = std::min(tiles.tile_m, spec.m - row),
          .n = std::min(tiles.tile_n, spec.n - column),
          .in_last_row = i + 1 == tiles.num_m,
          .in_last_column = j + 1 == tiles.num_n};
}

Bf16MatmulShape ShapeOf(const GemmSpec& spec, const Tile& tile) {
  const auto stride = [](int64_t asked, int64_t columns) { return asked == 0 ? columns : asked; };
  return {
      .transpose_a = spec.transpose_a,
      .transpose_b = spec.transpose_b,
      .m = tile.m,
      .n = tile.n,
      .k = spec.k,
      .row_stride_a =
          stride(spec.row_stride_a, spec.transpose_a == Transpose::kYes ? spec.m : spec.k),
      .row_stride_b =
          stride(spec.row_stride_b, spec.transpose_b == Transpose::kYes ? spec.k : spec.n),
      .row_stride_c = stride(spec.row_stride_c, spec.n),
      .output = OutputDType(spec),
      .mode = spec.mode,
      .has_bias = spec.epilogue == Epilogue::kBias,
  };
}

void AddBias(const BFloat16* bias, const Product<BFloat16, float>& product) {
  for (int64_t i = 0; i < product.m; ++i) {
    float* const c = product.c.row(i);
    for (int64_t j = 0; j < product.n; ++j) c[j] += bias[j];
  }
}

// Out: of C.
template <class Out>
void RunTile(const GemmArgs& args, const Bf16GemmPlan& plan, int64_t task) {
  const GemmSpec& spec = plan.spec;
  const Tile tile = TileOf(spec, plan.tiles, task);
  const Product<BFloat16, Out> product = {
      .transpose_a = spec.transpose_a,
      .transpose_b = spec.transpose_b,
      .m = tile.m,
      .n = tile.n,
      .k = spec.k,
      .a = Part(Entry<BFloat16>(args.a.data, tile.entry), spec.transpose_a, tile.row, 0),
      .b = Part(Entry<BFloat16>(args.b.data, tile.entry), spec.transpose_b, 0, tile.column),
      .beta = spec.mode == GradMode::kAccumulate ? 1.0F : 0.0F,
      .c = Part(Entry<Out>(args.c, tile.entry), Transpose::kNo, tile.row, tile.column),
  };
  const BFloat16* const bias =
      spec.epilogue == Epilogue::kBias ? args.bias_N.data<BFloat16>() + tile.column : nullptr;
  if (const auto& matmul = plan.matmuls[tile.in_last_row][tile.in_last_column]) {
    matmul->Run(product.a.data, product.b.data, bias, product.c.data);
  } else if constexpr (std::is_same_v<Out, BFloat16>) {
    Multiply(product, bias);
  } else {
    Multiply(product);
    if (bias != nullptr) AddBias(bias, product);
  }
}

}  // namespace

std::shared_ptr<const GemmPlan> MakeBf16GemmPlan(const GemmSpec& spec,
                                                 const DeviceProperties& properties) {
  const GemmLibrary library = ChooseGemmLibrary(spec, properties);
  auto plan = std::make_shared<Bf16GemmPlan>();
  plan->spec = spec;
  plan->tiles = ChooseGemmTiles(spec, properties);
  const GemmTiles& tiles = plan->tiles;
  plan->kernel = StrCat(Name(library), " on tiles of ", tiles.tile_m, " x ", tiles.tile_n);
  if (library != GemmLibrary::kOneDnnBf16 || spec.k == 0) return plan;
  const int64_t num_tiles = tiles.num_m * tiles.num_n;
  for (int64_t task = 0; task < num_tiles; ++task) {
    const Tile tile = TileOf(spec, tiles, task);
    auto& matmul = plan->matmuls[tile.in_last_row][tile.in_last_column];
    if (!matmul) matmul.emplace(ShapeOf(spec, tile));
  }
  return plan;
}

void Bf16Gemm(const GemmArgs& args, Stream& stream) {
  const auto* plan = dynamic_cast<const Bf16GemmPlan*>(args.plan);
  CADMUS_CHECK(plan != nullptr, "the plan was made for another device");
  Run(stream, [args, plan, &pool = PoolOf(stream)] {
    const int64_t num_tasks = plan->spec.batch * plan->tiles.num_m * plan->tiles.num_n;
    pool.ParallelFor(num_tasks, [&](int64_t task) {
      if (OutputDType(plan->spec) == DType::kBF16) {
        RunTile<BFloat16>(args, *plan, task);
      } else {
        RunTile<float>(args, *plan, task);
      }
    });
  });
}

}  // namespace cadmus::cpu
