// SPDX-License-Identifier: Apache-2.0
#include "runtime/schedule/engine.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "runtime/schedule/activations.h"
#include "runtime/schedule/send_releases.h"
#include "runtime/schedule/verifier.h"

namespace cadmus {
namespace {

using Releases = std::vector<std::vector<int>>;

bool IsForward(const Action& action) {
  return action.kind == ActionKind::kForward || action.kind == ActionKind::kOverlap;
}

bool IsInputBackward(const Action& action) {
  return action.kind == ActionKind::kBackward || action.kind == ActionKind::kBackwardInput ||
         action.kind == ActionKind::kOverlap;
}

// The most messages that are sent and not yet released, or received and not yet taken.
int MaxMessages(std::span<const Action> actions, const Releases& releases) {
  std::set<std::tuple<Payload, int, int>> received;
  int sent = 0, most = 0;
  for (size_t i = 0; i < actions.size(); ++i) {
    const Action& action = actions[i];
    if (action.kind == ActionKind::kSend) ++sent;
    if (action.kind == ActionKind::kReceive)
      received.insert({action.payload, action.chunk, action.micro_batch});
    most = std::max(most, sent + static_cast<int>(received.size()));
    if (IsForward(action)) received.erase({Payload::kActivation, action.chunk, action.micro_batch});
    if (action.kind == ActionKind::kOverlap) {
      received.erase({Payload::kGradient, action.backward_chunk, action.backward_micro_batch});
    } else if (IsInputBackward(action)) {
      received.erase({Payload::kGradient, action.chunk, action.micro_batch});
    }
    sent -= static_cast<int>(releases[i].size());
  }
  return most;
}

}  // namespace

Engine::Engine(const Parts& parts, const Schedule& schedule)
    : data_parallel_(parts.data_parallel),
      compute_(parts.compute),
      purpose_(schedule.purpose),
      num_micro_batches_(schedule.size.num_micro_batches),
      actions_(schedule.actions[static_cast<size_t>(parts.pipeline.activations.rank())]),
      releases_(SendReleases(schedule, parts.pipeline.activations.rank())),
      message_of_send_(actions_.size(), -1),
      links_(parts.pipeline,
             {.shape = parts.activation,
              .dtype = parts.dtype,
              .max_messages = MaxMessages(actions_, releases_)},
             parts.compute) {
  CADMUS_CHECK(static_cast<int>(parts.chunks.size()) == schedule.size.num_chunks &&
                   parts.pipeline.activations.size() == schedule.size.num_ranks,
               StrCat(parts.chunks.size(), " chunks on one of ", parts.pipeline.activations.size(),
                      " ranks, the schedule has ", schedule.size.num_chunks, " on each of ",
                      schedule.size.num_ranks));
  const std::vector<std::string> problems = FindProblems(schedule);
  CADMUS_CHECK(problems.empty(), StrCat("invalid schedule: ", problems.front()));
  const size_t num_parcels = parts.chunks.size() * static_cast<size_t>(num_micro_batches_);
  for (auto* parcels : {&activations_, &gradients_, &outgoing_activations_, &outgoing_gradients_})
    parcels->resize(num_parcels);
  for (size_t chunk = 0; chunk < parts.chunks.size(); ++chunk) {
    chunks_.push_back(MakeChunk(*parts.chunks[chunk], schedule, parts.pipeline.activations.rank(),
                                static_cast<int>(chunk)));
  }
}

Engine::Chunk Engine::MakeChunk(Stage& stage, const Schedule& schedule, int rank, int index) const {
  const int place = schedule.stage_of[static_cast<size_t>(rank)][static_cast<size_t>(index)];
  const std::vector<StagePlace> places = PlacesOfStages(schedule);
  Chunk chunk;
  chunk.stage = &stage;
  if (place > 0) chunk.before = places[static_cast<size_t>(place) - 1];
  if (place + 1 < schedule.size.num_stages()) chunk.after = places[static_cast<size_t>(place) + 1];
  for (int module = 0; module < stage.num_modules(); ++module)
    chunk.parameters_of_module.push_back(stage.ParametersOf(module));
  const int in_flight = MaxInFlight(actions_, index);
  for (int i = 0; i < in_flight; ++i) {
    chunk.saves.push_back(stage.NewSaves());
    chunk.free_saves.push_back(i);
  }
  chunk.saves_of_micro_batch.resize(static_cast<size_t>(num_micro_batches_), -1);
  return chunk;
}

void Engine::Run(const Step& step) {
  CADMUS_CHECK(
      static_cast<int>(step.micro_batches.size()) == num_micro_batches_,
      StrCat(step.micro_batches.size(), " micro-batches for a schedule of ", num_micro_batches_));
  if (purpose_ == SchedulePurpose::kTraining) data_parallel_.BeginStep(num_micro_batches_);
  for (size_t i = 0; i < actions_.size(); ++i) {
    Execute(step, actions_[i], i);
    for (int send : releases_[i]) links_.Release(message_of_send_[static_cast<size_t>(send)]);
  }
}

void Engine::Execute(const Step& step, const Action& action, size_t index) {
  Chunk& chunk = chunks_[static_cast<size_t>(action.chunk)];
  switch (action.kind) {
    case ActionKind::kForward:
      return Forward(step, action.chunk, action.micro_batch, action.module);
    case ActionKind::kBackward:
    case ActionKind::kBackwardInput:
    case ActionKind::kBackwardWeight:
      return Backward(step, action.kind, action.chunk, action.micro_batch, action.module);
    case ActionKind::kOverlap:
      return Overlap(step, action);
    case ActionKind::kSend: {
      auto& parcels =
          action.payload == Payload::kActivation ? outgoing_activations_ : outgoing_gradients_;
      const int peer =
          action.payload == Payload::kActivation ? chunk.after->rank : chunk.before->rank;
      message_of_send_[index] =
          links_.Send(TakeParcel(parcels, action.chunk, action.micro_batch), peer, action.payload);
      return;
    }
    case ActionKind::kReceive: {
      auto& parcels = action.payload == Payload::kActivation ? activations_ : gradients_;
      const int peer =
          action.payload == Payload::kActivation ? chunk.before->rank : chunk.after->rank;
      At(parcels, action.chunk, action.micro_batch).message = links_.Receive(peer, action.payload);
      return;
    }
    case ActionKind::kFetchParameters:
      return data_parallel_.FetchParameters(
          chunk.parameters_of_module[static_cast<size_t>(action.module)]);
    case ActionKind::kReleaseParameters:
      return data_parallel_.ReleaseParameters(
          chunk.parameters_of_module[static_cast<size_t>(action.module)]);
    case ActionKind::kReduceGradients:
      return data_parallel_.ReduceGradients(action.chunk);
    case ActionKind::kTieReduce:
      return data_parallel_.TieReduce();
    case ActionKind::kOptimizer:
      return (*step.optimizer)();
  }
  CADMUS_UNREACHABLE(ToString(action));
}

Engine::Parcel& Engine::At(std::vector<Parcel>& parcels, int chunk, int micro_batch) {
  return parcels[static_cast<size_t>(chunk * num_micro_batches_ + micro_batch)];
}

Tensor Engine::TakeParcel(std::vector<Parcel>& parcels, int chunk, int micro_batch) {
  Parcel& parcel = At(parcels, chunk, micro_batch);
  if (parcel.message >= 0) return links_.Take(std::exchange(parcel.message, -1));
  return std::move(parcel.tensor);
}

void Engine::Deliver(Payload payload, int index, int micro_batch, Tensor tensor) {
  const Chunk& chunk = chunks_[static_cast<size_t>(index)];
  const bool forward = payload == Payload::kActivation;
  const std::optional<StagePlace>& target = forward ? chunk.after : chunk.before;
  if (!target) return;  // the end of the model: there is nothing to hand on
  if (target->rank == links_.rank()) {
    At(forward ? activations_ : gradients_, target->chunk, micro_batch).tensor = std::move(tensor);
  } else {
    At(forward ? outgoing_activations_ : outgoing_gradients_, index, micro_batch).tensor =
        std::move(tensor);
  }
}

Stage::Saves& Engine::SavesOf(Chunk& chunk, int micro_batch) {
  int& slot = chunk.saves_of_micro_batch[static_cast<size_t>(micro_batch)];
  if (slot < 0) {
    slot = chunk.free_saves.back();
    chunk.free_saves.pop_back();
  }
  return chunk.saves[static_cast<size_t>(slot)];
}

void Engine::FreeSaves(Chunk& chunk, int micro_batch) {
  chunk.free_saves.push_back(
      std::exchange(chunk.saves_of_micro_batch[static_cast<size_t>(micro_batch)], -1));
}

void Engine::Forward(const Step& step, int index, int micro_batch, int module) {
  Chunk& chunk = chunks_[static_cast<size_t>(index)];
  const bool evaluates = purpose_ == SchedulePurpose::kEvaluation;
  ForwardContext context = {.stream = compute_,
                            .mode = evaluates ? Mode::kEvaluation : Mode::kTraining,
                            .inputs = step.micro_batches[static_cast<size_t>(micro_batch)],
                            .scalars = step.scalars,
                            .loss_sum = step.loss_sum};
  if (evaluates && !chunk.after) {
    context.loss_T =
        step.losses_NT.Slice(0, micro_batch, micro_batch + 1).Reshape({step.losses_NT.dim(1)});
  }
  Stage::Saves& saves = SavesOf(chunk, micro_batch);
  const int end = chunk.stage->num_modules();
  const int last = module < 0 ? end - 1 : module;
  Tensor x = TakeParcel(activations_, index, micro_batch);
  for (int i = std::max(module, 0); i <= last; ++i) {
    data_parallel_.AwaitParameters(chunk.parameters_of_module[static_cast<size_t>(i)]);
    x = chunk.stage->ForwardModule(i, context, saves, std::move(x));
  }
  if (last == end - 1) {
    Deliver(Payload::kActivation, index, micro_batch, std::move(x));
    if (evaluates) FreeSaves(chunk, micro_batch);
  } else {
    At(activations_, index, micro_batch).tensor = std::move(x);
  }
}

void Engine::Backward(const Step& step, ActionKind kind, int index, int micro_batch, int module) {
  Chunk& chunk = chunks_[static_cast<size_t>(index)];
  BackwardContext context = {.stream = compute_,
                             .inputs = step.micro_batches[static_cast<size_t>(micro_batch)],
                             .scalars = step.scalars,
                             .gradients = data_parallel_.sink(index)};
  Stage::Saves& saves = SavesOf(chunk, micro_batch);
  const int first = module < 0 ? chunk.stage->num_modules() - 1 : module;
  const int last = std::max(module, 0);
  if (kind != ActionKind::kBackwardWeight) {
    Tensor dy = TakeParcel(gradients_, index, micro_batch);
    for (int i = first; i >= last; --i) {
      data_parallel_.AwaitParameters(chunk.parameters_of_module[static_cast<size_t>(i)]);
      dy = chunk.stage->BackwardInputModule(i, context, saves, std::move(dy));
      if (kind == ActionKind::kBackward) chunk.stage->BackwardWeightModule(i, context, saves);
    }
    if (last == 0) {
      Deliver(Payload::kGradient, index, micro_batch, std::move(dy));
    } else {
      At(gradients_, index, micro_batch).tensor = std::move(dy);
    }
  } else {
    for (int i = first; i >= last; --i) chunk.stage->BackwardWeightModule(i, context, saves);
  }
  if (kind != ActionKind::kBackwardInput && last == 0) FreeSaves(chunk, micro_batch);
}

// Module by module in turns: where one waits for its collective, the other computes.
void Engine::Overlap(const Step& step, const Action& action) {
  const int forward = chunks_[static_cast<size_t>(action.chunk)].stage->num_modules();
  const int backward = chunks_[static_cast<size_t>(action.backward_chunk)].stage->num_modules();
  for (int i = 0; i < std::max(forward, backward); ++i) {
    if (i < forward) Forward(step, action.chunk, action.micro_batch, i);
    if (i < backward) {
      Backward(step, ActionKind::kBackward, action.backward_chunk, action.backward_micro_batch,
               backward - 1 - i);
    }
  }
}

}  // namespace cadmus
