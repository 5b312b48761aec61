// SPDX-License-Identifier: Apache-2.0
#include "runtime/parallel/pipeline/links.h"

namespace cadmus {
namespace {

const char* Site(Payload payload) {
  return payload == Payload::kActivation ? "activation to the next stage"
                                         : "gradient to the stage before";
}

}  // namespace

PipelineLinks::PipelineLinks(const Groups& groups, const Spec& spec, Stream& compute)
    : groups_(groups), spec_(spec), compute_(compute), computed_(compute.device().NewEvent()) {
  if (spec.max_messages > 0) {
    receiving_ = compute.device().NewStream(StreamKind::kCommunication, "pipeline receive");
  }
  for (int i = 0; i < spec.max_messages; ++i) {
    messages_.push_back({.tensor = Tensor(), .over = compute.device().NewEvent()});
    free_messages_.push_back(i);
  }
}

Stream& PipelineLinks::OutgoingStream(int peer, Payload payload) {
  for (const Outgoing& outgoing : outgoing_) {
    if (outgoing.peer == peer && outgoing.payload == payload) return *outgoing.stream;
  }
  outgoing_.push_back({.peer = peer,
                       .payload = payload,
                       .stream = compute_.device().NewStream(StreamKind::kCommunication,
                                                             StrCat("pipeline send to ", peer))});
  return *outgoing_.back().stream;
}

Communicator& PipelineLinks::GroupOf(Payload payload) const {
  return payload == Payload::kActivation ? groups_.activations : groups_.gradients;
}

int PipelineLinks::NewMessage(Tensor tensor) {
  CADMUS_CHECK(!free_messages_.empty(), StrCat("more than ", spec_.max_messages, " messages"));
  const int message = free_messages_.back();
  free_messages_.pop_back();
  messages_[static_cast<size_t>(message)].tensor = std::move(tensor);
  return message;
}

int PipelineLinks::Send(Tensor tensor, int peer, Payload payload) {
  const int index = NewMessage(std::move(tensor));
  const Message& message = messages_[static_cast<size_t>(index)];
  Stream& stream = OutgoingStream(peer, payload);
  compute_.Record(*computed_);
  stream.Wait(*computed_);
  GroupOf(payload).Send({.buffer = message.tensor, .peer = peer, .site = Site(payload)}, stream);
  stream.Record(*message.over);
  return index;
}

int PipelineLinks::Receive(int peer, Payload payload) {
  const int index =
      NewMessage(Tensor(spec_.dtype, spec_.shape, MemoryCategory::kActivationsInput, compute_));
  const Message& message = messages_[static_cast<size_t>(index)];
  compute_.Record(*computed_);  // behind whoever used this memory before
  receiving_->Wait(*computed_);
  GroupOf(payload).Receive({.buffer = message.tensor, .peer = peer, .site = Site(payload)},
                           *receiving_);
  receiving_->Record(*message.over);
  return index;
}

void PipelineLinks::Release(int message) { Take(message); }

Tensor PipelineLinks::Take(int message) {
  compute_.Wait(*messages_[static_cast<size_t>(message)].over);
  free_messages_.push_back(message);
  return std::move(messages_[static_cast<size_t>(message)].tensor);
}

}  // namespace cadmus
