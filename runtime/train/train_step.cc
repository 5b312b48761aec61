// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/train_step.h"

#include <cmath>

#include "kernels/ops/reduce.h"
#include "runtime/schedule/schedules.h"

namespace cadmus {

TrainStep::TrainStep(const TrainStepParts& parts, const TrainStepOptions& options)
    : parts_(parts),
      options_(options),
      inputs_(options.size, parts.compute),
      engine_(parts.stage, SingleStageSchedule(options.size.num_micro_batches),
              options.size.num_micro_batches),
      optimize_([this] { Optimize(); }),
      totals_(DType::kF64, {2}, MemoryCategory::kWorkspace, parts.compute),
      squared_norm_(DType::kF64, {1}, MemoryCategory::kWorkspace, parts.compute),
      norm_(DType::kF64, {1}, MemoryCategory::kWorkspace, parts.compute),
      totals_ready_(parts.compute.device().NewEvent()),
      totals_reduced_(parts.compute.device().NewEvent()),
      loss_sum_(parts.compute.device(), options.expected_loss),
      stop_count_(parts.compute.device(), 0),
      gradient_norm_(parts.compute.device(), 1) {}

StepResult TrainStep::Run(const StepBatch& batch, StopRequest stop) {
  Stream& compute = parts_.compute;
  compute.device().allocator().ResetAddressHash();

  const double learning_rate = LearningRate(options_.learning_rate, batch.step);
  inputs_.Upload(batch,
                 {.learning_rate = learning_rate,
                  .loss_scale = 1.0 / static_cast<double>(batch.supervised_tokens),
                  .seed = options_.seed,
                  .step = batch.step + 1},
                 compute);
  host_totals_[0] = 0;
  host_totals_[1] = stop == StopRequest::kYes ? 1 : 0;
  compute.device().CopyToDevice(totals_, ConstTensorView(host_totals_, DType::kF64, {2}), compute);

  engine_.Run({.compute = compute,
               .micro_batches = inputs_.micro_batches(),
               .scalars = inputs_.scalars(),
               .loss_sum = totals_.view().Slice(0, 0, 1),
               .gradients = parts_.gradients,
               .optimizer = optimize_});

  const StepResult result = {.loss = loss_sum_.Get() / static_cast<double>(batch.supervised_tokens),
                             .gradient_norm = gradient_norm_.Get(),
                             .learning_rate = learning_rate,
                             .stop = stop_count_.Get() > 0 ? StopRequest::kYes : StopRequest::kNo};
  if (!std::isfinite(result.loss) || !std::isfinite(result.gradient_norm)) {
    throw Error(
        Kind::kNumerics,
        StrCat("step ", batch.step + 1, ": loss ", result.loss, ", gradient norm ",
               result.gradient_norm,
               "; nothing of this step was saved, earlier checkpoints are good. Start a run of "
               "another "
               "name with a lower optimizer.lr or a longer optimizer.warmup_steps, and look at the "
               "data of this step"));
  }
  CheckAddresses();
  return result;
}

// The optimizer action: every gradient is final or being summed.
void TrainStep::Optimize() {
  Stream& compute = parts_.compute;
  Stream& communication = parts_.communication;
  const bool reduces = parts_.data_parallel.size() > 1;
  if (reduces) {
    compute.Record(*totals_ready_);
    communication.Wait(*totals_ready_);
    parts_.data_parallel.AllReduce({.buffer = totals_, .site = "loss and stop requests"},
                                   communication);
    communication.Record(*totals_reduced_);
  }
  parts_.gradients.SquaredNorm(squared_norm_);
  ClipFactor({.squared_norm = squared_norm_,
              .max_norm = options_.clip_norm,
              .norm = norm_,
              .scalars = inputs_.scalars()},
             compute);
  parts_.optimizer.Step(inputs_.scalars(), compute);

  // Behind the buckets on the communication stream, so awaited last.
  if (reduces) compute.Wait(*totals_reduced_);
  loss_sum_.Fetch(totals_.view().Slice(0, 0, 1), compute);
  stop_count_.Fetch(totals_.view().Slice(0, 1, 2), compute);
  gradient_norm_.Fetch(norm_, compute);
}

// The first run makes plans; from the second on, the memory of a step repeats.
void TrainStep::CheckAddresses() {
  const uint64_t hash = parts_.compute.device().allocator().address_hash();
  if (++num_runs_ == 2) address_hash_ = hash;
  CADMUS_CHECK(num_runs_ < 2 || hash == address_hash_,
               "a step uses other addresses than the step before");
}

}  // namespace cadmus
