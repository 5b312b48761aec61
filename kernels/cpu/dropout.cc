// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/dropout.h"

#include <algorithm>

#include "kernels/base/philox.h"
#include "kernels/cpu/device.h"
#include "kernels/cpu/numeric.h"
#include "kernels/cpu/pieces.h"
#include "kernels/cpu/row_kernels.h"
#include "kernels/cpu/storage.h"
#include "kernels/cpu/stream.h"

namespace cadmus::cpu {
namespace {

// y = residual + x, or x.
template <class T>
void AddOrCopy(const DropoutArgs& args, ThreadPool& pool) {
  const T* const x = args.x_TD.data<T>();
  const T* const residual = args.residual_TD ? args.residual_TD.data<T>() : nullptr;
  T* const y = args.y_TD.data<T>();
  ForPieces(pool, args.x_TD.num_elements(), kElementsPerTask, [&](int64_t begin, int64_t end) {
    const int64_t count = end - begin;
    if (residual != nullptr) {
      AddRow(residual + begin, x + begin, count, y + begin);
    } else if (x != y) {
      std::copy_n(x + begin, count, y + begin);
    }
  });
}

// Four columns share one draw of four words; this many draws are made together.
constexpr int64_t kGroups = 64;

struct RowOfDraws {
  PhiloxKey key;
  uint32_t sample_low = 0, sample_high = 0, position = 0;
  double probability = 0;
};

// factors[4 i + j] = kept or 0 for column j of group first_group + i. Not inlined: only as a
// function of its own does GCC unroll Philox's rounds, and then vectorise over the groups.
template <class S>
[[gnu::noinline]] void DrawFactors(const RowOfDraws& row, uint32_t first_group, int64_t num_groups,
                                   S kept, S* factors) {
  const auto [key, sample_low, sample_high, position, probability] = row;
  uint32_t words[4][kGroups];
#pragma omp simd
  for (int64_t i = 0; i < num_groups; ++i) {
    const uint32_t group = first_group + static_cast<uint32_t>(i);
    const PhiloxWords drawn = Philox(key, {sample_low, sample_high, position, group});
    words[0][i] = drawn[0];
    words[1][i] = drawn[1];
    words[2][i] = drawn[2];
    words[3][i] = drawn[3];
  }
  for (int64_t i = 0; i < num_groups; ++i) {
    for (int64_t j = 0; j < 4; ++j) {
      factors[4 * i + j] = UniformFromWord(words[j][i]) >= probability ? kept : S(0);
    }
  }
}

template <class T>
void Drop(const DropoutArgs& args, ThreadPool& pool) {
  using S = Wide<T>;
  const auto& scalars = *static_cast<const StepScalars*>(args.scalars.raw());
  const PhiloxKey key = DeriveKey(scalars.seed, static_cast<uint64_t>(scalars.step), args.site);
  const S kept = static_cast<S>(1.0 / (1.0 - args.probability));
  const int64_t width = args.x_TD.dim(1);
  const int64_t column_base = args.column_base;
  const int64_t end_group = (column_base + width + 3) / 4;
  const int64_t* const samples = args.row_samples_T.data<int64_t>();
  const int32_t* const positions = args.row_positions_T.data<int32_t>();
  const T* const x = args.x_TD.data<T>();
  const T* const residual = args.residual_TD ? args.residual_TD.data<T>() : nullptr;
  T* const y = args.y_TD.data<T>();
  ForPieces(pool, args.x_TD.dim(0), RowsPerTask(width), [&](int64_t begin, int64_t end) {
    S factors[4 * kGroups];
    for (int64_t t = begin; t < end; ++t) {
      const auto sample = static_cast<uint64_t>(samples[t]);
      const RowOfDraws row = {.key = key,
                              .sample_low = static_cast<uint32_t>(sample),
                              .sample_high = static_cast<uint32_t>(sample >> 32),
                              .position = static_cast<uint32_t>(positions[t]),
                              .probability = args.probability};
      for (int64_t group = column_base / 4; group < end_group; group += kGroups) {
        const int64_t num_groups = std::min(kGroups, end_group - group);
        DrawFactors(row, static_cast<uint32_t>(group), num_groups, kept, factors);
        const int64_t first = group * 4 - column_base;  // the column that factors[0] is for
        const int64_t from = std::max<int64_t>(0, first);
        const int64_t n = std::min(width, first + 4 * num_groups) - from;
        const S* const factor = factors + (from - first);
        const T* const x_piece = x + t * width + from;
        T* const y_piece = y + t * width + from;
        if (residual != nullptr) {
          const T* const residual_piece = residual + t * width + from;
#pragma GCC ivdep
          for (int64_t i = 0; i < n; ++i) {
            y_piece[i] = static_cast<T>(S(residual_piece[i]) + S(x_piece[i]) * factor[i]);
          }
        } else {
#pragma GCC ivdep
          for (int64_t i = 0; i < n; ++i) y_piece[i] = static_cast<T>(S(x_piece[i]) * factor[i]);
        }
      }
    }
  });
}

}  // namespace

void Dropout(const DropoutArgs& args, Stream& stream) {
  Run(stream, [args, &pool = PoolOf(stream)] {
    DispatchFloat(args.x_TD.dtype(), [&]<class T>(Storage<T>) {
      if (args.probability > 0) {
        Drop<T>(args, pool);
      } else {
        AddOrCopy<T>(args, pool);
      }
    });
  });
}

}  // namespace cadmus::cpu
