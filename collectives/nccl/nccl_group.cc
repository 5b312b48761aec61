// SPDX-License-Identifier: Apache-2.0
#include "collectives/nccl/nccl_group.h"

#include <exception>
#include <utility>

#include "collectives/recorder/recorder.h"
#include "kernels/base/error.h"
#include "kernels/base/log.h"

namespace cadmus {
namespace {

constexpr std::chrono::seconds kAbortLimit(5);

}  // namespace

void CheckNccl(const NcclLibrary& library, ncclResult_t result, const char* call,
               const std::string& group) {
  if (result == ncclSuccess || result == ncclInProgress) return;
  throw Error(Kind::kCommunication,
              StrCat("group ", group, ": ", call, ": ", library.GetErrorString(result), ": ",
                     library.GetLastError(nullptr)));
}

NcclGroup::NcclGroup(const NcclLibrary& library, const Spec& spec)
    : library_(library), spec_(spec) {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  config.commName = spec_.name.c_str();
  try {
    CheckNccl(library_,
              library_.CommInitRankConfig(&comm_, spec_.size, spec_.id, spec_.rank, &config),
              "ncclCommInitRankConfig", spec_.name);
    AwaitIssued("ncclCommInitRankConfig");
  } catch (...) {
    Abort();
    throw;
  }
}

NcclGroup::~NcclGroup() {
  if (comm_ == nullptr) return;
  try {
    Finalise();
  } catch (const std::exception& e) {
    LogError(StrCat("group ", spec_.name, " is aborted at its end: ", e.what()));
    Abort();
  }
}

void NcclGroup::Finalise() {
  CheckNccl(library_, library_.CommFinalize(comm_), "ncclCommFinalize", spec_.name);
  AwaitIssued("ncclCommFinalize");
  CheckNccl(library_, library_.CommDestroy(std::exchange(comm_, nullptr)), "ncclCommDestroy",
            spec_.name);
}

void NcclGroup::RequireComm(const char* call) const {
  if (comm_ != nullptr) return;
  throw Error(Kind::kCommunication, StrCat("group ", spec_.name, ": ", call, ": aborted"));
}

Readiness NcclGroup::Ask(const char* call) const {
  ncclResult_t state = ncclSuccess;
  CheckNccl(library_, library_.CommGetAsyncError(comm_, &state), "ncclCommGetAsyncError",
            spec_.name);
  CheckNccl(library_, state, call, spec_.name);
  return state == ncclInProgress ? Readiness::kInProgress : Readiness::kReady;
}

void NcclGroup::AwaitIssued(const char* call) const {
  AwaitReady(
      [&] { return Ask(call); }, spec_.limit,
      StrCat("group ", spec_.name, " (", spec_.size, " ranks), rank ", spec_.rank, ", ", call));
}

void NcclGroup::Register(void* memory, int64_t bytes) {
  const std::lock_guard lock(mutex_);
  RequireComm("ncclCommRegister");
  void* handle = nullptr;  // goes with the communicator
  CheckNccl(library_, library_.CommRegister(comm_, memory, static_cast<size_t>(bytes), &handle),
            "ncclCommRegister", spec_.name);
}

std::string NcclGroup::AsyncError() {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock || comm_ == nullptr) return "";  // who holds it asks by itself
  try {
    Ask("a call under way");
    return "";
  } catch (const Error& error) {
    return error.message();
  }
}

void NcclGroup::Abort() noexcept {
  const std::lock_guard lock(mutex_);
  const ncclComm_t comm = std::exchange(comm_, nullptr);
  if (comm == nullptr) return;
  try {
    const bool has_ended = AbortWithin(
        kAbortLimit, [comm, &library = library_] { static_cast<void>(library.CommAbort(comm)); });
    if (!has_ended) {
      LogError(StrCat("group ", spec_.name, ": ncclCommAbort has not come back within ",
                      InWords(kAbortLimit), " and is left behind: end this process"));
    }
  } catch (const std::exception& e) {
    LogError(StrCat("group ", spec_.name, " could not be aborted: ", e.what()));
  }
}

}  // namespace cadmus
