// SPDX-License-Identifier: Apache-2.0
// StageRun: runs modules as a stage with two micro-batches in flight, without engine and optimizer,
// and hands out everything that they computed as bytes: for tests that hold one form of a stage
// against another.
#pragma once

#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "kernels/device/tensor.h"
#include "runtime/nn/initial_values.h"
#include "runtime/nn/stage.h"

namespace cadmus {

enum class BackwardOrder { kWhole, kSplit };  // B0 B1, or I0 I1 W0 W1: input, then weight gradients

struct StageRunOptions {
  DType dtype = DType::kF64;
  int64_t batch = 2, length = 6, width = 8;
  int64_t token_ranks = 1;  // x, y: [batch · length / token_ranks, width]
  BackwardOrder order = BackwardOrder::kWhole;
};

class StageRun {
 public:
  static constexpr int kMicroBatches = 2;

  // y, dx per micro-batch, then the gradients in the order of the parameters.
  using Bytes = std::vector<std::vector<char>>;

  StageRun(std::vector<std::unique_ptr<Module>> modules, const StageRunOptions& options,
           Stream& compute)
      : options_(options),
        compute_(compute),
        stage_(std::move(modules)),
        parameters_(stage_.Parameters()),
        gradients_(parameters_, options.dtype, compute) {
    MakeWeights();
    MakeInputs();
    for (MicroBatch& batch : micro_batches_) batch.saves = stage_.NewSaves();
    for (int i = 0; i < 2 * kMicroBatches; ++i) {
      results_.emplace_back(ActivationBytes());
    }
    for (const Parameter* parameter : parameters_) {
      results_.emplace_back(static_cast<size_t>(parameter->grad.num_bytes()));
    }
  }

  // Forward of all micro-batches, then backward of all.
  void Step() {
    gradients_.BeginStep();
    for (size_t i = 0; i < kMicroBatches; ++i) Forward(i, Mode::kTraining);
    for (size_t i = 0; i < kMicroBatches; ++i) {
      BackwardContext context = BackwardOf(i);
      Tensor dy = NewActivation(micro_batches_[i].dy);
      Tensor dx = options_.order == BackwardOrder::kWhole
                      ? stage_.Backward(context, micro_batches_[i].saves, std::move(dy))
                      : stage_.BackwardInput(context, micro_batches_[i].saves, std::move(dy));
      ToHost(kMicroBatches + i, dx);
    }
    if (options_.order == BackwardOrder::kSplit) {
      for (size_t i = 0; i < kMicroBatches; ++i) {
        BackwardContext context = BackwardOf(i);
        stage_.BackwardWeight(context, micro_batches_[i].saves);
      }
    }
    for (size_t i = 0; i < parameters_.size(); ++i) {
      ToHost(2 * kMicroBatches + i, parameters_[i]->grad);
    }
    compute_.Synchronize(compute_.device().wait_limit());
  }

  // The forward passes alone, and then what is live: the memory that waits for backward.
  MemoryStats ForwardOnly(Mode mode = Mode::kTraining) {
    for (size_t i = 0; i < kMicroBatches; ++i) Forward(i, mode);
    compute_.Synchronize(compute_.device().wait_limit());
    return compute_.device().allocator().stats();
  }

  // Of the last step.
  const Bytes& results() const { return results_; }
  Stage& stage() { return stage_; }

 private:
  struct MicroBatch {
    std::vector<int32_t> tokens, positions, documents, row_positions;
    std::vector<int64_t> row_samples;
    std::vector<char> x, dy;
    std::vector<Tensor> device;  // of `inputs`
    MicroBatchInputs inputs;
    Stage::Saves saves;
  };

  class Gradients final : public GradientSink {
   public:
    Gradients(const std::vector<Parameter*>& parameters, DType dtype, Stream& compute) {
      for (Parameter* parameter : parameters) {
        memory_.emplace_back(dtype, parameter->LocalShape(), MemoryCategory::kGradients, compute);
        parameter->grad = memory_.back();
        contributions_[parameter] = 0;
      }
    }
    void BeginStep() {
      for (auto& [parameter, count] : contributions_) count = 0;
    }
    GradMode Begin(Parameter& parameter) override {
      return contributions_.at(&parameter)++ == 0 ? GradMode::kOverwrite : GradMode::kAccumulate;
    }
    void End(Parameter&) override {}

   private:
    std::vector<Tensor> memory_;
    std::unordered_map<const Parameter*, int> contributions_;
  };

  Shape ActivationShape() const {
    return {options_.batch * options_.length / options_.token_ranks, options_.width};
  }
  size_t ActivationBytes() const {
    return static_cast<size_t>(ActivationShape().num_elements() * SizeOf(options_.dtype));
  }

  std::vector<char> ToBytes(const std::vector<double>& values) const {
    const auto size = static_cast<size_t>(SizeOf(options_.dtype));
    std::vector<char> bytes(values.size() * size);
    for (size_t i = 0; i < values.size(); ++i) {
      const auto narrow = static_cast<float>(values[i]);
      std::memcpy(bytes.data() + i * size,
                  size == 8 ? static_cast<const void*>(&values[i]) : &narrow, size);
    }
    return bytes;
  }

