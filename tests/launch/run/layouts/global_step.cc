// SPDX-License-Identifier: Apache-2.0
#include "tests/launch/run/layouts/global_step.h"

#include <algorithm>
#include <bit>
#include <map>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

int64_t FlatIndex(const Shape& shape, const std::vector<int64_t>& index) {
  int64_t flat = 0;
  for (int dim = 0; dim < shape.num_dims(); ++dim)
    flat = flat * shape[dim] + index[static_cast<size_t>(dim)];
  return flat;
}

// Calls visit(index in the box of its first element) for every row of a box: the elements that
// differ in the last dim only.
template <class Visit>
void VisitRows(const Shape& extent, const Visit& visit) {
  std::vector<int64_t> index(static_cast<size_t>(extent.num_dims()), 0);
  if (extent.num_elements() == 0) return;
  for (;;) {
    visit(index);
    int dim = extent.num_dims() - 2;
    for (; dim >= 0; --dim) {
      if (++index[static_cast<size_t>(dim)] < extent[dim]) break;
      index[static_cast<size_t>(dim)] = 0;
    }
    if (dim < 0) return;
  }
}

std::vector<int64_t> Plus(std::vector<int64_t> index, const Shape& offset) {
  for (int dim = 0; dim < offset.num_dims(); ++dim) index[static_cast<size_t>(dim)] += offset[dim];
  return index;
}

// The tensors of one sort, put together piece by piece.
class Assembly {
 public:
  Assembly(const std::vector<const RankStep*>& ranks, std::vector<Piece> RankStep::*pieces) {
    for (size_t rank = 0; rank < ranks.size(); ++rank) {
      for (const Piece& piece : ranks[rank]->*pieces) Write(piece, static_cast<int>(rank));
    }
    for (const Whole& whole : all_) RequireWritten(whole);
    for (size_t rank = 0; rank < ranks.size(); ++rank) {
      for (const Piece& piece : ranks[rank]->*pieces) CompareCopies(piece, static_cast<int>(rank));
    }
  }

  std::vector<GlobalTensor> TakeTensors() {
    std::vector<GlobalTensor> tensors;
    for (Whole& whole : all_) tensors.push_back(std::move(whole.tensor));
    return tensors;
  }
  const std::string& first_problem() const { return problem_; }

 private:
  struct Whole {
    GlobalTensor tensor;
    std::vector<int> writer;  // the rank; -1: none yet
  };

  void Note(const std::string& problem) {
    if (problem_.empty()) problem_ = problem;
  }

  Whole& Find(const Piece& piece) {
    const auto count = static_cast<size_t>(piece.global_shape.num_elements());
    const auto [it, is_first] = place_.try_emplace(piece.name, all_.size());
    if (is_first) {
      all_.push_back({{piece.name, std::vector<double>(count)}, std::vector<int>(count, -1)});
    }
    CADMUS_CHECK(all_[it->second].writer.size() == count,
                 StrCat(piece.name, " has several global shapes"));
    return all_[it->second];
  }

  void Write(const Piece& piece, int rank) {
    Whole& whole = Find(piece);
    for (const PieceRun& run : piece.runs) {
      for (int64_t i = 0; run.is_writer && i < run.count; ++i) {
        const auto to = static_cast<size_t>(run.global_begin + i);
        if (whole.writer[to] >= 0) {
          Note(StrCat(piece.name, ", element ", to, ": written by rank ", whole.writer[to],
                      " and by rank ", rank));
        }
        whole.writer[to] = rank;
        whole.tensor.values[to] = piece.values[static_cast<size_t>(run.begin + i)];
      }
    }
  }

  void RequireWritten(const Whole& whole) {
    const auto none = std::find(whole.writer.begin(), whole.writer.end(), -1);
    if (none == whole.writer.end()) return;
    Note(StrCat(whole.tensor.name, ", element ", none - whole.writer.begin(),
                ": written by no rank"));
  }

  void CompareCopies(const Piece& piece, int rank) {
    const Whole& whole = Find(piece);
    for (const PieceRun& run : piece.runs) {
      for (int64_t i = 0; i < run.count; ++i) {
        const auto at = static_cast<size_t>(run.global_begin + i);
        const double mine = piece.values[static_cast<size_t>(run.begin + i)];
        const double theirs = whole.tensor.values[at];
        if (std::bit_cast<uint64_t>(mine) == std::bit_cast<uint64_t>(theirs)) continue;
        Note(StrCat(piece.name, ", element ", at, ": ", mine, " on rank ", rank, ", ", theirs,
                    " on its writer, rank ", whole.writer[at]));
        return;
      }
    }
  }

  std::vector<Whole> all_;  // in the order in which ranks name them
  std::map<std::string, size_t> place_;
  std::string problem_;
};

}  // namespace

std::vector<PieceRun> RunsOfBox(const Shape& global_shape, const Shape& offset, const Shape& extent,
                                bool is_writer) {
  std::vector<PieceRun> runs;
  int64_t begin = 0;
  VisitRows(extent, [&](const std::vector<int64_t>& index) {
    runs.push_back({.global_begin = FlatIndex(global_shape, Plus(index, offset)),
                    .begin = begin,
                    .count = extent.back(),
                    .is_writer = is_writer});
    begin += extent.back();
  });
  return runs;
}

std::vector<PieceRun> RunsOfRange(const Shape& global_shape, const Shape& local_shape,
                                  const std::vector<PlacedSlice>& slices, const FlatRange& range,
                                  bool is_writer) {
  if (slices.empty()) {
    if (range.extent == 0) return {};
    return {
        {.global_begin = range.offset, .begin = 0, .count = range.extent, .is_writer = is_writer}};
  }
  std::vector<PieceRun> runs;
  for (const PlacedSlice& slice : slices) {
    VisitRows(slice.extent, [&](const std::vector<int64_t>& index) {
      const int64_t local = FlatIndex(local_shape, Plus(index, slice.local_offset));
      const int64_t global = FlatIndex(global_shape, Plus(index, slice.global_offset));
      const int64_t begin = std::max(local, range.offset);
      const int64_t end = std::min(local + slice.extent.back(), range.offset + range.extent);
      if (begin >= end) return;
      runs.push_back({.global_begin = global + begin - local,
                      .begin = begin - range.offset,
                      .count = end - begin,
                      .is_writer = is_writer && slice.is_owner()});
    });
  }
  return runs;
}

GlobalStep PutTogether(const std::vector<const RankStep*>& ranks) {
  GlobalStep step = {.result = ranks.front()->result};
  for (size_t rank = 1; rank < ranks.size() && step.problems.empty(); ++rank) {
    const StepResult& result = ranks[rank]->result;
    if (result.loss == step.result.loss && result.gradient_norm == step.result.gradient_norm &&
        result.learning_rate == step.result.learning_rate) {
      continue;
    }
    step.problems.push_back(StrCat("rank ", rank, " reports loss ", result.loss,
                                   " and gradient norm ", result.gradient_norm, ", rank 0 ",
                                   step.result.loss, " and ", step.result.gradient_norm));
  }
  Assembly gradients(ranks, &RankStep::gradients);
  Assembly state(ranks, &RankStep::state);
  for (const Assembly* assembly : {&gradients, &state}) {
    if (!assembly->first_problem().empty()) step.problems.push_back(assembly->first_problem());
  }
  step.gradients = gradients.TakeTensors();
  step.state = state.TakeTensors();
  return step;
}

}  // namespace cadmus
