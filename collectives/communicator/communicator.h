// SPDX-License-Identifier: Apache-2.0
// Communicator: a named group of ranks and the collectives among them, asynchronous on a stream.
// Implementations: local (ranks are threads of one process), mpi, sim (records only), nccl.
//
// Sums are taken in rank order per element, whatever the position, message size or algorithm: ((x0
// + x1) + x2) + …, so any bucket size gives the same bits. (NCCL's native algorithms promise
// repeatability only.) All ranks of a group issue the same calls in the same order, and in one
// order across the groups that share a device. Every wait has the group's time limit; then, or when
// a peer fails, an Error(kCommunication) says which group, operation, sequence number and ranks are
// missing. It surfaces where the stream or an event of it is synchronised, or from the next call on
// the group.
//
//   world.AllReduce({.buffer = bucket, .site = "gradients"}, stream);
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "kernels/base/tensor_view.h"
#include "kernels/device/stream.h"
#include "kernels/device/tensor.h"

namespace cadmus {

// `site` says in words what a call is for; it must outlive the group (a literal, or a name kept by
// the caller).
struct AllReduceArgs {
  TensorView buffer;  // in place; f64 or f32; contiguous
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

class Communicator {
 public:
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  virtual ~Communicator() = default;

  const std::string& name() const { return name_; }  // the axis or axes, e.g. "dp_replicate"
  int rank() const { return rank_; }
  int size() const { return size_; }

  // Memory that this group's transport can use directly. Plain device memory by default.
  virtual Tensor Allocate(DType dtype, const Shape& shape, MemoryCategory category, Stream& stream);

  // Dtypes other than f64 and f32 can be moved, not summed. Argument errors throw kInternal at the
  // call.
  virtual void AllReduce(const AllReduceArgs& args, Stream& stream) = 0;
  virtual void ReduceScatter(const ReduceScatterArgs& args, Stream& stream) = 0;
  virtual void AllGather(const AllGatherArgs& args, Stream& stream) = 0;
  virtual void AllToAll(const AllToAllArgs& args, Stream& stream) = 0;
  virtual void AllToAllUneven(const AllToAllUnevenArgs& args, Stream& stream) = 0;
  virtual void Broadcast(const BroadcastArgs& args, Stream& stream) = 0;
  virtual void Barrier(const char* site, Stream& stream) = 0;
  // Inside a Group they run together, so that a ring of ranks can send and receive at once.
  virtual void Send(const SendArgs& args, Stream& stream) = 0;
  virtual void Receive(const ReceiveArgs& args, Stream& stream) = 0;

  // A new group of the ranks that pass the same color, ordered by (key, rank). Collective over this
  // group; blocks.
  virtual std::unique_ptr<Communicator> Split(int color, int key, std::string name) = 0;

  // Makes every present and later call of this group on every rank fail at once with `reason`.
  // Throws kCommunication where the transport cannot (Open MPI 4.1).
  virtual void Revoke(const std::string& reason) = 0;
  // The group of the surviving `members` (ranks of this group), as `epoch`; collective over them.
  // As Revoke.
  virtual std::unique_ptr<Communicator> Rebuild(int64_t epoch, std::span<const int> members) = 0;

 protected:
  Communicator(std::string name, int rank, int size)
      : name_(std::move(name)), rank_(rank), size_(size) {}

  friend class Group;
  virtual void BeginGroup() = 0;
  virtual void EndGroup() = 0;

 private:
  std::string name_;
  int rank_;
  int size_;
};

// Batches the sends and receives issued on one communicator during its life.
class Group {
 public:
  explicit Group(Communicator& communicator) : communicator_(communicator) {
    communicator_.BeginGroup();
  }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;
  ~Group() noexcept(false) { communicator_.EndGroup(); }

 private:
  Communicator& communicator_;
};

}  // namespace cadmus
