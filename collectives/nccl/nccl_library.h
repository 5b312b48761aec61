// SPDX-License-Identifier: Apache-2.0
// NcclLibrary: the functions of libnccl.so.2, found by name when first asked for, so that a program
// built with NCCL starts on a machine without it.
#pragma once

#include <nccl.h>

#include <string>

namespace cadmus {

struct NcclLibrary {
  decltype(&::ncclGetVersion) GetVersion;
  decltype(&::ncclGetErrorString) GetErrorString;
  decltype(&::ncclGetLastError) GetLastError;
  decltype(&::ncclGetUniqueId) GetUniqueId;
  decltype(&::ncclCommInitRankConfig) CommInitRankConfig;
  decltype(&::ncclCommGetAsyncError) CommGetAsyncError;
  decltype(&::ncclCommFinalize) CommFinalize;
  decltype(&::ncclCommDestroy) CommDestroy;
  decltype(&::ncclCommAbort) CommAbort;
  decltype(&::ncclCommRegister) CommRegister;
  decltype(&::ncclCommDeregister) CommDeregister;
  decltype(&::ncclGroupStart) GroupStart;
  decltype(&::ncclGroupEnd) GroupEnd;
  decltype(&::ncclAllReduce) AllReduce;
  decltype(&::ncclReduceScatter) ReduceScatter;
  decltype(&::ncclAllGather) AllGather;
  decltype(&::ncclBroadcast) Broadcast;
  decltype(&::ncclSend) Send;
  decltype(&::ncclRecv) Recv;
};

// Throws kConfig, with what the loader says, where it is missing, or older than the header that
// this program was built with.
const NcclLibrary& LoadNccl();

}  // namespace cadmus
