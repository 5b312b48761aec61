// SPDX-License-Identifier: Apache-2.0
// Engine: executes one pipeline rank's list of actions on its model chunks: a training step or an
// evaluation. It decides nothing: order, overlap and memory follow from the list.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "runtime/nn/stage.h"
#include "runtime/parallel/data/data_parallel.h"
#include "runtime/parallel/pipeline/links.h"
#include "runtime/schedule/schedule.h"

namespace cadmus {

class Engine {
 public:
  // All must outlive the engine.
  struct Parts {
    std::vector<Stage*> chunks;  // of this rank, as the schedule counts them
    DataParallel& data_parallel;
    PipelineLinks::Groups pipeline;  // the ranks of the schedule
    Stream& compute;
    // Of what travels between stages, and its dtype: [T, M], or a rank's rows of it.
    Shape activation;
    DType dtype = DType::kNone;
  };

  // Throws kInternal for a schedule that the verifier refuses. Makes room for the micro-batches
  // that are in flight at the same time.
  Engine(const Parts& parts, const Schedule& schedule);

  struct Step {
    std::span<const MicroBatchInputs> micro_batches;
    ConstTensorView scalars;
    // Training:
    TensorView loss_sum;                         // F64[1]; the micro-batches' losses are added
    std::function<void()>* optimizer = nullptr;  // what kOptimizer does
    // Evaluation, on the rank of the last stage: micro-batches × tokens; receives their losses.
    TensorView losses_NT;
  };
  void Run(const Step& step);

  int num_micro_batches() const { return num_micro_batches_; }

 private:
  struct Chunk {
    Stage* stage = nullptr;
    std::optional<StagePlace> before, after;  // the stages beside it, where there are any
    std::vector<std::vector<Parameter*>> parameters_of_module;
    std::vector<Stage::Saves> saves;  // one per micro-batch in flight
    std::vector<int> free_saves;      // indices into saves
    std::vector<int> saves_of_micro_batch;
  };
  // What lies between two passes: the activation or the gradient of one chunk and micro-batch.
  struct Parcel {
    Tensor tensor;
    int message = -1;  // of the links: received, and not yet taken
  };

  Chunk MakeChunk(Stage& stage, const Schedule& schedule, int rank, int index) const;

  void Execute(const Step& step, const Action& action, size_t index);
  void Forward(const Step& step, int chunk, int micro_batch, int module);
  void Backward(const Step& step, ActionKind kind, int chunk, int micro_batch, int module);
  void Overlap(const Step& step, const Action& action);

  Stage::Saves& SavesOf(Chunk& chunk, int micro_batch);
  Parcel& At(std::vector<Parcel>& parcels, int chunk, int micro_batch);
  Tensor TakeParcel(std::vector<Parcel>& parcels, int chunk, int micro_batch);
  // Hands what a pass has made to the neighbouring stage: on this rank, or to be sent.
  void Deliver(Payload payload, int chunk, int micro_batch, Tensor tensor);

  void FreeSaves(Chunk& chunk, int micro_batch);

  DataParallel& data_parallel_;
  Stream& compute_;
  SchedulePurpose purpose_;
  int num_micro_batches_;
  std::vector<Action> actions_;
  std::vector<std::vector<int>> releases_;  // [action]: the sends that are released after it
  std::vector<Chunk> chunks_;
  std::vector<Parcel> activations_, gradients_;  // x of a forward pass, dy of a backward pass
  std::vector<Parcel> outgoing_activations_, outgoing_gradients_;
  std::vector<int> message_of_send_;  // [action]
  PipelineLinks links_;
};

}  // namespace cadmus
