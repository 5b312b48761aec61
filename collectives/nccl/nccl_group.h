// SPDX-License-Identifier: Apache-2.0
// NcclGroup: NCCL's own communicator of one group: made without blocking, asked until it is ready,
// ended or aborted within a limit.
#pragma once

#include <nccl.h>

#include <chrono>
#include <mutex>
#include <string>

#include "collectives/nccl/await_ready.h"
#include "collectives/nccl/nccl_library.h"

namespace cadmus {

// Throws kCommunication in NCCL's words, unless `result` is success or in progress.
void CheckNccl(const NcclLibrary& library, ncclResult_t result, const char* call,
               const std::string& group);

class NcclGroup {
 public:
  struct Spec {
    std::string name;  // NCCL's logs show it
    int rank = 0;
    int size = 1;
    ncclUniqueId id = {};
    std::chrono::milliseconds limit{0};  // of the making and of every other wait
  };

  // Collective; returns once this rank is connected. Throws kCommunication after the limit.
  NcclGroup(const NcclLibrary& library, const Spec& spec);
  NcclGroup(const NcclGroup&) = delete;
  NcclGroup& operator=(const NcclGroup&) = delete;
  // Finalises and destroys, or aborts what has failed; logs what does not end.
  ~NcclGroup();

  // Makes one call of NCCL, or several between GroupStart and GroupEnd, and returns once they are
  // in their stream: until then nothing else may be issued there.
  template <class Call>
  void Issue(const char* name, const Call& call) {
    const std::lock_guard lock(mutex_);
    RequireComm(name);
    CheckNccl(library_, library_.GroupStart(), "ncclGroupStart", spec_.name);
    const ncclResult_t result = call(comm_);
    const ncclResult_t end = library_.GroupEnd();  // also behind a failure: groups are per thread
    CheckNccl(library_, result, name, spec_.name);
    CheckNccl(library_, end, name, spec_.name);
    AwaitIssued(name);
  }

  void Register(void* memory, int64_t bytes);

  // What NCCL has found wrong since, in words; empty: nothing. Any thread.
  std::string AsyncError();
  // Ends what is under way. Any thread; once. Logs if it takes longer than the limit of an abort.
  void Abort() noexcept;

 private:
  // All require the lock.
  void RequireComm(const char* call) const;
  Readiness Ask(const char* call) const;
  void AwaitIssued(const char* call) const;
  void Finalise();

  const NcclLibrary& library_;
  const Spec spec_;
  std::mutex mutex_;  // an abort frees the communicator, which no other call may be using then
  ncclComm_t comm_ = nullptr;  // null: aborted
};

}  // namespace cadmus
