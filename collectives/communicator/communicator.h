// SPDX-License-Identifier: Apache-2.0
// Communicator: a named group of ranks and the collectives among them, asynchronous on a stream.
// Implementations: local (ranks are threads of one process), mpi, sim (records only), nccl.
//
// Sums are taken in rank order per element, whatever the position, message size or algorithm: ((x0
// + x1) + x2) + …, so any bucket size gives the same bits. (NCCL's native algorithms promise
// repeatability only.) All ranks of a group issue the same collectives in the same order, and in
// one order across the groups that share a device. Calls wait for each other in that order, but for
// sends, which go on beside later calls of the rank (see Send). Every wait has the group's time
// limit; then, or when a peer fails, an Error(kCommunication) says which group, operation, sequence
// number and ranks are missing. It surfaces where the stream or an event of it is synchronised, or
// from the next call on the group.
//
//   world.AllReduce({.buffer = bucket, .site = "gradients"}, stream);
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "collectives/communicator/collective_call.h"
#include "kernels/base/tensor_view.h"
#include "kernels/device/stream.h"
#include "kernels/device/tensor.h"

namespace cadmus {

// `site` says in words what a call is for; it must outlive the group (a literal, or a name kept by
// the caller).
struct AllReduceArgs {
  TensorView buffer;  // in place; f64, f32 or bf16; contiguous
  const char* site = "";
};
struct ReduceScatterArgs {
  ConstTensorView input;  // size() equal parts
  TensorView output;      // this rank's part of the sum; may be that part of the input
  const char* site = "";
};
struct AllGatherArgs {
  ConstTensorView input;  // this rank's part
  TensorView output;      // size() parts in rank order; the input may be this rank's part of it
  const char* site = "";
};
struct AllToAllArgs {
  ConstTensorView input;  // size() equal parts: part p goes to rank p
  TensorView output;      // part p comes from rank p
  const char* site = "";
};
// Parts of different sizes, known on the host: counts in elements, parts in rank order without
// gaps.
struct AllToAllUnevenArgs {
  ConstTensorView input;
  std::span<const int64_t> input_counts;
  TensorView output;
  std::span<const int64_t> output_counts;
  const char* site = "";
};
struct BroadcastArgs {
  TensorView buffer;
  int root = 0;
  const char* site = "";
};
struct SendArgs {
  ConstTensorView buffer;
  int peer = 0;
  const char* site = "";
};
struct ReceiveArgs {
  TensorView buffer;
  int peer = 0;
  const char* site = "";
};

// What a group is given at its making.
struct CommunicatorOptions {
  // The longest wait for a peer that makes no progress. Shorter than the device's wait limit, so
  // that the message that names the ranks comes first.
  std::chrono::milliseconds limit = std::chrono::minutes(5);
  // Device memory of each group of two or more ranks, through which sums are taken in chunks.
  int64_t workspace_bytes = int64_t{8} << 20;
};

class Communicator {
 public:
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  virtual ~Communicator() = default;

  const std::string& name() const { return name_; }  // the axis or axes, e.g. "dp_replicate"
  int rank() const { return rank_; }
  int size() const { return size_; }
  Device& device() const { return device_; }
  const CommunicatorOptions& options() const { return options_; }

  // Memory that this group's transport can use directly. Plain device memory by default.
  virtual Tensor Allocate(DType dtype, const Shape& shape, MemoryCategory category, Stream& stream);

  // Dtypes other than f64, f32 and bf16 can be moved, not summed; bf16 is summed in f32, and a
  // result rounded once. Argument errors throw kInternal at the
  // call. Buffers are contiguous, and stay valid until the stream has passed the call.
  void AllReduce(const AllReduceArgs& args, Stream& stream);
  void ReduceScatter(const ReduceScatterArgs& args, Stream& stream);
  void AllGather(const AllGatherArgs& args, Stream& stream);
  void AllToAll(const AllToAllArgs& args, Stream& stream);
  void AllToAllUneven(const AllToAllUnevenArgs& args, Stream& stream);
  void Broadcast(const BroadcastArgs& args, Stream& stream);
  void Barrier(const char* site, Stream& stream);
  // A send is asynchronous for the rank: it starts when its stream has reached it and all calls but
  // sends that were issued before are over, and no later call of any group waits for it. Only its
  // own stream is held until the peer has taken it, which may be after later collectives, also of
  // this group; so on a stream that runs inline, Send returns then. At most 32 calls of a group may
  // be under way; a further one waits. A receive blocks the rank's later communication until the
  // message has arrived. Messages of one group from one rank to another are received in the order
  // in which they were issued: payloads that may overtake each other need groups of their own.
  // Inside a Group sends and receives run together, so that a ring of ranks can do both at once;
  // they block later communication as a receive does.
  void Send(const SendArgs& args, Stream& stream);
  void Receive(const ReceiveArgs& args, Stream& stream);

  // A new group of `members` (ranks of this group, in the order of their new ranks; this rank is
  // one of them). Collective over the members only; blocks. Same options as this group unless
  // given.
  std::unique_ptr<Communicator> MakeGroup(std::span<const int> members, std::string name) {
    return MakeGroup(members, std::move(name), options_);
  }
  virtual std::unique_ptr<Communicator> MakeGroup(std::span<const int> members, std::string name,
                                                  const CommunicatorOptions& options) = 0;

  // Makes every present and later call of this group on every rank fail at once with `reason`.
  // Throws kCommunication where the transport cannot (Open MPI 4.1).
  virtual void Revoke(const std::string& reason) = 0;
  // The group of the surviving `members` (ranks of this group), as `epoch`, which must be new to
  // this group; collective over them. As Revoke.
  virtual std::unique_ptr<Communicator> Rebuild(int64_t epoch, std::span<const int> members) = 0;

 protected:
  Communicator(std::string name, int rank, int size, Device& device,
               const CommunicatorOptions& options);

  // Enqueues checked calls: one, or sends and receives that run together.
  virtual void Issue(std::span<const CollectiveCall> calls, Stream& stream) = 0;

  // The options' bytes of kCommunication memory; empty where this rank is alone.
  const TensorView& workspace() const { return workspace_; }

 private:
  friend class Group;
  void BeginGroup();
  void EndGroup();
  void DiscardGroup() noexcept;

  void Submit(const CollectiveCall& call, const ConstTensorView& input, const TensorView& output,
              Stream& stream);
  void AppendToTrace(const CollectiveCall& call, const ConstTensorView& input,
                     const TensorView& output, const Stream& stream) const;

  std::string name_;
  int rank_;
  int size_;
  Device& device_;
  CommunicatorOptions options_;
  std::unique_ptr<Stream> workspace_stream_;  // only owns the workspace; nothing runs there
  Tensor workspace_;
  bool in_group_ = false;
  std::vector<CollectiveCall> group_calls_;
  Stream* group_stream_ = nullptr;
};

// Batches the sends and receives issued on one communicator during its life, all on one stream.
// They are issued at its end; if an exception ends it, they are forgotten.
class Group {
 public:
  explicit Group(Communicator& communicator);
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;
  ~Group() noexcept(false);

 private:
  Communicator& communicator_;
  int exceptions_at_start_;
};

}  // namespace cadmus
