// SPDX-License-Identifier: Apache-2.0
// NcclCommunicator: a group of GPUs, a rank each, over NCCL. Calls go into their stream and are
// followed by the rank's watcher. Sums are NCCL's own: repeatable on the same machines, but not in
// rank order. A lone send holds later calls of its own group. Groups are not revoked or rebuilt.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "collectives/communicator/communicator.h"
#include "collectives/nccl/call_watch.h"
#include "collectives/nccl/nccl_group.h"
#include "kernels/base/unique_handle.h"

namespace cadmus {

class NcclCommunicator final : public Communicator, private WatchedCalls {
 public:
  // What all groups of a rank share; outlives them.
  struct Shared {
    const NcclLibrary& library;
    Recorder& recorder;
    CallWatcher& watcher;
  };

  // The group of the ranks of `meeting` (MeetingOptions), over which they agree. Collective;
  // warmed.
  NcclCommunicator(const Shared& shared, std::unique_ptr<Communicator> meeting,
                   std::vector<int> world_ranks, const CommunicatorOptions& options);
  ~NcclCommunicator() override;  // waits for the calls issued so far

  // Registered with NCCL: a block of the device's memory is registered when it is first handed out,
  // and stays so.
  Tensor Allocate(DType dtype, const Shape& shape, MemoryCategory category,
                  Stream& stream) override;

  using Communicator::MakeGroup;
  std::unique_ptr<Communicator> MakeGroup(std::span<const int> members, std::string name,
                                          const CommunicatorOptions& options) override;
  // Both throw kCommunication.
  void Revoke(const std::string& reason) override;
  std::unique_ptr<Communicator> Rebuild(int64_t epoch, std::span<const int> members) override;

 protected:
  void Issue(std::span<const CollectiveCall> calls, Stream& stream) override;

 private:
  struct MarkTraits {
    using Handle = cudaEvent_t;
    static constexpr Handle kEmpty = nullptr;
    static void Close(Handle event) noexcept;
  };
  struct Marks {
    UniqueHandle<MarkTraits> begin, end;
  };

  static std::vector<Marks> MakeMarks();

  Phase PhaseOf(int slot) override;
  std::string AsyncError() override;
  void Abort(std::exception_ptr failure) noexcept override;

  ncclResult_t Enqueue(const CollectiveCall& call, ncclComm_t comm, cudaStream_t stream);
  ncclResult_t EnqueueAllToAll(const CollectiveCall& call, ncclComm_t comm, cudaStream_t stream);
  void Warm();

  const Shared shared_;
  const std::unique_ptr<Communicator> meeting_;
  const std::vector<int> world_ranks_;
  const int ordinal_;         // of the rank's GPU
  std::vector<Marks> marks_;  // one for each slot of the watch
  NcclGroup group_;
  CallWatch watch_;
  CallWatcher::Registration watched_;
  int64_t num_collectives_ = 0;
  int64_t num_point_to_point_ = 0;
  std::set<std::pair<void*, int64_t>> registered_;
};

}  // namespace cadmus
