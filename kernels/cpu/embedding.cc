// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/embedding.h"

#include <algorithm>

#include "kernels/cpu/device.h"
#include "kernels/cpu/index_check.h"
#include "kernels/cpu/numeric.h"
#include "kernels/cpu/pieces.h"
#include "kernels/cpu/row_kernels.h"
#include "kernels/cpu/storage.h"
#include "kernels/cpu/stream.h"

namespace cadmus::cpu {
namespace {

// Where the table's rows lie in its vocabulary.
VocabularyPart PartOf(const std::optional<VocabularyPart>& part, int64_t num_rows) {
  return part.value_or(VocabularyPart{.first = 0, .vocab_size = num_rows});
}

template <class T>
void Forward(const EmbeddingForwardArgs& args, ThreadPool& pool) {
  const int64_t tokens = args.y_TD.dim(0);
  const int64_t width = args.y_TD.dim(1);
  const int32_t* const token = args.tokens_T.data<int32_t>();
  const T* const table = args.table_VD.data<T>();
  const T* const add = args.add_TD ? args.add_TD.data<T>() : nullptr;
  T* const y = args.y_TD.data<T>();
  const VocabularyPart part = PartOf(args.part, args.table_VD.dim(0));
  const int64_t num_rows = part.NumPresent(args.table_VD.dim(0));
  CheckIndices("token", token, tokens, part.vocab_size);
  ForPieces(pool, tokens, RowsPerTask(width), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t row = token[t] - part.first;
      const bool is_here = row >= 0 && row < num_rows;
      T* const y_row = y + t * width;
      if (add != nullptr) {
        const T* const add_row = add + t * width;
        if (is_here) {
          AddRow(table + row * width, add_row, width, y_row);
        } else if (add_row != y_row) {
          std::copy_n(add_row, width, y_row);
        }
      } else if (is_here) {
        std::copy_n(table + row * width, width, y_row);
      } else {
        std::fill_n(y_row, width, T(0));
      }
    }
  });
}

// Parallel over blocks of columns, so that every row adds its tokens in their order.
template <class T>
void Backward(const EmbeddingBackwardArgs& args, ThreadPool& pool) {
  using S = Wide<T>;
  constexpr int64_t kColumns = 64;
  const int64_t tokens = args.tokens_T.dim(0);
  const VocabularyPart part = PartOf(args.part, args.dtable_VD.dim(0));
  const int64_t num_rows = part.NumPresent(args.dtable_VD.dim(0));
  const int64_t width = args.dtable_VD.dim(1);
  const int32_t* const token = args.tokens_T.data<int32_t>();
  const T* const dy = args.dy_TD.data<T>();
  S* const dtable = args.dtable_VD.data<S>();
  CheckIndices("token", token, tokens, part.vocab_size);
  ForPieces(pool, width, kColumns, [&](int64_t begin, int64_t end) {
    const int64_t columns = end - begin;
    if (args.mode == GradMode::kOverwrite) {
      for (int64_t v = 0; v < args.dtable_VD.dim(0); ++v) {
        std::fill_n(dtable + v * width + begin, columns, S(0));
      }
    }
    for (int64_t t = 0; t < tokens; ++t) {
      const int64_t row = token[t] - part.first;
      if (row < 0 || row >= num_rows) continue;
      const T* const dy_row = dy + t * width + begin;
      S* const dtable_row = dtable + row * width + begin;
#pragma omp simd
      for (int64_t d = 0; d < columns; ++d) dtable_row[d] += S(dy_row[d]);
    }
  });
}

}  // namespace

void EmbeddingForward(const EmbeddingForwardArgs& args, Stream& stream) {
  Run(stream, [args, &pool = PoolOf(stream)] {
    DispatchFloat(args.y_TD.dtype(), [&]<class T>(Storage<T>) { Forward<T>(args, pool); });
  });
}

void EmbeddingBackward(const EmbeddingBackwardArgs& args, Stream& stream) {
  Run(stream, [args, &pool = PoolOf(stream)] {
    DispatchFloat(args.dy_TD.dtype(), [&]<class T>(Storage<T>) { Backward<T>(args, pool); });
  });
}

}  // namespace cadmus::cpu
