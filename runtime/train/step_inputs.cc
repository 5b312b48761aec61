// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/step_inputs.h"

#include <algorithm>

namespace cadmus {
namespace {

template <class T>
ConstTensorView HostView(const std::vector<T>& values, const Shape& shape) {
  CADMUS_CHECK(static_cast<int64_t>(values.size()) == shape.num_elements(),
               StrCat(values.size(), " values for ", shape.ToString()));
  return ConstTensorView(values.data(), DTypeOf<T>, shape);
}

}  // namespace

StepInputs::StepInputs(const Size& size, Stream& stream) : size_(size) {
  const Shape rows = {size.micro_batch_size, size.sequence_length};
  const Shape flat = {rows.num_elements()};
  const auto new_tensor = [&](DType dtype, const Shape& shape) {
    return Tensor(dtype, shape, MemoryCategory::kWorkspace, stream);
  };
  row_positions_T_ = new_tensor(DType::kI32, flat);
  scalars_ = new_tensor(DType::kU8, {kStepScalarsBytes});
  for (int i = 0; i < size.num_micro_batches; ++i) {
    tensors_.push_back({.tokens_BS = new_tensor(DType::kI32, rows),
                        .labels_BS = new_tensor(DType::kI32, rows),
                        .positions_BS = new_tensor(DType::kI32, rows),
                        .row_samples_T = new_tensor(DType::kI64, flat),
                        .documents_BS = size.mask_across_documents
                                            ? new_tensor(DType::kI32, rows)
                                            : Tensor()});
    const MicroBatchTensors& t = tensors_.back();
    views_.push_back({.tokens_BS = t.tokens_BS,
                      .labels_BS = t.labels_BS,
                      .positions_BS = t.positions_BS,
                      .documents_BS = t.documents_BS ? t.documents_BS.view() : ConstTensorView(),
                      .row_samples_T = t.row_samples_T,
                      .row_positions_T = row_positions_T_});
    host_row_samples_T_.emplace_back(static_cast<size_t>(flat.num_elements()));
  }
  std::vector<int32_t> row_positions(static_cast<size_t>(flat.num_elements()));
  for (size_t i = 0; i < row_positions.size(); ++i) {
    row_positions[i] = static_cast<int32_t>(static_cast<int64_t>(i) % size.sequence_length);
  }
  stream.device().CopyToDevice(row_positions_T_, HostView(row_positions, flat), stream);
  stream.Synchronize(stream.device().wait_limit());
}

void StepInputs::Upload(const StepBatch& batch, const StepScalars& scalars, Stream& stream) {
  CADMUS_CHECK(batch.micro_batches.size() == tensors_.size(),
               StrCat(batch.micro_batches.size(), " micro-batches, room for ", tensors_.size()));
  Device& device = stream.device();
  const Shape rows = {size_.micro_batch_size, size_.sequence_length};
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const MicroBatch& micro_batch = batch.micro_batches[i];
    const MicroBatchTensors& t = tensors_[i];
    device.CopyToDevice(t.tokens_BS, HostView(micro_batch.tokens_BS, rows), stream);
    device.CopyToDevice(t.labels_BS, HostView(micro_batch.labels_BS, rows), stream);
    device.CopyToDevice(t.positions_BS, HostView(micro_batch.positions_BS, rows), stream);
    if (t.documents_BS)
      device.CopyToDevice(t.documents_BS, HostView(micro_batch.documents_BS, rows), stream);
    std::vector<int64_t>& row_samples = host_row_samples_T_[i];
    for (size_t row = 0; row < micro_batch.samples_B.size(); ++row) {
      std::fill_n(row_samples.begin() + static_cast<int64_t>(row) * size_.sequence_length,
                  size_.sequence_length, micro_batch.samples_B[row]);
    }
    device.CopyToDevice(t.row_samples_T, HostView(row_samples, {rows.num_elements()}), stream);
  }
  host_scalars_ = scalars;
  device.CopyToDevice(scalars_, ConstTensorView(&host_scalars_, DType::kU8, {kStepScalarsBytes}),
                      stream);
}

}  // namespace cadmus
