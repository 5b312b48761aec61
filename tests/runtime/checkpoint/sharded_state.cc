// SPDX-License-Identifier: Apache-2.0
#include "tests/runtime/checkpoint/sharded_state.h"

#include <algorithm>
#include <cstring>

#include "kernels/open_device.h"

namespace cadmus {
namespace {

int64_t PartBegin(int64_t size, int rank, int num_ranks) { return size * rank / num_ranks; }

Shape Zeros(int num_dims) {
  Shape zeros = num_dims == 0 ? Shape() : Shape(std::vector<int64_t>(num_dims, 0));
  return zeros;
}

std::vector<Box> SplitDim(const Shape& shape, int dim, int rank, int num_ranks) {
  Box box{.offset = Zeros(shape.num_dims()), .extent = shape};
  if (shape.num_dims() == 0) return rank == 0 ? std::vector<Box>{box} : std::vector<Box>{};
  box.offset[dim] = PartBegin(shape[dim], rank, num_ranks);
  box.extent[dim] = PartBegin(shape[dim], rank + 1, num_ranks) - box.offset[dim];
  return {box};
}

// The elements [begin, end) in row-major order of the dims from `dim` on, as boxes; the dims before
// are fixed in `prefix`.
void AddFlatRange(const Shape& shape, int dim, Box prefix, int64_t begin, int64_t end,
                  std::vector<Box>& boxes) {
  if (begin >= end) return;
  int64_t row = 1;
  for (int i = dim + 1; i < shape.num_dims(); ++i) row *= shape[i];
  const auto add_part_of_row = [&](int64_t from, int64_t to) {
    Box inner = prefix;
    inner.offset[dim] = from / row;
    inner.extent[dim] = 1;
    AddFlatRange(shape, dim + 1, inner, from % row, from % row + to - from, boxes);
  };
  if (begin % row != 0) {
    const int64_t stop = std::min(end, (begin / row + 1) * row);
    add_part_of_row(begin, stop);
    begin = stop;
  }
  if (const int64_t rows = (end - begin) / row; rows > 0) {
    Box box = prefix;
    box.offset[dim] = begin / row;
    box.extent[dim] = rows;
    boxes.push_back(box);
    begin += rows * row;
  }
  if (begin < end) add_part_of_row(begin, end);
}

std::vector<Box> FlatRange(const Shape& shape, int rank, int num_ranks) {
  if (shape.num_dims() == 0 || shape.num_elements() == 0)
    return SplitDim(shape, 0, rank, num_ranks);
  std::vector<Box> boxes;
  AddFlatRange(shape, 0, {.offset = Zeros(shape.num_dims()), .extent = shape},
               PartBegin(shape.num_elements(), rank, num_ranks),
               PartBegin(shape.num_elements(), rank + 1, num_ranks), boxes);
  return boxes;
}

std::vector<Box> DealtRows(const Shape& shape, int rank, int num_ranks) {
  if (shape.num_dims() == 0 || shape.num_elements() == 0)
    return SplitDim(shape, 0, rank, num_ranks);
  std::vector<Box> boxes;
  for (int64_t row = rank; row < shape[0]; row += num_ranks) {
    Box box{.offset = Zeros(shape.num_dims()), .extent = shape};
    box.offset[0] = row;
    box.extent[0] = 1;
    boxes.push_back(box);
  }
  return boxes;
}

double ValueOf(const std::string& name, int64_t element) {
  return static_cast<double>(name.size()) + static_cast<double>(element) / 3;
}

// Calls visit(global element, local element) for each element of an entry.
template <class Visit>
void ForEachElement(const StateEntry& entry, const Visit& visit) {
  const Shape& extent = entry.local.shape();
  for (int64_t local = 0; local < extent.num_elements(); ++local) {
    int64_t rest = local, global = 0, stride = 1;
    for (int dim = extent.num_dims() - 1; dim >= 0; --dim) {
      global += (entry.offset[dim] + rest % extent[dim]) * stride;
      stride *= entry.global_shape[dim];
      rest /= extent[dim];
    }
    visit(global, local);
  }
}

// The memory of a cpu device is host memory.
void Put(const StateEntry& entry, int64_t local, double value) {
  if (entry.local.dtype() == DType::kF64) {
    entry.local.data<double>()[local] = value;
  } else {
    entry.local.data<float>()[local] = static_cast<float>(value);
  }
}

bool Holds(const StateEntry& entry, int64_t local, double value) {
  if (entry.local.dtype() == DType::kF64) {
    return std::memcmp(entry.local.data<double>() + local, &value, sizeof(value)) == 0;
  }
  const auto narrow = static_cast<float>(value);
  return std::memcmp(entry.local.data<float>() + local, &narrow, sizeof(narrow)) == 0;
}

}  // namespace

std::vector<TestTensor> SmallTensors() {
  return {{.name = "scalar", .dtype = DType::kF64, .shape = {}},
          {.name = "empty", .dtype = DType::kF32, .shape = {0, 3}},
          {.name = "bias", .dtype = DType::kF32, .shape = {13}},
          {.name = "weight", .dtype = DType::kF32, .shape = {7, 5}},
          {.name = "optimizer.m.weight", .dtype = DType::kF64, .shape = {7, 5}},
          {.name = "experts", .dtype = DType::kF64, .shape = {3, 4, 5}}};
}

const std::vector<Cut>& AllCuts() {
  static const std::vector<Cut> cuts = {
      RowCut(),
      {.name = "columns",
       .boxes =
           [](const Shape& shape, int rank, int num_ranks) {
             return SplitDim(shape, shape.num_dims() - 1, rank, num_ranks);
           }},
      {.name = "flat", .boxes = &FlatRange},
      {.name = "dealt", .boxes = &DealtRows},
      {.name = "last", .boxes = [](const Shape& shape, int rank, int num_ranks) {
         return rank == num_ranks - 1 ? SplitDim(shape, 0, 0, 1) : std::vector<Box>{};
       }}};
  return cuts;
}

const Cut& RowCut() {
  static const Cut cut = {.name = "rows", .boxes = [](const Shape& shape, int rank, int num_ranks) {
                            return SplitDim(shape, 0, rank, num_ranks);
                          }};
  return cut;
}

std::unique_ptr<Device> OpenTestDevice() {
  static const auto pool = MakeThreadPool(1);
  return OpenDevice({.kind = DeviceKind::kCpu, .memory_bytes = int64_t{64} << 20, .pool = pool});
}

ShardedState::ShardedState(std::span<const TestTensor> tensors, const Cut& cut, int rank,
                           int num_ranks, Stream& stream) {
  for (const TestTensor& tensor : tensors) {
    for (const Box& box : cut.boxes(tensor.shape, rank, num_ranks)) {
      memory_.emplace_back(tensor.dtype, box.extent, MemoryCategory::kWeights, stream);
      entries_.push_back({.name = tensor.name,
                          .global_shape = tensor.shape,
                          .offset = box.offset,
                          .local = memory_.back().view()});
      ForEachElement(entries_.back(), [&](int64_t global, int64_t local) {
        Put(entries_.back(), local, ValueOf(tensor.name, global));
      });
    }
  }
}

void ShardedState::Clear() {
  for (const StateEntry& entry : entries_) {
    std::memset(entry.local.raw(), 0xff, static_cast<size_t>(entry.local.num_bytes()));
  }
}

int64_t ShardedState::NumWrong() const {
  int64_t wrong = 0;
  for (const StateEntry& entry : entries_) {
    ForEachElement(entry, [&](int64_t global, int64_t local) {
      wrong += !Holds(entry, local, ValueOf(entry.name, global));
    });
  }
  return wrong;
}

}  // namespace cadmus