  // Each rank's part has values of its own: one layout is only ever held against itself.
  void MakeWeights() {
    for (Parameter* parameter : parameters_) {
      const Shape& shape = parameter->LocalShape();
      weights_.emplace_back(options_.dtype, shape, MemoryCategory::kWeights, compute_);
      parameter->weight = weights_.back();
      std::vector<double> values(static_cast<size_t>(shape.num_elements()));
      FillInitialValues({.name = parameter->name,
                         .shape = shape,
                         .initial = {.kind = InitialValue::Kind::kNormal, .value = 0.3}},
                        7, 0, shape.num_elements(), values.data());
      const std::vector<char> bytes = ToBytes(values);
      compute_.device().CopyToDevice(
          parameter->weight, ConstTensorView(bytes.data(), options_.dtype, shape), compute_);
      compute_.Synchronize(compute_.device().wait_limit());
    }
  }

  // Smooth values without a pattern that a wrong row or column could hide in.
  std::vector<char> Values(double phase) const {
    std::vector<double> values(static_cast<size_t>(ActivationShape().num_elements()));
    for (size_t i = 0; i < values.size(); ++i) {
      const auto x = static_cast<double>(i);
      values[i] = std::sin(phase + 1.7 * x * x);
    }
    return ToBytes(values);
  }

  template <class T>
  ConstTensorView ToDevice(MicroBatch& batch, std::vector<T>& values, const Shape& shape) {
    batch.device.emplace_back(DTypeOf<T>, shape, MemoryCategory::kWorkspace, compute_);
    const TensorView view = batch.device.back();
    compute_.device().CopyToDevice(view, ConstTensorView(values.data(), DTypeOf<T>, shape),
                                   compute_);
    return view;
  }

  void MakeInputs() {
    const int64_t rows = options_.batch, length = options_.length;
    micro_batches_.resize(kMicroBatches);
    for (size_t i = 0; i < kMicroBatches; ++i) {
      MicroBatch& batch = micro_batches_[i];
      for (int64_t b = 0; b < rows; ++b) {
        for (int64_t s = 0; s < length; ++s) {
          const bool second = s > length / 2;  // two documents a row
          batch.tokens.push_back(static_cast<int32_t>(3 * b + s));
          batch.positions.push_back(static_cast<int32_t>(second ? s - length / 2 - 1 : s));
          batch.documents.push_back(second ? 1 : 0);
          batch.row_positions.push_back(static_cast<int32_t>(s));
          batch.row_samples.push_back(static_cast<int64_t>(10 * i) + b);
        }
      }
      batch.x = Values(0.1 + static_cast<double>(i));
      batch.dy = Values(0.5 + static_cast<double>(i));
      batch.inputs = {.tokens_BS = ToDevice(batch, batch.tokens, {rows, length}),
                      .labels_BS = {},
                      .positions_BS = ToDevice(batch, batch.positions, {rows, length}),
                      .documents_BS = ToDevice(batch, batch.documents, {rows, length}),
                      .row_samples_T = ToDevice(batch, batch.row_samples, {rows * length}),
                      .row_positions_T = ToDevice(batch, batch.row_positions, {rows * length})};
    }
    scalars_ = Tensor(DType::kU8, {kStepScalarsBytes}, MemoryCategory::kWorkspace, compute_);
    compute_.device().CopyToDevice(
        scalars_, ConstTensorView(&host_scalars_, DType::kU8, {kStepScalarsBytes}), compute_);
  }

  Tensor NewActivation(const std::vector<char>& values) {
    Tensor tensor(options_.dtype, ActivationShape(), MemoryCategory::kActivationsInput, compute_);
    compute_.device().CopyToDevice(
        tensor, ConstTensorView(values.data(), options_.dtype, ActivationShape()), compute_);
    return tensor;
  }

  void ToHost(size_t result, const ConstTensorView& view) {
    compute_.device().CopyToHost(TensorView(results_[result].data(), view.dtype(), view.shape()),
                                 view, compute_);
  }

  void Forward(size_t i, Mode mode) {
    ForwardContext context = {.stream = compute_,
                              .mode = mode,
                              .inputs = micro_batches_[i].inputs,
                              .scalars = scalars_,
                              .cache = nullptr,
                              .loss_sum = {},
                              .logits_BV = {}};
    const Tensor y =
        stage_.Forward(context, micro_batches_[i].saves, NewActivation(micro_batches_[i].x));
    ToHost(i, y);
  }

  BackwardContext BackwardOf(size_t i) {
    return {.stream = compute_,
            .inputs = micro_batches_[i].inputs,
            .scalars = scalars_,
            .gradients = gradients_};
  }

  StageRunOptions options_;
  Stream& compute_;
  Stage stage_;
  std::vector<Parameter*> parameters_;
  std::vector<Tensor> weights_;
  Gradients gradients_;
  StepScalars host_scalars_ = {.seed = 11, .step = 3};
  Tensor scalars_;
  std::vector<MicroBatch> micro_batches_;
  Bytes results_;
};

}  // namespace cadmus
