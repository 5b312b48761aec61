// SPDX-License-Identifier: Apache-2.0
#include "tests/launch/run/layouts/tampered_communicator.h"

#include <optional>

namespace cadmus {
namespace {

// The group behind has the memory that sums need; this one needs none.
CommunicatorOptions WithoutWorkspace(const Communicator& inner) {
  return {.limit = inner.options().limit, .workspace_bytes = int64_t{8} * inner.size()};
}

}  // namespace

TamperedCommunicator::TamperedCommunicator(std::unique_ptr<Communicator> inner, Tamper tamper)
    : Communicator(inner->name(), inner->rank(), inner->size(), inner->device(),
                   WithoutWorkspace(*inner)),
      inner_(std::move(inner)),
      tamper_(std::move(tamper)) {}

std::unique_ptr<Communicator> TamperedCommunicator::MakeGroup(std::span<const int> members,
                                                              std::string name,
                                                              const CommunicatorOptions&) {
  return std::make_unique<TamperedCommunicator>(inner_->MakeGroup(members, std::move(name)),
                                                tamper_);
}

void TamperedCommunicator::Issue(std::span<const CollectiveCall> calls, Stream& stream) {
  std::optional<Group> together;
  if (calls.size() > 1) together.emplace(*inner_);
  for (const CollectiveCall& call : calls) {
    tamper_({.call = call,
             .group = name(),
             .group_rank = rank(),
             .group_size = size(),
             .stream = stream,
             .forward = [&] { Forward(call, stream); }});
  }
}

void TamperedCommunicator::Forward(const CollectiveCall& call, Stream& stream) {
  const auto input = [&](int64_t parts) {
    return ConstTensorView(call.input, call.dtype, {call.count * parts});
  };
  const auto output = [&](int64_t parts) {
    return TensorView(call.output, call.dtype, {call.count * parts});
  };
  switch (call.op) {
    case CollectiveOp::kAllReduce:
      return inner_->AllReduce({.buffer = output(1), .site = call.site}, stream);
    case CollectiveOp::kReduceScatter:
      return inner_->ReduceScatter({.input = input(size()), .output = output(1), .site = call.site},
                                   stream);
    case CollectiveOp::kAllGather:
      return inner_->AllGather({.input = input(1), .output = output(size()), .site = call.site},
                               stream);
    case CollectiveOp::kAllToAll:
      return inner_->AllToAll({.input = input(size()), .output = output(size()), .site = call.site},
                              stream);
    case CollectiveOp::kBroadcast:
      return inner_->Broadcast({.buffer = output(1), .root = call.peer, .site = call.site}, stream);
    case CollectiveOp::kBarrier:
      return inner_->Barrier(call.site, stream);
    case CollectiveOp::kSend:
      return inner_->Send({.buffer = input(1), .peer = call.peer, .site = call.site}, stream);
    case CollectiveOp::kReceive:
      return inner_->Receive({.buffer = output(1), .peer = call.peer, .site = call.site}, stream);
    default:
      CADMUS_UNREACHABLE(StrCat("training issues no ", Name(call.op)));
  }
}

}  // namespace cadmus
