// SPDX-License-Identifier: Apache-2.0
#include "runtime/train/train_step.h"

#include <algorithm>
#include <cmath>

#include "kernels/ops/reduce.h"

namespace cadmus {

TrainStep::TrainStep(const TrainStepParts& parts, const TrainStepOptions& options)
    : parts_(parts),
      options_(options),
      inputs_(options.size, parts.compute),
      optimize_([this] { Optimize(); }),
      totals_(DType::kF64, {2}, MemoryCategory::kWorkspace, parts.compute),
      squared_norms_(DType::kF64, {options.num_norm_slots}, MemoryCategory::kWorkspace,
                     parts.compute),
      squared_norm_(DType::kF64, {1}, MemoryCategory::kWorkspace, parts.compute),
      norm_(DType::kF64, {1}, MemoryCategory::kWorkspace, parts.compute),
      norm_workspace_(DType::kU8, {ReduceWorkspaceBytes(options.num_norm_slots)},
                      MemoryCategory::kWorkspace, parts.compute),
      totals_ready_(parts.compute.device().NewEvent()),
      totals_reduced_(parts.compute.device().NewEvent()),
      norms_ready_(parts.compute.device().NewEvent()),
      norms_reduced_(parts.compute.device().NewEvent()),
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

  parts_.engine.Run({.micro_batches = inputs_.micro_batches(),
                     .scalars = inputs_.scalars(),
                     .loss_sum = totals_.view().Slice(0, 0, 1),
                     .optimizer = &optimize_});

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
  ReduceTotals();
  ReduceNorm();
  ClipFactor({.squared_norm = squared_norm_,
              .max_norm = options_.clip_norm,
              .norm = norm_,
              .scalars = inputs_.scalars()},
             compute);
  parts_.optimizer.Step(inputs_.scalars(), compute);
  parts_.data_parallel.GatherWeights();

  // Behind the gradients on the communication stream, so awaited last.
  compute.Wait(*totals_reduced_);
  loss_sum_.Fetch(totals_.view().Slice(0, 0, 1), compute);
  stop_count_.Fetch(totals_.view().Slice(0, 1, 2), compute);
  gradient_norm_.Fetch(norm_, compute);
}

// Ranks that are not on the last stage have added nothing to the loss; of the tensor-parallel
// ranks, which all have the same, the first counts.
void TrainStep::ReduceTotals() {
  const ParallelGroups& groups = parts_.groups;
  if (groups.tp->rank() > 0)
    parts_.compute.device().FillZero(totals_.view().Slice(0, 0, 1), parts_.compute);
  StartSum({groups.tp.get(), groups.dp_shard.get(), groups.dp_replicate.get(), groups.pp.get()},
           totals_, "loss and stop requests", *totals_ready_, *totals_reduced_);
}

// Slot by slot over the ranks that hold other gradients, then over the slots in their order: which
// stage holds a parameter, and with whom its gradient was sent, does not matter to the last bit.
void TrainStep::ReduceNorm() {
  const ParallelGroups& groups = parts_.groups;
  parts_.data_parallel.SquaredNorms(squared_norms_);
  StartSum({groups.tp.get(), groups.dp_shard.get(), groups.pp.get()}, squared_norms_,
           "squared gradient norms", *norms_ready_, *norms_reduced_);
  parts_.compute.Wait(*norms_reduced_);
  Sum({.x_N = squared_norms_, .out = squared_norm_, .workspace = norm_workspace_}, parts_.compute);
}

// One axis after the other: the messages of a rank are as many as its axes are long, not as the
// world is large.
void TrainStep::StartSum(std::initializer_list<Communicator*> groups, const TensorView& buffer,
                         const char* site, Event& ready, Event& over) {
  if (std::ranges::all_of(groups, [](Communicator* group) { return group->size() == 1; })) return;
  Stream& communication = parts_.communication;
  parts_.compute.Record(ready);
  communication.Wait(ready);
  for (Communicator* group : groups) {
    if (group->size() > 1) group->AllReduce({.buffer = buffer, .site = site}, communication);
  }
  communication.Record(over);
}

// The first run makes plans; from the second on, the memory of a step repeats.
void TrainStep::CheckAddresses() {
  const uint64_t hash = parts_.compute.device().allocator().address_hash();
  if (++num_runs_ == 2) address_hash_ = hash;
  CADMUS_CHECK(num_runs_ < 2 || hash == address_hash_,
               "a step uses other addresses than the step before");
}

}  // namespace cadmus
